//! The application on actix.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{self, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::System;
use actix_web::{App, Error, FromRequest, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError, web};
use hyper::body::Bytes;
use sealed_session::{Session, Sessions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Body, Broken, Late, Query, Reply, SENSITIVE, State, Word};

pub(crate) use sealed_session::actix::SessionMiddleware as Middleware;

/// The call that adds a forgotten middleware.
pub(crate) const REMEDY: &str = ".wrap(SessionMiddleware::new(sessions))";
/// In actix a failing service too gets a response, which carries what it wrote.
pub(crate) const ERRORS_CARRY_COOKIES: bool = true;
/// Of long lists of cases this framework tries every second one, from this one on, and the other framework the rest.
pub(crate) const FIRST_OF_TWO: usize = 1;

/// An application with this state, these routes and these middlewares, the innermost first.
macro_rules! serve {
    ($state:expr, [$($method:ident $path:tt $handler:expr),* $(,)?] $(, $layer:ident)*) => {{
        let state = $state;
        let server = move || {
            actix_web::HttpServer::new(move || {
                actix_web::App::new()
                    .app_data(state.clone())
                    $(.route($path, actix_web::web::$method().to($handler)))*
                    $(.wrap($layer.clone()))*
                    .wrap(actix_web::middleware::from_fn($crate::frameworks::actix::tell_sensitive))
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .map(|server| (server.addrs()[0], server.run()))
        };
        $crate::frameworks::actix::start(server).await
    }};
}
pub(crate) use serve;

/// These routes below `/shop/de`, in a scope within a scope, and the middleware around both.
macro_rules! serve_nested {
    ([$($method:ident $path:literal $handler:expr),* $(,)?], $layer:ident) => {{
        let server = move || {
            actix_web::HttpServer::new(move || {
                let inner = actix_web::web::scope("/de")$(.route($path, actix_web::web::$method().to($handler)))*;
                let shop = actix_web::web::scope("/shop").service(inner);
                let tell = actix_web::middleware::from_fn($crate::frameworks::actix::tell_sensitive);
                actix_web::App::new().service(shop).wrap($layer.clone()).wrap(tell)
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .map(|server| (server.addrs()[0], server.run()))
        };
        $crate::frameworks::actix::start(server).await
    }};
}
pub(crate) use serve_nested;

/// These routes and the endpoints of device binding, inside the middleware or outside of it.
#[cfg(feature = "device")]
macro_rules! serve_device {
    ($state:expr, [$($sessions:ident),+], $inside:expr, [$($method:ident $path:tt $handler:expr),* $(,)?] $(, $layer:ident)+) => {{
        let (state, inside) = ($state, $inside);
        $(let $sessions = $sessions.clone();)+
        let server = move || {
            actix_web::HttpServer::new(move || {
                let app = actix_web::App::new().app_data(state.clone());
                let endpoints = ($(sealed_session::actix::device_endpoints(&$sessions),)+);
                let routes = actix_web::web::scope("")$(.route($path, actix_web::web::$method().to($handler)))*;
                let tell = actix_web::middleware::from_fn($crate::frameworks::actix::tell_sensitive);
                if inside {
                    let all = actix_web::web::scope("").service(endpoints).service(routes);
                    app.service(all$(.wrap($layer.clone()))+).wrap(tell)
                } else {
                    app.service(endpoints).service(routes$(.wrap($layer.clone()))+).wrap(tell)
                }
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .map(|server| (server.addrs()[0], server.run()))
        };
        $crate::frameworks::actix::start(server).await
    }};
}
#[cfg(feature = "device")]
pub(crate) use serve_device;

/// An error of handlers that every error of this crate becomes with `?`.
pub(crate) type AnyError = Error;

/// Every path.
pub(crate) const ANYWHERE: &str = "/{path:.*}";

/// A server in a thread of its own, which ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent at once; only the wait for its end is dropped.
        drop(self.handle.stop(false));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server's thread ends well");
        }
    }
}

pub(crate) async fn start(
    server: impl FnOnce() -> std::io::Result<(SocketAddr, dev::Server)> + Send + 'static,
) -> Server {
    let (ready, started) = oneshot::channel();
    let thread = thread::spawn(move || {
        System::new().block_on(async {
            let (address, server) = server().expect("loopback has a free port");
            assert!(ready.send((address, server.handle())).is_ok(), "the test waits");
            server.await.expect("the server ends well");
        });
    });
    let (address, handle) = started.await.expect("it starts");
    Server {
        address,
        handle,
        thread: Some(thread),
    }
}

pub(crate) async fn tell_sensitive<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers().iter();
    let names: Vec<_> = headers
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.as_str())
        .collect();
    let names = HeaderValue::from_str(&names.join(" ")).expect("names are visible ASCII");
    response.headers_mut().insert(HeaderName::from_static(SENSITIVE), names);
    Ok(response)
}

/// The middleware around a service that writes what the path says and fails.
pub(crate) async fn serve_failing<T>(sessions: Sessions<T>, write: fn(&mut Session<T>, &str) -> Broken) -> Server
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    start(move || {
        HttpServer::new(move || {
            let fail = move |mut session: Session<T>, request: ServiceRequest, _: Next<BoxBody>| {
                ready(Err::<ServiceResponse, Error>(
                    write(&mut session, request.path()).into(),
                ))
            };
            App::new()
                .default_service(web::to(async || "never called"))
                .wrap(from_fn(fail))
                .wrap(Middleware::new(sessions.clone()))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .map(|server| (server.addrs()[0], server.run()))
    })
    .await
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).expect("a status"));
        for header in self.headers {
            response.append_header(header);
        }
        match self.body {
            Body::Text(text) => response.body(text),
            Body::Late(late) => response.body(late),
        }
    }
}

impl MessageBody for Late {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.0.take().map(|make| Ok(make().into())))
    }
}

/// The status is not the one that `status_code` says, as with many errors of applications.
impl ResponseError for Broken {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(StatusCode::from_u16(self.0).expect("a status")).body(self.to_string())
    }
}

impl FromRequest for Word {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self::of(request.path())))
    }
}

impl FromRequest for Query {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self(Some(request.query_string().to_owned()))))
    }
}

impl<T: Clone + 'static> FromRequest for State<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self(request.app_data::<T>().expect("it was given").clone())))
    }
}

/// Does what a handler does that finishes its session itself.
pub(crate) fn finish_by_hand<T: Serialize + DeserializeOwned + Send + Sync + 'static>(
    session: &Session<T>,
    reply: Reply,
) -> impl Responder + use<T> {
    struct ByHand(sealed_session::headers::Patch, Reply);
    impl Responder for ByHand {
        type Body = BoxBody;

        fn respond_to(self, request: &HttpRequest) -> HttpResponse {
            let mut response = self.1.respond_to(request);
            self.0.apply(response.headers_mut());
            response
        }
    }
    let patch = session.finish_patch(reply.status);
    ByHand(patch, reply)
}

/// A middleware that binds every session to a request field of the tests.
pub(crate) fn bound<T>(sessions: Sessions<T>) -> Middleware<T> {
    Middleware::new(sessions).bind_with(|request| {
        // This borrows the extensions to change them.
        drop(request.connection_info());
        let device = request.headers().get("x-device");
        device.map(|device| device.as_bytes().to_vec()).unwrap_or_default()
    })
}
