//! `Session<T>`: what it is (absent, valid, rejected) and what was done to it during one request.
//!
//! All handles of a request share one chain of versions.

pub(crate) mod content;
pub(crate) mod event;
pub(crate) mod lifetime;
pub(crate) mod versions;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use memchr::memmem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::buffer::Buffer;
use crate::error::{Reason, SealError};
use crate::ids::SessionId;
pub(crate) use crate::session::content::{Content, Current, Facts, Live, Payload, from_payload};
pub use crate::session::content::{Opened, State};
use crate::session::event::Event;
use crate::session::lifetime::Lifetimes;
pub(crate) use crate::session::versions::{Change, Done, Ending};
use crate::session::versions::{Next, Version};
use crate::time::from_seconds;

/// The session of one request, typed and synchronous.
///
/// Nothing is opened before the first access. Every access except [`peek`](Self::peek) makes the response depend on the
/// cookie, and [`finish`](Self::finish) says so to caches. Clones are handles to the same session and see each other's
/// writes.
///
/// ```
/// use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Login { user: u64 }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
/// let mut session = sessions.load(RequestFields::default());
/// assert!(session.get().is_none());
/// session.start(Login { user: 7 })?;
/// session.update(|login| login.user = 8)?;
/// assert_eq!(session.get().map(|login| login.user), Some(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<T> {
    shared: Arc<Shared<T, dyn Keeper<T>>>,
}

/// What observers are to hear of one opening: duplicates, and a rejection.
pub(crate) type News = [Option<Event>; 2];

/// What a session needs of the house around it: the composition above implements it.
pub(crate) trait Keeper<T>: Any + Send + Sync {
    /// Opens what the request brought. What there is to tell of it is told once it is kept: an observer that panics or
    /// looks at this very session then finds it.
    fn open(&self, news: &mut News) -> Current<T>;
    fn now(&self) -> u64;
    fn new_id(&self) -> Result<SessionId, SealError>;
    fn lifetimes(&self) -> &Lifetimes;
    /// Whether a cookie with this payload fits.
    fn check_size(&self, payload: &[u8]) -> Result<(), SealError>;
    fn observe(&self, event: &Event);
    /// This session was cleared.
    fn cleared(&self, facts: &Facts);
}

struct Shared<T, K: ?Sized> {
    /// The bits `READ` and `FINISHED`, together, so that a read and the finish of a request are in one order for all.
    phase: AtomicU8,
    first: OnceLock<Version<T>>,
    keeper: K,
}

const READ: u8 = 1;
const FINISHED: u8 = 2;

