//! Feature `actix`: a middleware and extractors for actix-web 4.

#[cfg(feature = "device")]
mod device;

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
use actix_web::http::uri::PathAndQuery;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use pin_project_lite::pin_project;

#[cfg(feature = "device")]
#[cfg_attr(docsrs, doc(cfg(feature = "device")))]
pub use self::device::device_endpoints;

use crate::adapters::guard::{RequireSession, SIGN_IN_FIRST};
use crate::adapters::layers::{self, LayerError, NOT_KEPT, Options, Running};
use crate::adapters::next_page::is_navigation;
use crate::headers::{NAMES, ResponseHeaders};
use crate::{RequestFields, Session, SessionData, Sessions, WriteError};

/// Gives every request its [`Session<T>`] and every response its cookies and cache header fields.
///
/// Handlers take the session with the extractor. A request that does not look at its session costs no cryptography.
///
/// Put the middleware inside a response cache and outside of `Compress`, `Cors` and any middleware that sets an `ETag`;
/// in actix, the middleware that is wrapped last is the outermost. The documentation of `SessionLayer` draws the order
/// and has the reasons.
///
/// An error that a handler returns also becomes a response with the session's cookies and cache header fields.
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
    options: Options<T, Bind>,
}

type Slot<T> = layers::Slot<T, PathAndQuery>;

type Bind = dyn Fn(&ServiceRequest) -> Vec<u8> + Send + Sync;

impl<T> SessionMiddleware<T> {
    /// A middleware for these sessions. By default it has no sign-in page and binds sessions to nothing.
    ///
    /// ```
    /// use actix_web::{App, test, web};
    /// use sealed_session::actix::SessionMiddleware;
    /// use sealed_session::{Key, KeyRing, Session, Sessions, WriteError};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// async fn sign_in(mut session: Session<Login>) -> Result<&'static str, WriteError> {
    ///     session.start(Login { user: 7 })?;
    ///     Ok("welcome")
    /// }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # actix_web::rt::System::new().block_on(async {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let without = test::init_service(App::new().default_service(web::to(sign_in))).await;
    /// let request = test::TestRequest::default().to_request();
    /// assert_eq!(test::call_service(&without, request).await.status(), 500);
    ///
    /// let app = App::new().default_service(web::to(sign_in));
    /// let with = test::init_service(app.wrap(SessionMiddleware::new(sessions))).await;
    /// let request = test::TestRequest::default().to_request();
    /// let response = test::call_service(&with, request).await;
    /// assert_eq!(response.headers().get_all("set-cookie").count(), 2);
    /// assert_eq!(response.headers().get("cache-control").unwrap(), "private, no-store");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[must_use]
    pub fn new(sessions: Sessions<T>) -> Self {
        Self {
            options: Options::new(sessions),
        }
    }

    /// The page to which [`RequireSession`] sends guests who ask for another page (303 See Other). It may have a query
    /// and a fragment. Default: none, every guest gets a 401.
    ///
    /// The address gets the page that was asked for as `next`, which [`next_page`](crate::next_page()) reads back, if
    /// that page is a path of this site and takes at most 1,024 bytes when encoded. Guests are sent there only by a GET
    /// or HEAD with `Sec-Fetch-Mode: navigate`, or, if the browser does not send that field (over plain http), with an
    /// `Accept` that names `text/html`. The `fetch` of a script and a submitted form get the 401.
    ///
    /// Anything but a path of this site (it begins with one `/`, is visible ASCII, has no `\` and no segment `.` or
    /// `..`) is a mistake: every handler that takes the session then gets a [`LayerError`], which says so.
    ///
    /// ```
    /// use actix_web::{App, test, web};
    /// use sealed_session::actix::SessionMiddleware;
    /// use sealed_session::{Key, KeyRing, RequireSession, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    ///
    /// async fn orders(session: RequireSession<Login>) -> String {
    ///     format!("orders of user {}", session.data().user)
    /// }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # actix_web::rt::System::new().block_on(async {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let middleware = SessionMiddleware::new(sessions).sign_in_page("/login");
    /// let app = App::new().route("/orders", web::get().to(orders)).wrap(middleware);
    /// let app = test::init_service(app).await;
    ///
    /// let request = test::TestRequest::with_uri("/orders?page=2");
    /// let by_hand = request.insert_header(("sec-fetch-mode", "navigate")).to_request();
    /// let response = test::call_service(&app, by_hand).await;
    /// assert_eq!(response.status(), 303);
    /// assert_eq!(response.headers().get("location").unwrap(), "/login?next=%2Forders%3Fpage%3D2");
    ///
    /// let request = test::TestRequest::with_uri("/orders?page=2");
    /// let by_script = request.insert_header(("sec-fetch-mode", "cors")).to_request();
    /// assert_eq!(test::call_service(&app, by_script).await.status(), 401);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "login_url")]
    #[must_use]
    pub fn sign_in_page(mut self, path: &str) -> Self {
        self.options.set_sign_in_page(path);
        self
    }

