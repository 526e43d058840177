//! What operators do and see. In a real fleet no visitor reaches this: the ring comes with a deploy.

use std::sync::PoisonError;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sealed_session::Session;
use sealed_session::revocation::RevocationList;
use time::OffsetDateTime;

use crate::answer::Done;
use crate::attacker::cookie;
use crate::page::{self, Operations};
use crate::server::trouble;
use crate::{Demo, Login, told, until_next_second};

/// The ring, the events and the revocations of this server.
pub(crate) async fn operator(
    State(demo): State<Demo>,
    uri: Uri,
    session: Session<Login>,
    headers: HeaderMap,
) -> Response {
    let done = Done::of(&uri);
    // A look at this page is no event: the session is opened only to say what an operation did to it.
    let is_signed_in = done.is_some() && session.is_signed_in();
    let keys = demo.keys.lock().unwrap_or_else(PoisonError::into_inner);
    let page = demo.journal.with(|events| {
        page::operator(&Operations {
            done,
            is_signed_in,
            session_token: cookie(&headers, demo.sessions.cookie_name()),
            ring: &keys.ring,
            is_shared: demo.fleet.is_shared(),
            revoked: demo.fleet.revoked.held(),
            cut_off: demo.fleet.revoked.handle().cut_off(),
            events,
        })
    });
    ([(CACHE_CONTROL, "no-store")], page).into_response()
}

/// From now on the new key seals and the one before only opens. No visitor is signed out.
pub(crate) async fn rotate(State(demo): State<Demo>) -> Response {
    if demo.fleet.is_shared() {
        // A key that seals here before the others open with it would sign visitors out there.
        let text = "several servers: rotate the ring file with `sealed-session ring`, as docs/operating.md says";
        return (StatusCode::CONFLICT, text).into_response();
    }
    let mut keys = demo.keys.lock().unwrap_or_else(PoisonError::into_inner);
    match keys.file.rotate() {
        Ok(ring) => {
            keys.replace(&ring);
            demo.sessions.replace_keys(ring);
            Done::Rotated.on("/operator").into_response()
        }
        Err(error) => trouble(&*error, "the key ring could not be written"),
    }
}

/// Raises the cut-off to now. It lasts as long as this process, unless `LOGIN_SHARED` names a directory for it.
pub(crate) async fn sign_everybody_out(State(demo): State<Demo>) -> Response {
    let now = OffsetDateTime::now_utc();
    demo.sessions.raise_cut_off(now);
    let response = told(&demo, Done::EverybodySignedOut.on("/operator")).await;
    until_next_second(now).await;
    response
}
