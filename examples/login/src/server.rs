//! The server around the application: a port on this machine, forms of this site only, and an orderly end.

use std::env;
use std::error::Error;
use std::fmt::Debug;
use std::future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::terminal;

/// Ends the server, as Ctrl-C does.
pub(crate) static STOP: Notify = Notify::const_new();

/// Serves http until Ctrl-C.
pub(crate) async fn run(app: Router) -> Result<(), Box<dyn Error>> {
    let listener = listen().await?;
    terminal::line(&format!("listening on http://{}", listener.local_addr()?));
    serve(listener, app).await
}

/// Serves until Ctrl-C. Requests under way are finished.
pub(crate) async fn serve(listener: impl Listener<Addr: Debug>, app: Router) -> Result<(), Box<dyn Error>> {
    let (stop, stopping) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        tokio::select! {
            () = ctrl_c() => {}
            () = STOP.notified() => {}
        }
        let _ = stop.send(());
    });
    tokio::select! {
        result = server => result?,
        // Browsers keep connections open without a request on them: do not wait for those.
        () = async { let _ = stopping.await; sleep(Duration::from_secs(2)).await } => {}
    }
    Ok(())
}

/// Ctrl-C, or SIGTERM where there is one.
pub(crate) async fn ctrl_c() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // There is no handler then, and Ctrl-C ends the process.
        future::pending::<()>().await;
    }
}

/// `SameSite=Lax` keeps the session out of the POSTs of other sites; this refuses the POSTs themselves, also those of
/// other ports of this machine. Old browsers send no `Sec-Fetch-Site`, but `Origin`, which must be this server.
pub(crate) async fn refuse_cross_site(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_of_this_site(request.headers()) {
        return next.run(request).await;
    }
    terminal::say(
        "refused",
        "a form of another site was sent here (Sec-Fetch-Site, Origin)",
    );
    (StatusCode::FORBIDDEN, "this form is not from this site").into_response()
}

fn is_of_this_site(headers: &HeaderMap) -> bool {
    let field = |name| headers.get(name).map(HeaderValue::as_bytes);
    match (field("sec-fetch-site"), field("origin")) {
        (Some(site), _) => matches!(site, b"same-origin" | b"none"),
        (None, Some(origin)) => origin.rsplit(|&byte| byte == b'/').next() == field("host"),
        (None, None) => true,
    }
}

/// The answer to what should not happen. The terminal shows more.
pub(crate) fn trouble(error: &dyn Error, text: &'static str) -> Response {
    terminal::say("trouble", &error.to_string());
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// Port 3000 or the first free one after it, unless `PORT` names one.
pub(crate) async fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Ok(port) = env::var("PORT") {
        let port = port.parse().map_err(|_| "PORT takes a number from 0 to 65535")?;
        let listener = bind(port).await;
        return listener.map_err(|error| format!("port {port} of 127.0.0.1 cannot be used: {error}").into());
    }
    for port in 3000..3100 {
        match bind(port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            result => return Ok(result?),
        }
    }
    Err("the ports 3000 to 3099 are all taken; set PORT=0 for any free one".into())
}
