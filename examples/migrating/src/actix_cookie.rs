//! From actix-session with its cookie store.

pub mod beside;
pub mod new;
pub mod old;
