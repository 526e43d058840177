//! Messages that are shown once ("flash"): a field that the page takes out.
//!
//! ```
//! use std::mem::take;
//!
//! use axum::response::Redirect;
//! use sealed_session::{Session, WriteError};
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Visit {
//!     user: Option<u64>,
//!     #[serde(default, skip_serializing_if = "String::is_empty")]
//!     message: String,
//! }
//!
//! async fn save(mut session: Session<Visit>) -> Result<Redirect, WriteError> {
//!     session.update_or_start(Visit::default, |visit| visit.message = "Your order is on its way.".into())?;
//!     Ok(Redirect::to("/"))
//! }
//!
//! async fn home(mut session: Session<Visit>) -> Result<String, WriteError> {
//!     let message = session.update(|visit| take(&mut visit.message))?.option().unwrap_or_default();
//!     Ok(format!("{message} And this is the page."))
//! }
//! # use sealed_session::testing::Browser;
//! # use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let ring = sealed_session::KeyRing::new(sealed_session::Key::generate()?);
//! # let sessions = sealed_session::Sessions::<Visit>::builder(ring).build()?;
//! # let app = Router::new().route("/", get(home).post(save)).layer(sealed_session::SessionLayer::new(sessions));
//! # let mut browser = Browser::new();
//! # let mut pages = Vec::new();
//! # for method in ["POST", "GET", "GET"] {
//! #     let request = Request::builder().method(method).header("cookie", browser.cookie_field()).body(Body::empty())?;
//! #     let response = app.clone().oneshot(request).await?;
//! #     browser.receive(response.headers());
//! #     pages.push(String::from_utf8(to_bytes(response.into_body(), 999).await?.to_vec())?);
//! # }
//! # assert_eq!(pages[1..], ["Your order is on its way. And this is the page.", " And this is the page."]);
//! # Ok(())
//! # }
//! ```
//!
//! An [`update`](crate::Session::update) that changes nothing sends no cookie, so pages without a message send none. Two
//! pages that load at the same moment may both show the message: it is in the cookie that both sent.
//!
//! `save` gives guests a session. Tell the builder who is signed in ([`guests`](super::guests)), or a guest with a
//! message passes [`RequireSession`](crate::RequireSession).
//!
//! A message after a sign-out has no session to be in. Put a word of your own choice into the address
//! (`/?said=signed-out`), and never text from it onto the page.
