//! The server around the application: a port on this machine, and an orderly end.

use std::env;
use std::error::Error;
use std::fmt::Debug;
use std::future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
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