    /// Binds every session to a value that client and server know and that is not in the request, such as the hash of a
    /// client certificate. Default: empty.
    ///
    /// ```
    /// use actix_web::{App, HttpMessage, test, web};
    /// use sealed_session::actix::SessionMiddleware;
    /// use sealed_session::{Key, KeyRing, Session, Sessions, WriteError};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # async fn who(mut session: Session<Login>) -> Result<String, WriteError> {
    /// #     let user = session.get().map(|login| login.user);
    /// #     if user.is_none() {
    /// #         session.start(Login { user: 7 })?;
    /// #     }
    /// #     Ok(format!("{user:?}"))
    /// # }
    ///
    /// #[derive(Clone)]
    /// struct CertificateHash([u8; 32]);
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # actix_web::rt::System::new().block_on(async {
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let middleware = SessionMiddleware::new(sessions).bind_with(|request| {
    ///     let extensions = request.extensions();
    ///     let hash = extensions.get::<CertificateHash>();
    ///     hash.map(|hash| hash.0.to_vec()).unwrap_or_default()
    /// });
    /// # let app = test::init_service(App::new().default_service(web::to(who)).wrap(middleware)).await;
    /// # let request = test::TestRequest::default().to_request();
    /// # request.extensions_mut().insert(CertificateHash([1; 32]));
    /// # let response = test::call_service(&app, request).await;
    /// # let lines = response.headers().get_all("set-cookie").filter_map(|line| line.to_str().ok());
    /// # let pairs: Vec<_> = lines.filter_map(|line| line.split(';').next()).collect();
    /// # let cookies = pairs.join("; ");
    /// // A session that was started under the certificate 1, copied to other clients.
    /// for (certificate, user) in [(1, "Some(7)"), (2, "None")] {
    ///     let request = test::TestRequest::default().insert_header(("cookie", &*cookies)).to_request();
    ///     request.extensions_mut().insert(CertificateHash([certificate; 32]));
    ///     assert_eq!(test::call_and_read_body(&app, request).await, user);
    /// }
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[must_use]
    pub fn bind_with(mut self, bind: impl Fn(&ServiceRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.options.bind = Some(Arc::new(bind));
        self
    }
}

impl<T> Clone for SessionMiddleware<T> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
        }
    }
}

impl<T> fmt::Debug for SessionMiddleware<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionMiddleware")
            .field(&self.options.sessions)
            .finish()
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
        let options = &self.middleware.options;
        let outside = request.extensions().get().cloned();
        let has_slot = request.extensions().get::<Slot<T>>().is_some();
        let page = request.uri().path_and_query();
        let (layers, slot) = options.enter(outside, has_slot, page, || {
            let fields = RequestFields::from(request.headers());
            #[cfg(feature = "device")]
            let fields = match page {
                Some(page) if options.has_device_binding() => {
                    fields.with_target(request.method().as_str(), page.as_str())
                }
                _ => fields,
            };
            match &options.bind {
                Some(bind) => fields.with_bind(bind(&request)),
                None => fields,
            }
        });
        let session = Running::of(&slot);
        request.extensions_mut().insert::<Slot<T>>(slot);
        request.extensions_mut().insert(layers);
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
                // The response is made once, and here: its status may differ from the error's `status_code`.
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
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self::from_map(cookies, NAMES.map(text))
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
        let mut value = HeaderValue::try_from(value).expect(
            "names, attributes, addresses and merged directives are checked to be visible ASCII, tokens are base64url",
        );
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

