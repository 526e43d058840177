//! Feature `tower`: a layer that loads a session before a service and finishes it after.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{Extensions, HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::layers::{LayerError, Layers, Running, Slot};
use crate::{RequestFields, Session, SessionData, Sessions};

/// Gives every request its [`Session<T>`] and every response its cookies and cache header fields.
///
/// Handlers take the session from the request's extensions ([`Session::from_extensions`]), in axum with the extractor.
/// A request that does not look at its session costs no cryptography.
///
/// If the inner service itself fails, panics or is cancelled (by a
/// timeout outside the layer, or because the client is gone), there is no response to carry a cookie: what was written is
/// dropped. A sign-out has revoked the session by then, but the browser keeps its cookies.
///
/// # The order of layers
///
/// ```text
///  request
///    |  SetSensitiveRequestHeadersLayer |  keeps the `Cookie` field out of the log
///    |  TraceLayer                      |
///    |  response cache                  |  has to see what may be stored, and for whom
///    |  SessionLayer                    |  has to see the other `Vary` fields, and every status
///    |  CorsLayer                       |  writes `Vary`
///    |  ETag layer                      |  makes a 304, which takes no cookie
///    |  CompressionLayer                |  writes `Vary`
///    |  TimeoutLayer                    |  makes a response, which can carry a sign-out
///    |  CatchPanicLayer                 |  does the same
///    v
///  handlers, and whatever reads the session
/// ```
///
/// The outermost layer stands first: in axum the one that is added last, in a `ServiceBuilder` the first.
///
/// - Of several lines of `Vary`, nginx before 1.23 keeps the last one alone. This layer makes one line of those that are
///   written inside. `CorsLayer` and `CompressionLayer` outside add a line without `Cookie`: then nginx gives the page for
///   guests to visitors who are signed in.
/// - A response cache inside gives the page of one visitor to others.
/// - An `ETag` layer outside makes a 304 that sets cookies, which caches may store with what they freshen. One inside makes
///   a 304 that brings neither a renewal nor what a GET wrote (a sign-out it does bring): write by POST. A layer
///   that makes no 304 of a response with `Set-Cookie` may stand outside, and loses nothing.
/// - `TimeoutLayer` and `CatchPanicLayer` outside lose what a sign-out removes from the browser.
/// - `TraceLayer` logs no header fields by default. With `include_headers` it logs the request's `Cookie` field with the
///   tokens, unless that is marked sensitive before; the crate marks its `Set-Cookie` lines itself.
pub struct SessionLayer<T> {
    sessions: Sessions<T>,
    sign_in: Option<Arc<str>>,
    bind: Option<Arc<Bind>>,
}

type Bind = dyn Fn(&HeaderMap, &Extensions) -> Vec<u8> + Send + Sync;

impl<T> SessionLayer<T> {
    /// A layer for these sessions.
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
    /// the hash of a client certificate that the TLS layer put into the extensions. Default: empty.
    #[must_use]
    pub fn bind_with(self, bind: impl Fn(&HeaderMap, &Extensions) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            bind: Some(Arc::new(bind)),
            ..self
        }
    }
}

impl<T: SessionData> SessionLayer<T> {
    fn load<B>(&self, request: &Request<B>) -> Session<T> {
        let mut fields = RequestFields::from(request.headers());
        if let Some(bind) = &self.bind {
            fields = fields.with_bind(bind(request.headers(), request.extensions()));
        }
        self.sessions.load(fields)
    }
}

impl<T> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            sign_in: self.sign_in.clone(),
            bind: self.bind.clone(),
        }
    }
}

impl<T> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionLayer").field(&self.sessions).finish()
    }
}

impl<S, T> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service with a [`SessionLayer`] around it.
pub struct SessionService<S, T> {
    inner: S,
    layer: SessionLayer<T>,
}

impl<S: Clone, T> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, T> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionService").field(&self.layer.sessions).finish()
    }
}

impl<S, T, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S, T>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    T: SessionData,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let layers = request.extensions().get::<Layers>().cloned().unwrap_or_default();
        let has_slot = request.extensions().get::<Slot<T>>().is_some();
        let (layers, session) = layers.enter(&self.layer.sessions, has_slot, || self.layer.load(&request));
        let sign_in = self.layer.sign_in.clone();
        let slot = Slot {
            session: session.clone(),
            sign_in,
        };
        request.extensions_mut().insert(slot);
        request.extensions_mut().insert(layers);
        ResponseFuture {
            inner: self.inner.call(request),
            session: Running::new(session.ok()),
        }
    }
}

pin_project! {
    /// The response of a [`SessionService`].
    pub struct ResponseFuture<F, T: SessionData> {
        #[pin]
        inner: F,
        session: Running<T>,
    }
}

impl<F, T: SessionData> fmt::Debug for ResponseFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

impl<F, T, ResBody, E> Future for ResponseFuture<F, T>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    T: SessionData,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let Some(session) = this.session.take() else {
            return Poll::Ready(result);
        };
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                session.abandon();
                return Poll::Ready(Err(error));
            }
        };
        session.finish(response.status().as_u16(), response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

impl<T: SessionData> Session<T> {
    /// The session that a [`SessionLayer`] put into a request's extensions.
    ///
    /// # Errors
    /// [`LayerError`] if no layer for `T` is there, or if two layers contradict each other. It names `T`.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, LayerError> {
        match extensions.get::<Slot<T>>() {
            Some(slot) => slot.session.clone(),
            None => Err(LayerError::missing::<T>(".layer(SessionLayer::new(sessions))")),
        }
    }
}
