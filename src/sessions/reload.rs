//! Key rings that are replaced while requests run: a source is looked at again and again, and a ring that has settled
//! is adopted.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{ConfigError, KeyError};
use crate::keys::ring::KeyRing;
use crate::keys::source::KeySource;
use crate::session::SessionData;
use crate::session::event::Event;
use crate::sessions::Sessions;
use crate::sessions::sealer::Sealer;

impl<T: SessionData> Sessions<T> {
    /// Follows a source of key rings while requests run: on a thread ([`KeyReloader::every`]), or whenever you call
    /// [`KeyReloader::poll`] or [`KeyReloader::reload_now`]. Nothing is looked at yet.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use sealed_session::keys::{KeySource, RingFile};
    /// use sealed_session::{Key, KeyRing, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let path = std::env::temp_dir().join(format!("sealed-session-doc-{}", std::process::id()));
    /// # std::fs::write(&path, KeyRing::new(Key::generate()?).write_with_secrets().expose())?;
    ///
    /// let file = RingFile::new(&path); // "/run/secrets/session-keys"
    /// let sessions = Sessions::<Login>::builder(file.load()?).build()?;
    /// let reloading = sessions.reload_from(file).every(Duration::from_secs(10))?;
    /// // … serve; when `reloading` is dropped, the thread stops.
    /// # drop(reloading);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "nothing is looked at before `every`, `poll` or `reload_now`"]
    pub fn reload_from(&self, source: impl KeySource + 'static) -> KeyReloader<T> {
        KeyReloader {
            follower: Follower {
                sessions: self.clone(),
                sealers: Vec::new(),
                adopted: Arc::clone(self.keys().session.ring()),
                unsettled: None,
                failing: None,
            },
            source: Box::new(source),
        }
    }
}

/// Looks at a [`KeySource`] and replaces the ring of [`Sessions`] (and of [`Sealer`]s) when it has changed.
///
/// - **A source that cannot be read changes nothing.** The ring in use stays, and [`Event::KeysReloadFailed`] says why:
///   at once, and every 10 minutes while it lasts. When the source gives a ring again, that is an
///   [`Event::KeysReloadRecovered`].
/// - **A new ring is adopted when two looks in a row gave it.** A file that is still being written may be a shorter
///   ring that parses, and dropping keys would sign visitors out. Two looks are enough if the writer takes less than
///   one interval. If it may take longer, let it write another file and rename that over the old one, or swap a link.
/// - **A ring without a key that is in use is adopted**: this is how a stolen secret is dropped. All sessions under
///   that key end; [`Event::KeyDropped`] says so. Keys that only a [`Sealer`] had are in no event.
/// - **Only a change of the source counts.** A ring given to [`Sessions::replace_keys`] stays until the source gives
///   another one than before.
pub struct KeyReloader<T> {
    follower: Follower<T>,
    source: Box<dyn KeySource>,
}

/// The reloader without the source, which may hang.
struct Follower<T> {
    sessions: Sessions<T>,
    sealers: Vec<Arc<Sealer>>,
    /// The last ring of the source that was adopted.
    adopted: Arc<KeyRing>,
    /// The ring that the last look gave and the look before did not.
    unsettled: Option<KeyRing>,
    /// A failure that lasts: the error that was reported, and when.
    failing: Option<(String, u64)>,
}

/// The result of a look at a [`KeySource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reload {
    /// The source gives the ring that it gave before.
    Unchanged,
    /// The source gives another ring for the first time: the next look decides.
    Unsettled,
    /// The ring was replaced.
    Replaced,
}

