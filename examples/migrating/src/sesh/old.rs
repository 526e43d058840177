//! Before: the login is in seshcookie's encrypted cookie.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use seshcookie::{BuildError, Session, SessionConfig, SessionKeys, SessionLayer};

use crate::{Login, page};

pub fn app(secret: &[u8]) -> Result<Router, BuildError> {
    let old = SessionLayer::<Login>::new(SessionKeys::new(secret)?, SessionConfig::default())?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .layer(old))
}

async fn home(old: Session<Login>) -> String {
    page(old.get().await.as_ref())
}

async fn login(old: Session<Login>, Path(user): Path<u32>) {
    old.insert(Login::of(user)).await;
}

async fn add(old: Session<Login>, Path(item): Path<String>) {
    if let Some(mut login) = old.get().await {
        login.cart.push(item);
        old.insert(login).await;
    }
}

async fn logout(old: Session<Login>) {
    old.clear().await;
}
