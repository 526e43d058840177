//! One module per target; each has `run`, which panics if the crate is wrong.

pub mod cache_merge;
pub mod cookie_header;
pub mod device;
pub mod edge;
pub mod open;
pub mod opened_cache;
pub mod ring_text;
pub mod round_trip;
pub mod session_model;
pub mod set_cookie;
