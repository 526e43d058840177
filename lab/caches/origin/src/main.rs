//! The example origin behind the caches: a very careless application.
//!
//! Every body carries a nonce and the visitor that it is for. The sessions' clock stops, and `/clock` moves it.
//! `/counters` says how often a session was opened, sealed or rejected. All other routes live below a prefix that the
//! driver chooses for every run, so that no run finds another run's pages in a cache.
//!
//! `origin "CompressionLayer, SessionLayer"` has these layers around the application, the outermost first;
//! `origin documented` has the stack that the documentation of `SessionLayer` draws.
//!
//! `origin SessionLayer 7500` has the default cookies instead of those for plain http, and sessions in up to four of them,
//! which take at most 7500 bytes of a `Cookie` field; `origin actix 7500` has them on actix-web.

mod actix;
// The stacks and the two small layers are those of the crate's tests.
#[path = "../../../../tests/adapters/layer_order/stack.rs"]
mod stack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::{Path, Query, Request};
use axum::http::header::{CACHE_CONTROL, COOKIE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sealed_session::{Event, Key, KeyRing, Session, SessionLayer, SessionState, Sessions, WriteError};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use time::OffsetDateTime;

static NONCE: AtomicU64 = AtomicU64::new(0);
static NOW: AtomicI64 = AtomicI64::new(0);
static OPENED: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static EVENTS: AtomicU64 = AtomicU64::new(0);
static HAS_ETAG_LAYER: AtomicBool = AtomicBool::new(false);

const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The session's data.
#[derive(Clone, Serialize, Deserialize)]
struct Data {
    name: String,
    basket: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    fill: String,
}

/// The session's data. They are serialised before they are sealed, which is counted.
#[derive(Deserialize)]
struct Visitor(Data);

impl Serialize for Visitor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WRITTEN.fetch_add(1, Relaxed);
        self.0.serialize(serializer)
    }
}

type Login = Session<Visitor>;

/// A nonce that is unique among all origins of the run.
fn nonce() -> String {
    format!("{}-{}", std::process::id(), NONCE.fetch_add(1, Relaxed))
}

fn kind(session: &Login) -> &'static str {
    match session.state() {
        SessionState::Valid => "named",
        SessionState::Absent | SessionState::Ended => "guest",
        _ => "rejected",
    }
}

/// The page: it names the visitor that it is for.
fn page(session: &Login, request: &HeaderMap) -> serde_json::Value {
    let data = session.get().map(|visitor| &visitor.0);
    json!({
        "nonce": nonce(),
        "kind": kind(session),
        "name": data.map(|data| &data.name),
        "basket": data.map(|data| data.basket),
        "cookie_fields": request.get_all(COOKIE).iter().count(),
    })
}

/// A static file: the session layer is around it, and it never reads the session.
async fn asset() -> Response {
    let body = Json(json!({ "nonce": nonce(), "kind": "asset" }));
    ([(CACHE_CONTROL, PUBLIC)], body).into_response()
}

/// Greets by name or "guest", and the application says `public`.
async fn greeting(session: Login, request: HeaderMap) -> Response {
    ([(CACHE_CONTROL, PUBLIC)], Json(page(&session, &request))).into_response()
}

/// Says nothing about caches. Guests see something else at the same address.
async fn private(session: Login, request: HeaderMap) -> Response {
    Json(page(&session, &request)).into_response()
}

/// The same with the fields that overrule `Cache-Control` for one kind of cache each.
async fn targeted(session: Login, request: HeaderMap) -> Response {
    let fields = [
        ("x-accel-expires", "60"),
        ("surrogate-control", "max-age=60"),
        ("cdn-cache-control", "max-age=60"),
    ];
    (fields, Json(page(&session, &request))).into_response()
}

/// Two `Vary` lines from the application.
async fn vary(session: Login, request: HeaderMap) -> Response {
    let mut response = greeting(session, request).await;
    for value in ["Accept-Encoding", "Accept-Language"] {
        response.headers_mut().append(VARY, HeaderValue::from_static(value));
    }
    response
}

/// A page that is revalidated: one `ETag` per visitor, and a 304 for the client that has it.
async fn etag(Path(run): Path<String>, session: Login, request: HeaderMap) -> Response {
    let body = page(&session, &request);
    let tag = format!(
        "W/\"{run}-{}-{}\"",
        body["name"].as_str().unwrap_or("none"),
        body["basket"]
    );
    let fields = [
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=0, must-revalidate"),
        ),
        (
            ETAG,
            HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"none\"")),
        ),
    ];
    // Not if a layer makes the 304.
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = known.filter(|_| !HAS_ETAG_LAYER.load(Relaxed));
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, Json(body)).into_response()
}

#[derive(Deserialize)]
struct Fill {
    #[serde(default)]
    fill: usize,
}

fn visitor(name: Option<&str>, fill: usize) -> Visitor {
    Visitor(Data {
        name: name.unwrap_or("nobody").to_owned(),
        basket: 0,
        fill: "x".repeat(fill),
    })
}

