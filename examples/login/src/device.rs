//! `--device`: sessions that are bound to the visitor's device, over https, and a thief who copies the cookies of one.
//!
//! `LOGIN_AHEAD` names a file with the seconds by which the sessions' clock is ahead, for tests.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, COOKIE};
use axum::http::{HeaderMap, Method};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use sealed_session::device::{Answer, DeviceBinding};
use sealed_session::{Builder, DeviceEndpoints, RequireSession, Session, SessionId, SessionLayer};
use time::OffsetDateTime;
use tower_service::Service as _;

use crate::page::{Section, device as page};
use crate::tls::{Certificate, TlsListener};
use crate::{Demo, Login, server, terminal};

/// How long a proof is valid. The default is 11 minutes; nobody waits for that in front of a demo.
pub(crate) const LIFETIME: Duration = Duration::from_secs(75);

/// How old a proof may be where one is asked for: the least that there is.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);

/// The session's cookies are `__Host-id`, `__Host-id-seen` and `__Host-id-proof`.
pub(crate) fn over_https(builder: Builder<Login>) -> Builder<Login> {
    builder
        .device_binding(DeviceBinding::at("/device").proof_lifetime(LIFETIME))
        .clock(now)
}

pub(crate) fn now() -> OffsetDateTime {
    let ahead = env::var_os("LOGIN_AHEAD").and_then(|file| fs::read_to_string(file).ok());
    let ahead = ahead.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0);
    OffsetDateTime::now_utc() + Duration::from_secs(ahead)
}

/// Serves https until Ctrl-C.
pub(crate) async fn run(demo: Demo, app: Router) -> Result<(), Box<dyn Error>> {
    let sessions = SessionLayer::new(demo.sessions.clone());
    // As on the pages of `app`. The two endpoints are outside: no check may answer in their place.
    let inside = |router: Router| {
        let router = router.layer(sessions.clone());
        router.layer(middleware::from_fn(server::refuse_cross_site))
    };
    let prove = Router::new().route("/prove", post(prove)).with_state(demo.clone());
    let app = app
        .merge(inside(prove))
        .nest_service("/device", DeviceEndpoints::new(demo.sessions.clone()));
    let thieves = Thieves {
        victim: app.clone(),
        thefts: Arc::default(),
    };
    let thief = Router::new()
        .route("/thief", get(watch).post(steal))
        .with_state(thieves);
    let app = app.merge(inside(thief));

    let certificate = Certificate::new()?;
    let listener = server::listen().await?;
    let address = format!("https://localhost:{}", listener.local_addr()?.port());
    terminal::line(&format!("listening on {address}"));
    terminal::line("A Chromium that trusts its certificate and binds sessions:");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/chromium");
    terminal::line(&format!("  {script} {address} {}", certificate.hash));
    server::serve(TlsListener::new(listener, certificate)?, app).await
}

/// What the home page says of the device of a visitor who is signed in. Nothing without `--device`.
pub(crate) fn about(demo: &Demo, session: &Session<Login>) -> Section {
    match session.started() {
        // A guest's session is offered no device.
        Some(started) if session.is_signed_in() && demo.sessions.device_path().is_some() => {
            page::about(session.proven(), started, now())
        }
        _ => Section::default(),
    }
}

// ---- What an application does before a payment or a change of password.

/// Needs a proof that is 10 seconds old at most. An older one makes the browser prove itself and repeat the request,
/// before a line of this runs.
async fn prove(session: RequireSession<Login>) -> Result<Response, Answer> {
    session.require_proof(WITHIN)?;
    let page = page::proven(session.proven(), now());
    Ok(([(CACHE_CONTROL, "no-store")], page).into_response())
}

// ---- The thief.

/// Thieves who have copied cookies, and ask for pages with them.
#[derive(Clone)]
struct Thieves {
    victim: Router,
    /// One for each session.
    thefts: Arc<Mutex<BTreeMap<SessionId, Theft>>>,
}

/// A copy of a visitor's cookies, and how it fared.
#[derive(Clone)]
pub(crate) struct Theft {
    /// When it was made.
    pub(crate) copied: OffsetDateTime,
    /// When the device proved itself whose proof was copied; `None` for a session that was bound to no device.
    pub(crate) proven: Option<OffsetDateTime>,
    /// The first heading of the home page, as HTML.
    pub(crate) heading: String,
    /// Since when the home page is that of a stranger.
    pub(crate) stranger_since: Option<OffsetDateTime>,
    /// Since when it is refused where a proof is asked for.
    pub(crate) refused_since: Option<OffsetDateTime>,
    /// Whether the thief goes on.
    pub(crate) goes_on: bool,
}

/// For how many seconds a copy is tried.
const TRIES: u32 = 180;

/// Copies the cookies of this request, as a thief would who can read them.
async fn steal(State(thieves): State<Thieves>, session: RequireSession<Login>, headers: HeaderMap) -> Redirect {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let copy = fields.collect::<Vec<_>>().join("; ");
    let theft = Theft {
        copied: now(),
        proven: session.proven(),
        heading: String::new(),
        stranger_since: None,
        refused_since: None,
        goes_on: true,
    };
    let theft = thieves.try_copy(theft, &copy).await;
    let Some(id) = session.id() else {
        return Redirect::to("/");
    };
    thieves.with(|thefts| thefts.insert(id, theft.clone()));
    tokio::spawn(thieves.go_on(id, theft, copy));
    Redirect::to("/thief")
}

/// How the copy fares, beside how the visitor does.
async fn watch(State(thieves): State<Thieves>, session: Session<Login>) -> Response {
    let theft = session
        .id()
        .and_then(|id| thieves.with(|thefts| thefts.get(&id).cloned()));
    let (Some(login), Some(theft)) = (session.get(), theft) else {
        return Redirect::to("/").into_response();
    };
    let page = page::theft(login, session.proven(), &theft, now());
    ([(CACHE_CONTROL, "no-store")], page).into_response()
}

impl Thieves {
    /// Tries the copy each second, until it is worth nothing, or another one of this session was made.
    async fn go_on(self, id: SessionId, mut theft: Theft, copy: String) {
        for tries_left in (0..TRIES).rev() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            theft = self.try_copy(theft, &copy).await;
            theft.goes_on = tries_left > 0 && theft.stranger_since.is_none();
            let is_last_copy = self.with(|thefts| match thefts.get_mut(&id) {
                Some(last) if last.copied == theft.copied => {
                    last.clone_from(&theft);
                    true
                }
                _ => false,
            });
            if !is_last_copy || !theft.goes_on {
                break;
            }
        }
    }

    async fn try_copy(&self, mut theft: Theft, copy: &str) -> Theft {
        let (_, home) = self.ask(Method::GET, "/", copy).await;
        let heading = home.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
        theft.heading = heading.map_or_else(String::new, |(heading, _)| heading.to_owned());
        if !theft.heading.starts_with("Hello, ") {
            theft.stranger_since.get_or_insert_with(now);
        }
        let (status, _) = self.ask(Method::POST, "/prove", copy).await;
        if status != 200 {
            theft.refused_since.get_or_insert_with(now);
        }
        theft
    }

    /// A request with the copy. It says of itself what the thief likes.
    async fn ask(&self, method: Method, path: &str, copy: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header(COOKIE, copy);
        let request = request.header("Sec-Fetch-Site", "same-origin").body(Body::empty());
        let request = request.expect("the cookies came in a request");
        let Ok(response) = self.victim.clone().call(request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<SessionId, Theft>) -> R) -> R {
        act(&mut self.thefts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
