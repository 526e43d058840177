//! Guests with a cart, a language or a message: a session before the sign-in.
//!
//! ```
//! use sealed_session::{ConfigError, KeyRing, Session, Sessions, WriteError};
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Visit {
//!     user: Option<u64>,
//!     cart: Vec<String>,
//! }
//!
//! fn sessions(keys: KeyRing) -> Result<Sessions<Visit>, ConfigError> {
//!     let is_signed_in = |visit: &Visit| visit.user.is_some();
//!     Sessions::builder(keys).audience("shop").signed_in_if(is_signed_in).build()
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
//! # let mut session = sessions(KeyRing::new(sealed_session::Key::generate()?))?.load(fields);
//! # add(&mut session, "bread".into())?;
//! # assert!(session.get().is_some() && !session.is_signed_in());
//! # sign_in(&mut session, 7)?;
//! # assert_eq!(session.get().map(|visit| (visit.user, visit.cart.len())), Some((Some(7), 1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Say who is signed in.** Without [`signed_in_if`](crate::Builder::signed_in_if) every session counts, and a guest
//!   with a cart passes [`RequireSession`](crate::RequireSession).
//! - **Use [`update_or_start`](crate::Session::update_or_start)** where a guest may write.
//!   [`update`](crate::Session::update) changes a session that there is, and does nothing otherwise.
//! - **Sign in with [`start_with`](crate::Session::start_with)**, which gives you the old data, or with
//!   [`start`](crate::Session::start), which drops them. Both make a new id, so an attacker who knows the guest's session
//!   gains nothing. An `update` that changes the answer of `signed_in_if` gives a new id and new times too.
//! - **A guest's session is not put on the revocation list when it ends**, so that strangers cannot fill it; only when a
//!   sign-in takes its place. Copies of a guest's cookie stay valid.
//! - **Pages stay cacheable for guests without a session**, also where handlers read it. Start one when there is something
//!   to keep, not with the first page.
