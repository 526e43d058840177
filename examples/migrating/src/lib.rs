//! Before, during and after the switch from another session library: one small shop, in three releases for each library.

pub mod actix_cookie;
pub mod actix_store;
pub mod iron;
pub mod jar;
pub mod sesh;
pub mod tower;

use serde::{Deserialize, Serialize};

/// The data of a session, in each of the libraries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Login {
    pub user: u32,
    pub cart: Vec<String>,
}

impl Login {
    pub fn of(user: u32) -> Self {
        Self { user, cart: Vec::new() }
    }
}

/// The page of the shop.
pub fn page(login: Option<&Login>) -> String {
    match login {
        Some(Login { user, cart }) => format!("user {user}, cart: {}", cart.join(" ")),
        None => "guest".to_owned(),
    }
}
