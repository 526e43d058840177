//! `Session<T>`: the handle that a request has, its reads, and how it is closed.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use time::OffsetDateTime;

use crate::error::{Reason, WriteError};
use crate::few::Few;
use crate::headers::RequestFields;
use crate::ids::SessionId;
#[cfg(any(feature = "axum", feature = "actix"))]
use crate::session::Content;
use crate::session::event::Event;
#[cfg(feature = "device")]
use crate::session::{Binding, Current};
use crate::session::{Change, Ending, Facts, Genuine, Live, Opening, SessionData, SessionState, Touched, Versions};
use crate::sessions::adopt::Adopted;
use crate::sessions::writing::Write;
use crate::sessions::{Lane, Sessions, opening, this_thread};
use crate::time::from_seconds;
use crate::token::envelope::SALT_LEN;

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
/// assert_eq!(session.get().map(|login| login.user), Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<T> {
    pub(super) shared: Arc<Request<T>>,
}

/// One request's way through the sessions.
pub(super) struct Request<T> {
    pub(super) lane: Arc<Lane<T>>,
    pub(super) fields: RequestFields,
    /// The time of this request; `None` for the sessions' clock.
    now: Option<u64>,
    /// Drawn with the first write, for the one seal at the end.
    pub(super) salt: OnceLock<[u8; SALT_LEN]>,
    /// The bits `READ` and `FINISHED`, in one atomic: all threads see reads and the finish in the same order.
    phase: AtomicU8,
    /// In a box: most requests move only the rest of this, and are not touched.
    came: OnceLock<Box<Came<T>>>,
    /// What a middleware found for the old cookies.
    pub(super) looked_up: OnceLock<Box<[Adopted<T>]>>,
    /// The thread that is opening the session, by [`this_thread`]; 0 for none.
    opener: AtomicUsize,
}

/// The sessions that came with the request, and the versions made of one.
pub(super) struct Came<T> {
    pub(super) genuine: Few<Genuine>,
    pub(super) versions: Versions<T>,
    /// The first version was made of an old cookie, which the response replaces.
    is_adopted: bool,
}

const READ: u8 = 1;
const FINISHED: u8 = 2;

impl<T: SessionData> Session<T> {
    pub(super) fn new(lane: Arc<Lane<T>>, fields: RequestFields, now: Option<u64>) -> Self {
        Self {
            shared: Arc::new(Request {
                lane,
                fields,
                now,
                salt: OnceLock::new(),
                phase: AtomicU8::new(0),
                came: OnceLock::new(),
                looked_up: OnceLock::new(),
                opener: AtomicUsize::new(0),
            }),
        }
    }

