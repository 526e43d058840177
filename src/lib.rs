//! Typed web sessions that live in the visitor's cookie.
//!
//! The session is a type of yours, written with serde and sealed with AES-256-GCM under keys that you rotate without
//! signing users out. It expires by itself, and the server keeps no table of sessions.
//!
//! Without your secret, or day keys made from it, an attacker cannot read or forge a session, prolong it beyond its
//! absolute timeout, move it to another cookie or application, or use it once it is idle. A bad cookie never fails a request. [SECURITY.md][security] has the
//! threat model and says what no stateless session can do.
//!
//! # A first program
//!
//! [`Sessions`] holds the configuration and the keys; one value serves the whole program. [`Session`] is the session of
//! one request.
//!
//! ```
//! use sealed_session::{Key, KeyRing, RequestFields, Sessions};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login { user: u64 }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).audience("shop").build()?;
//!     let mut session = sessions.load(RequestFields::from_cookies(["theme=dark"])); // the Cookie header fields
//!     session.start(Login { user: 7 })?; // after authentication: a new session with a new id
//!     println!("signed in: {:?}", session.get().map(|login| login.user));
//!     let mut headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
//!     session.finish(200, &mut headers); // sets Set-Cookie, Cache-Control and Vary; nothing is left to fail
//!     headers.iter().for_each(|(name, value)| println!("{name}: {value}"));
//!     Ok(())
//! }
//! ```
//!
//! With a framework, a layer does the first and the last step, and handlers take the session:
//!
//! | framework | layer | in handlers |
//! |---|---|---|
//! | axum 0.8 (feature `axum`) | [`SessionLayer`] | [`Session<T>`](Session), [`RequireSession<T>`][`RequireSession`] |
//! | actix-web 4 (`actix`) | [`SessionMiddleware`] | the same |
//! | tower (`tower`) | [`SessionLayer`] | [`Session::from_extensions`][from_extensions] |
//! | `http` 1 (`http`) | [`Sessions::load`] of a `HeaderMap`, [`Session::finish`] into one | |
//! | any other | [`RequestFields::from_cookies`], [`Session::finish`] into [`ResponseHeaders`](headers::ResponseHeaders) | |
//!
//! [README.md][readme] has a whole axum program; [examples][examples] has more, and Rocket, poem and salvo.
//!
//! # Guide
//!
//! The [guide](guide/index.html) has a page for each question, with code:
//!
//! - [your first session](guide/first_session/index.html), [guests with a cart](guide/guests/index.html),
//!   [sign-in, guards and roles](guide/sign_in/index.html), [OpenID Connect](guide/openid_connect/index.html),
//!   [timeouts and "remember me"](guide/remember_me/index.html), [sign-outs that hold](guide/sign_out/index.html),
//!   [messages shown once](guide/flash/index.html)
//! - [forged requests (CSRF)](guide/csrf/index.html), [sessions bound to the device](guide/device_binding/index.html),
//!   [caches and the order of layers](guide/caches/index.html)
//! - [tests of your application](guide/testing/index.html), [keys and rotation](guide/keys/index.html),
//!   [several servers](guide/several_servers/index.html), [from another library](guide/migrating/index.html),
//!   [troubleshooting](guide/troubleshooting/index.html), and ten [words](guide/glossary/index.html)
//!
//! # Errors
//!
//! | type | when | what a visitor sees |
//! |---|---|---|
//! | [`KeyError`](keys::KeyError) | a key or ring is refused | nothing: at start |
//! | [`ConfigError`] | `build` refuses a configuration, with a sentence that says what to change | nothing: at start |
//! | [`RevocationFileError`](revocation::RevocationFileError) | the file of revocations is in use, damaged or cannot be written | nothing: at start |
//! | [`LayerError`] | a session layer is missing, contradicts another, or its sign-in page is no path | a 500 that says what to change |
//! | [`WriteError`] | a write is too large, too late, in conflict with another, without random bytes, over a session whose device has not proven itself, or would not read back; the session is as it was | what the handler makes of it (axum, actix: a 500; a 401 where a device is unproven) |
//! | [`SealError`](sealer::SealError) | a `Sealer` does not seal: too large, an expiry out of range, or no random bytes | what the handler makes of it |
//! | [`OpenError`](sealer::OpenError) | a `Sealer`'s value does not open; one text for every reason | what the handler makes of it |
//!
//! Every write can fail; [`finish`](Session::finish) cannot. A cookie that does not open is no error: the request has
//! no session, and [`Session::state`] and the [`Observer`](events::Observer) know the precise [`Reason`]. When a deploy
//! changes your type, give new fields `#[serde(default)]`; a payload that no longer fits is no session.
//!
//! # Single sealed values
//!
//! [`Sealer`] seals bytes for a purpose, such as a magic link or OAuth state. Such a value never opens as a session. It
//! opens any number of times until it expires: single use needs a store of its [`id`](sealer::OpenedValue::id).
//!
//! # At an edge
//!
//! [js/][js] reads, checks and writes the same cookies in JavaScript, with nothing but WebCrypto: in a CDN worker, in
//! Node, in a browser. [`Sessions::edge_keys`] exports keys that tell live sessions from others and read nothing;
//! [`edge::Checker`] uses them in Rust.
//!
//! The crate itself runs in WebAssembly too: on `wasm32-wasip1` as it is, and on `wasm32-unknown-unknown` (Cloudflare's
//! `worker`, browsers) with the feature `wasm_js`, since that target has neither random bytes nor a clock of its own.
//! Threads and files are not there: what needs them is an error.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | none | [`Sessions`], [`Sealer`], [`keys`], [`revocation`] and [`edge`], on strings and bytes |
//! | `http` | `HeaderMap` of `http` 1 in and out |
//! | `tower` | [`SessionLayer`], [`next_page`] |
//! | `axum` | the extractors [`Session<T>`](Session) and [`RequireSession<T>`][`RequireSession`] for axum 0.8 |
//! | `actix` | [`SessionMiddleware`] for actix-web 4, the same extractors, [`next_page`] |
//! | `device` | sessions [bound to the visitor's device](guide/device_binding/index.html), **experimental** |
//! | `cookie` | a reader for the [jars of the `cookie` crate](guide/migrating/index.html) |
//! | `tracing` | [`TracingObserver`] |
//! | `testing` | [`testing::Browser`][browser] for your tests: keeps cookies, and moves the clock |
//! | `wasm_js` | random bytes and the time from JavaScript, on `wasm32-unknown-unknown` only: [above](#at-an-edge) |
//!
//! # More
//!
//! [SPEC.md][spec] is the format, with a worked example; [SECURITY.md][security] the threat model, emergency procedures
//! and OWASP's checklist; [operating.md][operating] the operator's page.
//!
//! [readme]: https://github.com/sealed-session/sealed-session/blob/main/README.md
//! [spec]: https://github.com/sealed-session/sealed-session/blob/main/SPEC.md
//! [security]: https://github.com/sealed-session/sealed-session/blob/main/SECURITY.md
//! [operating]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md
//! [js]: https://github.com/sealed-session/sealed-session/blob/main/js/README.md
//! [examples]: https://github.com/sealed-session/sealed-session/tree/main/examples
// Links to what a feature brings lead to docs.rs where it is off.
#![cfg_attr(feature = "tower", doc = "[`SessionLayer`]: crate::SessionLayer")]
#![cfg_attr(
    not(feature = "tower"),
    doc = "[`SessionLayer`]: https://docs.rs/sealed-session/latest/sealed_session/tower/struct.SessionLayer.html"
)]
#![cfg_attr(feature = "tower", doc = "[from_extensions]: crate::Session::from_extensions")]
#![cfg_attr(
    not(feature = "tower"),
    doc = "[from_extensions]: https://docs.rs/sealed-session/latest/sealed_session/struct.Session.html"
)]
#![cfg_attr(any(feature = "tower", feature = "actix"), doc = "[`next_page`]: crate::next_page()")]
#![cfg_attr(
    not(any(feature = "tower", feature = "actix")),
    doc = "[`next_page`]: https://docs.rs/sealed-session/latest/sealed_session/fn.next_page.html"
)]
#![cfg_attr(any(feature = "tower", feature = "actix"), doc = "[`LayerError`]: crate::LayerError")]
#![cfg_attr(
    not(any(feature = "tower", feature = "actix")),
    doc = "[`LayerError`]: https://docs.rs/sealed-session/latest/sealed_session/struct.LayerError.html"
)]
#![cfg_attr(
    any(feature = "axum", feature = "actix"),
    doc = "[`RequireSession`]: crate::RequireSession"
)]
#![cfg_attr(
    not(any(feature = "axum", feature = "actix")),
    doc = "[`RequireSession`]: https://docs.rs/sealed-session/latest/sealed_session/struct.RequireSession.html"
)]
#![cfg_attr(feature = "actix", doc = "[`SessionMiddleware`]: crate::actix::SessionMiddleware")]
#![cfg_attr(
    not(feature = "actix"),
    doc = "[`SessionMiddleware`]: https://docs.rs/sealed-session/latest/sealed_session/actix/index.html"
)]
#![cfg_attr(feature = "tracing", doc = "[`TracingObserver`]: crate::events::TracingObserver")]
#![cfg_attr(
    not(feature = "tracing"),
    doc = "[`TracingObserver`]: https://docs.rs/sealed-session/latest/sealed_session/events/struct.TracingObserver.html"
)]
#![cfg_attr(feature = "testing", doc = "[browser]: crate::testing::Browser")]
#![cfg_attr(
    not(feature = "testing"),
    doc = "[browser]: https://docs.rs/sealed-session/latest/sealed_session/testing/struct.Browser.html"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations, missing_docs)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate)]

