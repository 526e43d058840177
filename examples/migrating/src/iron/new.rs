//! The second release: the session is ours, and the old cookie is only read.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use sealed_session::{Builder, ConfigError, Lifetime, Session, SessionLayer, WriteError};
use time::OffsetDateTime;

use super::reader::{Passwords, read};
use crate::{Login, page};

const DAY: Duration = Duration::from_secs(86_400);

pub fn app(passwords: Passwords, sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, ConfigError> {
    let read = move |value: &str| read(&passwords, value, OffsetDateTime::now_utc());
    let sessions = sessions
        .remembered(Lifetime::absolute(90 * DAY).idle(14 * DAY))
        .adopt("login", until, read)
        .build()?;
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
    session.start(Login::of(user))?;
    session.remember(true)
}

async fn add(mut session: Session<Login>, Path(item): Path<String>) -> Result<(), WriteError> {
    session.update(|login| login.cart.push(item))?.option();
    Ok(())
}

async fn logout(mut session: Session<Login>) -> Result<(), WriteError> {
    session.end()
}
