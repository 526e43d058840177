//! Before: the login is in Redis, and its key in the encrypted cookie of actix-session.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::web::{Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Result};

use crate::{Login, page};

pub fn app(config: &mut ServiceConfig, store: RedisSessionStore, key: Key) {
    let app = scope("")
        .route("/", get().to(home))
        .route("/login/{user}", post().to(login))
        .route("/cart/{item}", post().to(add))
        .route("/logout", post().to(logout))
        .wrap(SessionMiddleware::new(store, key));
    config.service(app);
}

async fn home(old: Session) -> Result<String> {
    Ok(page(old.get("login")?.as_ref()))
}

async fn login(old: Session, user: Path<u32>) -> Result<HttpResponse> {
    old.renew();
    old.insert("login", Login::of(*user))?;
    Ok(HttpResponse::Ok().finish())
}

async fn add(old: Session, item: Path<String>) -> Result<HttpResponse> {
    if let Some(mut login) = old.get::<Login>("login")? {
        login.cart.push(item.into_inner());
        old.insert("login", login)?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn logout(old: Session) -> HttpResponse {
    old.purge();
    HttpResponse::Ok().finish()
}
