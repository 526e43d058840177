//! Stacks of tower layers by their names, and two small ones: an `ETag` layer and a response cache. `lab/caches/origin`
//! uses this file too.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, COOKIE, ETAG, SET_COOKIE};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use sealed_session::SessionLayer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultMakeSpan, TraceLayer};

/// The layers in the picture that the documentation of `SessionLayer` shows, the outermost first.
pub(crate) fn documented() -> Vec<&'static str> {
    let rows = include_str!("../../../src/adapters/tower/order.txt").lines();
    rows.filter_map(|row| Some(row.split('|').nth(1)?.trim())).collect()
}

/// The application inside these layers, the outermost first.
pub(crate) fn stack<T>(app: Router, order: &[&str], session: &SessionLayer<T>) -> Router
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    order.iter().rev().fold(app, |app, name| match *name {
        "SessionLayer" => app.layer(session.clone()),
        "SetSensitiveRequestHeadersLayer" => app.layer(SetSensitiveRequestHeadersLayer::new([COOKIE])),
        "TraceLayer" => {
            let span = DefaultMakeSpan::new().include_headers(true);
            app.layer(TraceLayer::new_for_http().make_span_with(span))
        }
        "response cache" => {
            let pages = Pages::default();
            app.layer(from_fn(move |request, next| cached(pages.clone(), request, next)))
        }
        "CorsLayer" => {
            let origins = AllowOrigin::list([HeaderValue::from_static("https://shop.example")]);
            app.layer(CorsLayer::new().allow_origin(origins).allow_credentials(true))
        }
        "ETag layer" => app.layer(from_fn(|request, next| tagged(false, request, next))),
        "careful ETag layer" => app.layer(from_fn(|request, next| tagged(true, request, next))),
        "CompressionLayer" => app.layer(CompressionLayer::new()),
        "TimeoutLayer" => {
            let limit = Duration::from_secs(10);
            app.layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limit))
        }
        "CatchPanicLayer" => app.layer(CatchPanicLayer::new()),
        name => panic!("no layer is called {name}"),
    })
}

// --- ETag: a page that the client has already is answered with 304. ---

/// A careful layer makes no 304 of a response that sets a cookie.
async fn tagged(careful: bool, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = field(request.headers(), "if-none-match");
    let (mut head, body) = whole(next.run(request).await).await;
    if reads && head.status == StatusCode::OK {
        let made = || HeaderValue::try_from(tag(&body)).expect("a number in quotes");
        let tag = head.headers.entry(ETAG).or_insert_with(made);
        let is_known = known.split(',').any(|known| known.trim().as_bytes() == tag.as_bytes());
        if is_known && !(careful && head.headers.contains_key(SET_COOKIE)) {
            head.headers.remove(CONTENT_LENGTH);
            head.status = StatusCode::NOT_MODIFIED;
            return Response::from_parts(head, Body::empty());
        }
    }
    Response::from_parts(head, Body::from(body))
}

/// The tag of a body: the same for the same bytes.
pub(crate) fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:x}\"", hasher.finish())
}

// --- A response cache that obeys `Cache-Control` and `Vary`. Stored pages stay fresh for ever. ---

async fn cached(pages: Pages<(HeaderMap, Bytes)>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let (uri, asked) = (request.uri().to_string(), request.headers().clone());
    if let Some((lines, body)) = pages.find(&uri, |name| field(&asked, name)) {
        return (lines, body).into_response();
    }
    let (head, body) = whole(next.run(request).await).await;
    if head.status == StatusCode::OK {
        let fields = head.headers.clone();
        pages.keep(
            &uri,
            |name| field(&asked, name),
            |name| field(&head.headers, name),
            (fields, body.clone()),
        );
    }
    Response::from_parts(head, Body::from(body))
}

async fn whole(response: Response) -> (Parts, Bytes) {
    let (head, body) = response.into_parts();
    (head, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

/// All lines of a field as one.
fn field(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    lines.join(", ")
}

/// Stored pages, for any framework's responses.
pub(crate) struct Pages<P>(Arc<Mutex<Vec<Stored<P>>>>);

struct Stored<P> {
    uri: String,
    /// The fields that `Vary` names, as in the request that brought the page.
    asked: Vec<(String, String)>,
    page: P,
}

impl<P: Clone> Pages<P> {
    /// The page that is stored for this address and these fields of a request.
    pub(crate) fn find(&self, uri: &str, asked: impl Fn(&str) -> String) -> Option<P> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = stored.iter().filter(|stored| {
            let mut fields = stored.asked.iter();
            stored.uri == uri && fields.all(|(name, value)| asked(name) == *value)
        });
        fitting.next().map(|stored| stored.page.clone())
    }

    /// Stores a page with status 200, if the fields `said` with it allow that.
    pub(crate) fn keep(&self, uri: &str, asked: impl Fn(&str) -> String, said: impl Fn(&str) -> String, page: P) {
        let (control, vary) = (said("cache-control"), said("vary"));
        let refused = ["private", "no-store", "max-age=0"];
        if !control.contains("public") || refused.iter().any(|no| control.contains(no)) || vary.contains('*') {
            return;
        }
        let names = vary.split(',').map(str::trim).filter(|name| !name.is_empty());
        let stored = Stored {
            uri: uri.to_owned(),
            asked: names.map(|name| (name.to_owned(), asked(name))).collect(),
            page,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stored);
    }
}

impl<P> Clone for Pages<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> Default for Pages<P> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
