//! The start of the program: what its arguments ask for.

use std::env;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use sealed_session::KeyRing;
use sealed_session::keys::RingFile;

use crate::fleet::Fleet;
use crate::journal::Journal;
use crate::key_file::{KeyFile, Keys};
use crate::terminal::say;
use crate::{Demo, Transport, app, over_http, server, sessions};

/// Does what the arguments say, until the end.
pub(crate) async fn start() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        None => run(over_http, |_, app| server::run(app)).await,
        Some("--redis") => several(arguments.next()),
        Some("--device") => device().await,
        Some(other) => Err(format!("there is no argument {other}").into()),
    }
}

#[cfg(all(unix, feature = "redis"))]
use crate::several::run as several;

#[cfg(not(all(unix, feature = "redis")))]
fn several(_: Option<String>) -> Result<(), Box<dyn Error>> {
    Err("this needs Unix and `cargo run -p login --features redis -- --redis`".into())
}

#[cfg(feature = "device")]
async fn device() -> Result<(), Box<dyn Error>> {
    run(crate::device::over_https, crate::device::run).await
}

#[cfg(not(feature = "device"))]
async fn device() -> Result<(), Box<dyn Error>> {
    Err("this needs `cargo run -p login --features device -- --device`".into())
}

async fn run<F>(transport: Transport, serve: impl FnOnce(Demo, Router) -> F) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    #[cfg(all(unix, feature = "redis"))]
    crate::several::end_with_parent();
    let fleet = Fleet::open()?;
    let (file, ring) = KeyFile::open(fleet.is_shared())?;
    let path = file.path().to_owned();
    let keys = Arc::new(Mutex::new(Keys::new(file, &ring)));
    let journal = Arc::new(Journal::new());
    let sessions = sessions(ring, Arc::clone(&fleet), Arc::clone(&journal), transport)?;
    if fleet.is_shared() {
        let (shown, source) = (Arc::clone(&keys), RingFile::new(&path));
        Arc::clone(&fleet).follow(sessions.reload_from(source), move || {
            if let Ok(ring) = KeyRing::from_file(&path) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).replace(&ring);
            }
        });
    }
    let demo = Demo {
        sessions,
        keys,
        fleet,
        journal,
        orders: Arc::default(),
    };
    serve(demo.clone(), app(demo.clone())).await?;
    demo.fleet.tell().await?;
    say(
        "stopped",
        "the key ring stays in its file: start again, and you are still signed in",
    );
    Ok(())
}
