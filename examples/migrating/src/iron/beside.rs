//! The first release: handlers read the session, and still write the old cookie.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::http::header::SET_COOKIE;
use axum::response::AppendHeaders;
use axum::routing::{get, post};
use sealed_session::adopt::OldCookie;
use sealed_session::{Builder, ConfigError, Lifetime, Session, SessionLayer, WriteError};
use time::OffsetDateTime;

use super::reader::{Passwords, read};
use super::writer::seal;
use crate::{Login, page};

type OldCookieField = AppendHeaders<Option<(HeaderName, String)>>;

const DAY: Duration = Duration::from_secs(86_400);

pub fn app(passwords: Passwords, sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, ConfigError> {
    let passwords = Arc::new(passwords);
    let of_reader = Arc::clone(&passwords);
    let read = move |value: &str| read(&of_reader, value, OffsetDateTime::now_utc());
    let old = OldCookie::named("login").beside_old_servers(true);
    let sessions = sessions
        .remembered(Lifetime::absolute(90 * DAY).idle(14 * DAY))
        .adopt(old, until, read)
        .build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(SessionLayer::new(sessions))
        .with_state(passwords))
}

async fn home(session: Session<Login>) -> String {
    page(session.get())
}

async fn login(
    State(passwords): State<Arc<Passwords>>,
    mut session: Session<Login>,
    Path(user): Path<u32>,
) -> Result<OldCookieField, WriteError> {
    session.start(Login::of(user))?;
    session.remember(true)?;
    old_cookie(&passwords, session.get())
}

async fn add(
    State(passwords): State<Arc<Passwords>>,
    mut session: Session<Login>,
    Path(item): Path<String>,
) -> Result<OldCookieField, WriteError> {
    session.update(|login| login.cart.push(item))?.option();
    old_cookie(&passwords, session.get())
}

async fn logout(mut session: Session<Login>) -> Result<OldCookieField, WriteError> {
    session.end()?;
    let removed = "login=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax";
    Ok(AppendHeaders(Some((SET_COOKIE, removed.to_owned()))))
}

/// The old cookie of a visitor who is signed in.
fn old_cookie(passwords: &Passwords, login: Option<&Login>) -> Result<OldCookieField, WriteError> {
    let line = |login| {
        let seal = seal(passwords, login, OffsetDateTime::now_utc() + 14 * DAY)?;
        let attributes = "Max-Age=1209540; Path=/; HttpOnly; Secure; SameSite=Lax";
        Ok((SET_COOKIE, format!("login={seal}; {attributes}")))
    };
    login.map(line).transpose().map(AppendHeaders)
}