/// README's program and the pages with code are compiled with the documentation.
#[cfg(doctest)]
mod pages {
    #[cfg(feature = "axum")]
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[cfg(all(feature = "axum", feature = "device"))]
    #[doc = include_str!("../docs/device-binding.md")]
    struct DeviceBinding;

    #[doc = include_str!("../docs/large-sessions.md")]
    struct LargeSessions;

    #[doc = include_str!("../docs/migrating/README.md")]
    struct Migrating;

    #[doc = include_str!("../docs/operating.md")]
    struct Operating;
}

// Ground.
mod aead;
mod buffer;
mod error;
mod few;
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

#[cfg(feature = "device")]
#[cfg_attr(docsrs, doc(cfg(feature = "device")))]
pub mod device;

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
    pub(crate) mod axum;

    #[cfg(feature = "actix")]
    pub mod actix;

    #[cfg(feature = "cookie")]
    pub(crate) mod jar;

    #[cfg(feature = "tracing")]
    pub(crate) mod tracing;
}

#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(all(
    doc,
    feature = "actix",
    feature = "axum",
    feature = "cookie",
    feature = "device",
    feature = "testing",
    feature = "tracing"
))]
pub mod guide;

/// Coming from another library without signing anybody out ([`Builder::adopt`]).
pub mod adopt {
    #[cfg(feature = "cookie")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cookie")))]
    pub use crate::adapters::jar::JarReader;
    pub use crate::sessions::adopt::{Adopted, OldCookie};
}

/// Events of sessions and keys, for logs and counters.
pub mod events {
    #[cfg(feature = "tracing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub use crate::adapters::tracing::TracingObserver;
    pub use crate::session::event::{Event, Level, Observer};
}

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub use crate::adapters::actix;
#[cfg(all(feature = "axum", feature = "device"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "axum", feature = "device"))))]
pub use crate::adapters::axum::DeviceEndpoints;
#[cfg(all(any(feature = "axum", feature = "actix"), feature = "device"))]
#[cfg_attr(docsrs, doc(cfg(all(any(feature = "axum", feature = "actix"), feature = "device"))))]
pub use crate::adapters::guard::RequireDevice;
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
