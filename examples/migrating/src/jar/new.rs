//! The second release: the session is ours, and the old cookie is only read.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use sealed_session::adopt::JarReader;
use sealed_session::{Builder, ConfigError, Session, SessionLayer, WriteError};
use time::OffsetDateTime;

use crate::{Login, page};

pub fn app(key: &[u8], sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, ConfigError> {
    let read = JarReader::private("login", key)?.read(|json| serde_json::from_str(json).ok());
    let sessions = sessions.adopt("login", until, read).build()?;
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
