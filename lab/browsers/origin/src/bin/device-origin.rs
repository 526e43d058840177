//! The web application that `lab/browsers/device` visits: one site with device binding over plain http on 127.0.0.1,
//! and a port that only the tests reach. `binding/front.js` adds TLS and host names.
//!
//! Its argument is a JSON object: see [`Settings`]. It prints its ports and its key in one line of JSON, and ends when
//! its standard input does.

#[path = "../control.rs"]
mod control;

use std::error::Error;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sealed_session::device::DeviceBinding;
use sealed_session::{
    DeviceEndpoints, Key, KeyRing, Lifetime, RequireDevice, RequireSession, SameSite, Session, SessionLayer, Sessions,
    WriteError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::control::Control;

/// What differs between the origins of a test.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    /// The key of the ring as text; a new one if it is empty.
    key: String,
    /// Without device binding, this is a server of the version before.
    device: bool,
    offer: bool,
    introduce: bool,
    exclude: Vec<String>,
    initiators: Vec<String>,
    /// Seconds.
    proof_lifetime: u64,
    /// `SameSite=Strict`.
    strict: bool,
    /// Seconds by which the clock is ahead.
    ahead: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: String::new(),
            device: true,
            offer: true,
            introduce: false,
            exclude: vec!["/assets".to_owned()],
            initiators: Vec::new(),
            // The browser keeps the proof for four seconds.
            proof_lifetime: 64,
            strict: false,
            ahead: 0,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Login {
    name: String,
    note: String,
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings: Settings = serde_json::from_str(&std::env::args().nth(1).unwrap_or_else(|| "{}".to_owned()))?;
    let control = Arc::new(Control::new());
    control.advance(settings.ahead);
    let key = match settings.key.as_str() {
        "" => Key::generate()?,
        text => Key::parse(text)?,
    };
    let text = key.write_with_secret().expose().to_owned();
    let sessions = sessions(&settings, key, &control)?;
    let site = serve(routes(&settings, sessions, Arc::clone(&control))).await?;
    let control = serve(control::routes(control)).await?;
    println!("{}", json!({ "site": site, "control": control, "key": text }));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

fn sessions(settings: &Settings, key: Key, control: &Arc<Control>) -> Result<Sessions<Login>, Box<dyn Error>> {
    let (clock, log) = (Arc::clone(control), Arc::clone(control));
    let builder = Sessions::builder(KeyRing::new(key))
        .audience("device")
        .remembered(Lifetime::absolute(30 * DAY).idle(7 * DAY))
        .clock(move || clock.now())
        .same_site(if settings.strict {
            SameSite::Strict
        } else {
            SameSite::Lax
        })
        .observer(move |event: &sealed_session::Event| log.saw(event.to_string()));
    if !settings.device {
        return Ok(builder.build()?);
    }
    let binding = DeviceBinding::at("/device")
        .proof_lifetime(Duration::from_secs(settings.proof_lifetime))
        .offer(settings.offer)
        .introduce(settings.introduce);
    let binding = settings
        .exclude
        .iter()
        .fold(binding, |binding, path| binding.exclude(path));
    let hosts = settings.initiators.iter();
    let binding = hosts.fold(binding, |binding, host| binding.allow_initiator(host));
    Ok(builder.device_binding(binding).build()?)
}

async fn serve(routes: Router) -> Result<u16, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(port)
}

fn routes(settings: &Settings, sessions: Sessions<Login>, control: Arc<Control>) -> Router {
    let router = Router::new()
        .route("/", get(home))
        .route(
            "/static",
            get(|| async { Html("<title>static</title>the same for everybody") }),
        )
        .route("/who", get(who).post(who_with_body))
        .route("/assets/{*path}", get(who))
        .route("/sign-in", get(sign_in_by_link).post(sign_in))
        .route("/change", post(change))
        .route("/slow-change", post(slow_change))
        .route("/slow-read", get(slow_read))
        .route("/cycle", post(cycle))
        .route("/sign-out", post(sign_out))
        .route("/pay", get(pay).post(pay_with_body))
        .route("/required", get(required))
        .route("/bound", get(bound));
    let router = match settings.device {
        true => router.nest_service("/device", DeviceEndpoints::new(sessions.clone())),
        false => router,
    };
    router.layer(SessionLayer::new(sessions)).with_state(control)
}

fn report(session: &Session<Login>) -> Json<Value> {
    Json(json!({
        "name": session.get().map(|login| &login.name),
        "note": session.get().map(|login| &login.note),
        "id": session.id().map(|id| id.to_string()),
        "state": format!("{:?}", session.state()),
        "device": format!("{:?}", session.device()),
    }))
}

async fn home(session: Session<Login>) -> Html<String> {
    let name = session.get().map_or("guest", |login| &login.name);
    Html(format!(
        "<title>home</title><p id=who>{name} {:?}</p>{FORMS}",
        session.device()
    ))
}

const FORMS: &str = "<form method=post action=/pay><input name=note value=paid><button id=pay>Pay</button></form>\
                     <form method=post action=/sign-out><button id=out>Sign out</button></form>";

async fn who(session: Session<Login>) -> Json<Value> {
    report(&session)
}

async fn who_with_body(session: Session<Login>, body: String) -> Json<Value> {
    let Json(mut report) = report(&session);
    report["body"] = body.len().into();
    Json(report)
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    remember: Option<bool>,
}

async fn sign_in(mut session: Session<Login>, Form(form): Form<SignIn>) -> Result<Json<Value>, WriteError> {
    start(&mut session, form)?;
    Ok(report(&session))
}

async fn sign_in_by_link(mut session: Session<Login>) -> Result<Redirect, WriteError> {
    let form = SignIn {
        name: "Ada".to_owned(),
        remember: None,
    };
    start(&mut session, form)?;
    Ok(Redirect::to("/"))
}

fn start(session: &mut Session<Login>, SignIn { name, remember }: SignIn) -> Result<(), WriteError> {
    session.start(Login {
        name,
        note: String::new(),
    })?;
    session.remember(remember == Some(true))
}

#[derive(Deserialize)]
struct Note {
    note: String,
}

async fn change(mut session: Session<Login>, Form(form): Form<Note>) -> Result<Json<Value>, WriteError> {
    session
        .update(|login| login.note = form.note)?
        .option()
        .ok_or(WriteError::NoSession)?;
    Ok(report(&session))
}

/// Changes the session, then waits until the test lets it go on.
async fn slow_change(
    mut session: Session<Login>,
    State(control): State<Arc<Control>>,
    Form(form): Form<Note>,
) -> Result<Json<Value>, WriteError> {
    session
        .update(|login| login.note = form.note)?
        .option()
        .ok_or(WriteError::NoSession)?;
    control.wait().await;
    Ok(report(&session))
}

/// Reads the session, then waits until the test lets it go on.
async fn slow_read(session: Session<Login>, State(control): State<Arc<Control>>) -> Json<Value> {
    let report = report(&session);
    control.wait().await;
    report
}

async fn cycle(mut session: Session<Login>) -> Result<Json<Value>, WriteError> {
    session.cycle_id()?;
    Ok(report(&session))
}

async fn sign_out(mut session: Session<Login>) -> Result<Html<&'static str>, WriteError> {
    session.end()?;
    Ok(Html("<title>signed out</title>bye"))
}

/// Needs a proof that is at most ten seconds old.
async fn pay(session: RequireSession<Login>) -> Result<Json<Value>, Response> {
    session.require_proof(Duration::from_secs(10))?;
    Ok(report(&session))
}

async fn pay_with_body(session: RequireSession<Login>, body: String) -> Result<Json<Value>, Response> {
    session.require_proof(Duration::from_secs(10))?;
    let Json(mut report) = report(&session);
    report["body"] = body.len().into();
    Ok(Json(report))
}

async fn required(session: RequireSession<Login>) -> Response {
    report(&session).into_response()
}

async fn bound(session: RequireDevice<Login>) -> Json<Value> {
    report(&session)
}
