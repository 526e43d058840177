//! Testing your application: a signed-in visitor's cookies in one line, a browser, and a clock that you move.
//!
//! These tests need `cargo add --dev tower --features util`.
//!
//! # A visitor who is signed in
//!
//! [`Sessions::cookie_for`](crate::Sessions::cookie_for) makes the `Cookie` field of a visitor who has just signed in. No
//! password, no sign-in page, no waiting:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, http::StatusCode, routing::get};
//! use sealed_session::{Key, KeyRing, RequireSession, SessionLayer, Sessions};
//! use tower::ServiceExt;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! fn app(sessions: Sessions<Login>) -> Router {
//!     let orders = async |session: RequireSession<Login>| format!("orders of user {}", session.data().user);
//!     Router::new().route("/orders", get(orders)).layer(SessionLayer::new(sessions))
//! }
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> { test().await }
//! async fn test() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = Sessions::builder(KeyRing::new(Key::generate()?)).build()?;
//!     let app = app(sessions.clone());
//!
//!     let guest = Request::get("/orders").body(Body::empty())?;
//!     assert_eq!(app.clone().oneshot(guest).await?.status(), StatusCode::UNAUTHORIZED);
//!
//!     let cookie = sessions.cookie_for(Login { user: 7 })?;
//!     let visitor = Request::get("/orders").header("cookie", cookie).body(Body::empty())?;
//!     assert_eq!(app.oneshot(visitor).await?.status(), StatusCode::OK);
//!     Ok(())
//! }
//! ```
//!
//! # A story of several requests
//!
//! [`testing::Browser`](crate::testing::Browser) (`cargo add --dev sealed-session --features testing`) keeps the cookies of
//! responses as browsers do: prefixes, `Max-Age`, removal. It fails the test where a browser would drop a cookie without a
//! word. Its clock moves when you say so.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::response::Response;
//! use axum::{Router, body::Body, http::Request};
//! use sealed_session::testing::Browser;
//! use sealed_session::{Key, KeyRing, Sessions};
//! use tower::ServiceExt;
//! # use axum::{routing::{get, post}, http::StatusCode};
//! # use sealed_session::{RequireSession, Session, SessionLayer, WriteError};
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Login { user: u64 }
//! # async fn login(mut session: Session<Login>) -> Result<(), WriteError> { session.start(Login { user: 7 }) }
//! # fn app(sessions: Sessions<Login>) -> Router {
//! #     let orders = async |_: RequireSession<Login>| "orders";
//! #     Router::new().route("/login", post(login)).route("/orders", get(orders)).layer(SessionLayer::new(sessions))
//! # }
//!
//! /// One request of this browser.
//! async fn send(app: &Router, browser: &mut Browser, method: &str, path: &str) -> Response {
//!     let request = Request::builder().method(method).uri(path).header("cookie", browser.cookie_field());
//!     let request = request.body(Body::empty()).expect("a request");
//!     let response = app.clone().oneshot(request).await.expect("a router does not fail");
//!     browser.receive(response.headers());
//!     response
//! }
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> { test().await }
//! async fn test() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut ada = Browser::new();
//!     let app = app(Sessions::builder(KeyRing::new(Key::generate()?)).clock(ada.clock()).build()?);
//!
//!     send(&app, &mut ada, "POST", "/login").await;
//!     assert_eq!(send(&app, &mut ada, "GET", "/orders").await.status(), 200);
//!
//!     ada.pass(Duration::from_secs(31 * 60)); // longer than the idle timeout
//!     assert_eq!(send(&app, &mut ada, "GET", "/orders").await.status(), 401);
//!     Ok(())
//! }
//! ```
//!
//! A clone of the browser is a thief with a copy of the cookies, and [`another`](crate::testing::Browser::another) is
//! another visitor. With device binding, `Sessions::proven_cookie_for` makes the cookies of a bound session.
