//! What a session is: its data with the bytes that it was read from, its facts, or why there is none.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::buffer::Buffer;
use crate::error::Reason;
use crate::ids::SessionId;
use crate::session::event::Event;
use crate::session::lifetime::Lifetimes;

/// What can be session data: every type that serde serialises and reads back, and that threads may share.
pub trait SessionData: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> SessionData for T {}

/// What an [`update`](crate::Session::update) came to. Not to look at it is a warning of the compiler, since an update of a
/// guest without a session would be lost:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # let sessions = Sessions::<Vec<String>>::builder(KeyRing::new(Key::generate()?)).build()?;
/// let mut guest = sessions.load(RequestFields::default());
/// guest.update(|cart| cart.push("bread".into()))?; // error: unused `Updated` that must be used
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Say what is right without a session:
///
/// ```
/// #![deny(unused_must_use)]
/// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # let sessions = Sessions::<Vec<String>>::builder(KeyRing::new(Key::generate()?)).build()?;
/// let mut guest = sessions.load(RequestFields::default());
/// guest.update(|cart| cart.push("bread".into()))?.option(); // nothing is
/// assert!(guest.get().is_none());
/// guest.update_or_start(Vec::new, |cart| cart.push("bread".into()))?; // a session is
/// assert!(guest.get().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "without a session nothing was written: use `update_or_start`, or say `.option()` if that is right"]
pub enum Updated<R> {
    /// The data were changed; this is what the closure returned.
    Done(R),
    /// There is no session: the closure was not called, and nothing was written.
    NoSession,
}

impl<R> Updated<R> {
    /// What the closure returned, if there is a session: for callers to whom a guest is as good.
    pub fn option(self) -> Option<R> {
        match self {
            Self::Done(result) => Some(result),
            Self::NoSession => None,
        }
    }
}

/// What a session is at the moment, or why there is none.
#[doc(alias = "State")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// There is a session.
    Valid,
    /// No cookie of ours came.
    Absent,
    /// A cookie came, but no session opened. The reason is for logs: do not show it to the visitor.
    Rejected(Reason),
    /// It was ended during this request.
    Ended,
    /// It is being opened, and a callback of the opening looked at it: the application's own check, a revocation list, the
    /// clock or the data's `Deserialize`.
    NotOpenedYet,
}

/// An opened session as the application's own check sees it ([`refuse_if`](crate::Builder::refuse_if)).
#[non_exhaustive]
pub struct Opened<'a, T> {
    /// The session data.
    pub data: &'a T,
    /// The id under which it was opened.
    pub id: SessionId,
    /// When it started, in whole seconds UTC.
    pub started: OffsetDateTime,
}

impl<T> fmt::Debug for Opened<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("id", &self.id)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

/// What opening the cookies of a request gave, and what observers are to hear of it. They are told once it is kept: an
/// observer that panics or looks at this very session then finds it.
pub(crate) struct Opening<T> {
    pub(crate) current: Current<T>,
    /// Every token that is genuine, whether its session is valid or not.
    pub(crate) genuine: Vec<Genuine>,
    pub(crate) duplicates: Option<Event>,
    pub(crate) rejection: Option<Event>,
    /// Mostly none, so that a rejection allocates nothing.
    pub(crate) alarms: Vec<Event>,
}

impl<T> Opening<T> {
    /// Nothing was opened, for this reason.
    pub(crate) fn none(state: SessionState) -> Self {
        Self {
            current: Current::None(state),
            genuine: Vec::new(),
            duplicates: None,
            rejection: None,
            alarms: Vec::new(),
        }
    }
}

/// A session whose token came with the request and passed steps 1 to 6 of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Genuine {
    pub(crate) id: SessionId,
    /// The Unix second at which no server takes a token of this id any more.
    pub(crate) until: u64,
    /// Whether it is a guest's for certain.
    pub(crate) is_guest: bool,
}

/// A session, or why there is none.
pub(crate) enum Current<T> {
    None(SessionState),
    Live(Live<T>),
}

impl<T> Current<T> {
    pub(crate) fn live(&self) -> Option<&Live<T>> {
        match self {
            Self::Live(live) => Some(live),
            Self::None(_) => None,
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        match self {
            Self::Live(_) => SessionState::Valid,
            Self::None(state) => *state,
        }
    }
}

/// A session: its data, and the facts around it.
pub(crate) struct Live<T> {
    pub(crate) content: Arc<Content<T>>,
    pub(crate) facts: Facts,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self {
            content: Arc::clone(&self.content),
            facts: self.facts,
        }
    }
}

/// Session data as the application sees it, and the very bytes that it was read from.
pub(crate) struct Content<T> {
    pub(crate) data: T,
    /// Empty once it was followed by other data: no JSON is.
    payload: Mutex<Payload>,
}

impl<T> Content<T> {
    pub(crate) fn new(data: T, payload: Payload) -> Self {
        let payload = Mutex::new(payload);
        Self { data, payload }
    }

    /// Call no code of the application while this is held.
    pub(crate) fn payload(&self) -> MutexGuard<'_, Payload> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of session data without padding, in the buffer in which they were made or decrypted.
#[derive(Default)]
pub(crate) struct Payload {
    buffer: Buffer,
    range: Range<usize>,
}

impl Payload {
    /// What stands at `range` of the buffer, but for spaces at its end.
    pub(crate) fn new(buffer: Buffer, range: Range<usize>) -> Self {
        let padded = buffer.get(range.clone()).unwrap_or_default();
        let length = padded.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        let range = range.start..range.start + length;
        Self { buffer, range }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The bytes in a buffer of their own; `None` if they were given back.
    pub(crate) fn copy(&self) -> Option<Buffer> {
        let mut copy = Buffer::take();
        copy.extend(self.as_bytes());
        (!copy.is_empty()).then_some(copy)
    }
}

/// Instants are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: SessionId,
    pub(crate) started: u64,
    /// When this request opened or started it.
    pub(crate) opened: u64,
    /// When it is over whatever happens.
    pub(crate) expires: u64,
    pub(crate) remembered: bool,
    /// When it is over if nothing more is heard of it: what the activity cookie of this request says.
    pub(crate) active_until: Option<u64>,
}

impl Facts {
    /// As they are once the session is written: a start that was ahead of this server's clock moves back to the opening,
    /// so that no cut-off between opening and sealing is passed by a start that was claimed to lie behind it.
    pub(crate) fn written(self, lifetimes: &Lifetimes) -> Self {
        let started = self.started.min(self.opened);
        let expires = self.expires.min(lifetimes.expires(started, self.remembered));
        Self {
            started,
            expires,
            ..self
        }
    }
}

/// Reads session data from a payload; spaces at its end are padding.
pub(crate) fn from_payload<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(payload).ok()?;
    serde_json::from_str(text).ok()
}
