//! Sign-in with OpenID Connect, or any other provider that sends the visitor back.
//!
//! A sign-in has two requests of yours: one that sends the visitor to the provider, and the callback. What the second needs
//! to know of the first (nonce, PKCE verifier, next page) can travel as the `state`, sealed by a [`Sealer`](crate::Sealer):
//! the server keeps nothing of sign-ins that never end. The code
//! needs `cargo add time --features std` and `cargo add serde_json`.
//!
//! ```
//! use std::time::Duration;
//!
//! use sealed_session::sealer::{SealError, SealOptions};
//! use sealed_session::{ConfigError, KeyRing, Sealer};
//! use time::OffsetDateTime;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct SignIn {
//!     nonce: String,
//!     verifier: String,
//!     next: String, // what `next_page` returned, or "/"
//! }
//!
//! /// For this purpose alone: what it seals opens neither as a session nor as a magic link.
//! fn sealer(keys: KeyRing) -> Result<Sealer, ConfigError> {
//!     Sealer::new(keys, "oidc-sign-in")?.with_audience("shop")
//! }
//!
//! /// `browser` is a random value that you have set as a `__Host-` cookie: without it an attacker could begin a sign-in
//! /// and let a visitor's browser finish it, in the attacker's account.
//! fn state(sealer: &Sealer, sign_in: &SignIn, browser: &str) -> Result<String, SealError> {
//!     let payload = serde_json::to_vec(sign_in).expect("three strings become JSON");
//!     sealer.seal(&payload, SealOptions::valid_for(Duration::from_secs(600)).bind(browser.as_bytes()))
//! }
//!
//! /// In the callback: of this browser, and at most ten minutes old?
//! fn read(sealer: &Sealer, state: &str, browser: &str) -> Option<SignIn> {
//!     let opened = sealer.open_at(state, browser.as_bytes(), OffsetDateTime::now_utc()).ok()?;
//!     serde_json::from_slice(opened.payload()).ok()
//! }
//! # let sealer = sealer(KeyRing::new(sealed_session::Key::generate()?))?;
//! # let sign_in = SignIn { nonce: "n".into(), verifier: "v".into(), next: "/orders".into() };
//! # let state = state(&sealer, &sign_in, "own")?;
//! # assert_eq!(read(&sealer, &state, "own").map(|sign_in| sign_in.next), Some("/orders".into()));
//! # assert!(read(&sealer, &state, "other").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Such a value opens any number of times until it expires: single use needs a store of its
//! [`id`](crate::sealer::OpenedValue::id).
//!
//! - **Keep `sub` (and `iss`, with several providers), not the tokens**, unless your pages call an API with them. Tokens take one to two thousand bytes each;
//!   with [`chunks`](crate::Builder::chunks) a session takes up to four cookies, and [proxies limit that][large].
//! - **A refresh token that is spent must not get lost with a page that fails**:
//!   [`write_on_server_error(true)`](crate::Builder::write_on_server_error).
//! - **The callback must be a GET.** A provider that returns by `response_mode=form_post` makes a cross-site POST, which
//!   comes without cookies of `SameSite=Lax`. Choose `query`.
//!
//! [examples/oidc][example] is a whole shop with a certified provider: sign-in, API calls, parallel refreshes, sign-out.
//!
//! [example]: https://github.com/sealed-session/sealed-session/blob/main/examples/oidc/README.md
//! [large]: https://github.com/sealed-session/sealed-session/blob/main/docs/large-sessions.md
