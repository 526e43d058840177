//! Sign in, read and sign out on a plain hyper server, without a router and without the tower layer.
//!
//! `cargo run --example plain_hyper --features http`, then:
//!
//! ```text
//! curl -c jar -X POST 127.0.0.1:3000/sign-in
//! curl -b jar 127.0.0.1:3000/
//! curl -b jar -c jar -X POST 127.0.0.1:3000/sign-out
//! ```

use std::convert::Infallible;
use std::error::Error;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sealed_session::{Key, KeyRing, RequestFields, Session, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Serialize, Deserialize)]
pub(crate) struct Login {
    user: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A server would read its keys with `KeyRing::from_env("SESSION_KEYS")?`, so that they survive a restart, and leave
    // out the development cookie: it is for plain http on your own machine.
    let keys = KeyRing::new(Key::generate()?);
    let sessions = Sessions::builder(keys)
        .audience("hyper-example")
        .insecure_development_cookie("hyper-example")
        .build()?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(serve(listener, sessions).await?)
}

pub(crate) async fn serve(listener: TcpListener, sessions: Sessions<Login>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let sessions = sessions.clone();
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(answer(&sessions, &request)));
            if let Err(error) = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                eprintln!("a connection broke: {error}");
            }
        });
    }
}

type Page = Response<Full<Bytes>>;

/// One request: load the session, use it, finish it.
fn answer<B>(sessions: &Sessions<Login>, request: &Request<B>) -> Page {
    let mut session = sessions.load(RequestFields::from(request.headers()));
    let text = text(&mut session, request.method(), request.uri().path());
    let mut page = text.map_or_else(|error| failed(&error), |text| Response::new(text.into()));
    session.finish(page.status().as_u16(), page.headers_mut());
    page
}

fn text(session: &mut Session<Login>, method: &Method, path: &str) -> Result<String, WriteError> {
    match (method.as_str(), path) {
        ("GET", "/") => Ok(match session.get() {
            Some(login) => format!("hello, user {}\n", login.user),
            None => "hello, stranger\n".to_owned(),
        }),
        // A real application checks a password or a passkey first.
        ("POST", "/sign-in") => session.start(Login { user: 7 }).map(|()| "signed in\n".to_owned()),
        ("POST", "/sign-out") => session.end().map(|()| "signed out\n".to_owned()),
        _ => Ok("there is no such page\n".to_owned()),
    }
}

fn failed(error: &WriteError) -> Page {
    eprintln!("the session could not be kept: {error}");
    let mut page = Response::new("something went wrong\n".into());
    *page.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    page
}
