//! Forged requests (CSRF): why `Sec-Fetch-Site`, and not a token.
//!
//! A page of another site can send a form to yours, and the browser adds your cookies. `SameSite=Lax`, the default here,
//! leaves them off the POSTs of other sites. It does not help against another host of your own site
//! (`blog.shop.example`), nor for a GET that changes something.
//!
//! Over https, every browser since 2023 says where a request comes from, in a field that no script can set:
//! `Sec-Fetch-Site`. The layer that tower-http ships checks it on all requests but GET, HEAD and OPTIONS. Where it is
//! missing, the layer compares `Origin` with `Host`, which a proxy must therefore pass on:
//!
//! ```
//! use axum::http::{Request, StatusCode};
//! use axum::{Router, body::Body, routing::post};
//! use tower::ServiceExt;
//! use tower_http::csrf::CsrfLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = Router::new().route("/transfer", post(async || "done")).layer(CsrfLayer::new());
//!
//! let send = |site| Request::post("/transfer").header("sec-fetch-site", site).body(Body::empty());
//! assert_eq!(app.clone().oneshot(send("same-origin")?).await?.status(), StatusCode::OK);
//! assert_eq!(app.clone().oneshot(send("same-site")?).await?.status(), StatusCode::FORBIDDEN); // blog.shop.example
//! assert_eq!(app.oneshot(send("cross-site")?).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! - **Where?** Add it after `SessionLayer`, so that it is outside: `cargo add tower-http@0.7 --features csrf`.
//! - **Why no token?** A token must be in every form and every script, needs a session before the sign-in, makes each page
//!   with a form private, and breaks when it expires in an open tab. The field needs none of this, and no state.
//! - **The sign-in form too.** Otherwise an attacker can sign a visitor in to the attacker's account (login CSRF).
//! - **Never change anything on GET.** Links of other sites come with the session: that is what `Lax` means. The callback
//!   of a provider is the exception: its `state`, bound to the browser, is the check.
//! - **A WebSocket begins with a GET**, which the layer lets pass: make the same check in its handler.
//! - [`SameSite::Strict`](crate::SameSite) is no replacement: visitors who follow a link, or come back from a provider,
//!   arrive signed out. With `SameSite::None` the check is all that you have.
//!
//! In another framework, check every request that is not GET, HEAD or OPTIONS. If it has `Sec-Fetch-Site`, refuse it unless
//! that is `same-origin` or `none`. If it has none, but an `Origin`, refuse it unless the host and port of `Origin` are
//! those of `Host`.
