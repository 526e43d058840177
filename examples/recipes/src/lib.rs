//! Recipes: sealed-session in frameworks that it has no adapter for. Copy a module; `Login` takes the
//! place of your own session type.

#![forbid(unsafe_code)]

/// How a session is kept in poem.
pub mod poem;
/// How a session is kept in Rocket.
pub mod rocket;
/// How a session is kept in salvo.
pub mod salvo;

use serde::{Deserialize, Serialize};

/// The data of a session in these recipes.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// The user's number.
    pub user: u64,
}

#[cfg(test)]
mod testing;
