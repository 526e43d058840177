//! The application on axum.

use std::convert::Infallible;
use std::net::SocketAddr;

use ::axum::Router;
use ::axum::body::Body as AxumBody;
use ::axum::error_handling::HandleErrorLayer;
use ::axum::extract::{FromRequestParts, Request};
use ::axum::http::request::Parts;
use ::axum::http::{HeaderValue, StatusCode};
use ::axum::middleware::map_response;
use ::axum::response::{IntoResponse, Response};
use sealed_session::{Session, Sessions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};

use super::{Body, Broken, Query, Reply, SENSITIVE, State, Word};

pub(crate) use sealed_session::SessionLayer as Middleware;

/// The call that adds a forgotten layer.
pub(crate) const REMEDY: &str = ".layer(SessionLayer::new(sessions))";
/// In tower a failing service has no response that could carry what it wrote.
pub(crate) const ERRORS_CARRY_COOKIES: bool = false;
/// Of long lists of cases this framework tries every second one, from this one on, and the other framework the rest.
pub(crate) const FIRST_OF_TWO: usize = 0;

/// An application with this state, these routes and these layers, the innermost first.
macro_rules! serve {
    ($state:expr, [$($method:ident $path:tt $handler:expr),* $(,)?] $(, $layer:ident)*) => {
        $crate::frameworks::axum::start(
            ::axum::Router::new()
                $(.route($path, ::axum::routing::$method($handler)))*
                $(.layer($layer))*
                .layer(::axum::Extension($state)),
        )
        .await
    };
}
pub(crate) use serve;

/// These routes below `/shop/de`, in a router within a router, and the layer around both.
macro_rules! serve_nested {
    ([$($method:ident $path:literal $handler:expr),* $(,)?], $layer:ident) => {{
        let inner = ::axum::Router::new()$(.route($path, ::axum::routing::$method($handler)))*;
        let shop = ::axum::Router::new().nest("/de", inner);
        $crate::frameworks::axum::start(::axum::Router::new().nest("/shop", shop).layer($layer)).await
    }};
}
pub(crate) use serve_nested;

/// These routes and the endpoints of device binding, inside the layer or outside of it.
#[cfg(feature = "device")]
macro_rules! serve_device {
    ($state:expr, [$($sessions:ident),+], $inside:expr, [$($method:ident $path:tt $handler:expr),* $(,)?] $(, $layer:ident)+) => {{
        let endpoints = ::axum::Router::new()$(.nest_service(
            $sessions.device_path().unwrap_or("/device"),
            sealed_session::DeviceEndpoints::new($sessions.clone()),
        ))+;
        let routes = ::axum::Router::new()$(.route($path, ::axum::routing::$method($handler)))*;
        let app = if $inside {
            routes.merge(endpoints)$(.layer($layer))+
        } else {
            routes$(.layer($layer))+.merge(endpoints)
        };
        $crate::frameworks::axum::start(app.layer(::axum::Extension($state))).await
    }};
}
#[cfg(feature = "device")]
pub(crate) use serve_device;

/// An error of handlers that every error of this crate becomes with `?`.
pub(crate) type AnyError = ::axum::response::ErrorResponse;

/// Every path.
pub(crate) const ANYWHERE: &str = "/{*path}";

/// A server that ends with the runtime of the test.
pub(crate) struct Server(SocketAddr);

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.0
    }
}

pub(crate) async fn start(app: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let app = app.layer(map_response(tell_sensitive));
    tokio::spawn(async move { ::axum::serve(listener, app).await });
    Server(address)
}

async fn tell_sensitive(mut response: Response) -> Response {
    let headers = response.headers().iter();
    let names: Vec<_> = headers
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.as_str())
        .collect();
    if let Ok(names) = HeaderValue::from_str(&names.join(" ")) {
        response.headers_mut().insert(SENSITIVE, names);
    }
    response
}

/// The session layer around a service that writes what the path says and fails.
pub(crate) async fn serve_failing<T>(sessions: Sessions<T>, write: fn(&mut Session<T>, &str) -> Broken) -> Server
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let inner = service_fn(move |request: Request| async move {
        let mut session = Session::<T>::from_extensions(request.extensions()).expect("the layer is there");
        Err::<Response, Broken>(write(&mut session, request.uri().path()))
    });
    let service = Middleware::new(sessions).layer(inner.map_response(|response: Response| response));
    let service = HandleErrorLayer::new(async |error: Broken| error).layer(service);
    start(Router::new().fallback_service(service)).await
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let body = match self.body {
            Body::Text(text) => AxumBody::from(text),
            Body::Late(late) => AxumBody::new(late),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        for (name, value) in self.headers {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        Reply::from(self.to_string()).with_status(self.0).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Word {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.path()))
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.query().map(str::to_owned)))
    }
}

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<T>().expect("it was given").clone()))
    }
}

/// Does what a handler does that finishes its session itself.
pub(crate) fn finish_by_hand<T: Serialize + DeserializeOwned + Send + Sync + 'static>(
    session: &Session<T>,
    reply: Reply,
) -> Response {
    let mut response = reply.into_response();
    session.finish(response.status().as_u16(), response.headers_mut());
    response
}

/// A middleware that binds every session to a request field of the tests.
pub(crate) fn bound<T>(sessions: Sessions<T>) -> Middleware<T> {
    Middleware::new(sessions).bind_with(|headers, _| {
        let device = headers.get("x-device").map(|device| device.as_bytes().to_vec());
        device.unwrap_or_default()
    })
}
