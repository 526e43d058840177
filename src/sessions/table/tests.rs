//! Tests of `table.rs`.

use super::*;
use crate::buffer::Buffer;
use crate::error::Reason;
use crate::few::Few;
use crate::ids::SessionId;
use crate::session::{Binding, Content, Done, Facts, Payload};

fn live(payload: &[u8], remembered: bool) -> Current<()> {
    let facts = Facts {
        binding: Binding::Plain,
        id: SessionId([1; 8]),
        started: 1,
        opened: 1,
        expires: 9,
        remembered,
        active_until: None,
    };
    let mut buffer = Buffer::default();
    buffer.extend(payload);
    let content = Arc::new(Content::new((), Payload::new(buffer, 0..payload.len())));
    Current::Live(Live { content, facts })
}

const ABSENT: Current<()> = Current::None(SessionState::Absent);
const DEAD: Current<()> = Current::None(SessionState::Rejected(Reason::Idle));

#[track_caller]
fn assert_outcome(first: &Current<()>, last: &Current<()>, change: Change, status: u16, expected: Outcome) {
    assert_outcome_of(false, first, last, change, status, expected);
}

#[track_caller]
fn assert_outcome_of(
    is_adopted: bool,
    first: &Current<()>,
    last: &Current<()>,
    change: Change,
    status: u16,
    expected: Outcome,
) {
    let done = Done {
        change,
        ..Done::default()
    };
    let touched = Touched {
        first,
        last,
        done,
        genuine: &Few::default(),
        is_adopted,
    };
    assert_eq!(Outcome::of(&touched, status, false), expected);
}

#[test]
fn every_ending_is_a_row_of_the_table() {
    let (was, is) = (live(b"1", false), live(b"2", false));
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
fn an_old_cookie_is_replaced_by_a_response_that_takes_cookies() {
    let (was, is) = (live(b"1", false), live(b"2", false));
    for (last, change, expected, otherwise) in [
        (&was, Change::None, Outcome::Adopted, Outcome::ReadValid),
        (&was, Change::Written, Outcome::Adopted, Outcome::ReadValid),
        (&is, Change::Written, Outcome::Cycled, Outcome::Discarded),
        (&is, Change::Cycled, Outcome::Cycled, Outcome::Discarded),
        (&is, Change::Started, Outcome::Started, Outcome::Discarded),
    ] {
        assert_outcome_of(true, &was, last, change, 200, expected);
        assert_outcome_of(true, &was, last, change, 304, otherwise);
    }
}

#[test]
fn beside_old_servers_a_row_only_removes() {
    use CookieAction::{None, Remove, Send};
    for (action, expected) in [(None, None), (Send, None), (Remove, Remove)] {
        let row = Row {
            session: action,
            activity: action,
            cache: CacheRule::NoStore,
        };
        let kept = Row {
            session: expected,
            activity: expected,
            ..row
        };
        assert_eq!(row.without_sending(), kept);
    }
}

#[test]
fn a_response_that_takes_no_cookie_discards_writes_but_never_a_sign_out() {
    let (was, is) = (live(b"1", false), live(b"2", false));
    let touched = Touched {
        first: &was,
        last: &is,
        done: Done {
            change: Change::Written,
            ..Done::default()
        },
        genuine: &Few::default(),
        is_adopted: false,
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
        let kept = Outcome::of(&touched, status, true);
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
    let touched = Touched {
        first: &was,
        last: &is,
        done,
        genuine: &Few::default(),
        is_adopted: false,
    };
    assert_eq!(Outcome::of(&touched, 500, false), Outcome::Ended);
    assert_eq!(Outcome::of(&touched, 200, false), Outcome::Started);
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
        (Outcome::Adopted, Send, Send, CacheRule::NoStore),
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
