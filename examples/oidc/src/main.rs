//! A shop whose visitors sign in at an OpenID Connect provider, with the provider's tokens in the session.
//!
//! `examples/oidc/run`, then open http://localhost:3000. In this file: the sign-in, a page that calls an API with the
//! access token, and the sign-out. The requests to the provider are in `provider.rs`, the refresh of tokens in
//! `refresh.rs`.

mod provider;
mod refresh;

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::{Router, routing::get, routing::post};
use openidconnect::{AuthorizationCode, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier};
use sealed_session::sealer::SealOptions;
use sealed_session::{Event, KeyRing, RequireSession, Sealer, Session, SessionLayer, Sessions, WriteError, next_page};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::provider::{Provider, RefreshError, Tokens};
use crate::refresh::Refreshes;

/// What the session keeps. Who the visitor is takes a hundred bytes; each token takes one or two thousand.
#[derive(Clone, Serialize, Deserialize)]
struct Login {
    /// The provider's name for the user. It never changes and is never given to another user; an e-mail address may be.
    sub: String,
    name: String,
    /// `None` if they were too large. An application that calls no API has no tokens here at all.
    tokens: Option<Tokens>,
}

struct Shop {
    provider: Arc<Provider>,
    refreshes: Refreshes,
    sign_ins: Sealer,
    /// An access token is refreshed this long before it expires, so that a refresh that fails once is no failure yet.
    early: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::var("OIDC_KEYS").unwrap_or("keys.txt".into());
    let ring = Arc::new(KeyRing::from_file_or_new(file)?);
    let sessions = Sessions::<Login>::builder(Arc::clone(&ring))
        .audience("oidc-example")
        // Up to 5.4 KB of tokens. What fits one cookie still goes into one.
        .chunks(2)
        // A refreshed token is kept even if the page fails afterwards: the token before it is spent.
        .write_on_server_error(true)
        .observer(|event: &Event| eprintln!("{event}"))
        .build()?;
    let shop = Arc::new(Shop {
        provider: Arc::new(Provider::discover(env::var("OIDC_ISSUER")?).await?),
        refreshes: Refreshes::default(),
        sign_ins: Sealer::new(ring, "oidc-sign-in")?.with_audience("oidc-example")?,
        early: Duration::from_secs(env::var("OIDC_EARLY").map_or(Ok(60), |seconds| seconds.parse())?),
    });
    let app = Router::new()
        .route("/", get(home))
        .route("/sign-in", get(sign_in))
        .route("/callback", get(callback))
        .route("/orders", get(orders))
        .route("/sign-out", post(sign_out))
        .layer(SessionLayer::new(sessions).sign_in_page("/sign-in"))
        .with_state(shop);
    let port = env::var("OIDC_PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://localhost:{}", listener.local_addr()?.port());
    Ok(axum::serve(listener, app).await?)
}

async fn home(session: Session<Login>, headers: HeaderMap) -> Html<String> {
    let Some(login) = session.get() else {
        return Html("<!doctype html><p>Hello, guest. <a href=/orders>Your orders</a>".into());
    };
    let ours = cookies(&headers).filter(|(name, _)| name.starts_with("__Host-id"));
    let sizes = ours.map(|(name, value)| format!("{name} {}", name.len() + value.len()));
    Html(format!(
        "<!doctype html><p>Hello, {}. <a href=/orders>Your orders</a><form method=post action=/sign-out>
        <button>Sign out</button></form><p>Bytes that come with every request: {}",
        escape(&login.name),
        sizes.collect::<Vec<_>>().join(", ")
    ))
}

/// What the callback needs to know of a sign-in.
#[derive(Serialize, Deserialize)]
struct SignIn {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    next: String,
}

