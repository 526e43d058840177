//! From actix-session with its Redis store.

pub mod adopt;
pub mod beside;
pub mod new;
pub mod old;
