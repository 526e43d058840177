//! Sign-outs that hold: in this browser, everywhere, and for everybody.
//!
//! | whose sessions | how | copies of the cookies |
//! |---|---|---|
//! | this browser's | [`session.end()`](crate::Session::end) | are refused (not a guest's) |
//! | all of one user | a number in the user's record, compared by [`refuse_if`](crate::Builder::refuse_if) | are refused |
//! | one, by its id from a log | [`sessions.revoke(id)`](crate::Sessions::revoke) | are refused |
//! | all visitors | [`sessions.raise_cut_off(now)`](crate::Sessions::raise_cut_off) | are refused |
//!
//! "Sign out everywhere", and the same after a change of password:
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, RwLock};
//!
//! use sealed_session::{ConfigError, KeyRing, Session, Sessions, WriteError};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//!     generation: u32,
//! }
//!
//! /// How often each user has signed out everywhere. Here in memory alone: keep it in the users' table.
//! type Generations = Arc<RwLock<HashMap<u64, u32>>>;
//!
//! fn generation(generations: &Generations, user: u64) -> u32 {
//!     *generations.read().expect("no writer panics").get(&user).unwrap_or(&0)
//! }
//!
//! fn sessions(keys: KeyRing, generations: Generations) -> Result<Sessions<Login>, ConfigError> {
//!     Sessions::<Login>::builder(keys)
//!         .audience("shop")
//!         .refuse_if(move |opened| opened.data.generation < generation(&generations, opened.data.user))
//!         .build()
//! }
//!
//! fn sign_in(session: &mut Session<Login>, generations: &Generations, user: u64) -> Result<(), WriteError> {
//!     session.start(Login { user, generation: generation(generations, user) })
//! }
//!
//! fn sign_out_everywhere(session: &mut Session<Login>, generations: &Generations) -> Result<(), WriteError> {
//!     if let Some(user) = session.get().map(|login| login.user) {
//!         *generations.write().expect("no writer panics").entry(user).or_insert(0) += 1;
//!     }
//!     session.end()
//! }
//! # let generations = Generations::default();
//! # let sessions = sessions(KeyRing::new(sealed_session::Key::generate()?), Arc::clone(&generations))?;
//! # let cookie = sessions.cookie_for(Login { user: 7, generation: 0 })?;
//! # let load = || sessions.load(sealed_session::RequestFields::from_cookies([cookie.clone()]));
//! # assert!(load().get().is_some());
//! # let mut here = sessions.load(Default::default());
//! # sign_in(&mut here, &generations, 7)?;
//! # sign_out_everywhere(&mut here, &generations)?;
//! # assert!(load().get().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! At the sign-in read the number from the user's record, and to sign out everywhere raise it there: a number from memory
//! may be old. `refuse_if` cannot wait for a database, so it compares with a copy in memory: read all numbers before the
//! first request, and again every few seconds. A server whose copy is old accepts ended sessions until then. No revocation
//! list carries the numbers. Where that is too late, compare the number in the handlers that read the user's record anyway.
//!
//! After a change of password raise the number, then call `start` with the new one: this browser stays signed in.
//!
//! # Who knows of a sign-out
//!
//! `end` and `revoke` put the session's id on a list in memory, until the session would have expired anyway; `raise_cut_off` sets a time in it. By default the
//! server that did it knows, until it restarts. To make it hold longer, give
//! [`revocation_list`](crate::Builder::revocation_list) one that is kept:
//!
//! | servers | list |
//! |---|---|
//! | one process | [`RevocationFile::open`](crate::revocation::RevocationFile::open) |
//! | several processes of one host | [`RevocationFile::in_directory`](crate::revocation::RevocationFile::in_directory) |
//! | several hosts | the crate [`sealed-session-redis`][redis] |
//!
//! [operating.md][lists] says how to set them up, how large the list gets, and what happens while Redis is away.
//!
//! # What a sign-out cannot do
//!
//! - Keep the browser from showing an old page on Back: it keeps whole pages. Send pages that must not be seen
//!   afterwards with `Cache-Control: no-store`, which the crate keeps.
//! - End a session that a parallel request gave a new id shortly before: its answer signs the browser in again.
//! - End copies that were made before a [`cycle_id`](crate::Session::cycle_id): they have another id. If you revoke by id,
//!   revoke both; [`Event::Cycled`](crate::Event::Cycled) names them.
//!
//! [redis]: https://github.com/sealed-session/sealed-session/blob/main/redis/README.md
//! [lists]: https://github.com/sealed-session/sealed-session/blob/main/docs/operating.md#sign-outs-on-several-servers