impl<T: 'static> Session<T> {
    pub(crate) fn new(keeper: impl Keeper<T>) -> Self {
        Self {
            shared: Arc::new(Shared {
                phase: AtomicU8::new(0),
                first: OnceLock::new(),
                keeper,
            }),
        }
    }

    /// The session data, opened on first use; `None` without a valid session, and [`state`](Self::state) says why.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.read().ok().map(|live| &live.content.data)
    }

    /// The session data without telling caches: for logs, whose output is not part of the response.
    ///
    /// A response that shows any of it would be served to somebody else. Use [`get`](Self::get) for those.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.last().current.live().map(|live| &live.content.data)
    }

    /// Whether there is a session, or why there is none.
    #[must_use]
    pub fn state(&self) -> State {
        self.read().map_or_else(|state| state, |_| State::Valid)
    }

    /// The public id of the session. No credential: it may be logged.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.facts().map(|facts| facts.id)
    }

    /// When the session started, in UTC.
    #[must_use]
    pub fn started_at(&self) -> Option<OffsetDateTime> {
        self.facts().map(|facts| from_seconds(facts.started))
    }

    /// When the session is over whatever happens (the absolute timeout), in UTC. Without activity it ends sooner.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.facts().map(|facts| from_seconds(facts.expires))
    }

    /// Whether the session is remembered: longer lifetimes, and cookies that outlive the browser's session.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.facts().is_some_and(|facts| facts.remembered)
    }

    fn facts(&self) -> Option<&Facts> {
        self.read().ok().map(|live| &live.facts)
    }

    /// The one choke point of every tracked read.
    fn read(&self) -> Result<&Live<T>, State> {
        if self.mark_read() {
            let current = &self.last().current;
            return current.live().ok_or_else(|| current.state());
        }
        self.shared.keeper.observe(&Event::ReadTooLate);
        Err(State::Rejected(Reason::TooLate))
    }

    /// Marks the session as read, unless the request is finished and nothing was read before.
    fn mark_read(&self) -> bool {
        let mark = |phase| (phase != FINISHED).then_some(phase | READ);
        self.shared
            .phase
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, mark)
            .is_ok()
    }

    fn last(&self) -> &Version<T> {
        self.first(|news| self.shared.keeper.open(news)).last()
    }

    fn first(&self, open: impl FnOnce(&mut News) -> Current<T>) -> &Version<T> {
        let mut news = News::default();
        let version = self
            .shared
            .first
            .get_or_init(|| Version::new(open(&mut news), Done::default()));
        news.iter()
            .flatten()
            .for_each(|event| self.shared.keeper.observe(event));
        version
    }

    /// Where a write continues, or the error that the request is finished.
    fn writable(&self) -> Result<&Version<T>, SealError> {
        let mark = |phase| (phase & FINISHED == 0).then_some(phase | READ);
        match self
            .shared
            .phase
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, mark)
        {
            Ok(_) => Ok(self.last()),
            Err(_) => Err(self.too_late()),
        }
    }

    fn too_late(&self) -> SealError {
        self.shared.keeper.observe(&Event::WriteTooLate);
        SealError::TooLate
    }

    /// Appends behind `base`, and returns what it followed. Another handle may have been faster: then its writes are kept
    /// and this one follows them if `replaces` says that it does not depend on them.
    fn append<'a>(
        &'a self,
        mut base: &'a Version<T>,
        current: Current<T>,
        done: impl Fn(Done) -> Done,
        replaces: bool,
    ) -> Result<&'a Version<T>, SealError> {
        let mut version = Box::new(Version::new(current, done(base.done)));
        loop {
            match base.next.set(Next::Version(version)) {
                Err(Next::Version(back)) => version = back,
                Ok(()) | Err(Next::Closed) => return Ok(base),
            }
            base = match base.next.get() {
                Some(Next::Version(_)) if replaces => base.last(),
                Some(Next::Version(_)) => return Err(SealError::Conflict),
                Some(Next::Closed) | None => return Err(self.too_late()),
            };
            version.done = done(base.done);
        }
    }

    /// The keeper, for the composition that made it.
    pub(crate) fn keeper(&self) -> &dyn Keeper<T> {
        &self.shared.keeper
    }

    /// Closes the session: no write follows, and no first read.
    pub(crate) fn close(&self) -> Result<Ending<'_, T>, SealError> {
        self.close_with(|news| self.shared.keeper.open(news))
    }

    /// Closes the session of a request that gets no response: what nobody opened stays unopened.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) fn close_unopened(&self) -> Result<Ending<'_, T>, SealError> {
        self.close_with(|_| Current::None(State::Rejected(Reason::TooLate)))
    }

    fn close_with(&self, open: impl FnOnce(&mut News) -> Current<T>) -> Result<Ending<'_, T>, SealError> {
        let before = self.shared.phase.fetch_or(FINISHED, Ordering::AcqRel);
        if before & FINISHED != 0 {
            return Err(SealError::TooLate);
        }
        let first = self.first(|news| match before & READ {
            0 => Current::None(State::Rejected(Reason::TooLate)),
            _ => open(news),
        });
        let mut last = first.last();
        while last.next.set(Next::Closed).is_err() {
            last = last.last();
        }
        if before & READ == 0 {
            return Ok(Ending::Untouched);
        }
        Ok(Ending::Touched {
            first: &first.current,
            last: &last.current,
            done: last.done,
        })
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Session<T> {
    /// Begins a session with a new id, whatever was there: call it after every authentication, so that an id from
    /// before it is worth nothing (session fixation).
    ///
    /// Copies of an older token stay valid until they expire, unless their id is revoked.
    ///
    /// # Errors
    /// [`SealError::TooLarge`], [`SealError::NotSerializable`], [`SealError::NotReadable`], [`SealError::TooLate`],
    /// [`SealError::Expiry`] or [`SealError::RandomSource`]; the session is then as it was.
    pub fn start(&mut self, data: T) -> Result<(), SealError> {
        let base = self.writable()?;
        let content = Arc::new(self.content(data)?);
        let keeper = &self.shared.keeper;
        let started = keeper.now();
        let expires = keeper.lifetimes().expires(started, false);
        if u32::try_from(expires).is_err() {
            return Err(SealError::Expiry);
        }
        let id = keeper.new_id()?;
        let facts = Facts {
            id,
            started,
            opened: started,
            expires,
            remembered: false,
            active_until: None,
        };
        let done = |before: Done| Done {
            change: Change::Started,
            renew: false,
            cleared: before.cleared,
        };
        self.append(base, Current::Live(Live { content, facts }), done, true)?;
        Ok(())
    }

    /// Changes the session data. The closure works on a value made anew from the sealed bytes; without a session it is
    /// not called and the answer is `Ok(None)`. Data that serialises to the same bytes is no write (a `HashMap` comes out
    /// in another order every time; a `BTreeMap` does not).
    ///
    /// Writes of parallel requests do not see each other: the response that arrives last wins.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`SealError::Conflict`] if another handle of this request wrote meanwhile. If
    /// the closure panics or anything fails, the session is as it was.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<Option<R>, SealError> {
        self.try_update(|data| Ok(change(data)))
    }

    /// Changes the session data like [`update`](Self::update), with a closure that can fail: then nothing is written.
    ///
    /// # Errors
    /// The closure's own, or a [`SealError`] converted into it.
    pub fn try_update<R, E: From<SealError>>(
        &mut self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let base = self.writable()?;
        let Current::Live(live) = &base.current else {
            return Ok(None);
        };
        let mut data = from_payload(live.content.payload.as_bytes()).ok_or(SealError::NotReadable)?;
        let result = change(&mut data)?;
        let content = Arc::new(self.content(data)?);
        let facts = live.facts.written(self.shared.keeper.lifetimes());
        let done = |before: Done| before.and(Change::Written);
        self.append(base, Current::Live(Live { content, facts }), done, false)?;
        Ok(Some(result))
    }

    /// Gives the session a new id with the same data and the same start: call it at a change of privilege that is no
    /// new authentication. Without a session nothing happens.
    ///
    /// # Errors
    /// [`SealError::TooLate`], [`SealError::Conflict`] or [`SealError::RandomSource`].
    pub fn cycle_id(&mut self) -> Result<(), SealError> {
        self.change_facts(Change::Cycled, |keeper, facts| {
            Ok(Facts {
                id: keeper.new_id()?,
                active_until: None,
                ..facts
            })
        })
    }

    /// Makes the session a remembered one (or, with `false`, an ordinary one again): its own lifetimes, counted from
    /// the same start, and cookies that outlive the browser's session. Without a session nothing happens.
    ///
    /// # Errors
    /// [`SealError::RememberOff`] if the builder was given no [`remembered`](crate::Builder::remembered) lifetimes,
    /// [`SealError::Expiry`] if the session is already older than the lifetime that it would get ([`clear`](Self::clear)
    /// ends it), [`SealError::TooLate`] or [`SealError::Conflict`].
    pub fn remember(&mut self, remembered: bool) -> Result<(), SealError> {
        let lifetimes = *self.shared.keeper.lifetimes();
        if remembered && lifetimes.remembered.is_none() {
            self.writable()?;
            return Err(SealError::RememberOff);
        }
        self.change_facts(Change::Written, |keeper, facts| {
            if facts.remembered == remembered {
                return Ok(facts);
            }
            let expires = lifetimes.expires(facts.started, remembered);
            // The response could not carry such a session: the browser would keep the one that it has.
            if expires <= keeper.now() || u32::try_from(expires).is_err() {
                return Err(SealError::Expiry);
            }
            Ok(Facts {
                remembered,
                expires,
                ..facts
            })
        })
    }

    /// Sends a new activity cookie with this response even if none is due yet. Without a session or without an idle
    /// timeout nothing happens.
    ///
    /// # Errors
    /// [`SealError::TooLate`] or [`SealError::Conflict`].
    pub fn renew(&mut self) -> Result<(), SealError> {
        let base = self.writable()?;
        let Current::Live(live) = &base.current else {
            return Ok(());
        };
        let done = |before: Done| Done { renew: true, ..before };
        self.append(base, Current::Live(live.clone()), done, false)?;
        Ok(())
    }

    /// Ends the session in this browser: the response removes both cookies, whether they came or not.
    ///
    /// A copy of the cookie that somebody else kept stays valid until it expires: [`Sessions::revoke`] the
    /// [`id`](Self::id) to end it everywhere, or let [`Builder::revoke_on_clear`](crate::Builder::revoke_on_clear) do so.
    ///
    /// [`Sessions::revoke`]: crate::Sessions::revoke
    ///
    /// # Errors
    /// [`SealError::TooLate`].
    pub fn clear(&mut self) -> Result<(), SealError> {
        let base = self.writable()?;
        let done = |_| Done {
            change: Change::Cleared,
            renew: false,
            cleared: true,
        };
        let before = self.append(base, Current::None(State::Cleared), done, true)?;
        // What browsers hold is the session that came with the request: a new id that was given since then was never sent.
        let came = self.shared.first.get().and_then(|first| first.current.live());
        if let Some(live) = came
            && !before.done.cleared
        {
            self.shared.keeper.cleared(&live.facts);
        }
        Ok(())
    }

    fn change_facts(
        &self,
        change: Change,
        facts: impl FnOnce(&dyn Keeper<T>, Facts) -> Result<Facts, SealError>,
    ) -> Result<(), SealError> {
        let base = self.writable()?;
        let Current::Live(live) = &base.current else {
            return Ok(());
        };
        let keeper = &self.shared.keeper;
        let facts = facts(keeper, live.facts.written(keeper.lifetimes()))?;
        let content = Arc::clone(&live.content);
        let done = |before: Done| before.and(change);
        self.append(base, Current::Live(Live { content, facts }), done, false)?;
        Ok(())
    }

    /// Serialises at once: what does not fit or does not read back is refused here.
    fn content(&self, data: T) -> Result<Content<T>, SealError> {
        let mut buffer = Buffer::take();
        serde_json::to_writer(&mut buffer, &data).map_err(|_| SealError::NotSerializable)?;
        let length = buffer.len();
        let payload = Payload::new(buffer, 0..length);
        let keeper = &self.shared.keeper;
        keeper.check_size(payload.as_bytes()).inspect_err(|error| {
            if let &SealError::TooLarge { size, limit, .. } = error {
                keeper.observe(&Event::TooLarge { size, limit });
            }
        })?;
        if is_doubtful(payload.as_bytes()) && from_payload::<T>(payload.as_bytes()).is_none() {
            return Err(SealError::NotReadable);
        }
        Ok(Content { data, payload })
    }
}

/// Whether this payload has to be read once to know that the next request can read it.
///
/// A type whose two derives contradict each other fails at its first test, so builds with debug assertions read
/// everything. What depends on the data is a float without a JSON spelling: NaN and the infinities become `null`.
fn is_doubtful(payload: &[u8]) -> bool {
    cfg!(debug_assertions) || memmem::find(payload, b"null").is_some()
}

impl<T> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
