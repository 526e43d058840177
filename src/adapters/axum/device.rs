//! Device binding in axum: its endpoints, its guard, and its answers as responses.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use ::http::header::ALLOW;
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, StatusCode};
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use tower_service::Service;

use crate::adapters::guard::{RequireDevice, RequireSession};
use crate::adapters::layers::endpoint_answer;
use crate::adapters::tower::Slot;
use crate::device::Answer;
use crate::headers::ResponseHeaders;
use crate::{RequestFields, SessionData, Sessions};

impl<S, T> FromRequestParts<S> for RequireDevice<T>
where
    S: Send + Sync,
    T: SessionData,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = RequireSession::from_request_parts(parts, state).await?;
        Self::new(session).map_err(IntoResponse::into_response)
    }
}

impl IntoResponse for Answer {
    /// The answer itself. A handler with several kinds of errors returns axum's own `Result`: it takes all by `?`.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_owned()));
        *response.status_mut() =
            StatusCode::from_u16(self.status()).expect("the statuses of answers are known to HTTP");
        for (name, value) in self.headers() {
            let is_sensitive = name == "Set-Cookie";
            response.headers_mut().append_line(name, value.to_owned(), is_sensitive);
        }
        response
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        answer.into_response()
    }
}

/// The two endpoints of device binding, for `Router::nest_service` (features `axum` and `device`).
///
/// Nothing may answer in their place: no rate limit, redirect, sign-in or CSRF token around them. If the layer has a
/// `bind_with`, they have to be inside it. Without device binding they answer with a 404.
///
/// Browsers ask at the path of `DeviceBinding::at` alone ([`Sessions::device_path`]). Elsewhere the endpoints get no
/// request and no session is bound: a test as the last line here finds that.
///
/// ```
/// use axum::{Router, body::Body, http::Request};
/// use sealed_session::device::DeviceBinding;
/// use sealed_session::{DeviceEndpoints, Key, KeyRing, SessionLayer, Sessions};
/// # use tower::ServiceExt;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = KeyRing::new(Key::generate()?);
/// let sessions = Sessions::<Login>::builder(ring).device_binding(DeviceBinding::at("/device")).build()?;
/// let app = Router::new()
///     .nest_service("/device", DeviceEndpoints::new(sessions.clone()))
///     .layer(SessionLayer::new(sessions));
///
/// // Browsers find them. Anything but a 400 is of somebody else.
/// let request = Request::post("/device/register").body(Body::empty())?;
/// assert_eq!(app.oneshot(request).await?.status(), 400);
/// # Ok(())
/// # }
/// ```
pub struct DeviceEndpoints<T> {
    sessions: Sessions<T>,
}

impl<T: SessionData> DeviceEndpoints<T> {
    /// The endpoints for these sessions. Nest them at the path that
    /// [`DeviceBinding::at`](crate::device::DeviceBinding::at) got.
    #[must_use]
    pub fn new(sessions: Sessions<T>) -> Self {
        Self { sessions }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response {
        let (path, headers) = (request.uri().path(), request.headers());
        // Routers around it may have taken the front off the path.
        let at = self.sessions.device_path().filter(|_| path.starts_with('/'));
        let is_at = |endpoint| at.is_some_and(|at| format!("{at}/{endpoint}").ends_with(path));
        let is_refresh = is_at("refresh");
        if !is_refresh && !is_at("register") {
            return StatusCode::NOT_FOUND.into_response();
        }
        if request.method() != Method::POST {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
        }
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let (slot, fields) = (request.extensions().get::<Slot<T>>(), || RequestFields::from(headers));
        endpoint_answer(&self.sessions, is_refresh, slot, fields, text).into_response()
    }
}

impl<T: SessionData, B> Service<Request<B>> for DeviceEndpoints<T> {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl<T> Clone for DeviceEndpoints<T> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
        }
    }
}

impl<T> fmt::Debug for DeviceEndpoints<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceEndpoints").field(&self.sessions).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Key, KeyRing, RequestFields};

    use super::*;

    #[test]
    fn an_answer_is_a_response() {
        let builder = Sessions::<u8>::builder(KeyRing::new(Key::generate().unwrap()));
        let answer = builder
            .build()
            .unwrap()
            .register_device(&RequestFields::default(), None);
        let response = Response::from(answer);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["cache-control"], "private, no-store");
    }
}
