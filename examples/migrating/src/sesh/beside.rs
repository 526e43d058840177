//! The first release: handlers read the session, and still write the old cookie.

use std::error::Error;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use sealed_session::adopt::OldCookie;
use sealed_session::{Builder, Session, SessionLayer, WriteError};
use seshcookie::{Session as OldSession, SessionConfig, SessionKeys, SessionLayer as OldSessionLayer};
use time::OffsetDateTime;

use super::read::reader;
use crate::{Login, page};

pub fn app(secret: &[u8], sessions: Builder<Login>, until: OffsetDateTime) -> Result<Router, Box<dyn Error>> {
    let old = OldSessionLayer::<Login>::new(SessionKeys::new(secret)?, SessionConfig::default())?;
    let cookie = OldCookie::named("session").beside_old_servers(true);
    let sessions = sessions.adopt(cookie, until, reader(&[secret])).build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(old)
        .layer(SessionLayer::new(sessions)))
}

async fn home(session: Session<Login>) -> String {
    page(session.get())
}

async fn login(old: OldSession<Login>, mut session: Session<Login>, Path(user): Path<u32>) -> Result<(), WriteError> {
    session.start(Login::of(user))?;
    old.insert(Login::of(user)).await;
    Ok(())
}

async fn add(old: OldSession<Login>, mut session: Session<Login>, Path(item): Path<String>) -> Result<(), WriteError> {
    session.update(|login| login.cart.push(item))?.option();
    if let Some(login) = session.get() {
        old.insert(login.clone()).await;
    }
    Ok(())
}

async fn logout(old: OldSession<Login>, mut session: Session<Login>) -> Result<(), WriteError> {
    session.end()?;
    old.clear().await;
    Ok(())
}
