//! The references that the crate is compared with: slow, short and obvious.

pub mod caches;
pub mod cookie_field;
pub mod javascript;
pub mod json;
pub mod seal;
pub mod set_cookie;
pub mod table;
pub mod token;
