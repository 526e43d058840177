//! The first release: handlers read the session, and still write the old one.

use std::collections::HashMap;

use actix_session::storage::CookieSessionStore;
use actix_session::{Session as OldSession, SessionMiddleware as OldSessionMiddleware};
use actix_web::cookie::Key;
use actix_web::web::{Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};
use sealed_session::actix::SessionMiddleware;
use sealed_session::adopt::{JarReader, OldCookie};
use sealed_session::{Builder, ConfigError, Session, Sessions};
use time::OffsetDateTime;

use crate::{Login, page};

pub fn sessions(key: &[u8], builder: Builder<Login>, until: OffsetDateTime) -> Result<Sessions<Login>, ConfigError> {
    let read = JarReader::private("id", key)?.read(|json| {
        let entries: HashMap<String, String> = serde_json::from_str(json).ok()?;
        serde_json::from_str(entries.get("login")?).ok()
    });
    let old = OldCookie::named("id").beside_old_servers(true);
    builder.adopt(old, until, read).build()
}

pub fn app(config: &mut ServiceConfig, key: Key, sessions: Sessions<Login>) {
    let app = scope("")
        .route("/", get().to(home))
        .route("/login/{user}", post().to(login))
        .route("/cart/{item}", post().to(add))
        .route("/logout", post().to(logout))
        .wrap(OldSessionMiddleware::new(CookieSessionStore::default(), key))
        .wrap(SessionMiddleware::new(sessions));
    config.service(app);
}

async fn home(session: Session<Login>) -> String {
    page(session.get())
}

async fn login(old: OldSession, mut session: Session<Login>, user: Path<u32>) -> Result<HttpResponse> {
    session.start(Login::of(*user))?;
    old.renew();
    old.insert("login", Login::of(*user))?;
    Ok(HttpResponse::Ok().finish())
}

async fn add(old: OldSession, mut session: Session<Login>, item: Path<String>) -> Result<HttpResponse> {
    session.update(|login| login.cart.push(item.into_inner()))?.option();
    if let Some(login) = session.get() {
        old.insert("login", login)?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn logout(old: OldSession, mut session: Session<Login>) -> Result<HttpResponse> {
    session.end()?;
    old.purge();
    Ok(HttpResponse::Ok().finish())
}
