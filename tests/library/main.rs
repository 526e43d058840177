//! What the library promises, without a framework.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod auto_traits;
mod config;
mod edge;
mod floors;
mod guests;
mod reload;
mod revocation;
mod revocation_file;
mod security_doc;
mod session_laws;
mod spec;
mod table;
#[cfg(feature = "tracing")]
mod tracing;
mod weaknesses;
