//! Device binding in axum: its endpoints, its guard, and its answers as responses.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use ::http::header::{ALLOW, HeaderMap, HeaderName, SET_COOKIE};
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, StatusCode};
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use tower_service::Service;

use crate::adapters::guard::{RequireDevice, RequireSession};
use crate::device::Answer;
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
    /// The answer itself.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_owned()));
        *response.status_mut() =
            StatusCode::from_u16(self.status()).expect("the statuses of answers are known to HTTP");
        for (name, value) in self.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the names are constants of this crate");
            let mut value =
                HeaderValue::try_from(value).expect("values are made of visible ASCII, or came in a request");
            value.set_sensitive(name == SET_COOKIE);
            response.headers_mut().append(name, value);
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
/// Nothing may answer in their place: no rate limit, redirect, sign-in or CSRF check around them.
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
/// # for (path, status) in [("/device/register", 400), ("/device/refresh", 401), ("/device/other", 404)] {
/// #     let request = Request::post(path).body(Body::empty())?;
/// #     assert_eq!(app.clone().oneshot(request).await?.status(), status);
/// # }
/// # assert_eq!(app.oneshot(Request::get("/device/refresh").body(Body::empty())?).await?.status(), 405);
/// # Ok(())
/// # }
/// ```
pub struct DeviceEndpoints<T> {
    sessions: Sessions<T>,
}

impl<T: SessionData> DeviceEndpoints<T> {
    /// The endpoints for these sessions. Nest them at the path that [`DeviceBinding::at`](crate::device::DeviceBinding::at) got.
    #[must_use]
    pub fn new(sessions: Sessions<T>) -> Self {
        Self { sessions }
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let is_refresh = match path.rsplit('/').next() {
            Some("register") => false,
            Some("refresh") => true,
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        if method != Method::POST {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
        }
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let (fields, proof) = (RequestFields::from(headers), text("secure-session-response"));
        let answer = match is_refresh {
            false => self.sessions.register_device(&fields, proof),
            true => self
                .sessions
                .refresh_device(&fields, text("sec-secure-session-id"), proof),
        };
        answer.into_response()
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
        ready(Ok(self.answer(
            request.method(),
            request.uri().path(),
            request.headers(),
        )))
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
