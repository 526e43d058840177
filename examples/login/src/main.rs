//! A web server to play with: sign in, and look at what your browser keeps for it.
//!
//! ```text
//! cargo run -p login
//! ```
//!
//! There is nothing to configure. The key ring is generated on the first run and kept in a file next to the executable,
//! so that a restart keeps visitors signed in. Environment variables change where things are:
//!
//! - `PORT`: the port on 127.0.0.1, `0` for any free one. Default: 3000, or the first free one after it.
//! - `LOGIN_KEYS`: the file of the key ring.
//! - `LOGIN_SHARED`: a directory that this server shares with others on this machine, such as `/tmp/fleet`. Then a
//!   sign-out holds on all of them and after a restart. The ring file must exist, and is read again when it changes.
//!
//! With feature `redis`, `-- --redis` starts three servers that share sign-outs through a Redis of their own, and
//! `-- --redis ADDRESS` through one that runs.
//!
//! With feature `device`, `-- --device` serves https://localhost, and binds sessions to the visitor's device.
//!
//! This file has everything about sessions. The pages are in `page.rs`, the picture of a token in `token_view.rs`.

#[cfg(feature = "device")]
mod device;
mod fleet;
mod key_file;
mod page;
mod server;
#[cfg(all(unix, feature = "redis"))]
mod several;
mod shared_list;
mod terminal;
#[cfg(feature = "device")]
mod tls;
mod token_view;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use sealed_session::keys::{KeyDescription, RingFile};
use sealed_session::{Builder, ConfigError, KeyRing, Lifetime, Session, SessionLayer, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::fleet::Fleet;
use crate::key_file::KeyFile;
use crate::page::{Home, Visitor};
use crate::terminal::say;
use crate::token_view::{Part, flip_bit};

/// The data of a session. It travels with every request, so it is small, and has nothing that changes elsewhere.
#[derive(Serialize, Deserialize)]
struct Login {
    name: String,
    /// With a default, so that sessions from before this field existed still open.
    #[serde(default)]
    basket: BTreeMap<Item, u32>,
}

/// The goods of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    Bread,
    Honey,
    Olives,
    Tea,
}

const AUDIENCE: &str = "login-demo";

/// The sessions of this application: all decisions about them are here. `transport` adds those about http or https.
fn sessions(ring: KeyRing, fleet: Arc<Fleet>, transport: Transport) -> Result<Sessions<Login>, ConfigError> {
    const DAY: u64 = 86_400;
    let builder = Sessions::builder(ring);
    // After a sign-out a copy of the cookie is worthless, here and on every server that has the list.
    let builder = match fleet.revocations() {
        Some(list) => builder.revocation_list(list),
        None => builder,
    };
    transport(builder)
        .audience(AUDIENCE)
        .remembered(Lifetime::absolute(Duration::from_secs(90 * DAY)).idle(Duration::from_secs(14 * DAY)))
        .refuse_if(move |opened| fleet.refuses(opened))
        .observer(terminal::print_event)
        .build()
}

type Transport = fn(Builder<Login>) -> Builder<Login>;

/// Only because this is plain http on your own machine. A real application leaves this line out, and its cookie has the
/// name `__Host-id` and is `Secure`.
fn over_http(builder: Builder<Login>) -> Builder<Login> {
    builder.insecure_development_cookie("login-demo")
}

fn app(demo: Demo) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/public", get(public))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/sign-out-everywhere", post(sign_out_everywhere))
        .route("/basket", post(change_basket))
        .route("/flip", post(flip))
        .route("/rotate", post(rotate))
        .route("/sign-everybody-out", post(sign_everybody_out))
        .layer(SessionLayer::new(demo.sessions.clone()))
        .layer(middleware::from_fn(refuse_cross_site))
        .with_state(demo)
}

/// What the handlers share. `Sessions` is cheap to clone.
#[derive(Clone)]
struct Demo {
    sessions: Sessions<Login>,
    keys: Arc<Mutex<Keys>>,
    fleet: Arc<Fleet>,
}

struct Keys {
    file: KeyFile,
    now: Vec<KeyDescription>,
    before_rotation: Option<Vec<KeyDescription>>,
}

// ---- Signing in, changing, signing out: what every application does.

