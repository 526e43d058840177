//! The table of states: how the end of a request changes its response, as a pure function.

use std::sync::Arc;

use crate::headers::CacheRule;
use crate::session::{Change, Current, Live, SessionState, Touched};

/// How the request ended for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The session was not read, or only peeked at.
    Untouched,
    /// Read; the request had no cookie of ours.
    ReadAbsent,
    /// Read; the request had a cookie but no session opened, or the session has ended.
    ReadRejected,
    /// Read, and there was a session; or the same data were written again.
    ReadValid,
    /// The session was written.
    Written,
    /// The session got another id, or its lifetimes changed.
    Cycled,
    /// An old cookie became the session.
    Adopted,
    Started,
    Ended,
    /// The session was written, but this response carries no session.
    Discarded,
}

/// The fate of one of the two cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieAction {
    None,
    Send,
    Remove,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) session: CookieAction,
    pub(crate) activity: CookieAction,
    pub(crate) cache: CacheRule,
}

impl Outcome {
    /// The outcome for a response of this status.
    pub(crate) fn of<T>(touched: &Touched<'_, T>, status: u16, write_on_server_error: bool) -> Self {
        let Touched {
            first,
            last,
            done,
            is_adopted,
            ..
        } = touched;
        let is_sent = takes_cookie(status) || (is_server_error(status) && write_on_server_error);
        let read = match is_adopted {
            // Otherwise the next request adopts it.
            true if is_sent => Self::Adopted,
            _ => Self::ReadValid,
        };
        let outcome = match (done.change, last) {
            (Change::Ended, _) => return Self::Ended,
            (_, Current::None(SessionState::Absent)) => return Self::ReadAbsent,
            (_, Current::None(_)) => return Self::ReadRejected,
            (Change::None, Current::Live(_)) => return read,
            (Change::Started, Current::Live(_)) => Self::Started,
            (Change::Cycled | Change::Replaced, Current::Live(_)) => Self::Cycled,
            (Change::Written, Current::Live(last)) => match first {
                Current::Live(first) if same_payload(first, last) => return read,
                // There is no activity cookie yet.
                _ if *is_adopted => Self::Cycled,
                _ => Self::Written,
            },
        };
        match is_sent {
            true => outcome,
            // A session that was started after a sign-out is not sent, the sign-out is.
            false if done.ended => Self::Ended,
            false => Self::Discarded,
        }
    }

    /// The row of this outcome. `renewal` says that an activity cookie is due, `active` that there is an idle timeout.
    pub(crate) fn row(self, renewal: bool, active: bool) -> Row {
        use CookieAction::{None, Remove, Send};
        let send_if = |condition| if condition { Send } else { None };
        let (session, activity, cache) = match self {
            Self::Untouched => (None, None, CacheRule::Leave),
            Self::ReadAbsent => (None, None, CacheRule::Vary),
            Self::ReadRejected | Self::Discarded => (None, None, CacheRule::Private),
            Self::ReadValid => (None, send_if(renewal), CacheRule::Private),
            Self::Written => (Send, send_if(renewal), CacheRule::NoStore),
            Self::Cycled | Self::Adopted | Self::Started => (Send, send_if(active), CacheRule::NoStore),
            Self::Ended => (Remove, Remove, CacheRule::NoStore),
        };
        Row {
            session,
            activity,
            cache,
        }
    }
}

impl Row {
    /// The row where the old application keeps the session.
    pub(crate) fn without_sending(self) -> Self {
        let keep = |action| match action {
            CookieAction::Send => CookieAction::None,
            CookieAction::None | CookieAction::Remove => action,
        };
        Self {
            session: keep(self.session),
            activity: keep(self.activity),
            cache: self.cache,
        }
    }
}

/// Whether a response of this status may carry a session cookie. 1xx is no final response; a cache that freshens a
/// stored response with a 304 would store the cookie and replay it to others; a 5xx must not half-commit.
pub(crate) fn takes_cookie(status: u16) -> bool {
    status >= 200 && status != 304 && !is_server_error(status)
}

fn is_server_error(status: u16) -> bool {
    status >= 500
}

fn same_payload<T>(first: &Live<T>, last: &Live<T>) -> bool {
    Arc::ptr_eq(&first.content, &last.content)
        || first.content.payload().as_bytes() == last.content.payload().as_bytes()
}

#[cfg(test)]
mod tests;
