//! Before: the login is in a store, and its id in a cookie.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use tower_sessions::{Session, SessionManagerLayer, SessionStore};

use super::Failed;
use crate::{Login, page};

pub fn app(store: impl SessionStore + Clone) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(SessionManagerLayer::new(store))
}

async fn home(old: Session) -> Result<String, Failed> {
    Ok(page(old.get("login").await?.as_ref()))
}

async fn login(old: Session, Path(user): Path<u32>) -> Result<(), Failed> {
    old.cycle_id().await?;
    old.insert("login", Login::of(user)).await?;
    Ok(())
}

async fn add(old: Session, Path(item): Path<String>) -> Result<(), Failed> {
    if let Some(mut login) = old.get::<Login>("login").await? {
        login.cart.push(item);
        old.insert("login", login).await?;
    }
    Ok(())
}

async fn logout(old: Session) -> Result<(), Failed> {
    old.flush().await?;
    Ok(())
}
