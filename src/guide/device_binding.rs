//! Sessions that are bound to the visitor's device, so that stolen cookies die within minutes.
//!
//! With the feature `device` (**experimental**: the protocol is a W3C draft) browsers can hold a key that never leaves the
//! device, and prove it every few minutes. Chromium's browsers do it over https; the sessions of others stay as they are.
//! It takes a line on the builder, two endpoints, and an idle timeout.
//!
//! ```
//! use axum::{Router, routing::get};
//! use sealed_session::device::DeviceBinding;
//! use sealed_session::{ConfigError, DeviceEndpoints, KeyRing, RequireDevice, SessionLayer, Sessions};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Login {
//!     user: u64,
//! }
//!
//! fn app(keys: KeyRing) -> Result<Router, ConfigError> {
//!     let binding = DeviceBinding::at("/device");
//!     let sessions = Sessions::<Login>::builder(keys).audience("shop").device_binding(binding).build()?;
//!     Ok(Router::new()
//!         .route("/keys", get(keys_page))
//!         .nest_service("/device", DeviceEndpoints::new(sessions.clone()))
//!         .layer(SessionLayer::new(sessions)))
//! }
//!
//! /// Only for sessions that are bound and proven: not for Firefox or Safari.
//! async fn keys_page(session: RequireDevice<Login>) -> String {
//!     format!("keys of user {}", session.data().user)
//! }
//! # assert!(app(KeyRing::new(sealed_session::Key::generate()?)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Before its first proof a session is unbound**, for some seconds after the sign-in. A copy from then lives to the
//!   absolute timeout, as do those of browsers that cannot bind: only `RequireDevice` and `require_proof` keep them out.
//! - **Do not redirect to a page with `RequireDevice` after the sign-in**: the first page is always unbound, and gets a
//!   403.
//!
//! [docs/device-binding.md][page] says what it gives and what it does not, how to try it on your machine, how to ask for a
//! proof that is a minute old before a payment, what visitors see when something goes wrong, and how to deploy it.
//!
//! [page]: https://github.com/sealed-session/sealed-session/blob/main/docs/device-binding.md
