// The README is the front page of the documentation; its axum program is compiled where axum is there.
#![cfg_attr(any(not(doctest), feature = "axum"), doc = include_str!("../README.md"))]
// The operator's page is compiled with it.
#![cfg_attr(doctest, doc = include_str!("../docs/operating.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations, missing_docs)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate)]

// Ground.
mod aead;
mod buffer;
mod error;
mod files;
mod ids;
mod time;

/// Secrets, rings of them, and rings that change while the server runs.
pub mod keys {
    pub(crate) mod day_keys;
    pub(crate) mod key;
    pub(crate) mod ring;
    pub(crate) mod source;

    pub use self::key::{Key, SecretText};
    pub use self::ring::{KeyDescription, KeyRing, Role};
    pub use self::source::{KeySource, RingFile};
    pub use crate::error::KeyError;
    pub use crate::ids::{KeyId, ParseIdError};
    pub use crate::sessions::reload::{KeyReloader, Reload, ReloadGuard};
}

mod token;

mod session;

pub mod revocation;

pub mod headers;

mod sessions;

mod adapters {
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) mod next_page;

    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) mod layers;

    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) mod guard;

    #[cfg(feature = "http")]
    mod http;

    #[cfg(feature = "tower")]
    pub mod tower;

    #[cfg(feature = "axum")]
    mod axum;

    #[cfg(feature = "actix")]
    pub mod actix;

    #[cfg(feature = "tracing")]
    pub(crate) mod tracing;
}

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

/// What happens to sessions and keys, for logs and counters.
pub mod events {
    #[cfg(feature = "tracing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub use crate::adapters::tracing::TracingObserver;
    pub use crate::session::event::{Event, Level, Observer};
}

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub use crate::adapters::actix;
#[cfg(any(feature = "axum", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "axum", feature = "actix"))))]
pub use crate::adapters::guard::RequireSession;
#[cfg(any(feature = "tower", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tower", feature = "actix"))))]
pub use crate::adapters::layers::LayerError;
#[cfg(any(feature = "tower", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tower", feature = "actix"))))]
pub use crate::adapters::next_page::next_page;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::adapters::tower;
pub use crate::error::{ConfigError, Reason, WriteError};
pub use crate::events::Event;
pub use crate::headers::RequestFields;
pub use crate::headers::cookie::SameSite;
pub use crate::ids::SessionId;
pub use crate::keys::{Key, KeyRing};
pub use crate::session::lifetime::Lifetime;
pub use crate::session::{Opened, SessionData, SessionState, Updated};
pub use crate::sessions::builder::Builder;
pub use crate::sessions::sealer::Sealer;
pub use crate::sessions::{Session, Sessions};
pub use crate::sessions::{edge, sealer};
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::tower::SessionLayer;
