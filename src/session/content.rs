//! A session: its data with the bytes that it was read from, and its facts; or why there is none.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::buffer::Buffer;
use crate::error::Reason;
use crate::few::Few;
use crate::ids::{DeviceName, SessionId};
use crate::session::event::Event;
use crate::session::lifetime::Lifetimes;

/// The types that can be session data: serde serialises them and reads them back, and threads may share them.
pub trait SessionData: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> SessionData for T {}

/// The result of an [`update`](crate::Session::update). The compiler warns if it is ignored, since an update without a
/// session changes nothing:
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
/// Say what should happen without a session:
///
/// ```
/// #![deny(unused_must_use)]
/// # use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # let sessions = Sessions::<Vec<String>>::builder(KeyRing::new(Key::generate()?)).build()?;
/// let mut guest = sessions.load(RequestFields::default());
/// guest.update(|cart| cart.push("bread".into()))?.option(); // nothing
/// assert!(guest.get().is_none());
/// guest.update_or_start(Vec::new, |cart| cart.push("bread".into()))?; // a session starts
/// assert!(guest.get().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "without a session nothing was written: use `update_or_start`, or say `.option()` if that is right"]
pub enum Updated<R> {
    /// The data were changed. The closure returned this.
    Done(R),
    /// There is no session: the closure was not called, and nothing was written.
    NoSession,
}

impl<R> Updated<R> {
    /// The result of the closure; `None` without a session. For callers that need no session.
    pub fn option(self) -> Option<R> {
        match self {
            Self::Done(result) => Some(result),
            Self::NoSession => None,
        }
    }
}

/// Whether there is a session at the moment, or why there is none.
#[doc(alias = "State")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// There is a session.
    Valid,
    /// The request has no cookie of ours, and none that is [adopted](crate::Builder::adopt).
    Absent,
    /// The request has a cookie of ours, or one to adopt, but no session opened. The reason is for logs: do not show it to the visitor.
    Rejected(Reason),
    /// The session was ended during this request.
    Ended,
    /// The session is still being opened, and a callback looked at it meanwhile: the application's own check, a
    /// revocation list, the clock or the data's `Deserialize`.
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

/// The result of opening the cookies of a request, with the events for the observer. Events are reported after the
/// result is stored: an observer that panics, or reads this same session, finds it.
pub(crate) struct Opening<T> {
    pub(crate) current: Current<T>,
    /// Every token that is genuine, whether its session is valid or not.
    pub(crate) genuine: Few<Genuine>,
    /// An old cookie became the session, and the response replaces it.
    pub(crate) is_adopted: bool,
    /// Empty without an observer.
    pub(crate) events: Vec<Event>,
}

impl<T> Opening<T> {
    /// Without a session, for this reason.
    pub(crate) fn none(state: SessionState) -> Self {
        Self {
            current: Current::None(state),
            genuine: Few::default(),
            is_adopted: false,
            events: Vec::new(),
        }
    }
}

/// A session whose token came with the request and passed steps 1 to 6 of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Genuine {
    pub(crate) id: SessionId,
    /// From this Unix second on, no server accepts a token of this id.
    pub(crate) until: u64,
    /// Whether it is certainly a guest's.
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

/// A session: its data and its facts.
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

/// Session data as the application sees it, and the bytes that it was read from.
pub(crate) struct Content<T> {
    pub(crate) data: T,
    /// Emptied when other data follow it. JSON is never empty.
    payload: Mutex<Payload>,
}

impl<T> Content<T> {
    pub(crate) fn new(data: T, payload: Payload) -> Self {
        let payload = Mutex::new(payload);
        Self { data, payload }
    }

    /// Call no code of the application while the lock is held.
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
    /// The bytes at `range` of the buffer, without the spaces at their end.
    pub(crate) fn new(buffer: Buffer, range: Range<usize>) -> Self {
        let padded = buffer.get(range.clone()).unwrap_or_default();
        let length = padded.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        let range = range.start..range.start + length;
        Self { buffer, range }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The bytes of memory that the buffer has.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// The bytes in a buffer of their own; `None` if they were given back.
    pub(crate) fn copy(&self) -> Option<Buffer> {
        let mut copy = Buffer::default();
        copy.extend(self.as_bytes());
        (!copy.is_empty()).then_some(copy)
    }
}

/// The facts of a session. Times are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: SessionId,
    pub(crate) started: u64,
    /// When this request opened or started it.
    pub(crate) opened: u64,
    /// When it ends at the latest.
    pub(crate) expires: u64,
    pub(crate) remembered: bool,
    /// When it ends without further activity, as the activity cookie of this request says.
    pub(crate) active_until: Option<u64>,
    pub(crate) binding: Binding,
}

/// Whether a session is bound to a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Binding {
    #[default]
    Plain,
    /// It started in this request: the response offers to register a device.
    Offered,
    Bound {
        device: DeviceName,
        /// The Unix second of the proof that came; `None` without a valid one.
        proven: Option<u64>,
    },
}

impl Binding {
    pub(crate) fn device(self) -> Option<DeviceName> {
        match self {
            Self::Plain | Self::Offered => None,
            Self::Bound { device, .. } => Some(device),
        }
    }
}

impl Facts {
    /// The facts of the session as it is written. A start that was ahead of this server's clock moves back to the time
    /// of opening: otherwise the session would pass a cut-off that is raised between opening and sealing.
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
