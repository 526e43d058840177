//! The list that an application holds, and how it starts.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use sealed_session::events::Observer;
use sealed_session::revocation::{Revocation, RevocationList, Revocations};
use sealed_session::{Event, SessionId};
use time::OffsetDateTime;
use tokio::runtime;

use crate::connection::Redis;
use crate::record::Record;
use crate::shared::{Progress, Shared, Side};
use crate::{reader, writer};

/// Revocations that servers share through Redis.
///
/// Clones are handles to one list: give one to [`sealed_session::Builder::revocation_list`] and keep another. When the
/// last one is dropped, the thread puts what is left into Redis, for at most 2 seconds, and ends; a process that exits
/// does not wait for it, so call [`flush`](Self::flush) first.
#[derive(Clone)]
pub struct RedisRevocations {
    handle: Arc<Handle>,
}

/// Dropped with the last handle. The thread has `shared` alone.
struct Handle {
    shared: Arc<Shared>,
    /// Keeps the observer that hears of events before there are `Sessions`.
    _observer: Option<Arc<dyn Observer>>,
}

/// Settings of [`RedisRevocations`].
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    redis: Redis,
    audience: String,
    observer: Option<Arc<dyn Observer>>,
    room: Option<usize>,
    replicas: usize,
}

/// When a server that starts may serve its first request. Until it has read the revocations in Redis, sessions that were
/// revoked earlier open on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// When the revocations are read, however long that takes: while Redis is away, and also while the password, the
    /// rights or this server's clock are wrong. No server starts without Redis then.
    Wait,
    /// When they are read, and at the latest after this time, with an [`Event::RevocationStoreNotRead`].
    WaitAtMost(Duration),
    /// At once. They are read as soon as Redis answers.
    ServeWithout,
}

/// How the exchange with Redis goes. A server that is out of touch is healthy: it serves, with the list that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether all revocations in Redis were read since the start.
    pub joined: bool,
    /// How long ago Redis answered last, for reading and for writing: the longer of the two, at most some 5 seconds if
    /// all is well. `None`: one of the two was never answered.
    pub last_contact: Option<Duration>,
    /// How long ago this server saw that there is news which it has not read yet. Zero if all is read.
    pub lag: Duration,
    /// The revocations in memory.
    pub entries: usize,
    /// Revocations of this server that are not confirmed.
    pub unconfirmed: usize,
    /// By how many seconds this server's clock is ahead of that of Redis; negative if it is behind.
    pub clock_ahead: Option<i64>,
}

impl RedisRevocations {
    /// Settings for the sessions of one [audience](sealed_session::Builder::audience), which names the keys in Redis.
    /// All servers with that audience share one list. Nothing compares it with the audience of the sessions: a server
    /// with a typo here shares its list with nobody.
    pub fn builder(redis: impl Into<Redis>, audience: impl Into<String>) -> Builder {
        Builder {
            redis: redis.into(),
            audience: audience.into(),
            observer: None,
            room: None,
            replicas: 0,
        }
    }

    /// Waits until everything that was revoked on this server so far is in Redis, and in as many
    /// [replicas](Builder::replicas) as asked for. Await it in the handler of a sign-out that must survive whatever
    /// happens to this server. It needs the timers of tokio; without tokio use [`flush`](Self::flush).
    ///
    /// What another server revoked is not waited for.
    ///
    /// # Errors
    /// [`NotConfirmed`] after `limit`. The revocations hold on this server, and are put as soon as Redis answers.
    pub async fn confirmed(&self, limit: Duration) -> Result<(), NotConfirmed> {
        let shared = &self.handle.shared;
        let made = shared.made_so_far();
        let mut progress = shared.progress.subscribe();
        let confirmed = progress.wait_for(|progress: &Progress| progress.confirmed >= made);
        let confirmed = tokio::time::timeout(limit, confirmed).await;
        confirmed.map_or_else(|_| Err(self.not_confirmed()), |_| Ok(()))
    }

    /// As [`confirmed`](Self::confirmed), and blocks: for the end of a program, and for handlers without tokio.
    ///
    /// # Errors
    /// As [`confirmed`](Self::confirmed).
    pub fn flush(&self, limit: Duration) -> Result<(), NotConfirmed> {
        let shared = &self.handle.shared;
        let made = shared.made_so_far();
        match shared.wait(Some(limit), |state| state.progress.confirmed >= made) {
            true => Ok(()),
            false => Err(self.not_confirmed()),
        }
    }

    fn not_confirmed(&self) -> NotConfirmed {
        NotConfirmed {
            unconfirmed: self.health().unconfirmed,
            error: self.handle.shared.state().trouble().cloned(),
        }
    }

    /// How the exchange with Redis goes: for a health page and for metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.shared.health()
    }

    /// The list in memory as bytes (SPEC.md, *Revocation list*), without entries that have ended at `now` and by the
    /// clock of Redis: for an edge.
    #[must_use]
    pub fn snapshot_at(&self, now: OffsetDateTime) -> Vec<u8> {
        let shared = &self.handle.shared;
        shared.list.snapshot_at(shared.careful(now))
    }

    /// Calls `notice` when an operator tells the servers to look at their key ring
    /// (`XADD sealed-session:{AUDIENCE}:news '*' ring changed`). No ring is ever in Redis. A later call replaces this
    /// one.
    ///
    /// It is called on the thread of this crate, so it must be quick, as
    /// [`ReloadGuard::notice`](sealed_session::keys::ReloadGuard::notice) is. Do not move `Sessions` or a handle of this
    /// list into it: the list would then never be dropped.
    pub fn on_ring_notice(&self, notice: impl Fn() + Send + Sync + 'static) {
        let mut kept = self
            .handle
            .shared
            .ring_notice
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::new(notice));
    }
}

