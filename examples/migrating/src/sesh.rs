//! From seshcookie.

pub mod beside;
pub mod new;
pub mod old;
pub mod read;
