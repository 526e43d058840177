//! Sessions on actix-web: `cargo run --example actix --features actix`, `curl -c jar -d Ada localhost:3000/sign-in`.

use actix_web::{App, HttpServer, Result, error::ErrorBadRequest, web};
use sealed_session::{KeyRing, RequireSession, Session, Sessions, WriteError, actix::SessionMiddleware};

async fn home(session: RequireSession<String>) -> String {
    format!("hello, {}", session.data())
}

async fn sign_in(mut session: Session<String>, user: String) -> Result<&'static str, WriteError> {
    session.start(user).map(|()| "signed in")
}

async fn rename(mut session: RequireSession<String>, name: String) -> Result<String> {
    session.update(|user| user.clone_from(&name))?;
    let error = ErrorBadRequest("too long; it is kept all the same");
    Some(name).filter(|name| name.len() <= 20).ok_or(error)
}

async fn sign_out(mut session: Session<String>) -> Result<&'static str, WriteError> {
    session.end().map(|()| "signed out")
}

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(home));
    app.route("/sign-in", web::post().to(sign_in));
    app.route("/name", web::post().to(rename));
    app.route("/sign-out", web::post().to(sign_out));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeyRing::from_file_or_new("keys.txt")?;
    let sessions = SessionMiddleware::new(Sessions::<String>::builder(keys).audience("actix").build()?);
    let app = move || App::new().configure(routes).wrap(sessions.clone());
    Ok(HttpServer::new(app).bind("127.0.0.1:3000")?.run().await?)
}
