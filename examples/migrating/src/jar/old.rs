//! Before: the login is JSON in an encrypted cookie.

use axum::Router;
use axum::extract::{FromRef, Path};
use axum::routing::{get, post};
use axum_extra::extract::PrivateCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};

use crate::{Login, page};

#[derive(Clone)]
struct App {
    key: Key,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

pub fn app(key: Key) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login/{user}", post(login))
        .route("/cart/{item}", post(add))
        .route("/logout", post(logout))
        .with_state(App { key })
}

async fn home(jar: PrivateCookieJar) -> String {
    page(read(&jar).as_ref())
}

async fn login(jar: PrivateCookieJar, Path(user): Path<u32>) -> PrivateCookieJar {
    jar.add(cookie(&Login::of(user)))
}

async fn add(jar: PrivateCookieJar, Path(item): Path<String>) -> PrivateCookieJar {
    match read(&jar) {
        Some(mut login) => {
            login.cart.push(item);
            jar.add(cookie(&login))
        }
        None => jar,
    }
}

async fn logout(jar: PrivateCookieJar) -> PrivateCookieJar {
    jar.remove(Cookie::build("login").path("/"))
}

fn read(jar: &PrivateCookieJar) -> Option<Login> {
    serde_json::from_str(jar.get("login")?.value()).ok()
}

fn cookie(login: &Login) -> Cookie<'static> {
    let json = serde_json::to_string(login).expect("a login is JSON");
    let cookie = Cookie::build(("login", json)).path("/").secure(true);
    cookie.http_only(true).same_site(SameSite::Lax).build()
}
