//! Recipes: sealed-session in frameworks that it has no adapter for. Each module is to be copied; `Login` is the type
//! of your own sessions.

#![forbid(unsafe_code)]

/// How a session is kept in poem.
pub mod poem;
/// How a session is kept in Rocket.
pub mod rocket;
/// How a session is kept in salvo.
pub mod salvo;

use serde::{Deserialize, Serialize};

/// What the sessions of these recipes hold.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// The number of the user.
    pub user: u64,
}

#[cfg(test)]
mod testing;
