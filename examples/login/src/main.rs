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
//! This file has everything about sessions. The pages are in `page.rs`, the picture of a token in `token_view.rs`, and
//! what only operators and attackers do in `operator.rs` and `attacker.rs`.

mod answer;
mod attacker;
#[cfg(feature = "device")]
mod device;
mod fleet;
mod journal;
mod key_file;
mod operator;
mod page;
mod server;
#[cfg(all(unix, feature = "redis"))]
mod several;
mod shared_list;
mod shop;
mod start;
mod terminal;
#[cfg(feature = "device")]
mod tls;
mod token_view;

use std::mem::take;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use sealed_session::{Builder, ConfigError, Event, KeyRing, Lifetime, RequireSession, Session, SessionLayer, Sessions};
use sealed_session::{WriteError, next_page};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::answer::Done;
use crate::fleet::Fleet;
use crate::journal::Journal;
use crate::key_file::Keys;
use crate::page::{Cookies, Home, Visitor};
use crate::shop::{Basket, Change, Item, Order, Orders};
use crate::terminal::say;

/// The data of a session. It travels with every request, so it is small, and has nothing that changes elsewhere.
#[derive(Default, Serialize, Deserialize)]
struct Login {
    /// Who is signed in; `None` for a guest with a basket.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// With a default, so that sessions from before this field existed still open.
    #[serde(default)]
    basket: Basket,
}

const AUDIENCE: &str = "login-demo";

/// The sessions of this application: all decisions about them are here. `transport` adds those about http or https.
fn sessions(
    ring: KeyRing,
    fleet: Arc<Fleet>,
    journal: Arc<Journal>,
    transport: Transport,
) -> Result<Sessions<Login>, ConfigError> {
    const DAY: u64 = 86_400;
    transport(Sessions::builder(ring))
        .audience(AUDIENCE)
        .remembered(Lifetime::absolute(Duration::from_secs(90 * DAY)).idle(Duration::from_secs(14 * DAY)))
        .signed_in_if(|login| login.name.is_some())
        // After a user's sign-out a copy of the cookie is worthless on every server that has the list. A list in memory
        // ends with the process, and the ring does not: a real server keeps the list in a file or in Redis.
        .revocation_list(fleet.revoked.handle())
        .refuse_if(move |opened| fleet.refuses(opened))
        .observer(move |event: &Event| journal.note(event))
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
        .route("/sign-in", get(async || page::sign_in(false)).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/sign-out-everywhere", post(sign_out_everywhere))
        .route("/basket", post(change_basket))
        .route("/orders", get(orders).post(order))
        .route("/public", get(public))
        .route("/style.css", get(page::style))
        .route("/flip", post(attacker::flip))
        // Of this demo only. A real application has no such routes, or lets nobody but its operators reach them.
        .route("/operator", get(operator::operator))
        .route("/rotate", post(operator::rotate))
        .route("/sign-everybody-out", post(operator::sign_everybody_out))
        .fallback(async || (StatusCode::NOT_FOUND, page::not_found()))
        .layer(SessionLayer::new(demo.sessions.clone()).sign_in_page("/sign-in"))
        .layer(middleware::from_fn(server::refuse_cross_site))
        .with_state(demo)
}

/// What the handlers share. `Sessions` is cheap to clone.
#[derive(Clone)]
struct Demo {
    sessions: Sessions<Login>,
    keys: Arc<Mutex<Keys>>,
    fleet: Arc<Fleet>,
    journal: Arc<Journal>,
    orders: Arc<Orders>,
}

async fn home(State(demo): State<Demo>, uri: Uri, session: Session<Login>, headers: HeaderMap) -> Response {
    let name = demo.sessions.cookie_name();
    let visitor = visitor(&session);
    // The crate makes it `private` by itself. Without `no-store`, browsers keep the page alive and show it again to a
    // visitor who goes back after signing out.
    let no_store = visitor.is_some().then_some([(CACHE_CONTROL, "no-store")]);
    let page = page::home(&Home {
        visitor,
        done: Done::of(&uri),
        device: about_device(&demo, &session),
        cookies: Cookies::of(&headers, name),
    });
    let old_note = attacker::remove_old_note(&headers, name);
    (no_store, old_note.map(|line| [(SET_COOKIE, line)]), page).into_response()
}

/// The session, if there is one. If there is none, only the operator sees why: on the page it would help attackers.
fn visitor(session: &Session<Login>) -> Option<Visitor<'_>> {
    Some(Visitor {
        login: session.get()?,
        id: session.id()?,
        started: session.started()?,
        expires: session.expires()?,
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
    ([(CACHE_CONTROL, "public, max-age=60")], page::public())
}

// ---- Signing in and out.

#[derive(Deserialize)]
struct SignIn {
    name: String,
    /// A browser sends a checkbox only if it is checked.
    remember: Option<String>,
}

async fn sign_in(uri: Uri, mut session: Session<Login>, Form(form): Form<SignIn>) -> Result<Response, WriteError> {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page::sign_in(true)).into_response());
    }
    // A real application has checked a password, a passkey or what the OAuth provider says before this line.
    session.start_with(|before| Login {
        name: Some(name.to_owned()),
        // A guest keeps the basket. Another user's stays behind.
        basket: before.filter(|before| before.name.is_none()).unwrap_or_default().basket,
    })?;
    session.remember(form.remember.is_some())?;
    let has_basket = session.get().is_some_and(|login| !login.basket.is_empty());
    // The page that a guest asked for, if a guard led here: a path of this site, or `None`.
    Ok(match next_page(uri.query()) {
        Some(page) => Redirect::to(&page).into_response(),
        None if has_basket => Done::BasketKept.on("/").into_response(),
        None => Redirect::to("/").into_response(),
    })
}

