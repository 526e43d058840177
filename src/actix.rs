//! Feature `actix`: a middleware and extractors for actix-web 4.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use pin_project_lite::pin_project;

use crate::headers::ResponseHeaders;
use crate::layers::{LayerError, Layers, NOT_KEPT, RequireSession, Running, SIGN_IN_FIRST, Slot};
use crate::{RequestFields, Session, SessionData, Sessions, WriteError};

/// Gives every request its [`Session<T>`] and every response its cookies and cache header fields.
///
/// Handlers take the session with the extractor. A request that does not look at its session costs no cryptography.
///
/// Put the middleware inside a response cache and outside of `Compress`, `Cors` and whatever sets an `ETag`; in actix, the
/// one that is wrapped last is the outermost. The documentation of `SessionLayer` draws the order and has the reasons.
///
/// An error that a handler returns becomes a response with the session's cookies and cache header fields too.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use sealed_session::actix::SessionMiddleware;
/// use sealed_session::{KeyRing, WriteError, Session, Sessions};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Login { user: u64 }
///
/// async fn login(mut session: Session<Login>) -> Result<&'static str, WriteError> {
///     session.start(Login { user: 7 })?;
///     Ok("welcome")
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::<Login>::builder(KeyRing::from_env("SESSION_KEYS")?).audience("shop").build()?;
/// let app = move || {
///     App::new().route("/login", web::post().to(login)).wrap(SessionMiddleware::new(sessions.clone()))
/// };
/// HttpServer::new(app).bind(("127.0.0.1", 3000))?.run().await?;
/// # Ok(())
/// # }
/// ```
pub struct SessionMiddleware<T> {
    sessions: Sessions<T>,
    sign_in: Option<Arc<str>>,
    bind: Option<Arc<Bind>>,
}

type Bind = dyn Fn(&ServiceRequest) -> Vec<u8> + Send + Sync;

impl<T> SessionMiddleware<T> {
    /// A middleware for these sessions.
    #[must_use]
    pub fn new(sessions: Sessions<T>) -> Self {
        Self {
            sessions,
            sign_in: None,
            bind: None,
        }
    }

    /// Where the guard extractor sends visitors without a session (303 See Other). Default: nowhere, they get a 401.
    /// A location with control or non-ASCII characters is no field value, and counts as none: percent-encode it.
    #[must_use]
    pub fn sign_in_page(self, location: impl Into<Arc<str>>) -> Self {
        Self {
            sign_in: Some(location.into()),
            ..self
        }
    }

    /// Binds every session to a value that client and server know and that does not travel with the request, such as
    /// the hash of a client certificate. Default: empty.
    #[must_use]
    pub fn bind_with(self, bind: impl Fn(&ServiceRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            bind: Some(Arc::new(bind)),
            ..self
        }
    }
}

impl<T> Clone for SessionMiddleware<T> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            sign_in: self.sign_in.clone(),
            bind: self.bind.clone(),
        }
    }
}

impl<T> fmt::Debug for SessionMiddleware<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionMiddleware").field(&self.sessions).finish()
    }
}

impl<S, B, T> Transform<S, ServiceRequest> for SessionMiddleware<T>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    T: SessionData,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type InitError = ();
    type Transform = SessionMiddlewareService<S, T>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionMiddlewareService {
            inner,
            middleware: self.clone(),
        }))
    }
}

/// A service with a [`SessionMiddleware`] around it.
pub struct SessionMiddlewareService<S, T> {
    inner: S,
    middleware: SessionMiddleware<T>,
}

impl<S, T> fmt::Debug for SessionMiddlewareService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionMiddlewareService")
            .field(&self.middleware)
            .finish()
    }
}

impl<S, B, T> Service<ServiceRequest> for SessionMiddlewareService<S, T>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    T: SessionData,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = SessionFuture<S::Future, T>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let SessionMiddleware {
            sessions,
            sign_in,
            bind,
        } = &self.middleware;
        let session = {
            let layers = request.extensions().get::<Layers>().cloned().unwrap_or_default();
            let has_slot = request.extensions().get::<Slot<T>>().is_some();
            let (layers, session) = layers.enter(sessions, has_slot, || {
                let mut fields = RequestFields::from(request.headers());
                if let Some(bind) = bind {
                    fields = fields.with_bind(bind(&request));
                }
                sessions.load(fields)
            });
            let mut extensions = request.extensions_mut();
            extensions.insert(layers);
            extensions.insert(Slot {
                session: session.clone(),
                sign_in: sign_in.clone(),
            });
            Running::new(session.ok())
        };
        SessionFuture {
            inner: self.inner.call(request),
            session,
        }
    }
}

