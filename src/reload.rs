//! Key rings that are replaced while requests run: a source is looked at again and again, and what has settled is adopted.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ConfigError, KeyError};
use crate::key_source::KeySource;
use crate::keyring::KeyRing;
use crate::sealer::Sealer;
use crate::session::event::Event;
use crate::sessions::Sessions;

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Sessions<T> {
    /// Follows a source of key rings while requests run: on a thread ([`KeyReloader::every`]) or by one's own hand
    /// ([`KeyReloader::poll`], [`KeyReloader::reload_now`]). Nothing is looked at yet.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use sealed_session::{Key, KeyRing, KeySource, RingFile, Sessions};
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
            sessions: self.clone(),
            sealers: Vec::new(),
            source: Box::new(source),
            adopted: Arc::clone(self.keys().session.ring()),
            unsettled: None,
            reported: None,
        }
    }
}

/// Looks at a [`KeySource`] and replaces the ring of [`Sessions`] (and of [`Sealer`]s) when it has changed.
///
/// - **What cannot be read changes nothing.** The ring in use stays, and [`Event::KeysReloadFailed`] says why, once per
///   reason and not at every look.
/// - **A new ring is adopted when two looks in a row gave it.** A file that somebody is still writing may be a shorter ring
///   that parses, and dropping keys would sign visitors out. This bridges writers that are done within one interval; a
///   writer that stops halfway for longer is only kept out by writing another file and renaming it over, or by swapping a
///   link.
/// - **A ring without the key that sealed until now is adopted**, since this is how a stolen secret is dropped. All its
///   sessions are over; [`Event::SealingKeyDropped`] says so.
/// - **Only a change of the source counts.** A ring that [`Sessions::replace_keys`] brought in stays until the source
///   gives another one than before.
pub struct KeyReloader<T> {
    sessions: Sessions<T>,
    sealers: Vec<Arc<Sealer>>,
    source: Box<dyn KeySource>,
    /// What the source gave last and was adopted.
    adopted: Arc<KeyRing>,
    /// What the last look gave and the look before did not.
    unsettled: Option<KeyRing>,
    reported: Option<KeyError>,
}

/// What a look at a [`KeySource`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reload {
    /// The source gives the ring that it gave before.
    Unchanged,
    /// It gives another one, for the first time: the next look decides.
    Unsettled,
    /// The ring was replaced.
    Replaced,
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> KeyReloader<T> {
    /// Replaces the ring of this sealer together with that of the sessions. It starts with the one that it has.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Arc<Sealer>) -> Self {
        self.sealers.push(sealer);
        self
    }

    /// Looks once. It may block as long as the source does: in an asynchronous runtime call it where blocking is allowed.
    ///
    /// # Errors
    /// What the source says; the ring in use stays.
    pub fn poll(&mut self) -> Result<Reload, KeyError> {
        let ring = self.load()?;
        if same(&ring, &self.adopted) {
            self.unsettled = None;
            return Ok(Reload::Unchanged);
        }
        if self.unsettled.take().is_none_or(|before| !same(&ring, &before)) {
            self.unsettled = Some(ring);
            return Ok(Reload::Unsettled);
        }
        Ok(self.adopt(ring))
    }

    /// Looks once and adopts what is there without a second look: for a signal or a button, when the writer is done.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn reload_now(&mut self) -> Result<Reload, KeyError> {
        let ring = self.load()?;
        self.unsettled = None;
        if same(&ring, &self.adopted) {
            return Ok(Reload::Unchanged);
        }
        Ok(self.adopt(ring))
    }

    /// Looks on a thread of its own, for the first time after one interval. 10 seconds are usual; a new ring is then in use
    /// after 20 at the latest.
    ///
    /// # Errors
    /// [`ConfigError`] if the interval is zero or the system gives no thread.
    pub fn every(mut self, interval: Duration) -> Result<KeyReloading, ConfigError> {
        if interval.is_zero() {
            return Err(ConfigError::new(
                "the interval between two looks at the keys is zero; give it some seconds",
            ));
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let looks = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // An error was reported as an event.
                let _ = self.poll();
            }
        };
        let thread = thread::Builder::new().name("session-keys".to_owned()).spawn(looks);
        let thread = thread.map_err(|error| {
            ConfigError::new(format!(
                "the system gave no thread to reload keys on ({error}); call `poll` from one of your own"
            ))
        })?;
        Ok(KeyReloading { stop, thread })
    }

    fn load(&mut self) -> Result<KeyRing, KeyError> {
        // A source that panics must not end the thread unnoticed: the keys would never change again.
        let loaded = catch_unwind(AssertUnwindSafe(|| self.source.load())).unwrap_or_else(|_| {
            let problem = "it panicked".to_owned();
            Err(KeyError::Source { problem })
        });
        match &loaded {
            Ok(_) => self.reported = None,
            Err(error) => {
                self.unsettled = None;
                if self.reported.as_ref() != Some(error) {
                    self.reported = Some(error.clone());
                    let error = error.clone();
                    self.sessions.observe(&Event::KeysReloadFailed { error });
                }
            }
        }
        loaded
    }

    fn adopt(&mut self, ring: KeyRing) -> Reload {
        self.adopted = Arc::new(ring);
        self.sessions.replace_keys(Arc::clone(&self.adopted));
        for sealer in &self.sealers {
            sealer.replace_keys(Arc::clone(&self.adopted));
        }
        Reload::Replaced
    }
}

impl<T> fmt::Debug for KeyReloader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyReloader").finish_non_exhaustive()
    }
}

/// A thread that follows a source of keys. When this is dropped, the thread stops after the look that is under way.
#[must_use = "when this is dropped, the keys are no longer followed"]
#[derive(Debug)]
pub struct KeyReloading {
    /// The thread ends when it is dropped.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl KeyReloading {
    /// Stops the thread and waits for its end: no ring is replaced after it.
    pub fn stop(self) {
        drop(self.stop);
        // The source's panics are caught, so only an observer's could have ended it.
        let _ = self.thread.join();
    }
}

/// The same keys in the same roles.
fn same(one: &KeyRing, other: &KeyRing) -> bool {
    one.write_with_secrets().expose() == other.write_with_secrets().expose()
}
