//! axum-extra's `PrivateCookieJar`, with the data as JSON in one encrypted cookie.

use axum::Router;
use axum::extract::{FromRef, Path};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};

use crate::Result;
use crate::site::{self, SIGN_IN_FIRST, Visit};

const NAME: &str = "__Host-id";

#[derive(Clone)]
struct App {
    key: Key,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

pub(super) fn app() -> Result<Router> {
    let key = Key::try_generate().ok_or("no random bytes")?;
    let routes = Router::new()
        .route("/sign-in/{visitor}", post(sign_in))
        .route("/account", get(account))
        .route("/basket", post(basket));
    Ok(routes.with_state(App { key }))
}

async fn sign_in(jar: PrivateCookieJar, Path(visitor): Path<u64>) -> (PrivateCookieJar, StatusCode) {
    (jar.add(cookie(&site::visit_of(visitor))), StatusCode::NO_CONTENT)
}

async fn account(jar: PrivateCookieJar) -> Response {
    match visit(&jar) {
        Some(visit) => Html(site::page(&visit)).into_response(),
        None => (StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response(),
    }
}

async fn basket(jar: PrivateCookieJar) -> Response {
    let Some(mut visit) = visit(&jar) else {
        return (StatusCode::UNAUTHORIZED, SIGN_IN_FIRST).into_response();
    };
    site::add_article(&mut visit);
    (jar.add(cookie(&visit)), Html(site::page(&visit))).into_response()
}

fn visit(jar: &PrivateCookieJar) -> Option<Visit> {
    serde_json::from_str(jar.get(NAME)?.value()).ok()
}

/// With the attributes of this crate's cookie.
fn cookie(visit: &Visit) -> Cookie<'static> {
    let json = serde_json::to_string(visit).expect("a visit serialises");
    let cookie = Cookie::build((NAME, json)).path("/").secure(true).http_only(true);
    cookie.same_site(SameSite::Lax).build()
}