pin_project! {
    /// The response of a [`SessionMiddlewareService`].
    pub struct SessionFuture<F, T: SessionData> {
        #[pin]
        inner: F,
        session: Running<T>,
    }
}

impl<F, T: SessionData> fmt::Debug for SessionFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionFuture(..)")
    }
}

impl<F, T, B> Future for SessionFuture<F, T>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    T: SessionData,
{
    type Output = Result<ServiceResponse<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let Some(session) = this.session.take() else {
            return Poll::Ready(result);
        };
        Poll::Ready(match result {
            Ok(mut response) => {
                session.finish(response.status().as_u16(), response.headers_mut());
                Ok(response)
            }
            Err(error) => {
                // Made once, and here: what a response says may differ from its error's `status_code`.
                let mut response = error.as_response_error().error_response();
                session.finish(response.status().as_u16(), response.headers_mut());
                Err(InternalError::from_response(error, response).into())
            }
        })
    }
}

impl From<&HeaderMap> for RequestFields {
    /// Takes what a session needs; the cookies themselves are not copied.
    fn from(headers: &HeaderMap) -> Self {
        let cookies: Vec<HeaderValue> = headers.get_all(header::COOKIE).cloned().collect();
        Self::from_map(cookies, |name| headers.get(name).and_then(|value| value.to_str().ok()))
    }
}

impl ResponseHeaders for HeaderMap {
    fn for_each_line(&self, line: &mut dyn FnMut(&str, &[u8])) {
        self.iter()
            .for_each(|(name, value)| line(name.as_str(), value.as_bytes()));
    }

    fn retain_lines(&mut self, name: &str, keep: &mut dyn FnMut(&[u8]) -> bool) {
        let Ok(name) = HeaderName::try_from(name) else {
            return;
        };
        let kept: Vec<HeaderValue> = self.remove(&name).filter(|value| keep(value.as_bytes())).collect();
        for value in kept {
            self.append(name.clone(), value);
        }
    }

    fn append_line(&mut self, name: &'static str, value: String, is_sensitive: bool) {
        let mut value = HeaderValue::try_from(value)
            .expect("names, attributes and merged directives are checked to be visible ASCII, tokens are base64url");
        value.set_sensitive(is_sensitive);
        let name = HeaderName::try_from(name).expect("the names are constants of this crate");
        Self::append(self, name, value);
    }
}

fn slot<T: SessionData>(request: &HttpRequest) -> Slot<T> {
    let missing = || Slot {
        session: Err(LayerError::missing::<T>(".wrap(SessionMiddleware::new(sessions))")),
        sign_in: None,
    };
    request.extensions().get::<Slot<T>>().cloned().unwrap_or_else(missing)
}

/// `session: Session<T>` in a handler. It never rejects a visitor; a forgotten middleware is a 500 that names `T`.
impl<T: SessionData> FromRequest for Session<T> {
    type Error = LayerError;
    type Future = Ready<Result<Self, LayerError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(slot::<T>(request).session)
    }
}

impl<T: SessionData> FromRequest for RequireSession<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let Slot { session, sign_in } = slot::<T>(request);
        ready(match session {
            Ok(session) if session.get().is_some() => Ok(Self(session)),
            Ok(_) => Err(SignInFirst(sign_in).into()),
            Err(error) => Err(error.into()),
        })
    }
}

/// A visitor without a session came to a handler that demands one.
#[derive(Debug)]
struct SignInFirst(Option<Arc<str>>);

impl SignInFirst {
    fn location(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.0.as_deref()?).ok()
    }
}

impl fmt::Display for SignInFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIGN_IN_FIRST)
    }
}

impl ResponseError for SignInFirst {
    fn status_code(&self) -> StatusCode {
        if self.location().is_some() {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::UNAUTHORIZED
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self.location() {
            Some(location) => HttpResponse::SeeOther()
                .insert_header((header::LOCATION, location))
                .finish(),
            None => plain_text(StatusCode::UNAUTHORIZED, SIGN_IN_FIRST.to_owned()),
        }
    }
}

impl ResponseError for LayerError {
    /// A 500 whose text says what to change: it concerns the developer and contains nothing of a visitor.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        plain_text(StatusCode::INTERNAL_SERVER_ERROR, self.to_string())
    }
}

impl ResponseError for WriteError {
    /// A 500 that says nothing more; log the error itself before returning it.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        plain_text(StatusCode::INTERNAL_SERVER_ERROR, NOT_KEPT.to_owned())
    }
}

/// Says its type: otherwise a browser guesses, and a type's name with its `<` and `>` may look like a page.
fn plain_text(status: StatusCode, text: String) -> HttpResponse<BoxBody> {
    HttpResponse::build(status)
        .insert_header(header::ContentType::plaintext())
        .body(text)
}
