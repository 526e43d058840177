//! Feature `axum`: extractors for handlers, and responses for the errors of this crate.

use ::http::header::LOCATION;
use ::http::request::Parts;
use ::http::{HeaderValue, StatusCode};
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};

use crate::layers::{LayerError, NOT_KEPT, RequireSession, SIGN_IN_FIRST, Slot};
use crate::{Session, SessionData, WriteError};

/// `session: Session<T>` in a handler. It never rejects a visitor; a forgotten layer is a 500 that names `T`.
impl<S, T> FromRequestParts<S> for Session<T>
where
    S: Send + Sync,
    T: SessionData,
{
    type Rejection = LayerError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, LayerError> {
        Self::from_extensions(&parts.extensions)
    }
}

impl<S, T> FromRequestParts<S> for RequireSession<T>
where
    S: Send + Sync,
    T: SessionData,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let session = Session::<T>::from_extensions(&parts.extensions).map_err(IntoResponse::into_response)?;
        if session.get().is_some() {
            return Ok(Self(session));
        }
        let location = parts
            .extensions
            .get::<Slot<T>>()
            .and_then(|slot| slot.sign_in.as_deref());
        Err(
            match location.and_then(|location| HeaderValue::from_str(location).ok()) {
                Some(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
                None => (StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response(),
            },
        )
    }
}

impl IntoResponse for LayerError {
    /// A 500 whose text says what to change: it concerns the developer and contains nothing of a visitor.
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl IntoResponse for WriteError {
    /// A 500 that says nothing more; log the error itself before returning it.
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, NOT_KEPT).into_response()
    }
}
