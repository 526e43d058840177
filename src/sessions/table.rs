//! The table of states: what the end of a request does to its response, as a pure function.

use std::sync::Arc;

use crate::headers::CacheRule;
use crate::session::{Change, Current, Done, Ending, Live, SessionState};

/// How the request ended for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was read, or peeked only.
    Untouched,
    /// Read, and no cookie of ours had come.
    ReadAbsent,
    /// Read, and a cookie had come but no session opened; or what was there is over.
    ReadRejected,
    /// Read, and a session was there; or what was written is what was there.
    ReadValid,
    /// The session was written.
    Written,
    /// The session got another id, or its lifetimes changed.
    Cycled,
    Started,
    Ended,
    /// The session was written, but this response carries no session.
    Discarded,
}

/// What happens to one of the two cookies.
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
    /// What the ending of a session means for a response of this status.
    pub(crate) fn of<T>(ending: &Ending<'_, T>, status: u16, write_on_server_error: bool) -> Self {
        let Ending::Touched { first, last, done, .. } = ending else {
            return Self::Untouched;
        };
        let outcome = match (done.change, last) {
            (Change::Ended, _) => return Self::Ended,
            (_, Current::None(SessionState::Absent)) => return Self::ReadAbsent,
            (_, Current::None(_)) => return Self::ReadRejected,
            (Change::None, Current::Live(_)) => return Self::ReadValid,
            (Change::Started, Current::Live(_)) => Self::Started,
            (Change::Cycled | Change::Replaced, Current::Live(_)) => Self::Cycled,
            (Change::Written, Current::Live(last)) => match first {
                Current::Live(first) if same_payload(first, last) => return Self::ReadValid,
                _ => Self::Written,
            },
        };
        let is_sent = takes_cookie(status) || (is_server_error(status) && write_on_server_error);
        match is_sent {
            true => outcome,
            // What was started after a sign-out is not sent, the sign-out is.
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
            Self::Cycled | Self::Started => (Send, send_if(active), CacheRule::NoStore),
            Self::Ended => (Remove, Remove, CacheRule::NoStore),
        };
        Row {
            session,
            activity,
            cache,
        }
    }
}

