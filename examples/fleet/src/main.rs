//! One server of a fleet that shares revocations and ring changes, through Redis or through a directory. README.md says
//! how to start some, DESIGN.md what happens while one is cut off.
//!
//! The other files contain what belongs to the fleet. This file would be the same with a single server, except for the
//! list that is kept (`revocation_list`), the observer that reports news, and the exchange before the first request.

mod exchange;
mod in_directory;
mod in_redis;
mod ring;
mod settings;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use sealed_session::events::Level;
use sealed_session::keys::{KeySource, RingFile};
use sealed_session::revocation::{RevocationList, Revocations};
use sealed_session::{Event, KeyRing, Session, SessionLayer, Sessions, WriteError};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::exchange::{Contact, Exchange, Waker, waker};
use crate::in_directory::InDirectory;
use crate::in_redis::{InRedis, Listener};
use crate::settings::{Channel, Settings};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
}

/// The state that the handlers share.
#[derive(Clone)]
struct Server {
    sessions: Sessions<Login>,
    list: Revocations,
    contact: Contact,
    rings_adopted: Arc<AtomicUsize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let ring_file = RingFile::new(&settings.ring);
    let list = Revocations::new();
    let contact = Contact::default();
    let rings_adopted = Arc::new(AtomicUsize::new(0));
    let (news, news_came) = waker();
    let (ring_changed, ring_may_have_changed) = waker();
    let observer = observer(news.clone(), Arc::clone(&rings_adopted));
    let sessions = sessions(ring_file.load()?, list.clone(), observer)?;

    let mut exchange: Box<dyn Exchange> = match settings.channel {
        Channel::Redis(client) => {
            let listener = Listener {
                client: client.clone(),
                list: list.clone(),
                news,
                ring_changed,
            };
            thread::spawn(move || listener.listen());
            Box::new(InRedis::new(client, list.clone()))
        }
        // There are no notices here. `ring_changed` lives as long as this function, so the server still follows the ring.
        Channel::Directory(path) => Box::new(InDirectory::new(path, &settings.name, list.clone())),
    };
    // Before the first request: a server that has just started knows nothing, and would accept revoked sessions.
    exchange::once(exchange.as_mut(), &contact, settings.interval);
    let keep = contact.clone();
    thread::spawn(move || exchange::keep(exchange.as_mut(), &keep, &news_came, settings.interval));
    let reloader = sessions.reload_from(ring_file);
    thread::spawn(move || ring::follow(reloader, &ring_may_have_changed, settings.ring_interval));

    let server = Server {
        sessions,
        list,
        contact,
        rings_adopted,
    };
    Ok(Runtime::new()?.block_on(serve(server))?)
}

fn sessions(
    ring: KeyRing,
    list: Revocations,
    observer: impl Fn(&Event) + Send + Sync + 'static,
) -> Result<Sessions<Login>, Box<dyn Error>> {
    let sessions = Sessions::builder(ring)
        .audience("fleet-demo")
        // Only because this is plain http on your own machine.
        .insecure_development_cookie("fleet-demo")
        .revocation_list(list)
        .observer(observer)
        .build()?;
    Ok(sessions)
}

/// The list has changed before the event comes, so the woken thread finds the change.
fn observer(news: Waker, rings_adopted: Arc<AtomicUsize>) -> impl Fn(&Event) + Send + Sync {
    move |event| match event {
        Event::Revoked { .. } | Event::CutOffRaised { .. } => news.wake(),
        Event::KeysInUse { .. } => {
            rings_adopted.fetch_add(1, Ordering::Relaxed);
            println!("{event}");
        }
        _ if event.level() >= Level::Warn => println!("{event}"),
        _ => {}
    }
}

async fn serve(server: Server) -> std::io::Result<()> {
    let app = Router::new()
        .route("/", get(home))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/sign-everybody-out", post(sign_everybody_out))
        .layer(SessionLayer::new(server.sessions.clone()))
        .route("/health", get(health))
        .with_state(server);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn home(session: Session<Login>) -> String {
    match session.get() {
        Some(login) => format!("hello, user {}\n", login.user),
        None => "hello, stranger\n".to_owned(),
    }
}

/// A real application checks a password or a passkey first.
async fn sign_in(mut session: Session<Login>) -> Result<&'static str, WriteError> {
    session.start(Login { user: 7 })?;
    Ok("signed in\n")
}

/// The ended session is revoked, and the observer's event starts the exchange.
async fn sign_out(mut session: Session<Login>) -> Result<&'static str, WriteError> {
    session.end()?;
    Ok("signed out\n")
}

/// Raises the cut-off of the whole fleet. In a real application only operators may do this.
async fn sign_everybody_out(State(server): State<Server>) -> &'static str {
    let now = OffsetDateTime::now_utc();
    server.sessions.raise_cut_off(now);
    // Tokens count whole seconds: a sign-in before this second ends would be refused too, so wait for its end.
    tokio::time::sleep(Duration::from_nanos(1_000_000_000 - u64::from(now.nanosecond()))).await;
    "everybody is signed out\n"
}

/// A server that is cut off is healthy: it continues with its own list. Watch how long ago it was in touch.
async fn health(State(server): State<Server>) -> String {
    let cut_off = server.list.cut_off().map_or(0, OffsetDateTime::unix_timestamp);
    format!(
        "revoked {}\ncut-off {cut_off}\nrings adopted {}\nin touch {}\n",
        server.list.len(),
        // The ring at the start is not counted.
        server.rings_adopted.load(Ordering::Relaxed).saturating_sub(1),
        server.contact,
    )
}
