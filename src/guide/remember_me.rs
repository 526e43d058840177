//! Timeouts, and "remember me".
//!
//! The server enforces both of OWASP's timeouts on what is sealed in the cookie; no clock and no attribute of the browser
//! counts.
//!
//! | | ends a session | [default](crate::Lifetime) | remembered sessions (off unless configured) |
//! |---|---|---|---|
//! | idle timeout | after that long without a request that reads it | 30 minutes | usual: 14 days |
//! | absolute timeout | that long after its start, whatever happens | 12 hours | usual: 90 days |
//!
//! ```
//! use std::time::Duration;
//!
//! use sealed_session::{ConfigError, KeyRing, Lifetime, Session, Sessions, WriteError};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! const DAY: Duration = Duration::from_secs(86_400);
//!
//! fn sessions(keys: KeyRing) -> Result<Sessions<Login>, ConfigError> {
//!     Sessions::builder(keys)
//!         .audience("shop")
//!         .lifetime(Lifetime::absolute(DAY / 2).idle(DAY / 48))
//!         .remembered(Lifetime::absolute(90 * DAY).idle(14 * DAY)) // without this, `remember(true)` is an error
//!         .build()
//! }
//!
//! /// A browser sends a checkbox only if it is checked: `remember` is `form.remember.is_some()`.
//! fn sign_in(session: &mut Session<Login>, user: u64, remember: bool) -> Result<(), WriteError> {
//!     session.start(Login { user })?;
//!     session.remember(remember)
//! }
//! # let mut session = sessions(KeyRing::new(sealed_session::Key::generate()?))?.load(Default::default());
//! # sign_in(&mut session, 7, true)?;
//! # let lines = session.finish_patch(200);
//! # assert!(lines.set_cookies().all(|line| line.contains("Max-Age=")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without `remember`, the cookies are gone when the browser is closed (some browsers restore them with the tabs), and the
//! shorter timeouts count. With it they have a `Max-Age`, and last exactly as long as the sealed tokens.
//!
//! **Activity** travels in a second, 44-character cookie. It is sent alone, so it can neither overwrite data that another
//! request has just changed nor bring back a session that has just ended. It is sent at most once in a tenth of the idle
//! timeout (at least a minute, at most a day or half of the timeout), and only with responses that read the session; so a
//! session may end that much earlier than the idle timeout says. [`touch`](crate::Session::touch) sends it now, and
//! [`touch_if`](crate::Builder::touch_if) says which requests count: leave out the ones that a page makes by itself, or a
//! forgotten tab keeps its session alive.
