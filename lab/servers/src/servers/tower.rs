//! tower-sessions with its defaults, in memory and in Redis.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore, session};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use crate::Result;
use crate::site::{self, SIGN_IN_FIRST, Visit};

const NAME: &str = "visit";

/// The store's documentation has a pool of this size.
const CONNECTIONS: usize = 6;

pub(super) fn in_memory() -> Router {
    app(MemoryStore::default())
}

pub(super) async fn in_redis(url: &str) -> Result<Router> {
    let pool = Pool::new(Config::from_url(url)?, None, None, None, CONNECTIONS)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(app(RedisStore::new(pool)))
}

fn app(store: impl SessionStore + Clone) -> Router {
    let routes = Router::new()
        .route("/sign-in/{visitor}", post(sign_in))
        .route("/account", get(account))
        .route("/basket", post(basket));
    routes.layer(SessionManagerLayer::new(store))
}

async fn sign_in(session: Session, Path(visitor): Path<u64>) -> Result<StatusCode, Failed> {
    session.insert(NAME, site::visit_of(visitor)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn account(session: Session) -> Result<Response, Failed> {
    Ok(match session.get::<Visit>(NAME).await? {
        Some(visit) => Html(site::page(&visit)).into_response(),
        None => (StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response(),
    })
}

async fn basket(session: Session) -> Result<Response, Failed> {
    let Some(mut visit) = session.get::<Visit>(NAME).await? else {
        return Ok((StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response());
    };
    site::add_article(&mut visit);
    session.insert(NAME, &visit).await?;
    Ok(Html(site::page(&visit)).into_response())
}

struct Failed(session::Error);

impl From<session::Error> for Failed {
    fn from(error: session::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
