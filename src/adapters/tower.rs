//! Feature `tower`: a layer that loads a session before a service is called and finishes it afterwards.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::uri::PathAndQuery;
use ::http::{Extensions, HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::adapters::layers::{self, LayerError, Options, Running};
use crate::{RequestFields, Session, SessionData, Sessions};

/// Gives every request its [`Session<T>`] and every response its cookies and cache header fields.
///
/// Handlers take the session from the request's extensions ([`Session::from_extensions`]), in axum with the extractor.
/// A request that does not look at its session costs no cryptography.
///
/// If the inner service itself fails, panics or is cancelled (by a timeout outside the layer, or because the client is
/// gone), there is no response that could carry a cookie, and writes to the session are lost. A sign-out has revoked
/// the session by then, but the browser keeps its cookies.
///
/// # The order of layers
///
/// ```text
#[doc = include_str!("tower/order.txt")]
/// ```
///
/// The picture begins with the outermost layer: in axum the one that is added last, in a `ServiceBuilder` the first.
///
/// - Of several `Vary` lines, nginx before 1.23 keeps only the last one. This layer joins the lines that are written
///   inside into one. `CorsLayer` and `CompressionLayer` outside add a line without `Cookie`: then nginx gives the page
///   for guests to visitors who are signed in.
/// - A response cache inside gives the page of one visitor to others.
/// - An `ETag` layer outside makes a 304 that sets cookies, which caches may store with the page that they freshen.
///   Inside, it makes a 304 that carries neither an activity cookie nor the write of a GET (but it does carry a
///   sign-out): write by POST. A layer that makes no 304 of a response with `Set-Cookie` may be outside, and loses
///   nothing.
/// - Inside `Router::nest` the layer sees a path without its front: put it outside, or `next` leads elsewhere.
/// - With `TimeoutLayer` or `CatchPanicLayer` outside, a sign-out does not remove the cookies from the browser.
/// - `TraceLayer` logs no header fields by default. With `include_headers` it logs the request's `Cookie` field with
///   the tokens, unless a layer outside marks it as sensitive; the crate marks its `Set-Cookie` lines itself.
pub struct SessionLayer<T> {
    options: Options<T, Bind>,
}

/// The layer puts this into the extensions, with the page that was asked for: routers inside may shorten the path.
pub(crate) type Slot<T> = layers::Slot<T, PathAndQuery>;

type Bind = dyn Fn(&HeaderMap, &Extensions) -> Vec<u8> + Send + Sync;

impl<T> SessionLayer<T> {
    /// A layer for these sessions. By default it has no sign-in page and binds sessions to nothing.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sealed_session::{Key, KeyRing, Session, SessionLayer, Sessions};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let sign_in = service_fn(async |request: Request<()>| {
    ///     // Without the layer this is an error.
    ///     let mut session = Session::<Login>::from_extensions(request.extensions())?;
    ///     session.start(Login { user: 7 })?;
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::new("welcome"))
    /// });
    /// assert!(sign_in.oneshot(Request::new(())).await.is_err());
    ///
    /// let layer = SessionLayer::new(sessions);
    /// let response = layer.layer(sign_in).oneshot(Request::new(())).await?;
    /// let cookies = response.headers().get_all("set-cookie").iter();
    /// assert_eq!(cookies.count(), 2);
    /// assert_eq!(response.headers()["cache-control"], "private, no-store");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(sessions: Sessions<T>) -> Self {
        Self {
            options: Options::new(sessions),
        }
    }

    /// The page to which `RequireSession` sends guests who ask for another page (303 See Other). It may have a query
    /// and a fragment. Default: none, every guest gets a 401.
    ///
    /// The address gets the page that was asked for as `next`, which [`next_page`](crate::next_page()) reads back, if
    /// that page is a path of this site and takes at most 1,024 bytes when encoded. Guests are sent there only by a GET
    /// or HEAD with `Sec-Fetch-Mode: navigate`, or, if the browser does not send that field (over plain http), with an
    /// `Accept` that names `text/html`. The `fetch` of a script and a submitted form get the 401.
    ///
    /// `next` is the path that this layer sees: put the layer outside of `Router::nest`, which takes the front off the
    /// path.
    ///
    /// Anything but a path of this site (it begins with one `/`, is visible ASCII, has no `\` and no segment `.` or
    /// `..`) is a mistake: every handler that takes the session then gets a [`LayerError`], which says so.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use sealed_session::{Key, KeyRing, RequireSession, SessionLayer, Sessions};
    /// use tower::ServiceExt;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// async fn orders(session: RequireSession<Login>) -> String {
    ///     format!("orders of user {}", session.data().user)
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let layer = SessionLayer::new(sessions).sign_in_page("/login");
    /// let app = Router::new().route("/orders", get(orders)).layer(layer);
    ///
    /// let request = Request::builder().uri("/orders?page=2");
    /// let by_hand = request.header("sec-fetch-mode", "navigate").body(Body::empty())?;
    /// let response = app.clone().oneshot(by_hand).await?;
    /// assert_eq!(response.status(), 303);
    /// assert_eq!(response.headers()["location"], "/login?next=%2Forders%3Fpage%3D2");
    ///
    /// let request = Request::builder().uri("/orders?page=2");
    /// let by_script = request.header("sec-fetch-mode", "cors").body(Body::empty())?;
    /// assert_eq!(app.oneshot(by_script).await?.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "login_url")]
    #[must_use]
    pub fn sign_in_page(mut self, path: &str) -> Self {
        self.options.set_sign_in_page(path);
        self
    }

    /// Binds every session to a value that client and server know and that is not in the request, such as the hash of a
    /// client certificate that the TLS layer put into the extensions. Default: empty.
    ///
    /// ```
    /// use http::{HeaderMap, Request, Response};
    /// use sealed_session::{Key, KeyRing, Session, SessionLayer, Sessions};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # type Error = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// #[derive(Clone)]
    /// struct CertificateHash([u8; 32]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let layer = SessionLayer::new(sessions).bind_with(|_, extensions| {
    ///     let hash = extensions.get::<CertificateHash>();
    ///     hash.map(|hash| hash.0.to_vec()).unwrap_or_default()
    /// });
    /// # let service = layer.layer(service_fn(async |request: Request<()>| {
    /// #     let mut session = Session::<Login>::from_extensions(request.extensions())?;
    /// #     let user = session.get().map(|login| login.user);
    /// #     if user.is_none() {
    /// #         session.start(Login { user: 7 })?;
    /// #     }
    /// #     Ok::<_, Error>(Response::new(user))
    /// # }));
    /// # let cookies = |headers: &HeaderMap| -> Vec<String> {
    /// #     let lines = headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    /// #     lines.filter_map(|line| line.split(';').next()).map(str::to_owned).collect()
    /// # };
    /// # let mut request = Request::new(());
    /// # request.extensions_mut().insert(CertificateHash([1; 32]));
    /// # let response = service.clone().oneshot(request).await?;
    /// # let cookies = cookies(response.headers()).join("; ");
    /// // A session that was started under the certificate 1, copied to other clients.
    /// for (certificate, user) in [(1, Some(7)), (2, None)] {
    ///     let mut request = Request::builder().header("cookie", &cookies).body(())?;
    ///     request.extensions_mut().insert(CertificateHash([certificate; 32]));
    ///     assert_eq!(*service.clone().oneshot(request).await?.body(), user);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn bind_with(mut self, bind: impl Fn(&HeaderMap, &Extensions) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.options.bind = Some(Arc::new(bind));
        self
    }
}

