//! A Cloudflare Worker with sessions: `GET /` says who the visitor is, `POST` to `/sign-in`, `/theme?dark` and
//! `/sign-out` change it. Sign-outs hold in this isolate; other isolates know none of them.

use std::sync::OnceLock;

use http::{Method, Response, StatusCode};
use sealed_session::{KeyRing, Session, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use worker::{Context, Env, HttpRequest, event};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
    theme: Option<String>,
}

#[event(fetch)]
async fn fetch(request: HttpRequest, env: Env, _: Context) -> worker::Result<Response<String>> {
    let mut session = sessions(&env)?.load(request.headers().into());
    let answer = answer(&request, &mut session);
    let (status, body) = answer.unwrap_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    session.finish(status.as_u16(), response.headers_mut());
    Ok(response)
}

/// One configuration serves all requests of the isolate.
fn sessions(env: &Env) -> worker::Result<&'static Sessions<Login>> {
    static SESSIONS: OnceLock<Sessions<Login>> = OnceLock::new();
    if let Some(sessions) = SESSIONS.get() {
        return Ok(sessions);
    }
    let failed = |error: &dyn std::error::Error| worker::Error::RustError(error.to_string());
    let ring = KeyRing::parse(&env.secret("SESSION_KEYS")?.to_string()).map_err(|error| failed(&error))?;
    let sessions = Sessions::builder(ring).audience("shop").build();
    Ok(SESSIONS.get_or_init({
        let sessions = sessions.map_err(|error| failed(&error))?;
        || sessions
    }))
}

fn answer(request: &HttpRequest, session: &mut Session<Login>) -> Result<(StatusCode, String), WriteError> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => {}
        // After the password was checked.
        (&Method::POST, "/sign-in") => session.start(Login { user: 7, theme: None })?,
        (&Method::POST, "/theme") => {
            let theme = request.uri().query().map(str::to_owned);
            // A guest has no theme.
            session.update(|login| login.theme = theme)?.option();
        }
        (&Method::POST, "/sign-out") => session.end()?,
        _ => return Ok((StatusCode::NOT_FOUND, "not found".to_owned())),
    }
    let page = session.get().map_or_else(
        || "guest".to_owned(),
        |login| {
            let theme = login.theme.as_deref().unwrap_or("no theme");
            format!("user {}, {theme}", login.user)
        },
    );
    Ok((StatusCode::OK, page))
}