/// Whether `touch` was called.
pub(crate) fn asks_touch<T>(ending: &Ending<'_, T>) -> bool {
    matches!(
        ending,
        Ending::Touched {
            done: Done { touch: true, .. },
            ..
        }
    )
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
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::error::Reason;
    use crate::ids::SessionId;
    use crate::session::{Content, Facts, Payload};

    fn live(payload: &[u8], remembered: bool) -> Current<()> {
        let facts = Facts {
            id: SessionId([1; 8]),
            started: 1,
            opened: 1,
            expires: 9,
            remembered,
            active_until: None,
        };
        let mut buffer = Buffer::take();
        buffer.extend(payload);
        let content = Arc::new(Content::new((), Payload::new(buffer, 0..payload.len())));
        Current::Live(Live { content, facts })
    }

    const ABSENT: Current<()> = Current::None(SessionState::Absent);
    const DEAD: Current<()> = Current::None(SessionState::Rejected(Reason::Idle));

    #[track_caller]
    fn assert_outcome(first: &Current<()>, last: &Current<()>, change: Change, status: u16, expected: Outcome) {
        let ending = Ending::Touched {
            first,
            last,
            done: Done {
                change,
                ..Done::default()
            },
            genuine: &[],
        };
        assert_eq!(Outcome::of(&ending, status, false), expected);
    }

    #[test]
    fn every_ending_is_a_row_of_the_table() {
        let (was, is) = (live(b"1", false), live(b"2", false));
        assert_eq!(Outcome::of::<()>(&Ending::Untouched, 200, false), Outcome::Untouched);
        assert_outcome(&ABSENT, &ABSENT, Change::None, 200, Outcome::ReadAbsent);
        assert_outcome(&DEAD, &DEAD, Change::None, 200, Outcome::ReadRejected);
        assert_outcome(&was, &was, Change::None, 200, Outcome::ReadValid);
        assert_outcome(&was, &is, Change::Written, 200, Outcome::Written);
        assert_outcome(&was, &live(b"1", false), Change::Written, 200, Outcome::ReadValid);
        assert_outcome(&was, &live(b"1", true), Change::Replaced, 200, Outcome::Cycled);
        assert_outcome(&was, &was, Change::Cycled, 200, Outcome::Cycled);
        assert_outcome(&ABSENT, &is, Change::Started, 200, Outcome::Started);
        assert_outcome(
            &was,
            &Current::None(SessionState::Ended),
            Change::Ended,
            200,
            Outcome::Ended,
        );
    }

    #[test]
    fn a_response_that_takes_no_cookie_discards_writes_but_never_a_sign_out() {
        let (was, is) = (live(b"1", false), live(b"2", false));
        let ending = Ending::Touched {
            first: &was,
            last: &is,
            done: Done {
                change: Change::Written,
                ..Done::default()
            },
            genuine: &[],
        };
        for status in [100, 101, 199, 304, 500, 503, 599, 999] {
            assert!(!takes_cookie(status));
            assert_outcome(&was, &is, Change::Written, status, Outcome::Discarded);
            assert_outcome(&was, &was, Change::Cycled, status, Outcome::Discarded);
            assert_outcome(&ABSENT, &is, Change::Started, status, Outcome::Discarded);
            assert_outcome(&was, &was, Change::None, status, Outcome::ReadValid);
            assert_outcome(
                &was,
                &Current::None(SessionState::Ended),
                Change::Ended,
                status,
                Outcome::Ended,
            );
            let kept = Outcome::of(&ending, status, true);
            assert_eq!(
                kept,
                if status >= 500 {
                    Outcome::Written
                } else {
                    Outcome::Discarded
                },
                "{status}"
            );
        }
        for status in [200, 204, 302, 303, 401, 404, 499] {
            assert!(takes_cookie(status));
        }
    }

    #[test]
    fn a_sign_out_is_sent_even_if_what_was_started_after_it_is_not() {
        let (was, is) = (live(b"1", false), live(b"2", false));
        let done = Done {
            change: Change::Started,
            touch: false,
            ended: true,
        };
        let ending = Ending::Touched {
            first: &was,
            last: &is,
            done,
            genuine: &[],
        };
        assert_eq!(Outcome::of(&ending, 500, false), Outcome::Ended);
        assert_eq!(Outcome::of(&ending, 200, false), Outcome::Started);
    }

    #[test]
    fn every_row_says_what_the_response_carries() {
        use CookieAction::{None, Remove, Send};
        let table = [
            (Outcome::Untouched, None, None, CacheRule::Leave),
            (Outcome::ReadAbsent, None, None, CacheRule::Vary),
            (Outcome::ReadRejected, None, None, CacheRule::Private),
            (Outcome::ReadValid, None, Send, CacheRule::Private),
            (Outcome::Written, Send, Send, CacheRule::NoStore),
            (Outcome::Cycled, Send, Send, CacheRule::NoStore),
            (Outcome::Started, Send, Send, CacheRule::NoStore),
            (Outcome::Ended, Remove, Remove, CacheRule::NoStore),
            (Outcome::Discarded, None, None, CacheRule::Private),
        ];
        for (outcome, session, activity, cache) in table {
            assert_eq!(
                outcome.row(true, true),
                Row {
                    session,
                    activity,
                    cache
                },
                "{outcome:?}"
            );
        }
        assert_eq!(Outcome::ReadValid.row(false, true).activity, None);
        assert_eq!(Outcome::Written.row(false, true).activity, None);
        assert_eq!(Outcome::Cycled.row(false, true).activity, Send);
        assert_eq!(Outcome::Started.row(false, false).activity, None);
    }
}
