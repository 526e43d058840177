//! A shop: guests with a cart, a sign-in that keeps it, "remember me", roles, messages shown once, sign-out everywhere.
//!
//! `cargo run --example shop --features axum`, then open http://localhost:3000. Chromium, Firefox and curl keep the
//! cookies there as in production. Safari requires https: for it, add `.insecure_development_cookie("shop-dev")` in `app`.

use std::{collections::BTreeMap, error::Error, mem::take, sync::Mutex, time::Duration};

use axum::http::{StatusCode, Uri, request::Parts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Form, Router, extract::FromRequestParts, extract::Path, routing::get, routing::post};
use sealed_session::{Builder, KeyRing, Lifetime, RequireSession, Session, SessionLayer, Sessions};
use sealed_session::{WriteError, next_page};

#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Visit {
    user: Option<String>,
    is_admin: bool,
    generation: u32,
    cart: Vec<u32>,
    message: String,
}

/// How often each user has signed out everywhere. Here in memory alone, lost at a restart: keep it in the users' table.
static GENERATIONS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

fn generation(user: &str) -> u32 {
    let generations = GENERATIONS.lock().expect("nothing panics with the lock");
    generations.get(user).copied().unwrap_or_default()
}

async fn home(mut session: Session<Visit>) -> Result<Html<String>, WriteError> {
    let message = session.update(|visit| take(&mut visit.message))?;
    let message = message.option().unwrap_or_default();
    let cart = session.get().map(|visit| &*visit.cart).unwrap_or_default();
    Ok(Html(format!(
        "<!doctype html><p>{message}<p>Articles in your cart: {cart:?}<form method=post>
        <button formaction=/cart/1>Add bread</button> <button formaction=/cart/2>Add cheese</button>
        <button formaction=/sign-out>Sign out</button> <button formaction=/sign-out?everywhere>On all devices</button>
        </form><a href=/sign-in>Sign in</a> <a href=/orders>Your orders</a> <a href=/accounts>Accounts (grace)</a>"
    )))
}

async fn add(mut session: Session<Visit>, Path(article): Path<u32>) -> Response {
    match session.update_or_start(Visit::default, |visit| visit.cart.push(article)) {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error @ WriteError::TooLarge { .. }) => (StatusCode::CONFLICT, error.to_string()).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Without an `action` the form is sent to the address of its page, with `next`.
const SIGN_IN_PAGE: Html<&str> =
    Html("<form method=post><input name=name><input type=checkbox name=remember>Remember me<button>OK</button></form>");

#[derive(serde::Deserialize)]
struct Credentials {
    name: String,
    remember: Option<String>,
}

async fn sign_in(uri: Uri, mut session: Session<Visit>, Form(form): Form<Credentials>) -> Result<Redirect, WriteError> {
    // A real application checks a password or a passkey here.
    session.start_with(|before| Visit {
        // The cart of a guest, not of another user who was signed in.
        cart: before.filter(|visit| visit.user.is_none()).unwrap_or_default().cart,
        message: "You are signed in.".to_owned(),
        is_admin: form.name == "grace",
        generation: generation(&form.name),
        user: Some(form.name),
    })?;
    session.remember(form.remember.is_some())?;
    Ok(Redirect::to(next_page(uri.query()).as_deref().unwrap_or("/")))
}

/// Signs this browser out, or every browser in which this user is signed in.
async fn sign_out(uri: Uri, mut session: Session<Visit>) -> Result<Redirect, WriteError> {
    let user = session.get().and_then(|visit| visit.user.clone());
    if let (Some("everywhere"), Some(user)) = (uri.query(), user) {
        let mut generations = GENERATIONS.lock().expect("nothing panics with the lock");
        *generations.entry(user).or_default() += 1;
    }
    session.end()?;
    Ok(Redirect::to("/"))
}

async fn orders(session: RequireSession<Visit>) -> String {
    format!("orders of {}", session.data().user.as_deref().unwrap_or_default())
}

struct RequireAdmin;

impl<S: Send + Sync> FromRequestParts<S> for RequireAdmin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = RequireSession::<Visit>::from_request_parts(parts, state).await?;
        let refusal = || (StatusCode::FORBIDDEN, "for administrators only").into_response();
        session.data().is_admin.then_some(Self).ok_or_else(refusal)
    }
}

pub(crate) fn app(builder: Builder<Visit>) -> Result<Router, Box<dyn Error>> {
    let sessions = builder
        .audience("shop")
        .remembered(Lifetime::absolute(Duration::from_secs(90 * 86_400)))
        .signed_in_if(|visit| visit.user.is_some())
        .refuse_if(|opened| opened.data.generation < opened.data.user.as_deref().map_or(0, generation))
        .build()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/cart/{article}", post(add))
        .route("/sign-in", get(SIGN_IN_PAGE).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/orders", get(orders))
        .route("/accounts", get(async |_: RequireAdmin| "all accounts"))
        .layer(SessionLayer::new(sessions).sign_in_page("/sign-in"))
        .layer(tower_http::csrf::CsrfLayer::new()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = Sessions::builder(KeyRing::from_file_or_new("keys.txt")?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://localhost:3000");
    Ok(axum::serve(listener, app(sessions)?).await?)
}
