//! The second release: the session is ours, and the old cookie is only read.

use std::collections::HashMap;

use actix_web::web::{Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};
use sealed_session::actix::SessionMiddleware;
use sealed_session::adopt::JarReader;
use sealed_session::{Builder, ConfigError, Session, Sessions};
use time::OffsetDateTime;

use crate::{Login, page};

pub fn sessions(key: &[u8], builder: Builder<Login>, until: OffsetDateTime) -> Result<Sessions<Login>, ConfigError> {
    let read = JarReader::private("id", key)?.read(|json| {
        let entries: HashMap<String, String> = serde_json::from_str(json).ok()?;
        serde_json::from_str(entries.get("login")?).ok()
    });
    builder.adopt("id", until, read).build()
}

pub fn app(config: &mut ServiceConfig, sessions: Sessions<Login>) {
    let app = scope("")
        .route("/", get().to(home))
        .route("/login/{user}", post().to(login))
        .route("/cart/{item}", post().to(add))
        .route("/logout", post().to(logout))
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
