//! Feature `axum`: extractors for handlers, and responses for the errors of this crate.

#[cfg(feature = "device")]
mod device;

use ::http::header::{ACCEPT, CACHE_CONTROL, HeaderName, LOCATION};
use ::http::request::Parts;
use ::http::uri::PathAndQuery;
use ::http::{HeaderValue, StatusCode};
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};

#[cfg(feature = "device")]
pub use self::device::DeviceEndpoints;

use crate::adapters::guard::{RequireSession, SIGN_IN_FIRST};
use crate::adapters::layers::{LayerError, NOT_KEPT};
use crate::adapters::next_page::is_navigation;
use crate::adapters::tower::Slot;
use crate::{Session, SessionData, WriteError};

/// `session: Session<T>` in a handler. It never rejects a visitor; a forgotten layer is a 500 that names `T`. With device
/// binding, `Session::prove_first` may answer in the handler's place.
impl<S, T> FromRequestParts<S> for Session<T>
where
    S: Send + Sync,
    T: SessionData,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let session = Self::from_extensions(&parts.extensions).map_err(IntoResponse::into_response)?;
        #[cfg(feature = "device")]
        if let Some(answer) = session.prove_first() {
            return Err(answer.into_response());
        }
        Ok(session)
    }
}

impl<S, T> FromRequestParts<S> for RequireSession<T>
where
    S: Send + Sync,
    T: SessionData,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = Session::<T>::from_request_parts(parts, state).await?;
        Self::new(session).ok_or_else(|| sign_in_first::<T>(parts))
    }
}

fn sign_in_first<T: SessionData>(parts: &Parts) -> Response {
    let mode = parts.headers.get("sec-fetch-mode").map(HeaderValue::as_bytes);
    let accept = parts.headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes);
    let page = parts.extensions.get::<Slot<T>>().and_then(|slot| slot.sign_in.as_ref());
    let page = page.filter(|_| is_navigation(parts.method.as_str(), mode, accept));
    let location = page.map(|(page, asked)| page.address_for(asked.as_ref().map(PathAndQuery::as_str)));
    match location.and_then(|location| HeaderValue::try_from(location).ok()) {
        Some(location) => (StatusCode::SEE_OTHER, [(LOCATION, location), NO_STORE]).into_response(),
        None => (StatusCode::UNAUTHORIZED, [NO_STORE], SIGN_IN_FIRST).into_response(),
    }
}

/// The answer depends on more request fields than `Vary` should name.
const NO_STORE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

impl IntoResponse for LayerError {
    /// A 500 whose text says what to change: it concerns the developer and contains nothing of a visitor.
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl IntoResponse for WriteError {
    /// A 500 that says nothing more; log the error itself before returning it. A 401 for [`WriteError::Unproven`].
    fn into_response(self) -> Response {
        match self {
            Self::Unproven => (StatusCode::UNAUTHORIZED, [NO_STORE], SIGN_IN_FIRST).into_response(),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, NOT_KEPT).into_response(),
        }
    }
}
