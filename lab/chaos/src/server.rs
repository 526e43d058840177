//! One server of the fleet that the chaos run kills. It takes its settings from the environment, prints
//! `listening on ADDRESS` when it serves, and its events on standard error.
//!
//! - `CHAOS_REDIS`: `one ADDRESS`, `sentinel ADDRESS…` (the master is called `chaos`) or `cluster ADDRESS…`
//! - `CHAOS_REPLICAS`: how many replicas confirm. Default: 0
//!
//! SIGTERM ends it, with exit code 0 if all that was revoked here is in Redis.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, process};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use sealed_session::events::Level;
use sealed_session::{Event, Session, SessionLayer, SessionState, Sessions, WriteError};
use sealed_session_redis::redis::Client;
use sealed_session_redis::redis::cluster::ClusterClient;
use sealed_session_redis::redis::sentinel::{SentinelClient, SentinelServerType};
use sealed_session_redis::{Redis, RedisRevocations, Start};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let replicas = env::var("CHAOS_REPLICAS").map_or(Ok(0), |replicas| replicas.parse())?;
    let list = RedisRevocations::builder(redis()?, "chaos")
        .observer(log)
        .replicas(replicas)
        .start(Start::Wait)?;
    let sessions = Sessions::<Login>::builder(testkit::ring())
        .audience("chaos")
        .insecure_development_cookie("chaos")
        .revocation_list(list.clone())
        .observer(log)
        .build()?;
    Runtime::new()?.block_on(serve(sessions, list.clone()))?;
    Ok(match list.flush(Duration::from_secs(5)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn redis() -> Result<Redis, Box<dyn Error>> {
    let setting = env::var("CHAOS_REDIS")?;
    let mut words = setting.split(' ').map(str::to_owned);
    let kind = words.next();
    let addresses: Vec<String> = words.collect();
    Ok(match kind.as_deref() {
        Some("one") => Client::open(addresses.concat())?.into(),
        Some("sentinel") => {
            SentinelClient::build(addresses, String::from("chaos"), None, SentinelServerType::Master)?.into()
        }
        Some("cluster") => ClusterClient::new(addresses)?.into(),
        _ => return Err(format!("CHAOS_REDIS is `{setting}`").into()),
    })
}

fn log(event: &Event) {
    if event.level() >= Level::Warn || event.name().starts_with("RevocationStore") {
        eprintln!("{} {}: {event}", time::UtcDateTime::now(), event.name());
    }
}

async fn serve(sessions: Sessions<Login>, list: RedisRevocations) -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/", get(who))
        .route("/in", post(sign_in))
        .route("/out", post(sign_out))
        .route("/out-confirmed", post(sign_out_confirmed))
        .layer(SessionLayer::new(sessions))
        .route("/health", get(health))
        .with_state(list);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut term = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    term.recv().await;
    Ok(())
}

/// `good`, or why not.
async fn who(session: Session<Login>) -> String {
    match session.state() {
        SessionState::Valid => "good".to_owned(),
        SessionState::Rejected(reason) => reason.name().to_owned(),
        other => format!("{other:?}"),
    }
}

async fn sign_in(mut session: Session<Login>) -> Result<&'static str, WriteError> {
    session.start(Login {
        user: process::id().into(),
    })?;
    Ok("good")
}

async fn sign_out(mut session: Session<Login>) -> Result<(StatusCode, String), WriteError> {
    if session.state() != SessionState::Valid {
        return Ok((StatusCode::CONFLICT, who(session).await));
    }
    session.end()?;
    Ok((StatusCode::OK, "out".to_owned()))
}

async fn sign_out_confirmed(
    State(list): State<RedisRevocations>,
    session: Session<Login>,
) -> Result<(StatusCode, String), WriteError> {
    let answer = sign_out(session).await?;
    if answer.0 != StatusCode::OK {
        return Ok(answer);
    }
    Ok(match list.confirmed(Duration::from_secs(3)).await {
        Ok(()) => (StatusCode::OK, "confirmed".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}

async fn health(State(list): State<RedisRevocations>) -> String {
    let health = list.health();
    let contact = health.last_contact.map_or(-1, |ago| ago.as_millis() as i64);
    format!(
        "{} {contact} {} {} {}",
        u8::from(health.joined),
        health.lag.as_millis(),
        health.entries,
        health.unconfirmed
    )
}
