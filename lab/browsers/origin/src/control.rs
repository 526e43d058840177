//! The parts that the tests control: the clock, the requests that wait, the log of other sites' requests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

pub(crate) struct Control {
    /// It stops until a test moves it.
    clock: AtomicI64,
    waiting: Semaphore,
    gate: Semaphore,
    seen: Mutex<Vec<String>>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            clock: AtomicI64::new(OffsetDateTime::now_utc().unix_timestamp()),
            waiting: Semaphore::new(0),
            gate: Semaphore::new(0),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        let seconds = self.clock.load(Ordering::Acquire);
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
    }

    pub(crate) fn advance(&self, seconds: u32) {
        self.clock.fetch_add(seconds.into(), Ordering::AcqRel);
    }

    /// Waits until a test opens the gate for one request.
    pub(crate) async fn wait(&self) {
        self.waiting.add_permits(1);
        take(&self.gate, 1).await;
    }

    pub(crate) fn saw(&self, request: String) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}

async fn take(semaphore: &Semaphore, count: u32) {
    // No semaphore here is ever closed.
    if let Ok(permits) = semaphore.acquire_many(count).await {
        permits.forget();
    }
}

pub(crate) fn routes(control: Arc<Control>) -> Router {
    Router::new()
        .route("/clock", post(move_clock))
        .route("/waiting", post(until_waiting))
        .route("/open", post(open))
        .route("/seen", get(seen))
        .with_state(control)
}

#[derive(Deserialize)]
struct Amount {
    by: u32,
}

async fn move_clock(State(control): State<Arc<Control>>, Query(seconds): Query<Amount>) -> String {
    control.advance(seconds.by);
    control.now().unix_timestamp().to_string()
}

/// Answers as soon as this many requests wait.
async fn until_waiting(State(control): State<Arc<Control>>, Query(requests): Query<Amount>) {
    take(&control.waiting, requests.by).await;
}

async fn open(State(control): State<Arc<Control>>, Query(requests): Query<Amount>) {
    control.gate.add_permits(requests.by as usize);
}

/// The log since the last call.
async fn seen(State(control): State<Arc<Control>>) -> Json<Vec<String>> {
    Json(std::mem::take(
        &mut *control.seen.lock().unwrap_or_else(PoisonError::into_inner),
    ))
}
