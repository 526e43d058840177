//! The second release: the session is ours, and the old cookie is only read.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use sealed_session::{Builder, ConfigError, Session, SessionLayer, WriteError};
use time::OffsetDateTime;

use super::read::reader;
use crate::{Login, page};

pub fn app(secret: &[u8], sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, ConfigError> {
    let sessions = sessions.adopt("session", until, reader(&[secret])).build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(SessionLayer::new(sessions)))
}

async fn home(session: Session<Login>) -> String {
    page(session.get())
}

async fn login(mut session: Session<Login>, Path(user): Path<u32>) -> Result<(), WriteError> {
    session.start(Login::of(user))
}

async fn add(mut session: Session<Login>, Path(item): Path<String>) -> Result<(), WriteError> {
    session.update(|login| login.cart.push(item))?.option();
    Ok(())
}

async fn logout(mut session: Session<Login>) -> Result<(), WriteError> {
    session.end()
}
