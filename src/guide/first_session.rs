//! Your first session, with axum: [README.md][readme] has this program whole, with the lines for `Cargo.toml`.
//!
//! # The data
//!
//! A session is a type of yours. It travels with every request, so keep it small: who the visitor is, and what belongs to
//! this browser. What changes elsewhere (rights, balances) stays in your database, under the user's id.
//!
//! ```
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//!     /// A later version adds a field: with a default, sessions from before it still open.
//!     #[serde(default)]
//!     language: String,
//! }
//! # assert!(serde_json::from_str::<Login>(r#"{"user":7}"#).is_ok());
//! ```
//!
//! # The layer
//!
//! [`Sessions`](crate::Sessions) has the keys and all settings; one value serves the whole program.
//!
//! ```
//! use axum::{Router, routing::get, routing::post};
//! use sealed_session::{ConfigError, KeyRing, Session, SessionLayer, Sessions, WriteError};
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Login { user: u64 }
//!
//! fn app(keys: KeyRing) -> Result<Router, ConfigError> {
//!     let sessions = Sessions::<Login>::builder(keys)
//!         .audience("shop") // another application with the same keys cannot open these sessions
//!         .build()?; // refuses a configuration that would not work, and says what to change
//!     Ok(Router::new()
//!         .route("/", get(home))
//!         .route("/login", post(login))
//!         .route("/logout", post(logout))
//!         .layer(SessionLayer::new(sessions)))
//! }
//!
//! async fn home(session: Session<Login>) -> String {
//!     match session.get() {
//!         Some(login) => format!("hello, user {}", login.user),
//!         None => "hello, guest".to_owned(),
//!     }
//! }
//!
//! async fn login(mut session: Session<Login>) -> Result<&'static str, WriteError> {
//!     session.start(Login { user: 7 })?; // after you have checked a password
//!     Ok("signed in")
//! }
//!
//! async fn logout(mut session: Session<Login>) -> Result<&'static str, WriteError> {
//!     session.end()?;
//!     Ok("signed out")
//! }
//! # assert!(app(KeyRing::new(sealed_session::Key::generate()?)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With actix-web it is `App::new().wrap(SessionMiddleware::new(sessions))`, and handlers take the same
//! [`Session`](crate::Session): see [`actix`](crate::actix). Without a framework: [the front page](crate#a-first-program).
//!
//! # The calls
//!
//! | call | what it does |
//! |---|---|
//! | [`get`](crate::Session::get) | lends the data. [`peek`](crate::Session::peek) does so for a log, and tells caches nothing: never show its data in a response |
//! | [`start`](crate::Session::start) | begins a session, after every authentication: new id, new times |
//! | [`update`](crate::Session::update) | changes the data. Without a session it writes nothing, and returns [`Updated::NoSession`](crate::Updated::NoSession) |
//! | [`update_or_start`](crate::Session::update_or_start) | the same, and a [guest](super::guests) gets a session |
//! | [`remember`](crate::Session::remember) | chooses the longer lifetime: [`remember_me`](super::remember_me) |
//! | [`cycle_id`](crate::Session::cycle_id) | a new id when rights change: same data, same start |
//! | [`end`](crate::Session::end) | removes the cookies, and refuses copies of them where the sign-out is known: [`sign_out`](super::sign_out) |
//!
//! Every write can fail, and `?` makes a 500 of it, which tells the visitor no reason: the data are too large for a cookie
//! ([`WriteError::TooLarge`](crate::WriteError::TooLarge) says by how much, and which field is the largest), or the next
//! request could not read them back. Print the error where you develop: it says what to change. The session is then as
//! it was. The cookies leave with the response; two handlers that
//! write in parallel do not see each other, and the response that arrives last wins.
//!
//! A cookie that does not open is no error: the visitor is a guest. The log says why, if you set an
//! [`observer`](crate::Builder::observer). Keep the crate's from the start:
//!
//! ```
//! use sealed_session::events::TracingObserver; // feature `tracing`; without it: `.observer(|event: &Event| …)`
//! use sealed_session::{KeyRing, Sessions};
//!
//! # fn build(keys: KeyRing) -> Result<Sessions<u64>, sealed_session::ConfigError> {
//! Sessions::<u64>::builder(keys).audience("shop").observer(TracingObserver).build()
//! # }
//! ```
//!
//! # The cookies
//!
//! The session is in `__Host-id`, and `__Host-id-seen` notes activity, both with `Path=/; Secure; HttpOnly; SameSite=Lax`.
//! The `__Host-` prefix keeps a sibling subdomain from planting a session. Without it, a genuine token of the attacker's
//! own account that is planted there may be the one that counts. Two applications on one host need two names
//! ([`cookie_name`](crate::Builder::cookie_name)).
//! [`build`](crate::Builder::build) refuses what a browser would refuse, except a domain such as `com`.
//!
//! Not on your machine's `localhost`, or not in Safari? See [`troubleshooting`](super::troubleshooting).
//!
//! [readme]: https://github.com/sealed-session/sealed-session/blob/main/README.md
