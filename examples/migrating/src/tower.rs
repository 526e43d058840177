//! From tower-sessions, with any of its stores.

pub mod adopt;
pub mod beside;
pub mod new;
pub mod old;

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Whatever a handler fails with is a 500.
pub struct Failed(pub Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
