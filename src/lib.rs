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

mod revocation;

// Column 3: header text.
mod cookie;

mod cache;

mod headers;

// Composition and adapters.
mod sealer;
mod sessions;

mod edge;

mod reload;

#[cfg(any(feature = "tower", feature = "actix"))]
mod layers;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "axum")]
mod axum;

#[cfg(feature = "actix")]
mod actix;

#[cfg(feature = "tracing")]
mod tracing;

pub use crate::cookie::SameSite;
pub use crate::edge::{Checked, Checker, EdgeRights};
pub use crate::error::{ConfigError, KeyError, OpenError, Reason, RevocationFileError, RevocationsError, SealError};
pub use crate::headers::{Patch, RequestFields, ResponseHeaders};
pub use crate::ids::{KeyId, NotAnId, SessionId};
pub use crate::key::{Key, SecretText};
pub use crate::key_source::{KeySource, RingFile};
pub use crate::keyring::{KeyDescription, KeyRing, Role};
pub use crate::reload::{KeyReloader, KeyReloading, Reload};
pub use crate::revocation::file::RevocationFile;
pub use crate::revocation::{RevocationCursor, RevocationList, Revocations};
pub use crate::sealer::{SealedValue, Sealer};
pub use crate::session::event::{Event, Level, Observer};
pub use crate::session::{Opened, Session, State};
pub use crate::sessions::builder::Builder;
pub use crate::sessions::{FinishError, Sessions};
pub use crate::token::Claims;

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub use crate::actix::{SessionFuture, SessionMiddleware, SessionMiddlewareService};
#[cfg(any(feature = "tower", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tower", feature = "actix"))))]
pub use crate::layers::LayerError;
#[cfg(any(feature = "axum", feature = "actix"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "axum", feature = "actix"))))]
pub use crate::layers::RequireSession;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::tower::{ResponseFuture, SessionLayer, SessionService};
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use crate::tracing::TracingObserver;