impl RevocationList for RedisRevocations {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.handle.shared.list.is_revoked(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        let shared = &self.handle.shared;
        let revoked = shared.corrected(revoked, now);
        shared.list.revoke_at(revoked, shared.careful(now));
        shared.made(Some(revoked));
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        self.handle.shared.list.cut_off()
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        self.handle.shared.list.raise_cut_off(instant);
        self.handle.shared.made(None);
    }

    fn report_to(&self, observer: &Arc<dyn Observer>) {
        self.handle.shared.report_to(observer);
    }
}

impl Builder {
    /// Hears of events before there are `Sessions`, such as what keeps a server from starting. From
    /// [`build`](sealed_session::Builder::build) on, the observer of the sessions hears of them.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// How many revocations there is room for in memory: see [`Revocations::bounded`]. Default: 4,194,304.
    pub fn room(mut self, entries: usize) -> Self {
        self.room = Some(entries);
        self
    }

    /// How many replicas must have a revocation before it counts as [confirmed](RedisRevocations::confirmed) (`WAIT`).
    /// Default: 0, an answer of the master is enough.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Starts the thread that exchanges revocations with Redis, and blocks as long as `start` says. What keeps it
    /// waiting is an event for the [observer](Self::observer); without one, each new reason is printed on standard
    /// error.
    ///
    /// The list does nothing before it is given to `revocation_list` of the sessions; [`health`](RedisRevocations::health)
    /// cannot see whether it was.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(self, start: Start) -> Result<RedisRevocations, StartError> {
        if self.audience.is_empty() || self.audience.contains(['{', '}']) {
            return Err(StartError::Audience);
        }
        // Without a choice, or with two providers compiled in, TLS would panic. An application's own choice, made before,
        // stays.
        #[cfg(feature = "tls")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let list = self.room.map_or_else(Revocations::new, Revocations::bounded);
        let is_silent = self.observer.is_none();
        let shared = Arc::new(Shared::new(
            list,
            self.redis,
            Record::new(&self.audience),
            self.replicas,
        ));
        if let Some(observer) = &self.observer {
            shared.report_to(observer);
        }
        let handle = Handle {
            shared: Arc::clone(&shared),
            _observer: self.observer,
        };
        let (tell, is_running) = mpsc::sync_channel(1);
        let exchange = move || {
            // Made here: dropped on a thread of an asynchronous application, a runtime panics.
            let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(()));
            let run = || {
                runtime.block_on(async {
                    tokio::select! {
                        () = writer::run(&shared) => {}
                        () = reader::run(&shared) => {}
                    }
                });
            };
            // A panic, such as of rustls without a provider, must not end the exchange unnoticed.
            while catch_unwind(AssertUnwindSafe(run)).is_err() && !shared.state().is_stopped {
                shared.failed(Side::Writer, "the exchange panicked; standard error says why".into());
                thread::sleep(writer::RETRY);
            }
        };
        let thread = thread::Builder::new().name("session-revocations".into());
        thread.spawn(exchange).map_err(StartError::Thread)?;
        if let Ok(Err(error)) = is_running.recv() {
            return Err(StartError::Thread(error));
        }
        let revocations = RedisRevocations {
            handle: Arc::new(handle),
        };
        revocations.wait(start, is_silent);
        Ok(revocations)
    }
}

impl RedisRevocations {
    fn wait(&self, start: Start, is_silent: bool) {
        let shared = &self.handle.shared;
        let began = Instant::now();
        let left = || match start {
            Start::Wait => None,
            Start::WaitAtMost(limit) => Some(limit.saturating_sub(began.elapsed())),
            Start::ServeWithout => Some(Duration::ZERO),
        };
        let mut told = None;
        // Ends when they are read, or at the limit.
        while is_silent
            && shared.wait(left(), |state| {
                state.progress.joined || state.trouble() != told.as_ref()
            })
            && !shared.state().progress.joined
        {
            told = shared.state().trouble().cloned();
            if let Some(error) = &told {
                eprintln!("waiting for the revocations in Redis: {error}");
            }
        }
        if !shared.wait(left(), |state| state.progress.joined) && start != Start::ServeWithout {
            shared.list.report(Event::RevocationStoreNotRead);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state().is_stopped = true;
        self.shared.wake.notify_one();
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisRevocations").field(&self.health()).finish()
    }
}

/// Why a list did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The audience is empty or has a brace, which has a meaning in a key of a cluster.
    Audience,
    /// The system gave no thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audience => {
                f.write_str("the audience is empty or has a brace; it names the keys in Redis, so change it")
            }
            Self::Thread(error) => write!(f, "the system gave no thread for the exchange with Redis: {error}"),
        }
    }
}

impl Error for StartError {}

/// Not everything that was revoked on this server is confirmed by Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotConfirmed {
    /// How many revocations are not.
    pub unconfirmed: usize,
    /// What Redis or the connection said last, if it failed.
    pub error: Option<String>,
}

impl fmt::Display for NotConfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not confirmed by Redis: {} of this server's revocations",
            self.unconfirmed
        )?;
        self.error.iter().try_for_each(|error| write!(f, ": {error}"))
    }
}

impl Error for NotConfirmed {}
