//! What a session is: its data with the bytes that it was read from, its facts, or why there is none.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::buffer::Buffer;
use crate::error::Reason;
use crate::ids::SessionId;
use crate::session::lifetime::Lifetimes;

/// What a session is at the moment, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// There is a session.
    Valid,
    /// No cookie of ours came.
    Absent,
    /// A cookie came, but no session opened. The reason is for logs: do not show it to the visitor.
    Rejected(Reason),
    /// It was cleared during this request.
    Cleared,
}

/// An opened session as the application's own check sees it ([`reject_if`](crate::Builder::reject_if)).
#[non_exhaustive]
pub struct Opened<'a, T> {
    /// The session data.
    pub data: &'a T,
    /// The id under which it was opened.
    pub id: SessionId,
    /// When it started, in whole seconds UTC.
    pub started_at: OffsetDateTime,
}

impl<T> fmt::Debug for Opened<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("id", &self.id)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

/// A session, or why there is none.
pub(crate) enum Current<T> {
    None(State),
    Live(Live<T>),
}

impl<T> Current<T> {
    pub(super) fn live(&self) -> Option<&Live<T>> {
        match self {
            Self::Live(live) => Some(live),
            Self::None(_) => None,
        }
    }

    pub(super) fn state(&self) -> State {
        match self {
            Self::Live(_) => State::Valid,
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
    pub(crate) payload: Payload,
}

/// The bytes of session data without padding, in the buffer in which they were made or decrypted.
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
    pub(super) fn written(self, lifetimes: &Lifetimes) -> Self {
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