impl<T> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
        }
    }
}

impl<T> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionLayer").field(&self.options.sessions).finish()
    }
}

impl<S, T> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            options: Arc::new(self.options.clone()),
        }
    }
}

/// A service with a [`SessionLayer`] around it.
pub struct SessionService<S, T> {
    inner: S,
    /// Servers clone the service for each request.
    options: Arc<Options<T, Bind>>,
}

impl<S: Clone, T> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            options: Arc::clone(&self.options),
        }
    }
}

impl<S, T> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionService").field(&self.options.sessions).finish()
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
        let (headers, extensions) = (request.headers(), request.extensions());
        let page = request.uri().path_and_query();
        let has_slot = extensions.get::<Slot<T>>().is_some();
        let (layers, slot) = self.options.enter(extensions.get().cloned(), has_slot, page, || {
            let fields = RequestFields::from(headers);
            #[cfg(feature = "device")]
            let fields = match page {
                Some(page) if self.options.has_device_binding() => {
                    fields.with_target(request.method().as_str(), page.as_str())
                }
                _ => fields,
            };
            match &self.options.bind {
                Some(bind) => fields.with_bind(bind(headers, extensions)),
                None => fields,
            }
        });
        let session = Running::of(&slot);
        request.extensions_mut().insert::<Slot<T>>(slot);
        request.extensions_mut().insert(layers);
        ResponseFuture {
            inner: self.inner.call(request),
            session,
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
        let mut result = ready!(this.inner.poll(cx));
        if let Some(session) = this.session.take() {
            match &mut result {
                Ok(response) => session.finish(response.status().as_u16(), response.headers_mut()),
                Err(_) => session.abandon(),
            }
        }
        Poll::Ready(result)
    }
}

impl<T: SessionData> Session<T> {
    /// The session that a [`SessionLayer`] put into a request's extensions.
    ///
    /// # Errors
    /// [`LayerError`] if no layer for `T` is there, if two layers contradict each other, or if `sign_in_page` was given
    /// no path. It names `T`.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sealed_session::{LayerError, Session, SessionLayer};
    /// # use sealed_session::{Key, KeyRing, Sessions};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// async fn home(request: Request<()>) -> Result<Response<String>, LayerError> {
    ///     let session = Session::<Login>::from_extensions(request.extensions())?;
    ///     let user = session.get().map(|login| login.user);
    ///     Ok(Response::new(format!("user {user:?}")))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// assert!(home(Request::new(())).await.is_err());
    /// let service = SessionLayer::new(sessions).layer(service_fn(home));
    /// assert_eq!(service.oneshot(Request::new(())).await?.body(), "user None");
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, LayerError> {
        match extensions.get::<Slot<T>>() {
            Some(slot) => slot.session.clone(),
            None => Err(LayerError::missing::<T>(".layer(SessionLayer::new(sessions))")),
        }
    }
}