/// Sends the visitor to the provider.
///
/// The server keeps nothing of a sign-in that may never end: `state` is a sealed value with the nonce, the PKCE
/// verifier and the next page. The provider and its logs see it and cannot read it.
///
/// It opens only with a random cookie of this browser. Without that an attacker could begin a sign-in, stop before the
/// callback, and let a visitor's browser ask for it (login CSRF): the visitor would be signed in as the attacker, and
/// would put a card into the attacker's account. Such a state and code are genuine. The attacker cannot give the cookie
/// to another browser: `__Host-` keeps out cookies of sibling subdomains and of plain http.
///
/// `SameSite=Lax` lets the cookie come with the provider's redirect; `Strict` would not. Sign-ins in several tabs share
/// the cookie.
async fn sign_in(State(shop): State<Arc<Shop>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failed> {
    let browser = browser(&headers).map_or_else(|| Nonce::new_random().secret().clone(), str::to_owned);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let nonce = Nonce::new_random();
    let next = next_page(uri.query()).unwrap_or_else(|| "/".into());
    let sign_in = SignIn {
        nonce: nonce.clone(),
        verifier,
        next,
    };
    let sign_in = serde_json::to_vec(&sign_in).map_err(failed(BROKEN))?;
    let options = SealOptions::valid_for(Duration::from_secs(600)).bind(browser.as_bytes());
    let state = shop.sign_ins.seal(&sign_in, options).map_err(failed(BROKEN))?;
    let address = shop.provider.sign_in_address(CsrfToken::new(state), nonce, challenge);
    let cookie = format!("{BROWSER}={browser}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax");
    let headers = AppendHeaders([(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".into())]);
    Ok((headers, Redirect::to(&address)).into_response())
}

#[derive(Deserialize)]
struct Answer {
    state: String,
    /// Missing if the visitor or the provider said no.
    code: Option<String>,
}

/// The visitor is back from the provider.
async fn callback(
    State(shop): State<Arc<Shop>>,
    Query(answer): Query<Answer>,
    headers: HeaderMap,
    mut session: Session<Login>,
) -> Result<Response, Failed> {
    let (login, next) = signed_in(&shop, answer, &headers)
        .await
        .map_err(failed(NOT_SIGNED_IN))?;
    match session.start(login.clone()) {
        // Somebody in hundreds of groups, which two of the tokens name. Cookies are the wrong place for them: the
        // visitor is signed in without tokens, and `orders` says so. The observer has the numbers.
        Err(WriteError::TooLarge { .. }) => session.start(Login { tokens: None, ..login })?,
        started => started?,
    }
    // The state opens in no browser from now on. A code works once, but a second use may end what the first one began.
    let spent = format!("{BROWSER}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    Ok((AppendHeaders([(SET_COOKIE, spent)]), Redirect::to(&next)).into_response())
}

/// Who signed in, with the tokens, and the page to go to.
async fn signed_in(shop: &Shop, answer: Answer, headers: &HeaderMap) -> Result<(Login, String), Box<dyn Error>> {
    let browser = browser(headers).ok_or("no cookie of a sign-in")?;
    let state = shop
        .sign_ins
        .open_at(&answer.state, browser.as_bytes(), OffsetDateTime::now_utc())?;
    let sign_in: SignIn = serde_json::from_slice(state.payload())?;
    let code = AuthorizationCode::new(answer.code.ok_or("the provider gave no code")?);
    let login = shop.provider.exchange(code, sign_in.verifier, &sign_in.nonce).await?;
    Ok((login, sign_in.next))
}

/// Orders from an API that takes the access token.
async fn orders(State(shop): State<Arc<Shop>>, mut session: RequireSession<Login>) -> Result<Response, Failed> {
    let Some(tokens) = session.data().tokens.clone() else {
        return Err(NO_TOKENS);
    };
    let tokens = if tokens.expires_within(shop.early) {
        match shop.refreshes.refresh(&shop.provider, &tokens).await {
            Ok(fresh) => {
                // Every request that waited writes the same tokens: if one response is lost, another brings them.
                session.update(|login| login.tokens = Some(fresh.clone()))?;
                fresh
            }
            // Another server may have used this refresh token first, and its response is on the way. So nothing is
            // written, and nothing ended: the session that has won has the same id.
            Err(_) if !tokens.expires_within(Duration::ZERO) => tokens,
            Err(RefreshError::Refused) => return Ok(Redirect::to("/sign-in?next=/orders").into_response()),
            Err(RefreshError::NoAnswer) => return Err(NO_ANSWER),
        }
    } else {
        tokens
    };
    let orders = shop.provider.orders(&tokens).await.map_err(failed(NO_ORDERS))?;
    Ok(Html(format!("<!doctype html><p>{}<p><a href=/>Home</a>", escape(&orders))).into_response())
}

/// Signs the visitor out here, then at the provider. With `SameSite` a POST of another site comes without the session.
async fn sign_out(State(shop): State<Arc<Shop>>, mut session: Session<Login>) -> Result<Redirect, Failed> {
    let id_token = session.get().and_then(|login| Some(login.tokens.as_ref()?.id.clone()));
    session.end()?;
    Ok(Redirect::to(&shop.provider.sign_out_address(id_token.as_deref())))
}

/// The cookie that binds a sign-in to the browser.
const BROWSER: &str = "__Host-sign-in";

fn browser(headers: &HeaderMap) -> Option<&str> {
    let found = cookies(headers).find(|(name, _)| *name == BROWSER);
    found.map(|(_, value)| value).filter(|value| value.len() == 22)
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split("; "))
        .filter_map(|pair| pair.split_once('='))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// What a visitor sees. The reason goes to the log alone: part of it may come from an attacker.
struct Failed(StatusCode, &'static str);

const BROKEN: Failed = Failed(StatusCode::INTERNAL_SERVER_ERROR, "Something is broken here.");
const NOT_SIGNED_IN: Failed = Failed(StatusCode::BAD_REQUEST, "No sign-in. <a href=/sign-in>Try again</a>");
const NO_TOKENS: Failed = Failed(StatusCode::NOT_IMPLEMENTED, "Your tokens are too large for this shop.");
const NO_ANSWER: Failed = Failed(
    StatusCode::SERVICE_UNAVAILABLE,
    "The provider does not answer. Try again.",
);
const NO_ORDERS: Failed = Failed(StatusCode::BAD_GATEWAY, "No orders came.");

fn failed<E: Display>(failed: Failed) -> impl FnOnce(E) -> Failed {
    move |error| {
        eprintln!("{}: {error}", failed.1);
        failed
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        failed(BROKEN)(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, [(CACHE_CONTROL, "no-store")], Html(self.1)).into_response()
    }
}
