// The README is the front page of the documentation; its axum program is compiled where axum is there.
#![cfg_attr(any(not(doctest), feature = "axum"), doc = include_str!("../README.md"))]
// The operator's page is compiled with it.
#![cfg_attr(doctest, doc = include_str!("../docs/operating.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

// Ground.
mod buffer;
mod error;
mod ids;
mod time;

// Column 1, the audit room: bytes and keys.
mod token;

mod key;
mod keyring;

mod key_source;

mod day_keys;

// Column 2: meaning and time.
mod session;

pub mod revocation;

// Column 3: header text.
mod cookie;

mod cache;

pub mod headers;

// Composition and adapters.
pub mod sealer;
mod sessions;

pub mod edge;

mod reload;

#[cfg(any(feature = "tower", feature = "actix"))]
mod next_page;

#[cfg(any(feature = "tower", feature = "actix"))]
mod layers;

#[cfg(any(feature = "axum", feature = "actix"))]
mod guard;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub mod tower;

#[cfg(feature = "axum")]
mod axum;

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub mod actix;

#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

/// Secrets, rings of them, and rings that change while the server runs.
pub mod keys {
    pub use crate::error::KeyError;
    pub use crate::ids::{KeyId, ParseIdError};
    pub use crate::key::{Key, SecretText};
    pub use crate::key_source::{KeySource, RingFile};
    pub use crate::keyring::{KeyDescription, KeyRing, Role};
    pub use crate::reload::{KeyReloader, Reload, ReloadGuard};
}

/// What happens to sessions and keys, for logs and counters.
pub mod events {
    pub use crate::session::event::{Event, Level, Observer};
    #[cfg(feature = "tracing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub use crate::tracing::TracingObserver;
}

pub use crate::cookie::SameSite;
pub use crate::error::{ConfigError, Reason, WriteError};
pub use crate::events::Event;
#[cfg(any(feature = "axum", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "axum", feature = "actix"))))]
pub use crate::guard::RequireSession;
pub use crate::headers::RequestFields;
pub use crate::ids::SessionId;
pub use crate::keys::{Key, KeyRing};
#[cfg(any(feature = "tower", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tower", feature = "actix"))))]
pub use crate::layers::LayerError;
#[cfg(any(feature = "tower", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tower", feature = "actix"))))]
pub use crate::next_page::next_page;
pub use crate::sealer::Sealer;
pub use crate::session::lifetime::Lifetime;
pub use crate::session::{Opened, SessionData, SessionState, Updated};
pub use crate::sessions::builder::Builder;
pub use crate::sessions::{Session, Sessions};
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::tower::SessionLayer;