    /// The session data, opened on first use; `None` without a valid session, and [`state`](Self::state) says why.
    ///
    /// The response then depends on the cookie: [`finish`](Self::finish) keeps it out of shared caches.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let session = sessions.load(RequestFields::from_cookies([sessions.cookie_for(Login { user: 7 })?]));
    /// assert_eq!(session.get().map(|login| login.user), Some(7));
    ///
    /// let mut headers = Vec::new();
    /// session.finish(200, &mut headers);
    /// assert!(headers.contains(&("Cache-Control".to_owned(), "private, no-cache".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.read().ok().map(|live| &live.content.data)
    }

    /// The session data without telling caches: for logs, whose output is not part of the response. Another library's
    /// cookie is not [adopted](crate::Builder::adopt) for that.
    ///
    /// Do not show these data in a response: caches would serve it to other visitors. Use [`get`](Self::get) for that.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let session = sessions.load(RequestFields::from_cookies([sessions.cookie_for(Login { user: 7 })?]));
    /// eprintln!("GET / by user {:?}", session.peek().map(|login| login.user));
    ///
    /// let mut headers = Vec::new();
    /// session.finish(200, &mut headers);
    /// assert_eq!(headers, []); // caches may give this response to all visitors
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        let came = match self.shared.phase.load(Ordering::Acquire) & FINISHED {
            0 => self.came_at_a_peek(),
            _ => self.shared.came.get().map(Box::as_ref),
        };
        came?.versions.last().current.live().map(|live| &live.content.data)
    }

    /// Whether there is a session, or why there is none.
    ///
    /// ```
    /// use sealed_session::{Reason, SessionState};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// assert_eq!(sessions.load(RequestFields::default()).state(), SessionState::Absent);
    /// let made_up = RequestFields::from_cookies(["__Host-id=made-up"]);
    /// assert_eq!(sessions.load(made_up).state(), SessionState::Rejected(Reason::Malformed));
    /// let cookie = RequestFields::from_cookies([sessions.cookie_for(Login { user: 7 })?]);
    /// assert_eq!(sessions.load(cookie).state(), SessionState::Valid);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.read().map_or_else(|state| state, |_| SessionState::Valid)
    }

    /// Whether there is a session that counts as signed in: by default any, otherwise one for which
    /// [`signed_in_if`](crate::Builder::signed_in_if) says so.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// assert!(!session.is_signed_in());
    /// session.start(Login { user: 7 })?;
    /// assert!(session.is_signed_in());
    /// session.end()?;
    /// assert!(!session.is_signed_in());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.get().is_some_and(|data| self.sessions().counts_as_signed_in(data))
    }

    /// The data, if they count as signed in. They stay as they are, whatever is done to the session.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(crate) fn signed_in_content(&self) -> Option<Arc<Content<T>>> {
        let content = &self.read().ok()?.content;
        let is_signed_in = self.sessions().counts_as_signed_in(&content.data);
        is_signed_in.then(|| Arc::clone(content))
    }

    /// The public id of the session, `None` without one. No credential: it may be logged.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// let cookie = sessions.cookie_for(Login { user: 7 })?;
    /// let session = sessions.load(RequestFields::from_cookies([cookie.clone()]));
    /// let id = session.id().ok_or("no session")?;
    /// assert_eq!(id.to_string().len(), 16); // hexadecimal digits
    /// assert_eq!(sessions.load(RequestFields::from_cookies([cookie])).id(), Some(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.facts().map(|facts| facts.id)
    }

    /// When the session started, in whole seconds UTC; `None` without one. [`cycle_id`](Self::cycle_id) and
    /// [`update`](Self::update) do not change it.
    ///
    /// ```
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let mut session = sessions.load_at(RequestFields::default(), noon);
    /// assert_eq!(session.started(), None);
    /// session.start(Login { user: 7 })?;
    /// assert_eq!(session.started(), Some(noon));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn started(&self) -> Option<OffsetDateTime> {
        self.facts().map(|facts| from_seconds(facts.started))
    }

    /// When the session ends at the latest (the absolute timeout), in UTC; `None` without a session. Without activity
    /// it ends sooner.
    ///
    /// ```
    /// use time::Duration;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// # let noon = time::OffsetDateTime::from_unix_timestamp(1_700_049_600)?;
    /// let cookie = sessions.cookie_for_at(Login { user: 7 }, noon)?;
    /// let session = sessions.load_at(RequestFields::from_cookies([cookie]), noon + Duration::minutes(20));
    /// assert_eq!(session.expires(), Some(noon + Duration::hours(12)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.facts().map(|facts| from_seconds(facts.expires))
    }

    /// Whether the session is remembered: a lifetime of its own, and cookies that the browser keeps when it is closed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::Lifetime;
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let ring = KeyRing::new(Key::generate()?);
    /// let month = Lifetime::absolute(Duration::from_secs(30 * 86_400));
    /// let sessions = Sessions::<Login>::builder(ring).remembered(month).build()?;
    /// let mut session = sessions.load(RequestFields::default());
    /// session.start(Login { user: 7 })?;
    /// assert!(!session.is_remembered());
    /// session.remember(true)?;
    /// assert!(session.is_remembered());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.facts().is_some_and(|facts| facts.remembered)
    }

    /// The [`Sessions`] that this session belongs to: to [revoke](Sessions::revoke) another one, or to [raise the
    /// cut-off](Sessions::raise_cut_off).
    ///
    /// ```
    /// use sealed_session::{Session, SessionId};
    /// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).build()?;
    /// fn sign_out_device(session: &Session<Login>, device: SessionId) {
    ///     session.sessions().revoke(device);
    /// }
    /// let phone = sessions.cookie_for(Login { user: 7 })?;
    /// let device = sessions.load(RequestFields::from_cookies([phone.clone()])).id().ok_or("no session")?;
    /// sign_out_device(&sessions.load(RequestFields::default()), device);
    /// assert!(sessions.load(RequestFields::from_cookies([phone])).get().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sessions(&self) -> &Sessions<T> {
        &self.shared.lane.0
    }

    /// What the request brought.
    #[cfg(feature = "device")]
    pub(crate) fn fields(&self) -> &RequestFields {
        &self.shared.fields
    }

    /// How the session is bound, or why there is none.
    #[cfg(feature = "device")]
    pub(crate) fn binding(&self) -> Result<Binding, SessionState> {
        self.read().map(|live| live.facts.binding)
    }

    /// The session at the moment, without telling caches; `None` once the request is finished, and while it is opened.
    #[cfg(feature = "device")]
    pub(crate) fn peeked(&self) -> Option<&Current<T>> {
        let is_open = self.shared.phase.load(Ordering::Acquire) & FINISHED == 0;
        let came = is_open.then(|| self.came_at_a_peek()).flatten()?;
        Some(&came.versions.last().current)
    }

    fn facts(&self) -> Option<&Facts> {
        self.read().ok().map(|live| &live.facts)
    }

    /// Every tracked read passes here.
    fn read(&self) -> Result<&Live<T>, SessionState> {
        // Nothing is read for the first time once the request is finished.
        if !self.mark(|phase| phase != FINISHED) {
            self.sessions().observe(&Event::ReadTooLate);
            return Err(SessionState::Rejected(Reason::TooLate));
        }
        let came = self.came().ok_or(SessionState::NotOpenedYet)?;
        let current = &came.versions.last().current;
        current.live().ok_or_else(|| current.state())
    }

    /// Marks the session as read, if its phase is right.
    fn mark(&self, is_right: impl Fn(u8) -> bool) -> bool {
        let phase = self.shared.phase.load(Ordering::Acquire);
        if phase & READ != 0 {
            return is_right(phase);
        }
        let mark = |phase| is_right(phase).then_some(phase | READ);
        self.shared
            .phase
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, mark)
            .is_ok()
    }

    pub(crate) fn now(&self) -> u64 {
        self.shared.now.unwrap_or_else(|| self.sessions().now())
    }

    fn open(&self) -> Opening<T> {
        let opening = opening::open(self.sessions(), &self.shared.fields, self.now());
        match &self.sessions().config().adoption {
            Some(adoption) => self.with_old(adoption, opening),
            None => opening,
        }
    }

    pub(super) fn is_opened(&self) -> bool {
        self.shared.came.get().is_some()
    }

    /// The opened cookies; they are opened now if they were not before. `None` in a callback of the opening itself,
    /// which would wait for its own end.
    fn came(&self) -> Option<&Came<T>> {
        self.came_by(|| self.open())
    }

    /// The same, but no old cookie is adopted: that is for reads that count.
    fn came_at_a_peek(&self) -> Option<&Came<T>> {
        match self.is_opened() || !self.has_old_cookie_alone() {
            true => self.came(),
            false => None,
        }
    }

    fn came_by(&self, open: impl FnOnce() -> Opening<T>) -> Option<&Came<T>> {
        if let Some(came) = self.shared.came.get() {
            return Some(came);
        }
        if self.is_opening_here() {
            return None;
        }
        let mut events = Vec::new();
        let came = self.shared.came.get_or_init(|| {
            let _mark = Opener::mark(&self.shared.opener);
            let opening = open();
            events = opening.events;
            Box::new(Came {
                genuine: opening.genuine,
                versions: Versions::new(opening.current),
                is_adopted: opening.is_adopted,
            })
        });
        events.iter().for_each(|event| self.sessions().observe(event));
        Some(came)
    }

    /// Whether this thread is opening the session: then a callback of the opening asks. Of other threads' marks it is
    /// enough that they are not this one's.
    fn is_opening_here(&self) -> bool {
        self.shared.opener.load(Ordering::Relaxed) == this_thread()
    }

    /// The version that a write follows, or why there can be no write.
    pub(super) fn write(&self) -> Result<Write<'_, T>, WriteError> {
        if !self.mark(|phase| phase & FINISHED == 0) {
            return Err(self.too_late());
        }
        let came = self.came().ok_or(WriteError::NotOpenedYet)?;
        let base = came.versions.last();
        let session = self;
        Ok(Write { session, came, base })
    }

    pub(super) fn too_late(&self) -> WriteError {
        self.sessions().observe(&Event::WriteTooLate);
        WriteError::TooLate
    }

    /// Closes the session: no write follows, and no first read. `None` if it was closed before, or is still being
    /// opened.
    pub(super) fn close(&self) -> Option<Ending<'_, T>> {
        self.close_by(|| self.open())
    }

    /// Closes the session of a request that gets no response. It is not opened for that.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(super) fn close_unopened(&self) -> Option<Ending<'_, T>> {
        self.close_by(|| Opening::none(SessionState::Rejected(Reason::TooLate)))
    }

    // The commonest request touches no session: it passes here and makes no other call.
    #[inline(always)]
    fn close_by(&self, open: impl FnOnce() -> Opening<T>) -> Option<Ending<'_, T>> {
        if self.is_opening_here() {
            return None;
        }
        let before = self.shared.phase.fetch_or(FINISHED, Ordering::AcqRel);
        if before & FINISHED != 0 {
            return None;
        }
        if before & READ == 0 {
            return Some(Ending::Untouched);
        }
        let came = self.came_by(open)?;
        let last = came.versions.close();
        Some(Ending::Touched(Touched {
            first: &came.versions.first().current,
            last: &last.current,
            done: last.done,
            genuine: &came.genuine,
            is_adopted: came.is_adopted,
        }))
    }
}

/// If the request was not finished, its writes are lost.
impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        let is_open = self.phase.load(Ordering::Acquire) & FINISHED == 0;
        let is_written = || {
            let came = self.came.get();
            came.is_some_and(|came| came.versions.last().done.change != Change::None)
        };
        // An observer that panics while a panic unwinds would end the process.
        if is_open && !std::thread::panicking() && is_written() {
            self.lane.0.observe(&Event::WriteDiscarded { status: 500 });
        }
    }
}

/// Until it is dropped, this thread is opening a session. A callback of the opening that looked at the same session
/// would wait for its own end.
struct Opener<'a>(&'a AtomicUsize);

impl<'a> Opener<'a> {
    fn mark(opener: &'a AtomicUsize) -> Self {
        opener.store(this_thread(), Ordering::Relaxed);
        Self(opener)
    }
}

impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
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