async fn home(State(demo): State<Demo>, session: Session<Login>, headers: HeaderMap) -> Response {
    let name = demo.sessions.cookie_name();
    let keys = demo.keys.lock().unwrap_or_else(PoisonError::into_inner);
    let visitor = visitor(&session);
    let is_signed_in = visitor.is_some();
    let page = page::home(&Home {
        device: about_device(&demo, &session),
        visitor,
        cookie_name: name,
        session_token: cookie(&headers, name),
        activity_token: cookie(&headers, &format!("{name}-seen")),
        proof_token: cookie(&headers, &format!("{name}-proof")),
        keys: &keys.now,
        keys_before: keys.before_rotation.as_deref(),
        is_shared: demo.fleet.is_shared(),
    });
    // The crate makes it `private` by itself. Without `no-store`, browsers keep the page alive and show it again to a
    // visitor who goes back after signing out.
    match is_signed_in {
        true => ([(CACHE_CONTROL, "no-store")], page).into_response(),
        false => page.into_response(),
    }
}

/// The visitor, if there is a session. If there is none, only the log says why: on the page it would help attackers.
fn visitor(session: &Session<Login>) -> Option<Visitor<'_>> {
    Some(Visitor {
        login: session.get()?,
        id: session.id()?,
        started: session.started()?,
        ends: session.expires()?,
        remembered: session.is_remembered(),
    })
}

#[cfg(feature = "device")]
use device::about as about_device;

#[cfg(not(feature = "device"))]
fn about_device(_: &Demo, _: &Session<Login>) -> page::Section {
    page::Section::default()
}

/// Does not look at the session, so that the layer leaves the response alone: any cache may keep it and share it.
async fn public() -> impl IntoResponse {
    ([("Cache-Control", "public, max-age=60")], page::public())
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    /// A browser sends a checkbox only if it is checked.
    remember: Option<String>,
}

async fn sign_in(mut session: Session<Login>, Form(form): Form<SignIn>) -> Result<Response, WriteError> {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page::bad_name()).into_response());
    }
    // A real application has checked a password, a passkey or what the OAuth provider says before this line.
    session.start(Login {
        name: name.to_owned(),
        basket: BTreeMap::new(),
    })?;
    session.remember(form.remember.is_some())?;
    Ok(Redirect::to("/").into_response())
}

#[derive(Deserialize)]
struct ChangeBasket {
    item: Item,
    change: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Add,
    Remove,
}

async fn change_basket(mut session: Session<Login>, Form(form): Form<ChangeBasket>) -> Result<Redirect, WriteError> {
    // Without a session the closure is not called, and if nothing changes no cookie is sent.
    let _ = session.update(|login| {
        let count = login.basket.get(&form.item).copied().unwrap_or(0);
        match form.change {
            Change::Add if count < 99 => login.basket.insert(form.item, count + 1),
            Change::Remove if count > 1 => login.basket.insert(form.item, count - 1),
            Change::Remove => login.basket.remove(&form.item),
            Change::Add => None,
        }
    })?;
    Ok(Redirect::to("/"))
}

async fn sign_out(State(demo): State<Demo>, mut session: Session<Login>) -> Result<Response, WriteError> {
    // Removes the cookies from this browser, and makes copies of them worthless.
    session.end()?;
    Ok(told(&demo).await)
}

/// Ends every session of this user, in all browsers.
async fn sign_out_everywhere(State(demo): State<Demo>, mut session: Session<Login>) -> Result<Response, WriteError> {
    let now = OffsetDateTime::now_utc();
    if let Some(login) = session.get() {
        demo.fleet.end_sessions_of(&login.name, now.unix_timestamp() + 1);
    }
    session.end()?;
    let response = told(&demo).await;
    until_next_second(now).await;
    Ok(response)
}

/// Tells the other servers, so that the answer holds there too, and leads home.
async fn told(demo: &Demo) -> Response {
    match demo.fleet.tell().await {
        Ok(()) => Redirect::to("/").into_response(),
        // This response removes the cookies too.
        Err(error) => trouble(&*error, "signed out here, but the other servers could not be told"),
    }
}

