//! Prints `tests/data/old_cookies.json`: cookies that other libraries made, under fixed keys.
//!
//! Every value comes out of a `Set-Cookie` field of a response of the library, as a browser would keep it. Private
//! cookies have random bytes, so they differ from run to run.

use std::error::Error;

use actix_session::config::CookieContentSecurity;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use axum_core::response::IntoResponse;
use axum_extra::extract::cookie::{Cookie, Key, PrivateCookieJar, SignedCookieJar};
use rocket::http::CookieJar;
use rocket::local::blocking::Client;
use rocket::{Config, State, get, routes};
use serde_json::{Value, json};

type Outcome<R> = Result<R, Box<dyn Error>>;

/// The names of cookies and what they hold: nothing, a number, and what has to be percent-encoded.
const COOKIES: [(&str, &str); 5] = [
    ("login", ""),
    ("__Host-old", "7"),
    ("login", r#"{"user":7,"cart":["bread","a \"b\"; c=d, 100 % \\ e"]}"#),
    ("__Host-old", "100 %; \"Čapek\"=%25 %7B%7d + 🍞\tend"),
    ("id", " spaces around "),
];

fn main() -> Outcome<()> {
    let key64: [u8; 64] = std::array::from_fn(|at| at as u8 + 1);
    let key32: [u8; 32] = std::array::from_fn(|at| 0xE0 - at as u8);
    let mut rows = Vec::new();
    for (name, text) in COOKIES {
        let keys = [(Key::from(&key64), &key64[..]), (Key::derive_from(&key32), &key32[..])];
        for (key, bytes) in keys {
            let axum_extra = ("axum-extra", "0.12.6");
            let private = axum_private(key.clone(), name, text)?;
            rows.push(row(axum_extra, "private", bytes, name, text, &private));
            rows.push(row(
                axum_extra,
                "signed",
                bytes,
                name,
                text,
                &axum_signed(key, name, text)?,
            ));
            let private = rocket_private(bytes, name, text)?;
            rows.push(row(("rocket", "0.5.2"), "private", bytes, name, text, &private));
        }
        for (kind, security) in [
            ("private", CookieContentSecurity::Private),
            ("signed", CookieContentSecurity::Signed),
        ] {
            let (state, line) = actix(&key64, security, name, text)?;
            let actix_session = ("actix-session", "0.11.0");
            rows.push(row(actix_session, kind, &key64, name, &state, &line));
        }
    }
    // One row a line.
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    println!("{{\"rows\": [\n{}\n]}}", rows.join(",\n"));
    Ok(())
}

/// `line` is the value of a `Set-Cookie` field.
fn row(of: (&str, &str), kind: &str, key: &[u8], name: &str, text: &str, line: &str) -> Value {
    let (library, version) = of;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let pair = line.split(';').next().unwrap_or(line);
    let value = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    let value = value.expect("the library sets the cookie of this name");
    json!({
        "library": library, "version": version, "kind": kind, "key": hex, "name": name, "value": value, "text": text,
    })
}

fn axum_private(key: Key, name: &str, text: &str) -> Outcome<String> {
    let jar = PrivateCookieJar::new(key).add(Cookie::new(name.to_owned(), text.to_owned()));
    set_cookie(jar)
}

fn axum_signed(key: Key, name: &str, text: &str) -> Outcome<String> {
    let jar = SignedCookieJar::new(key).add(Cookie::new(name.to_owned(), text.to_owned()));
    set_cookie(jar)
}

fn set_cookie(jar: impl IntoResponse) -> Outcome<String> {
    let response = jar.into_response();
    let line = response.headers().get("set-cookie").ok_or("the jar sets no cookie")?;
    Ok(line.to_str()?.to_owned())
}

struct Pair(String, String);

#[get("/")]
fn add_private(jar: &CookieJar<'_>, pair: &State<Pair>) {
    jar.add_private((pair.0.clone(), pair.1.clone()));
}

fn rocket_private(key: &[u8], name: &str, text: &str) -> Outcome<String> {
    // As `secret_key` in Rocket.toml.
    let config = Config::figment().merge(("secret_key", key)).merge(("log_level", "off"));
    let server = rocket::custom(config)
        .manage(Pair(name.to_owned(), text.to_owned()))
        .mount("/", routes![add_private]);
    let client = Client::tracked(server).map_err(|error| format!("Rocket: {error}"))?;
    let response = client.get("/").dispatch();
    let line = response.headers().get_one("set-cookie");
    Ok(line.ok_or("Rocket sets no cookie")?.to_owned())
}

/// The state that the cookie holds, and its `Set-Cookie`. The state has one entry: a map of several has no fixed order.
fn actix(key: &[u8], security: CookieContentSecurity, name: &str, text: &str) -> Outcome<(String, String)> {
    let (name, text) = (name.to_owned(), text.to_owned());
    // actix-session keeps each entry as JSON, in a JSON object.
    let state = json!({ "login": Value::from(text.as_str()).to_string() }).to_string();
    let key = actix_web::cookie::Key::from(key);
    actix_web::rt::System::new().block_on(async move {
        let sessions = SessionMiddleware::builder(CookieSessionStore::default(), key)
            .cookie_name(name)
            .cookie_content_security(security)
            .build();
        let insert = move |session: Session| {
            let inserted = session.insert("login", &text);
            async move { inserted.map(|()| "") }
        };
        let app = init_service(App::new().wrap(sessions).route("/", web::get().to(insert))).await;
        let response = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        let line = response
            .headers()
            .get("set-cookie")
            .ok_or("actix-session sets no cookie")?;
        Ok((state, line.to_str()?.to_owned()))
    })
}
