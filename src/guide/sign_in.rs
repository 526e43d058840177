//! Sign-in, guards, roles, and back to the page that the visitor wanted.
//!
//! ```
//! use axum::extract::FromRequestParts;
//! use axum::http::{StatusCode, Uri, request::Parts};
//! use axum::response::{Html, IntoResponse, Redirect, Response};
//! use axum::{Form, Router, routing::get};
//! use sealed_session::{RequireSession, Session, SessionLayer, Sessions, WriteError, next_page};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: String,
//!     is_admin: bool,
//! }
//!
//! /// Without an `action` the form goes to the address of its page, with `next`.
//! const FORM: Html<&str> = Html("<form method=post><input name=user><button>Sign in</button></form>");
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials {
//!     user: String,
//! }
//!
//! async fn sign_in(uri: Uri, mut session: Session<Login>, Form(form): Form<Credentials>) -> Result<Redirect, WriteError> {
//!     // Check a password or a passkey here, and look the role up in your database.
//!     let is_admin = form.user == "grace";
//!     session.start(Login { user: form.user, is_admin })?;
//!     Ok(Redirect::to(next_page(uri.query()).as_deref().unwrap_or("/")))
//! }
//!
//! /// Only for visitors who are signed in.
//! async fn orders(session: RequireSession<Login>) -> String {
//!     format!("orders of {}", session.data().user)
//! }
//!
//! /// Only for administrators.
//! struct RequireAdmin(RequireSession<Login>);
//!
//! impl<S: Send + Sync> FromRequestParts<S> for RequireAdmin {
//!     type Rejection = Response;
//!
//!     async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
//!         let session = RequireSession::<Login>::from_request_parts(parts, state).await?;
//!         match session.data().is_admin {
//!             true => Ok(Self(session)),
//!             false => Err((StatusCode::FORBIDDEN, "for administrators only").into_response()),
//!         }
//!     }
//! }
//!
//! async fn accounts(admin: RequireAdmin) -> String {
//!     format!("all accounts, for {}", admin.0.data().user)
//! }
//!
//! fn app(sessions: Sessions<Login>) -> Router {
//!     Router::new()
//!         .route("/sign-in", get(FORM).post(sign_in))
//!         .route("/orders", get(orders))
//!         .route("/accounts", get(accounts))
//!         .layer(SessionLayer::new(sessions).sign_in_page("/sign-in"))
//! }
//! # use axum::{body::Body, http::Request};
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let ring = sealed_session::KeyRing::new(sealed_session::Key::generate()?);
//! # let sessions = Sessions::<Login>::builder(ring).build()?;
//! # let app = app(sessions.clone());
//! # let status = async |path: &str, user: &str| {
//! #     let cookie = sessions.cookie_for(Login { user: user.into(), is_admin: user == "grace" }).unwrap();
//! #     let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
//! #     app.clone().oneshot(request).await.unwrap().status()
//! # };
//! # assert_eq!(status("/accounts", "ada").await, StatusCode::FORBIDDEN);
//! # assert_eq!(status("/accounts", "grace").await, StatusCode::OK);
//! # let guest = Request::get("/orders").header("sec-fetch-mode", "navigate").body(Body::empty())?;
//! # assert_eq!(app.clone().oneshot(guest).await?.headers()["location"], "/sign-in?next=%2Forders");
//! # for (next, page) in [("%2Forders", "/orders"), ("https://evil.example", "/")] {
//! #     let form = Request::post(format!("/sign-in?next={next}")).header("content-type", "application/x-www-form-urlencoded");
//! #     let back = app.clone().oneshot(form.body(Body::from("user=ada"))?).await?;
//! #     assert_eq!(back.headers()["location"], page);
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! - **After every authentication, [`start`](crate::Session::start)**, also over a session that there is: the new id is the
//!   defence against session fixation. When rights change later, [`cycle_id`](crate::Session::cycle_id).
//! - **A guest who opens `/orders`** is sent to `/sign-in?next=%2Forders`. [`next_page`](crate::next_page()) reads that
//!   back, and returns no other site's address. The `fetch` of a script, a submitted form,
//!   curl and a bare request of a test get a 401 instead: [`sign_in_page`](crate::SessionLayer::sign_in_page) has the rule.
//! - **A role in the session is as old as the sign-in.** Where a right that was taken away must be gone at once, look it up
//!   in your database, or refuse older sessions with [`refuse_if`](crate::Builder::refuse_if).
//! - **Sign in by POST**, and check where it comes from: [`csrf`](super::csrf).
//!
//! In actix-web the guard is a [`FromRequest`](crate::RequireSession) in the same way, and `sign_in_page` is on
//! [`SessionMiddleware`](crate::actix::SessionMiddleware).