impl<T: SessionData> KeyReloader<T> {
    /// Replaces the ring of this sealer together with the ring of the sessions. Until then the sealer keeps its own.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Arc<Sealer>) -> Self {
        self.follower.sealers.push(sealer);
        self
    }

    /// Looks once. It may block as long as the source does: in an asynchronous runtime call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// The error of the source; the ring in use stays.
    pub fn poll(&mut self) -> Result<Reload, KeyError> {
        self.follower.settle(look(&*self.source), false)
    }

    /// Looks once and adopts the ring without a second look: for a signal or a button, when the writer is done.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn reload_now(&mut self) -> Result<Reload, KeyError> {
        self.follower.settle(look(&*self.source), true)
    }

    /// Looks on threads of its own, for the first time after one interval. 10 seconds are usual; a new ring is then in
    /// use after 20 at the latest. If the source does not answer within 30 seconds, this is an
    /// [`Event::KeysReloadFailed`] with [`KeyError::NoAnswer`]. The answer counts when it comes, and the source is not
    /// asked again before.
    ///
    /// # Errors
    /// [`ConfigError`] if the interval is zero or the system gives no thread.
    pub fn every(self, interval: Duration) -> Result<ReloadGuard, ConfigError> {
        if interval.is_zero() {
            return Err(ConfigError::new(
                "the interval between two looks at the keys is zero; give it some seconds",
            ));
        }
        self.follow(interval, PATIENCE)
    }

    fn follow(self, interval: Duration, patience: Duration) -> Result<ReloadGuard, ConfigError> {
        let Self { follower, source } = self;
        let (mailbox, letters) = mpsc::channel();
        let (ask, asked) = mpsc::channel();
        let answers = mailbox.clone();
        // The source has a thread of its own: if it hangs, such as a file on a server that is away, nothing else waits
        // for it.
        spawn("session-keys-source", move || {
            while let Ok(()) = asked.recv() {
                // An error means that the keys are no longer followed: then there is no next question.
                let _ = answers.send(Letter::Answer(look(&*source)));
            }
        })?;
        let thread = spawn("session-keys", move || follower.run(interval, patience, &ask, &letters))?;
        Ok(ReloadGuard {
            mailbox,
            thread: Some(thread),
        })
    }
}

impl<T: SessionData> Follower<T> {
    /// Looks at the source until a letter says to stop.
    fn run(mut self, interval: Duration, patience: Duration, ask: &Sender<()>, letters: &Receiver<Letter>) {
        let mut asked = false;
        loop {
            // A question that came while the source was being read is about a later ring.
            let at_once = std::mem::take(&mut asked)
                || match letters.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => false,
                    Ok(Letter::LookNow) => true,
                    // No answer is due.
                    Ok(Letter::Answer(_)) => continue,
                    Ok(Letter::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                };
            if ask.send(()).is_err() {
                return;
            }
            let mut until = Instant::now() + patience;
            loop {
                match letters.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Letter::Answer(answer)) => {
                        // An error is reported as an event.
                        let _ = self.settle(answer, at_once);
                        break;
                    }
                    Ok(Letter::LookNow) => asked = true,
                    Err(RecvTimeoutError::Timeout) => {
                        let seconds = patience.as_secs();
                        self.failed(&KeyError::NoAnswer { seconds });
                        until = Instant::now() + patience;
                    }
                    Ok(Letter::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    /// Adopts a ring that two looks in a row gave, or `at_once`.
    fn settle(&mut self, answer: Result<KeyRing, KeyError>, at_once: bool) -> Result<Reload, KeyError> {
        let before = self.unsettled.take();
        let ring = answer.inspect_err(|error| self.failed(error))?;
        if self.failing.take().is_some() {
            self.sessions.observe(&Event::KeysReloadRecovered);
        }
        if same(&ring, &self.adopted) {
            return Ok(Reload::Unchanged);
        }
        if !at_once && before.is_none_or(|before| !same(&ring, &before)) {
            self.unsettled = Some(ring);
            return Ok(Reload::Unsettled);
        }
        self.adopted = Arc::new(ring);
        self.sessions.replace_keys(Arc::clone(&self.adopted));
        for sealer in &self.sealers {
            sealer.replace_keys(Arc::clone(&self.adopted));
        }
        Ok(Reload::Replaced)
    }

    fn failed(&mut self, error: &KeyError) {
        let now = self.sessions.now();
        // With its causes.
        let error = format!("{error:?}");
        let is_known = |(told, at): &(String, u64)| *told == error && now.abs_diff(*at) < REPEATED;
        if !self.failing.as_ref().is_some_and(is_known) {
            self.failing = Some((error.clone(), now));
            self.sessions.observe(&Event::KeysReloadFailed { error });
        }
    }
}

impl<T> fmt::Debug for KeyReloader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyReloader").finish_non_exhaustive()
    }
}

/// The messages to the thread that follows a source.
enum Letter {
    Answer(Result<KeyRing, KeyError>),
    LookNow,
    Stop,
}

/// A thread that follows a source of keys. When this is dropped, the thread handles the answers that it has got, and
/// stops.
#[must_use = "when this is dropped, the keys are no longer followed"]
#[derive(Debug)]
pub struct ReloadGuard {
    mailbox: Sender<Letter>,
    thread: Option<JoinHandle<()>>,
}

impl ReloadGuard {
    /// A function that makes the thread look at the source now, and adopt its ring without a second look: to be called
    /// at a notice from whoever has written the ring. It never waits, and does nothing once the guard is dropped.
    pub fn notice(&self) -> impl Fn() + Send + Sync + use<> {
        let mailbox = self.mailbox.clone();
        // An error means that the thread has ended.
        move || drop(mailbox.send(Letter::LookNow))
    }