/// Signs in the visitor that `X-User` names: one address for all, and the application calls the answer public.
async fn enter(
    mut session: Login,
    Query(Fill { fill }): Query<Fill>,
    request: HeaderMap,
) -> Result<Response, WriteError> {
    let name = request.get("x-user").and_then(|name| name.to_str().ok());
    session.start(visitor(name, fill))?;
    Ok(greeting(session, request).await)
}

/// Writes to the session, if there is one.
async fn change(mut session: Login, request: HeaderMap) -> Result<Response, WriteError> {
    session.update(|visitor| visitor.0.basket += 1)?.option();
    Ok(greeting(session, request).await)
}

/// Signs out.
async fn leave(mut session: Login, request: HeaderMap) -> Result<Response, WriteError> {
    session.end()?;
    Ok(greeting(session, request).await)
}

/// A page of this many bytes.
fn filled(session: &Login, bytes: usize) -> String {
    let greeting = session.get().map_or("guest ", |_| "named ");
    greeting.chars().cycle().take(bytes).collect()
}

/// A page of this many bytes that reads the session.
async fn body(Path((_, bytes)): Path<(String, usize)>, session: Login) -> String {
    filled(&session, bytes)
}

/// Values of `x-pad` fields that take this many bytes together, in lines of at most 2000.
fn pads(bytes: usize) -> impl Iterator<Item = String> {
    (0..bytes).step_by(2000).map(move |start| {
        let line = (bytes - start).min(2000);
        "p".repeat(line.saturating_sub("x-pad: \r\n".len()))
    })
}

/// A response with this many bytes of header fields beside the usual ones.
async fn head(Path((_, bytes)): Path<(String, usize)>) -> Response {
    let mut response = Json(json!({ "nonce": nonce(), "kind": "head" })).into_response();
    for pad in pads(bytes).filter_map(|pad| HeaderValue::try_from(pad).ok()) {
        response.headers_mut().append(HeaderName::from_static("x-pad"), pad);
    }
    response
}

#[derive(Deserialize)]
struct Advance {
    advance: i64,
}

fn counters() -> Response {
    Json(json!({
        "now": NOW.load(Relaxed),
        "opened": OPENED.load(Relaxed),
        "written": WRITTEN.load(Relaxed),
        "events": EVENTS.load(Relaxed),
    }))
    .into_response()
}

fn argument(number: usize) -> Option<String> {
    std::env::args().nth(number)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    NOW.store(OffsetDateTime::now_utc().unix_timestamp(), Relaxed);
    let sessions = Sessions::<Visitor>::builder(Arc::new(KeyRing::new(Key::generate()?))).audience("e2e");
    let sessions = match argument(2) {
        Some(bytes) => sessions.chunks(4).largest_cookies(bytes.parse()?),
        None => sessions.insecure_development_cookie("e2e-dev"),
    };
    let sessions = sessions
        .clock(|| OffsetDateTime::from_unix_timestamp(NOW.load(Relaxed)).unwrap_or(OffsetDateTime::UNIX_EPOCH))
        // It is asked about each session that opens, kept or not.
        .refuse_if(|_| {
            OPENED.fetch_add(1, Relaxed);
            false
        })
        .observer(|event: &Event| {
            if !matches!(
                event,
                Event::KeysInUse { .. }
                    | Event::DevelopmentCookie
                    | Event::PublicRemoved
                    | Event::LargeHeaderBlock { .. }
            ) {
                EVENTS.fetch_add(1, Relaxed);
            }
        })
        .build()?;
    let order = argument(1).unwrap_or_else(|| "SessionLayer".to_owned());
    if order == "actix" {
        return Ok(actix::serve(sessions).await?);
    }
    let order = match order.as_str() {
        "documented" => stack::documented(),
        order => order.split(", ").collect(),
    };
    HAS_ETAG_LAYER.store(order.contains(&"ETag layer"), Relaxed);
    let app = Router::new()
        .route("/{run}/asset", get(asset))
        .route("/{run}/greeting", get(greeting))
        .route("/{run}/private", get(private))
        .route("/{run}/targeted", get(targeted))
        .route("/{run}/vary", get(vary))
        .route("/{run}/etag", get(etag))
        .route("/{run}/enter", get(enter).post(enter))
        .route("/{run}/change", get(change).post(change))
        .route("/{run}/leave", get(leave).post(leave))
        .route("/{run}/body/{bytes}", get(body))
        .route("/{run}/head/{bytes}", get(head));
    let app = stack::stack(app, &order, &SessionLayer::new(sessions))
        .layer(from_fn(async |request: Request, next: Next| {
            if request.headers().contains_key("x-delay") {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            next.run(request).await
        }))
        .route("/counters", get(async || counters()))
        .route(
            "/clock",
            post(async |Query(Advance { advance }): Query<Advance>| {
                NOW.fetch_add(advance, Relaxed);
                counters()
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
