//! axum: how all its servers run, and the one without sessions.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::{Result, site};

pub(super) fn plain() -> Router {
    Router::new().route("/public", get(public))
}

pub(super) async fn public() -> Html<String> {
    Html(site::public_page())
}

/// tokio's runtime as `#[tokio::main]` makes it: one worker for every core that the process may use.
#[tokio::main]
pub(super) async fn serve(app: impl AsyncFnOnce() -> Result<Router>) -> Result<()> {
    let app = app().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    super::announce(listener.local_addr()?)?;
    Ok(axum::serve(listener, app).await?)
}
