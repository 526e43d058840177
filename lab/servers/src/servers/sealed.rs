//! This crate on axum.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use sealed_session::{Builder, Key, KeyRing, Session, SessionLayer, Sessions, WriteError};

use super::axum::public;
use crate::Result;
use crate::site::{self, SIGN_IN_FIRST, Visit};

/// With the defaults: idle and absolute timeout, activity cookie, `__Host-` name, `Secure`, 8 MiB of opened sessions.
pub(super) fn sessions() -> Result<Sessions<Visit>> {
    Ok(builder()?.build()?)
}

pub(super) fn sessions_without_cache() -> Result<Sessions<Visit>> {
    Ok(builder()?.opened_cache(0).build()?)
}

fn builder() -> Result<Builder<Visit>> {
    let ring = KeyRing::new(Key::generate()?);
    Ok(Sessions::builder(ring).audience("shop"))
}

pub(super) fn app(sessions: Sessions<Visit>) -> Router {
    let routes = Router::new()
        .route("/sign-in/{visitor}", post(sign_in))
        .route("/public", get(public))
        .route("/account", get(account))
        .route("/touch", get(touch))
        .route("/basket", post(basket));
    routes.layer(SessionLayer::new(sessions))
}

async fn sign_in(mut session: Session<Visit>, Path(visitor): Path<u64>) -> Result<StatusCode, WriteError> {
    session.start(site::visit_of(visitor))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn account(session: Session<Visit>) -> Response {
    answer(&session)
}

async fn touch(mut session: Session<Visit>) -> Result<Response, WriteError> {
    session.touch()?;
    Ok(answer(&session))
}

async fn basket(mut session: Session<Visit>) -> Result<Response, WriteError> {
    session.update(site::add_article)?.option();
    Ok(answer(&session))
}

fn answer(session: &Session<Visit>) -> Response {
    match session.get() {
        Some(visit) => Html(site::page(visit)).into_response(),
        None => (StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response(),
    }
}