/// `session: Session<T>` in a handler. It never rejects a visitor; a forgotten middleware is a 500 that names `T`. With
/// device binding, `Session::prove_first` may answer in the handler's place.
impl<T: SessionData> FromRequest for Session<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(proven(slot::<T>(request).session))
    }
}

fn proven<T: SessionData>(session: Result<Session<T>, LayerError>) -> Result<Session<T>, Error> {
    let session = session?;
    #[cfg(feature = "device")]
    if let Some(answer) = session.prove_first() {
        return Err(answer.into());
    }
    Ok(session)
}

impl<T: SessionData> FromRequest for RequireSession<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let Slot { session, sign_in } = slot::<T>(request);
        ready(match proven(session) {
            Ok(session) => Self::new(session).ok_or_else(|| {
                let mode = request.headers().get("sec-fetch-mode").map(HeaderValue::as_bytes);
                let accept = request.headers().get_all(header::ACCEPT).map(HeaderValue::as_bytes);
                let page = sign_in.filter(|_| is_navigation(request.method().as_str(), mode, accept));
                let address = page.map(|(page, asked)| page.address_for(asked.as_ref().map(PathAndQuery::as_str)));
                SignInFirst(address.and_then(|address| HeaderValue::try_from(address).ok())).into()
            }),
            Err(error) => Err(error),
        })
    }
}

/// A guest asked for a handler that is for signed-in visitors; with the address of the sign-in page, if there is one.
#[derive(Debug)]
struct SignInFirst(Option<HeaderValue>);

impl fmt::Display for SignInFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIGN_IN_FIRST)
    }
}

impl ResponseError for SignInFirst {
    fn status_code(&self) -> StatusCode {
        if self.0.is_some() {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::UNAUTHORIZED
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = match &self.0 {
            Some(location) => HttpResponse::SeeOther()
                .insert_header((header::LOCATION, location.clone()))
                .finish(),
            None => plain_text(StatusCode::UNAUTHORIZED, SIGN_IN_FIRST.to_owned()),
        };
        // The answer depends on more request fields than `Vary` should name.
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response
    }
}

impl ResponseError for LayerError {
    /// A 500 whose text says what to change: it concerns the developer and contains nothing of a visitor.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        plain_text(StatusCode::INTERNAL_SERVER_ERROR, self.to_string())
    }
}

impl ResponseError for WriteError {
    /// A 500 that says nothing more; log the error itself before returning it. A 401 for [`WriteError::Unproven`].
    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::Unproven => SignInFirst(None).error_response(),
            _ => plain_text(StatusCode::INTERNAL_SERVER_ERROR, NOT_KEPT.to_owned()),
        }
    }
}

/// With a content type: otherwise the browser guesses, and the name of a Rust type with its `<` and `>` may look like a
/// page.
fn plain_text(status: StatusCode, text: String) -> HttpResponse<BoxBody> {
    HttpResponse::build(status)
        .insert_header(header::ContentType::plaintext())
        .body(text)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{Key, KeyRing};

    /// A service that is never ready.
    struct Busy;

    impl Service<ServiceRequest> for Busy {
        type Response = ServiceResponse;
        type Error = Error;
        type Future = Ready<Result<ServiceResponse, Error>>;

        fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Pending
        }

        fn call(&self, request: ServiceRequest) -> Self::Future {
            ready(Ok(request.into_response(HttpResponse::Ok())))
        }
    }

    #[test]
    fn the_middleware_is_ready_when_the_service_inside_is() {
        let builder = Sessions::<u8>::builder(KeyRing::new(Key::generate().unwrap()));
        let middleware = SessionMiddleware::new(builder.build().unwrap());
        let service = middleware.new_transform(Busy).into_inner().unwrap();
        assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    /// What a logger and an error handler around the handlers see.
    #[test]
    fn who_has_to_sign_in_first_is_told_so_by_the_error_as_by_its_response() {
        let page = HeaderValue::from_static("/sign-in");
        for (address, status) in [(None, 401), (Some(page), 303)] {
            let error = SignInFirst(address);
            assert_eq!(error.to_string(), SIGN_IN_FIRST);
            assert_eq!([error.status_code(), error.error_response().status()], [status; 2]);
        }
    }
}
