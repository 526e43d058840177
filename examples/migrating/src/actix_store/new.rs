//! The second release: the session is ours, and the old one is only looked up.

use actix_session::SessionMiddleware as OldSessionMiddleware;
use actix_session::storage::RedisSessionStore;
use actix_web::cookie::Key;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};
use sealed_session::actix::SessionMiddleware;
use sealed_session::{Builder, ConfigError, Session, Sessions};
use time::OffsetDateTime;

use super::adopt::adopt;
use crate::{Login, page};

pub fn sessions(builder: Builder<Login>, until: OffsetDateTime) -> Result<Sessions<Login>, ConfigError> {
    builder.adopt("id", until, |_| None).build()
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

async fn login(mut session: Session<Login>, user: Path<u32>) -> Result<HttpResponse> {
    session.start(Login::of(*user))?;
    Ok(HttpResponse::Ok().finish())
}

async fn add(mut session: Session<Login>, item: Path<String>) -> Result<HttpResponse> {
    session.update(|login| login.cart.push(item.into_inner()))?.option();
    Ok(HttpResponse::Ok().finish())
}

async fn logout(mut session: Session<Login>) -> Result<HttpResponse> {
    session.end()?;
    Ok(HttpResponse::Ok().finish())
}