    /// Stops the thread and waits for its end: no ring is replaced afterwards. It does not wait for the source: a
    /// source that hangs keeps its own thread until it answers or the process ends.
    pub fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        // The source's panics are caught, so only an observer's panic could have ended the thread.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for ReloadGuard {
    fn drop(&mut self) {
        // An error means that the thread has ended.
        let _ = self.mailbox.send(Letter::Stop);
    }
}

/// A source that panics must not end its thread unnoticed: the keys would never change again.
fn look(source: &dyn KeySource) -> Result<KeyRing, KeyError> {
    catch_unwind(AssertUnwindSafe(|| source.load())).unwrap_or_else(|_| {
        let problem = "it panicked".to_owned();
        Err(KeyError::Source { problem })
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ConfigError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| {
            let problem = "the system gave no thread to reload keys on; call `poll` from one of your own";
            ConfigError::caused_by(error, problem)
        })
}

/// The same keys in the same roles.
fn same(one: &KeyRing, other: &KeyRing) -> bool {
    one.write_with_secrets().expose() == other.write_with_secrets().expose()
}

/// How long a source may take before a failure is reported.
const PATIENCE: Duration = Duration::from_secs(30);
/// After how many seconds the same failure is reported again.
const REPEATED: u64 = 10 * 60;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::keys::key::Key;

    /// Sessions, and their events from now on.
    fn observed() -> (Sessions<u32>, Receiver<Event>) {
        let (told, events) = mpsc::channel();
        let told = Mutex::new(told);
        let builder = Sessions::<u32>::builder(KeyRing::new(Key::generate().unwrap()));
        let builder = builder.observer(move |event: &Event| _ = told.lock().unwrap().send(event.clone()));
        let sessions = builder.build().unwrap();
        assert!(matches!(events.recv(), Ok(Event::KeysInUse { .. })));
        (sessions, events)
    }

    /// As when the file is on a server that is away. Only the reloader waits for a time to pass.
    #[test]
    fn a_source_that_hangs_is_reported_and_no_request_waits_for_it() {
        for answers in [true, false] {
            let (sessions, events) = observed();
            let (go_on, hanging) = mpsc::channel::<()>();
            let hanging = Mutex::new(hanging);
            let ring = sessions.keys().session.ring().write_with_secrets();
            let source = move || {
                _ = hanging.lock().unwrap().recv();
                KeyRing::parse(ring.expose())
            };
            let following = sessions
                .reload_from(source)
                .follow(Duration::from_millis(1), Duration::from_millis(1))
                .unwrap();
            let error = KeyError::NoAnswer { seconds: 0 }.to_string();
            assert_eq!(events.recv(), Ok(Event::KeysReloadFailed { error }));
            if answers {
                go_on.send(()).unwrap();
                assert_eq!(events.recv(), Ok(Event::KeysReloadRecovered));
            }
            following.stop();
        }
    }

    /// The source is asked twice for the new ring, and is reported as silent both times.
    #[test]
    fn a_source_that_is_slow_every_time_is_heard_all_the_same() {
        let (sessions, events) = observed();
        let (go_on, slow) = mpsc::channel::<()>();
        let slow = Mutex::new(slow);
        let ring = KeyRing::new(Key::generate().unwrap()).write_with_secrets();
        let source = move || {
            _ = slow.lock().unwrap().recv();
            KeyRing::parse(ring.expose())
        };
        let following = sessions
            .reload_from(source)
            .follow(Duration::from_millis(1), Duration::from_millis(1))
            .unwrap();
        for _ in 0..2 {
            assert!(matches!(events.recv(), Ok(Event::KeysReloadFailed { .. })));
            go_on.send(()).unwrap();
            assert_eq!(events.recv(), Ok(Event::KeysReloadRecovered));
        }
        assert!(matches!(events.recv(), Ok(Event::KeysInUse { .. })));
        following.stop();
    }
}
