//! What the library promises, without a framework.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]
#![allow(
    clippy::duplicate_mod,
    reason = "some suites run with the cache of opened sessions and without"
)]

mod adopt;
mod auto_traits;
mod config;
#[cfg(feature = "device")]
mod device_proofs;
mod edge;
mod floors;
#[cfg(feature = "cookie")]
mod jar;
mod opened_cache;
mod reload;
mod revocation;
mod revocation_directory;
mod revocation_file;
mod security_doc;
mod spec;
mod targets;
#[cfg(feature = "tracing")]
mod tracing;

use std::sync::Arc;

use sealed_session::{Builder, KeyRing, SessionData, Sessions};

/// The cache of opened sessions is as by default.
#[path = "."]
mod with_cache {
    use super::*;

    pub(crate) fn builder<T: SessionData>(keys: impl Into<Arc<KeyRing>>) -> Builder<T> {
        Sessions::builder(keys)
    }

    mod chunk_histories;
    mod chunks;
    #[cfg(feature = "device")]
    mod device;
    mod guests;
    mod session_laws;
    mod table;
    mod weaknesses;
}

/// Each request opens its session anew.
#[path = "."]
mod without_cache {
    use super::*;

    pub(crate) fn builder<T: SessionData>(keys: impl Into<Arc<KeyRing>>) -> Builder<T> {
        Sessions::builder(keys).opened_cache(0)
    }

    mod chunk_histories;
    mod chunks;
    #[cfg(feature = "device")]
    mod device;
    mod guests;
    mod session_laws;
    mod table;
    mod weaknesses;
}
