//! The web application that the browser tests visit: five sites over plain http on 127.0.0.1, one port each, and a port
//! that only the tests reach. `sites.js` adds TLS and host names.
//!
//! | site | cookie |
//! |---|---|
//! | `app` | the default: `__Host-id` |
//! | `plain` | `id`, for its host alone |
//! | `domain` | `id`, for `example.test` and all its hosts |
//! | `long` | `__Host-id`, remembered for 400 days, and a sign-out with `Clear-Site-Data` |
//! | `large` | `__Host-id`, in up to four cookies |
//!
//! It prints their ports in one line of JSON, and ends when its standard input does.

mod control;

use std::error::Error;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::http::header::{CACHE_CONTROL, COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use sealed_session::{Builder, ConfigError, Key, KeyRing, Lifetime, Session, SessionLayer, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::control::Control;

#[derive(Serialize, Deserialize)]
struct Login {
    name: String,
    note: String,
}

#[derive(Clone)]
struct Site {
    sessions: Sessions<Login>,
    control: Arc<Control>,
    /// Where the two requests of a race wait for each other.
    start: Arc<Barrier>,
}

const DAY: u64 = 86_400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let control = Arc::new(Control::new());
    let new = |audience: &str| -> Result<Builder<Login>, Box<dyn Error>> {
        let clock = Arc::clone(&control);
        let builder = Sessions::builder(KeyRing::new(Key::generate()?));
        Ok(builder.audience(audience).clock(move || clock.now()))
    };
    let beyond = new("beyond")?.remembered(Lifetime::absolute(Duration::from_secs(400 * DAY + 1)).without_idle());
    let sites = [
        ("app", new("app")?.build()?),
        ("plain", new("plain")?.cookie_name("id").build()?),
        (
            "domain",
            new("domain")?.cookie_name("id").cookie_domain("example.test").build()?,
        ),
        (
            "long",
            new("long")?
                .remembered(Lifetime::absolute(Duration::from_secs(400 * DAY)).without_idle())
                .clear_site_data(true)
                .build()?,
        ),
        ("large", new("large")?.chunks(4).largest_cookies(20_000).build()?),
    ];
    let mut ports = json!({
        "control": serve(control::routes(Arc::clone(&control))).await?,
        "beyond400Days": refusal(beyond.build()),
    });
    for (name, sessions) in sites {
        let control = Arc::clone(&control);
        let start = Arc::new(Barrier::new(2));
        let site = Site {
            sessions,
            control,
            start,
        };
        ports[name] = serve(routes(site)).await?.into();
    }
    println!("{ports}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

fn refusal(built: Result<Sessions<Login>, ConfigError>) -> Option<String> {
    built.err().map(|error| error.to_string())
}

async fn serve(routes: Router) -> Result<u16, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(port)
}

fn routes(site: Site) -> Router {
    Router::new()
        .route("/", get(home))
        .route(
            "/static",
            get(|| async { Html("<title>static</title>the same for everybody") }),
        )
        .route("/who", get(who))
        .route("/who/{*path}", get(who))
        .route("/private", get(private))
        .route("/target", any(target))
        .route("/sign-in", post(sign_in))
        .route("/change", post(change))
        .route("/slow-read", get(slow_read))
        .route("/slow-change", post(slow_change))
        .route("/race", post(race))
        .route("/sign-out", post(sign_out))
        .layer(SessionLayer::new(site.sessions.clone()))
        .with_state(site)
}

/// The signed-in name, the session's data, and every cookie that came, byte by byte.
fn report(session: &Session<Login>, headers: &HeaderMap) -> Json<Value> {
    let cookies: Vec<String> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&byte| byte == b';'))
        .map(|pair| pair.trim_ascii().escape_ascii().to_string())
        .collect();
    Json(json!({
        "name": session.get().map(|login| &login.name),
        "note": session.get().map(|login| login.note.len()),
        "id": session.id().map(|id| id.to_string()),
        "state": format!("{:?}", session.state()),
        "cookies": cookies,
    }))
}

