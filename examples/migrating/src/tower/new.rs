//! The second release: the session is ours, and the old one is only read.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Router, middleware};
use sealed_session::{Builder, Session, SessionLayer};
use time::OffsetDateTime;
use tower_sessions::{SessionManagerLayer, SessionStore};

use super::Failed;
use super::adopt::adopt;
use crate::{Login, page};

pub fn app(
    store: impl SessionStore + Clone,
    sessions: Builder<Login>,
    until: OffsetDateTime,
) -> Result<Router, Failed> {
    let sessions = sessions.adopt("id", until, |_| None).build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(middleware::from_fn(adopt))
        .layer(SessionManagerLayer::new(store))
        .layer(SessionLayer::new(sessions)))
}

async fn home(session: Session<Login>) -> Result<String, Failed> {
    Ok(page(session.get()))
}

async fn login(mut session: Session<Login>, Path(user): Path<u32>) -> Result<(), Failed> {
    session.start(Login::of(user))?;
    Ok(())
}

async fn add(mut session: Session<Login>, Path(item): Path<String>) -> Result<(), Failed> {
    session.update(|login| login.cart.push(item))?.option();
    Ok(())
}

async fn logout(mut session: Session<Login>) -> Result<(), Failed> {
    session.end()?;
    Ok(())
}