async fn sign_out(State(demo): State<Demo>, mut session: Session<Login>) -> Result<Response, WriteError> {
    let answer = if session.is_signed_in() {
        Done::SignedOut.on("/")
    } else {
        Redirect::to("/")
    };
    // Removes the cookies from this browser, and makes copies of a user's worthless.
    session.end()?;
    Ok(told(&demo, answer).await)
}

/// Ends every session of this user, in all browsers.
async fn sign_out_everywhere(State(demo): State<Demo>, mut session: Session<Login>) -> Result<Response, WriteError> {
    let now = OffsetDateTime::now_utc();
    let Some(name) = session.get().and_then(|login| login.name.as_ref()) else {
        return Ok(Redirect::to("/").into_response());
    };
    demo.fleet.end_sessions_of(name, now.unix_timestamp() + 1);
    session.end()?;
    let response = told(&demo, Done::SignedOutEverywhere.on("/")).await;
    until_next_second(now).await;
    Ok(response)
}

/// Tells the other servers first, so that the answer holds there too.
async fn told(demo: &Demo, answer: Redirect) -> Response {
    match demo.fleet.tell().await {
        Ok(()) => answer.into_response(),
        // This response removes the cookies too.
        Err(error) => server::trouble(&*error, "signed out here, but the other servers could not be told"),
    }
}

/// Tokens count whole seconds: a sign-in within this second would be refused too, so wait until it has passed.
async fn until_next_second(now: OffsetDateTime) {
    tokio::time::sleep(Duration::from_nanos(1_000_000_000 - u64::from(now.nanosecond()))).await;
}

// ---- Shopping, signed in or not.

#[derive(Deserialize)]
struct ChangeBasket {
    item: Item,
    change: Change,
}

async fn change_basket(mut session: Session<Login>, Form(form): Form<ChangeBasket>) -> Result<Redirect, WriteError> {
    let change = |login: &mut Login| shop::change(&mut login.basket, form.item, form.change);
    // If nothing changes, no cookie is sent. A guest's session starts with the first item, and ends with the last one.
    match form.change {
        Change::Add => session.update_or_start(Login::default, change)?,
        Change::Remove => session.update(change).map(drop)?,
    }
    if session
        .get()
        .is_some_and(|login| login.name.is_none() && login.basket.is_empty())
    {
        session.end()?;
    }
    Ok(Done::BasketChanged.on("/"))
}

/// Guests do not get here: the layer's `sign_in_page` leads them to the sign-in, which leads them back.
async fn orders(State(demo): State<Demo>, uri: Uri, session: RequireSession<Login>) -> Response {
    let login = session.data();
    let orders = demo.orders.of(login.name.as_deref().unwrap_or_default());
    let page = page::orders(login, &orders, Done::of(&uri));
    ([(CACHE_CONTROL, "no-store")], page).into_response()
}

/// Takes the basket out of the session. A real shop numbers its baskets and takes each one once, since a copy of the
/// old cookie still has this basket. Guests get a 401: after a sign-in the form would not be sent again.
async fn order(State(demo): State<Demo>, mut session: RequireSession<Login>) -> Result<Redirect, WriteError> {
    let (name, goods) = session.update(|login| (login.name.clone(), take(&mut login.basket)))?;
    if let (Some(name), false) = (name, goods.is_empty()) {
        let placed = OffsetDateTime::now_utc();
        demo.orders.place(name, Order { placed, goods });
    }
    Ok(Done::Ordered.on("/orders"))
}

#[tokio::main]
async fn main() -> ExitCode {
    match start::start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say("trouble", &error.to_string());
            ExitCode::FAILURE
        }
    }
}
