//! Sessions bound to the visitor's device, on axum: `cargo run --example device --features axum,device`, and a reverse
//! proxy with https before it. Chromium's browsers bind the session then; in others it stays an ordinary one.

use std::{error::Error, time::Duration};

use axum::Router;
use axum::response::{Html, Redirect, Result};
use axum::routing::{get, post};
use sealed_session::device::{DeviceBinding, DeviceState};
use sealed_session::{
    Builder, DeviceEndpoints, KeyRing, RequireDevice, RequireSession, Session, SessionLayer, Sessions,
};

#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Login {
    user: u64,
}

async fn home(session: Session<Login>) -> Html<String> {
    let (user, device) = (session.get().map(|login| login.user), session.device());
    Html(format!(
        "<!doctype html><p>{user:?}, session: {device:?}<form method=post><button formaction=/sign-in>Sign in</button>
        <button formaction=/pay>Pay</button></form><a href=/recovery-codes>Recovery codes</a>"
    ))
}

async fn sign_in(mut session: Session<Login>) -> Result<Redirect> {
    // A real application checks a password or a passkey here.
    session.start(Login { user: 7 })?;
    Ok(Redirect::to("/"))
}

/// Stolen cookies are worth nothing here once their proof is a minute old.
async fn pay(session: RequireSession<Login>) -> Result<String> {
    if session.device() == DeviceState::Unbound {
        return Ok("enter your password to go on".into()); // Firefox, Safari: the second step of the application
    }
    session.require_proof(Duration::from_secs(60))?;
    Ok(format!("user {} has paid", session.data().user))
}

async fn recovery_codes(session: RequireDevice<Login>) -> String {
    format!("the codes of user {}", session.data().user)
}

pub(crate) fn app(builder: Builder<Login>) -> Result<Router, Box<dyn Error>> {
    let binding = DeviceBinding::at("/device").exclude("/assets");
    let sessions = builder.audience("device").device_binding(binding).build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/sign-in", post(sign_in))
        .route("/pay", post(pay))
        .route("/recovery-codes", get(recovery_codes))
        .nest_service("/device", DeviceEndpoints::new(sessions.clone()))
        .layer(SessionLayer::new(sessions)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = app(Sessions::builder(KeyRing::from_file_or_new("keys.txt")?))?;
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?)
}
