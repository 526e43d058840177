//! The first release: handlers read the session, and still write the old one.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session as OldSession, SessionMiddleware as OldSessionMiddleware};
use actix_web::cookie::Key;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};
use sealed_session::actix::SessionMiddleware;
use sealed_session::adopt::OldCookie;
use sealed_session::{Builder, ConfigError, Session, Sessions};
use time::OffsetDateTime;

use super::adopt::adopt;
use crate::{Login, page};

pub fn sessions(builder: Builder<Login>, until: OffsetDateTime) -> Result<Sessions<Login>, ConfigError> {
    let old = OldCookie::named("id").beside_old_servers(true);
    builder.adopt(old, until, |_| None).build()
}

pub fn app(config: &mut ServiceConfig, store: RedisSessionStore, key: Key, sessions: Sessions<Login>) {
    let app = scope("")
        .route("/", get().to(home))
        .route("/login/{user}", post().to(login))
        .route("/cart/{item}", post().to(add))
        .route("/logout", post().to(logout))
        .app_data(Data::new(key.clone()))
        .wrap(from_fn(adopt))
        .wrap(OldSessionMiddleware::new(store, key))
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
    session.update(|login| login.cart.push(item.clone()))?.option();
    if let Some(mut login) = old.get::<Login>("login")? {
        login.cart.push(item.into_inner());
        old.insert("login", login)?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn logout(old: OldSession, mut session: Session<Login>) -> Result<HttpResponse> {
    session.end()?;
    old.purge();
    Ok(HttpResponse::Ok().finish())
}
