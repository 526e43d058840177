//! One of several servers that share sign-outs through Redis.
use std::{env, error::Error, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get, routing::post};
use sealed_session::{Event, KeyRing, Session, SessionLayer, Sessions, WriteError, keys::RingFile};
use sealed_session_redis::{RedisRevocations, Start, redis::Client};
use tokio::signal::unix::{SignalKind, signal};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (redis, ring) = (env::var("FLEET_REDIS")?, env::var("FLEET_RING")?);
    let list = RedisRevocations::builder(Client::open(redis)?, "fleet").start(Start::Wait)?;
    let sessions = Sessions::<u64>::builder(KeyRing::from_file(&ring)?)
        .audience("fleet")
        .insecure_development_cookie("fleet") // leave this out: it is for plain http
        .revocation_list(list.clone())
        .observer(|event: &Event| println!("{event}"))
        .build()?;
    let interval = env::var("FLEET_INTERVAL").map_or(Ok(10), |seconds| seconds.parse())?;
    let following = sessions
        .reload_from(RingFile::new(ring))
        .every(Duration::from_secs(interval))?;
    list.on_ring_notice(following.notice());
    let app = Router::new()
        .route("/", get(async |user: Session<u64>| format!("{:?}\n", user.get())))
        .route("/sign-in", post(async |mut user: Session<u64>| user.start(7)))
        .route("/sign-out", post(sign_out))
        .layer(SessionLayer::new(sessions))
        .route(
            "/health",
            get(async |list: State<RedisRevocations>| format!("{:#?}\n", list.health())),
        )
        .with_state(list.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move { tokio::select!(_ = terminate.recv() => (), _ = interrupt.recv() => ()) };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    Ok(list.flush(LIMIT)?)
}

/// 202 means that Redis did not answer in time: signed out here, and elsewhere as soon as it does.
async fn sign_out(list: State<RedisRevocations>, mut session: Session<u64>) -> Result<StatusCode, WriteError> {
    session.end()?;
    let confirmed = list.confirmed(LIMIT).await;
    Ok(confirmed.map_or(StatusCode::ACCEPTED, |()| StatusCode::OK))
}
