//! Typed web sessions that live in the visitor's cookie.
//!
//! The session is a type of yours, written with serde and sealed with AES-256-GCM under keys that you rotate without
//! signing users out. It expires by itself, and the server keeps no table of sessions.
//!
//! Without your secret, an attacker cannot read, forge or prolong a session, move it to another cookie or application,
//! or use it after its idle or absolute timeout. A bad cookie never fails a request. [SECURITY.md][security] has the
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
//! # Read, change, sign out
//!
//! - [`get`](Session::get) lends the data. [`peek`](Session::peek) does so for a log, and tells caches nothing.
//! - [`start`](Session::start) begins a session, after every authentication: new id, new times.
//! - [`update`](Session::update) changes the data. Without a session it writes nothing and returns
//!   [`Updated::NoSession`].
//! - [`cycle_id`](Session::cycle_id) gives a new id at another change of privilege: same data, same start.
//! - [`remember`](Session::remember) chooses the longer lifetime, and cookies that survive the browser.
//! - Data that one cookie cannot hold (2,995 bytes of JSON) are an error, [`WriteError::TooLarge`], unless
//!   [`Builder::chunks`] lets a session take several.
//! - [`end`](Session::end) removes the cookies and revokes the session. By default the server that did it knows, until
//!   it restarts. A [`RevocationFile`](revocation::RevocationFile) makes that last, and with `sealed-session-redis` it
//!   holds on every server ([which when][lists]). [`Sessions::revoke`] ends a session by its id,
//!   [`Sessions::raise_cut_off`] all that started before a time, [`Builder::refuse_if`] those of your choice.
//!
//! # Guests
//!
//! A guest's cart is a session too. [`Builder::signed_in_if`] says which sessions are signed in.
//!
//! ```
//! use sealed_session::{Key, KeyRing, Session, Sessions, WriteError};
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Visit { user: Option<u64>, cart: Vec<String> }
//!
//! fn sessions(ring: KeyRing) -> Result<Sessions<Visit>, sealed_session::ConfigError> {
//!     Sessions::builder(ring).audience("shop").signed_in_if(|visit: &Visit| visit.user.is_some()).build()
//! }
//!
//! fn add(session: &mut Session<Visit>, item: String) -> Result<(), WriteError> {
//!     session.update_or_start(Visit::default, |visit| visit.cart.push(item))
//! }
//!
//! fn sign_in(session: &mut Session<Visit>, user: u64) -> Result<(), WriteError> {
//!     // The old data may have been planted: take a guest's cart from them, never a user, a role or a page to go to.
//!     let cart = |old: Option<Visit>| old.filter(|old| old.user.is_none()).unwrap_or_default().cart;
//!     session.start_with(|old| Visit { user: Some(user), cart: cart(old) })
//! }
//! # let fields = sealed_session::RequestFields::from_cookies([""]);
//! # let mut session = sessions(KeyRing::new(Key::generate()?))?.load(fields);
//! # add(&mut session, "bread".into())?;
//! # sign_in(&mut session, 7)?;
//! # assert_eq!(session.get().map(|visit| (visit.user, visit.cart.len())), Some((Some(7), 1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - An `update` that changes the answer of `signed_in_if` gives the session a new id and new times, as a `start` does.
//! - A handler that takes [`RequireSession`] is called only for visitors who are signed in; others get a 401. With
//!   [`sign_in_page`]`("/login")` on the layer, a guest who opens `/orders` is sent to `/login?next=%2Forders`.
//!   [`next_page`] reads that back, and returns no other site's address.
//! - A guest's session is not revoked unless a sign-in takes its place, so strangers cannot fill the revocation list.
//!
//! # Keys and rotation
//!
//! [`KeyRing::from_file_or_new`] makes the file at the first start, for one machine: keep it, and out of version
//! control. Several servers need the same ring: [`KeyRing::from_env`] or [`KeyRing::from_file`] reads it from where you
//! keep secrets. A ring has one entry per line, or separated by `;`:
//!
//! ```text
//! seal sealed1_9e4859a4_…                             # seals, until another one takes over
//! seal sealed1_56f76705_… from=2026-12-01T00:00:00Z   # opens now, seals from that time
//! open sealed1_b303b300_…                             # only opens
//! ```
//!
//! Every cookie names its key, so keys are never tried one by one, however many there are. A secret is rotated in four steps,
//! on as many servers as there are, in any order within a step:
//!
//! 1. Add the new secret as `open` and deploy to every server.
//! 2. Swap the roles: the new one `seal`, the old one `open`. Deploy.
//! 3. Wait until the last token under the old secret has expired: the longest absolute timeout and 5 minutes (for
//!    the clocks of servers) after step 2 was complete, or after its `from` time if that is later. The command
//!    [`sealed-session`][cli] counts from when you edited the ring, and so waits longer.
//! 4. Remove the old secret, and the `from` of the one that stays. Deploy.
//!
//! No visitor is signed out. [`Sessions::replace_keys`] changes the ring while requests run, [`Sessions::reload_from`]
//! follows a file. The command [`sealed-session`][cli] edits ring files; [operating.md][operating] has the one-deploy
//! rotation, emergencies, backups and alerts.
//!
//! # Timeouts
//!
//! The server enforces both of OWASP's timeouts on what is sealed in the token; no clock and no attribute of the
//! browser counts.
//!
//! | | ends a session | [`Lifetime::default()`](Lifetime) | remembered sessions (off unless configured) |
//! |---|---|---|---|
//! | idle timeout | that long after the last request that read it | 30 minutes | usual: 14 days |
//! | absolute timeout | that long after its start, whatever happens | 12 hours | usual: 90 days |
//!
//! [`Builder::lifetime`] changes them, [`Builder::remembered`] those of remembered sessions. A second, 44-character
//! cookie notes activity. It is sent alone, so it can neither overwrite data that another request has just changed nor
//! bring back a session that has just ended. It is sent at most once in a tenth of the idle timeout (at least a minute,
//! at most a day or half of the timeout), and only with responses that read the session; so a session may end up to
//! that much early. [`Session::touch`] sends it now; [`Builder::touch_if`] says which requests count as activity.
//!
//! # Cookies
//!
//! `__Host-id` and `__Host-id-seen`, with `Path=/; Secure; HttpOnly; SameSite=Lax`. The `__Host-` prefix keeps a
//! sibling subdomain from planting a session of its own; without it, a planted genuine token can win. Two applications
//! on one host need two names ([`Builder::cookie_name`]). [`build`](Builder::build) refuses what a browser would
//! refuse, except a domain such as `com`. With `Lax`, a provider that returns by a cross-site `form_post` arrives without
//! a session ([`Builder::same_site`]).
//!
//! `Lax` is not the whole answer to forged requests (CSRF): [SECURITY.md][security] says what to add.
//!
//! On `http://localhost` Chromium, Firefox and curl keep them anyway. Safari, or another host name,
//! needs one explicit call: [`Builder::insecure_development_cookie`]: no prefix, no `Secure`.
//!
//! # Caches
//!
//! | the handler | the response gets |
//! |---|---|
//! | never looked at the session, or only peeked | nothing; no cryptography was done |
//! | read it | `Vary: Cookie`; and `private` if a session cookie had come |
//! | wrote it, so that the response carries a session cookie | `Vary: Cookie`; `private, no-store` |
//!
//! Fields that would overrule this for one cache (`X-Accel-Expires`, `Surrogate-Control`, `Edge-Control` and all that
//! end in `-Cache-Control`) are removed where it says `private`, unless they forbid storing themselves; [SPEC.md][spec]
//! has every case. The session layer belongs inside a response cache and outside of compression, CORS, `ETag`, timeouts
//! and caught panics: [`SessionLayer`] draws the order.
//!
//! No header field can stop a cache that is told to ignore `Cache-Control`; sign in by POST. Stock nginx passes 4 KiB
//! of header block: 2,751 bytes of session data, 2,459 with `proxy_cache`; the largest session in one cookie needs
//! `proxy_buffer_size 8k`, [in several][large] more. Browsers keep whole pages for the Back button: send pages that must not be seen after a sign-out with
//! `Cache-Control: no-store`, which the crate keeps. [lab/caches][caches] measures this, and tries nginx,
//! Varnish, Apache httpd, HAProxy and Squid.
//!
//! # Errors
//!
//! | type | when | what a visitor sees |
//! |---|---|---|
//! | [`KeyError`](keys::KeyError) | a key or ring is refused | nothing: at start |
//! | [`ConfigError`] | `build` refuses a configuration, with a sentence that says what to change | nothing: at start |
//! | [`RevocationFileError`](revocation::RevocationFileError) | the file of revocations is in use, damaged or cannot be written | nothing: at start |
//! | [`LayerError`] | a session layer is missing, contradicts another, or its sign-in page is no path | a 500 that says what to change |
//! | [`WriteError`] | a write is too large, too late, in conflict with another, without random bytes, over a session whose device has not proven itself, or would not read back; the session is as it was | what the handler makes of it (axum, actix: a 500) |
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
//! # Tests of your application
//!
//! [`Sessions::cookie_for`] makes the `Cookie` field of a visitor who has just signed in. [`testing::Browser`][browser]
//! (feature `testing`, under `[dev-dependencies]`) keeps the cookies of responses as browsers do (prefixes, `Max-Age`,
//! removal), writes the next `Cookie` field, and has a clock that the test moves.
//!
//! # Bound to the device
//!
//! With the feature `device` (**experimental**: the protocol is a W3C draft) browsers can hold a key that never leaves
//! the visitor's device, and prove it every few minutes: a copy of the cookies dies with the last proof. Chromium's
//! browsers do it over https; the sessions of others stay as they are. It takes a line on the builder, two endpoints,
//! and an idle timeout. [docs/device-binding.md][device_page] says what it gives and what it does not.
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
//! # Coming from another library
//!
//! [`Builder::adopt`] makes sessions of the cookies that your visitors already have, so that the switch signs nobody out.
//! [docs/migrating][migrating] has the two releases that a rolling deploy takes, and pages for axum-extra, tower-sessions,
//! actix-session, seshcookie and iron-session.
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
//! | `device` | sessions bound to the visitor's device, **experimental**: [below](#bound-to-the-device) |
//! | `cookie` | a reader for the jars of the `cookie` crate: [above](#coming-from-another-library) |
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
//! [large]: https://github.com/sealed-session/sealed-session/blob/main/docs/large-sessions.md
//! [device_page]: https://github.com/sealed-session/sealed-session/blob/main/docs/device-binding.md
//! [migrating]: https://github.com/sealed-session/sealed-session/blob/main/docs/migrating/README.md
//! [lists]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md#sign-outs-on-several-servers
//! [cli]: https://github.com/sealed-session/sealed-session/blob/main/cli/README.md
//! [js]: https://github.com/sealed-session/sealed-session/blob/main/js/README.md
//! [caches]: https://github.com/sealed-session/sealed-session/blob/main/lab/caches/README.md
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
#![cfg_attr(feature = "tower", doc = "[`sign_in_page`]: crate::SessionLayer::sign_in_page")]
#![cfg_attr(
    not(feature = "tower"),
    doc = "[`sign_in_page`]: https://docs.rs/sealed-session/latest/sealed_session/tower/struct.SessionLayer.html"
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
