//! Coming from another session library without signing anybody out.
//!
//! [`Builder::adopt`](crate::Builder::adopt) makes sessions of the cookies that your visitors already have, until a date
//! that you set. If a request brings no cookie of ours, the old cookie becomes the session when a handler first reads it.
//!
//! ```
//! use sealed_session::adopt::JarReader; // feature `cookie`
//! use sealed_session::{ConfigError, KeyRing, Sessions};
//! use time::OffsetDateTime;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! /// From axum-extra's `PrivateCookieJar`, whose cookie `session` had the user's id.
//! fn sessions(keys: KeyRing, old_key: &[u8], until: OffsetDateTime) -> Result<Sessions<Login>, ConfigError> {
//!     let read = JarReader::private("session", old_key)?.read(|text| Some(Login { user: text.parse().ok()? }));
//!     Sessions::builder(keys).audience("shop").adopt("session", until, read).build()
//! }
//! # let until = OffsetDateTime::now_utc() + time::Duration::days(30);
//! # assert!(sessions(KeyRing::new(sealed_session::Key::generate()?), &[7; 64], until).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Until then an old cookie is a credential here, with the weaknesses of the old library. Write `until` as a fixed date:
//! computed at the start, it would move with each restart, past the end of the revocations.
//!
//! With several servers it takes two releases, so that a sign-out at a server of the old application holds.
//! [docs/migrating][page] has them, and a page each for axum-extra (and Rocket), actix-session, seshcookie, tower-sessions
//! and iron-session.
//!
//! [page]: https://github.com/sealed-session/sealed-session/blob/main/docs/migrating/README.md
