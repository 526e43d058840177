//! The first release: handlers read the session, and still write the old cookie.

use axum::Router;
use axum::extract::{FromRef, Path};
use axum::routing::{get, post};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use sealed_session::adopt::{JarReader, OldCookie};
use sealed_session::{Builder, ConfigError, Session, SessionLayer, WriteError};
use time::OffsetDateTime;

use crate::{Login, page};

#[derive(Clone)]
struct App {
    key: Key,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

pub fn app(key: Key, sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, ConfigError> {
    let read = JarReader::private("login", key.master())?.read(|json| serde_json::from_str(json).ok());
    let old = OldCookie::named("login").beside_old_servers(true);
    let sessions = sessions.adopt(old, until, read).build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(SessionLayer::new(sessions))
        .with_state(App { key }))
}

async fn home(session: Session<Login>) -> String {
    page(session.get())
}

async fn login(
    jar: PrivateCookieJar,
    mut session: Session<Login>,
    Path(user): Path<u32>,
) -> Result<PrivateCookieJar, WriteError> {
    session.start(Login::of(user))?;
    Ok(jar.add(cookie(&Login::of(user))))
}

async fn add(
    jar: PrivateCookieJar,
    mut session: Session<Login>,
    Path(item): Path<String>,
) -> Result<PrivateCookieJar, WriteError> {
    session.update(|login| login.cart.push(item))?.option();
    Ok(match session.get() {
        Some(login) => jar.add(cookie(login)),
        None => jar,
    })
}

async fn logout(jar: PrivateCookieJar, mut session: Session<Login>) -> Result<PrivateCookieJar, WriteError> {
    session.end()?;
    Ok(jar.remove(Cookie::build("login").path("/")))
}

fn cookie(login: &Login) -> Cookie<'static> {
    let json = serde_json::to_string(login).expect("a login is JSON");
    let cookie = Cookie::build(("login", json)).path("/").secure(true);
    cookie.http_only(true).same_site(SameSite::Lax).build()
}
