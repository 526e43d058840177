//! One module per target; each has `run`, which panics if the crate is wrong, and `seeds`, made from the vectors.

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

/// Name, check and seeds.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

pub const ALL: [Target; 10] = [
    ("open", open::run, open::seeds),
    ("cookie_header", cookie_header::run, cookie_header::seeds),
    ("ring_text", ring_text::run, ring_text::seeds),
    ("round_trip", round_trip::run, round_trip::seeds),
    ("set_cookie", set_cookie::run, set_cookie::seeds),
    ("cache_merge", cache_merge::run, cache_merge::seeds),
    ("device", device::run, device::seeds),
    ("edge", edge::run, edge::seeds),
    ("session_model", session_model::run, session_model::seeds),
    ("opened_cache", opened_cache::run, opened_cache::seeds),
];

/// The target of this name.
pub fn find(name: &str) -> Target {
    let found = ALL.into_iter().find(|(target, ..)| *target == name);
    found.unwrap_or_else(|| panic!("no target {name}"))
}
