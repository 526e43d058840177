//! From axum-extra's `PrivateCookieJar`.

pub mod beside;
pub mod new;
pub mod old;