fn trouble(error: &dyn Error, text: &'static str) -> Response {
    say("trouble", &error.to_string());
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// Tokens count whole seconds: a sign-in within this second would be refused too, so wait until it has passed.
async fn until_next_second(now: OffsetDateTime) {
    tokio::time::sleep(Duration::from_nanos(1_000_000_000 - u64::from(now.nanosecond()))).await;
}

/// `SameSite=Lax` keeps the session out of the POSTs of other sites; this refuses the POSTs themselves, also
/// those of other ports of this machine. For browsers that do not send the field, `SameSite` has to do.
async fn refuse_cross_site(request: Request, next: Next) -> Response {
    let site = request.headers().get("Sec-Fetch-Site").map(|site| site.as_bytes());
    let is_ours = matches!(site, None | Some(b"same-origin" | b"none"));
    if is_ours || matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    say("refused", "a form of another site was sent here (Sec-Fetch-Site)");
    (StatusCode::FORBIDDEN, "this form is not from this site").into_response()
}

// ---- What operators do. In a real fleet no visitor reaches this: the ring comes with a deploy.

/// From now on the new key seals and the one before only opens. No visitor is signed out.
async fn rotate(State(demo): State<Demo>) -> Response {
    if demo.fleet.is_shared() {
        // A key that seals here before the others open with it would sign visitors out there.
        let text = "several servers: rotate the ring file with `sealed-session ring`, as docs/operating.md says";
        return (StatusCode::CONFLICT, text).into_response();
    }
    let mut keys = demo.keys.lock().unwrap_or_else(PoisonError::into_inner);
    match keys.file.rotate() {
        Ok(ring) => {
            let now = ring.describe();
            demo.sessions.replace_keys(ring);
            keys.before_rotation = Some(std::mem::replace(&mut keys.now, now));
            Redirect::to("/").into_response()
        }
        Err(error) => trouble(&*error, "the key ring could not be written"),
    }
}

/// Raises the cut-off to now. It lasts as long as this process, unless `LOGIN_SHARED` names a directory for it.
async fn sign_everybody_out(State(demo): State<Demo>) -> Response {
    let now = OffsetDateTime::now_utc();
    demo.sessions.raise_cut_off(now);
    let response = told(&demo).await;
    until_next_second(now).await;
    response
}

// ---- What attackers do.

#[derive(Deserialize)]
struct Flip {
    part: Part,
}

/// Gives the visitor's cookie back with one bit flipped. No session is touched here: the next request brings the
/// cookie.
async fn flip(State(demo): State<Demo>, headers: HeaderMap, Form(form): Form<Flip>) -> Response {
    let name = demo.sessions.cookie_name();
    let Some(altered) = cookie(&headers, name).and_then(|token| flip_bit(token, form.part)) else {
        return Redirect::to("/").into_response();
    };
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let line = format!("{name}={altered}; Path=/; HttpOnly; SameSite=Lax{secure}");
    ([(SET_COOKIE, line)], Redirect::to("/")).into_response()
}

/// The first cookie of this name as the browser sent it: for the picture, never for a decision.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|field| field.to_str().ok());
    fields
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

// ---- The program.

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let result = match arguments.next().as_deref() {
        None => run(over_http, |_, app| server::run(app)).await,
        Some("--redis") => several(arguments.next()),
        Some("--device") => device().await,
        Some(other) => Err(format!("there is no argument {other}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say("trouble", &error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[cfg(all(unix, feature = "redis"))]
use several::run as several;

#[cfg(not(all(unix, feature = "redis")))]
fn several(_: Option<String>) -> Result<(), Box<dyn Error>> {
    Err("this needs Unix and `cargo run -p login --features redis -- --redis`".into())
}

#[cfg(feature = "device")]
async fn device() -> Result<(), Box<dyn Error>> {
    run(device::over_https, device::run).await
}

#[cfg(not(feature = "device"))]
async fn device() -> Result<(), Box<dyn Error>> {
    Err("this needs `cargo run -p login --features device -- --device`".into())
}

async fn run<F>(transport: Transport, serve: impl FnOnce(Demo, Router) -> F) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    #[cfg(all(unix, feature = "redis"))]
    several::end_with_parent();
    let fleet = Fleet::open()?;
    let (file, ring) = KeyFile::open(fleet.is_shared())?;
    let path = file.path().to_owned();
    let keys = Arc::new(Mutex::new(Keys {
        file,
        now: ring.describe(),
        before_rotation: None,
    }));
    let sessions = sessions(ring, Arc::clone(&fleet), transport)?;
    if fleet.is_shared() {
        let (shown, source) = (Arc::clone(&keys), RingFile::new(&path));
        Arc::clone(&fleet).follow(sessions.reload_from(source), move || {
            if let Ok(ring) = KeyRing::from_file(&path) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).now = ring.describe();
            }
        });
    }
    let demo = Demo { sessions, keys, fleet };
    serve(demo.clone(), app(demo.clone())).await?;
    demo.fleet.tell().await?;
    say(
        "stopped",
        "the key ring stays in its file: start again, and you are still signed in",
    );
    Ok(())
}