async fn home(session: Session<Login>) -> Html<String> {
    let name = session.get().map_or("guest", |login| &login.name);
    Html(format!("<title>home</title><p id=who>{name}</p>{FORMS}"))
}

const FORMS: &str = "<form method=post action=/sign-out><button id=out>Sign out</button></form>";

async fn who(session: Session<Login>, headers: HeaderMap) -> Json<Value> {
    report(&session, &headers)
}

#[derive(Deserialize)]
struct Private {
    /// The application's own `Cache-Control`.
    cache: Option<String>,
}

/// A page with a secret. The crate decides about the header fields for caches, unless the application adds its own.
async fn private(session: Session<Login>, Query(query): Query<Private>) -> Response {
    let secret = match session.get() {
        Some(login) => format!("the secret of {}", login.name),
        None => "nothing for guests".to_owned(),
    };
    let mut response = Html(format!("<title>private</title><p id=secret>{secret}</p>{FORMS}")).into_response();
    if let Some(value) = query.cache.and_then(|cache| HeaderValue::try_from(cache).ok()) {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

/// The target of other sites' requests: it remembers the visitor of each.
async fn target(session: Session<Login>, State(site): State<Site>, method: Method, uri: Uri) -> Html<String> {
    let name = session.get().map_or("guest", |login| &login.name);
    let how = uri.query().unwrap_or_default();
    site.control.saw(format!("{method} {how} {name}"));
    Html(format!("<title>target</title><p id=who>{name}</p>"))
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    remember: Option<bool>,
}

async fn sign_in(
    mut session: Session<Login>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Result<Json<Value>, WriteError> {
    session.start(Login {
        name: form.name,
        note: String::new(),
    })?;
    if form.remember == Some(true) {
        session.remember(true)?;
    }
    Ok(report(&session, &headers))
}

#[derive(Deserialize)]
struct Note {
    /// The length of the note.
    size: usize,
}

fn write(session: &mut Session<Login>, note: &Note) -> Result<(), WriteError> {
    session.update(|login| login.note = "n".repeat(note.size)).map(|_| ())
}

async fn change(
    mut session: Session<Login>,
    headers: HeaderMap,
    Form(note): Form<Note>,
) -> Result<Json<Value>, WriteError> {
    write(&mut session, &note)?;
    Ok(report(&session, &headers))
}

/// Reads the session, then waits until the test lets it go on.
async fn slow_read(session: Session<Login>, headers: HeaderMap, State(site): State<Site>) -> Json<Value> {
    let report = report(&session, &headers);
    site.control.wait().await;
    report
}

/// Changes the session, then waits until the test lets it go on.
async fn slow_change(
    mut session: Session<Login>,
    headers: HeaderMap,
    State(site): State<Site>,
    Form(note): Form<Note>,
) -> Result<Json<Value>, WriteError> {
    write(&mut session, &note)?;
    site.control.wait().await;
    Ok(report(&session, &headers))
}

#[derive(Deserialize)]
struct Racer {
    name: String,
    /// The length of the note; none for a sign-out.
    size: Option<usize>,
    /// How long it waits for the other one, in microseconds.
    pause: u64,
}

/// One of two requests that came with the same cookies: each writes another session, or ends it.
async fn race(
    mut session: Session<Login>,
    State(site): State<Site>,
    Form(racer): Form<Racer>,
) -> Result<Json<Value>, WriteError> {
    let came = session.get().is_some();
    site.start.wait().await;
    tokio::time::sleep(Duration::from_micros(racer.pause)).await;
    match racer.size {
        None => session.end()?,
        Some(size) => {
            let note = "n".repeat(size);
            let new = Login { name: racer.name, note };
            let _ = session.update(|login| *login = new)?;
        }
    }
    Ok(Json(json!({ "came": came })))
}

async fn sign_out(mut session: Session<Login>) -> Result<Html<&'static str>, WriteError> {
    session.end()?;
    Ok(Html(SIGNED_OUT))
}

const SIGNED_OUT: &str = "<title>signed out</title>bye";
