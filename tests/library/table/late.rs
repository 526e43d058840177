//! Reads and writes after the header block.

use super::*;

#[test]
fn a_first_read_after_the_header_block_gives_no_session() {
    let app = app();
    let session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    let mut headers = owned(BEFORE);
    session.finish(200, &mut headers);
    assert_eq!(headers, owned(BEFORE));
    assert!(session.get().is_none());
    assert_eq!(session.state(), SessionState::Rejected(Reason::TooLate));
    assert_eq!(app.seen.take(), [Event::ReadTooLate, Event::ReadTooLate]);
}

#[test]
fn a_peek_before_the_header_block_does_not_allow_a_read_after_it() {
    let app = app();
    let session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    assert!(session.peek().is_some());
    session.finish(200, &mut owned(BEFORE));
    assert_eq!(session.state(), SessionState::Rejected(Reason::TooLate));
    assert!(session.peek().is_some());
}

#[test]
fn what_was_read_before_the_header_block_stays_readable() {
    let app = app();
    let session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    let lent = session.get().unwrap();
    session.finish(200, &mut Vec::new());
    assert_eq!(session.get(), Some(lent));
    assert_eq!(session.state(), SessionState::Valid);
}

#[test]
fn a_write_after_the_header_block_is_an_error() {
    let app = app();
    for read_before in [false, true] {
        let mut session = app
            .sessions
            .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
        if read_before {
            assert!(session.get().is_some());
        }
        session.finish(200, &mut Vec::new());
        app.seen.take();
        assert_eq!(session.start(login(1)), Err(WriteError::TooLate));
        assert_eq!(session.update(|_| ()), Err(WriteError::TooLate));
        assert_eq!(session.cycle_id(), Err(WriteError::TooLate));
        assert_eq!(session.remember(true), Err(WriteError::TooLate));
        assert_eq!(session.touch(), Err(WriteError::TooLate));
        assert_eq!(session.end(), Err(WriteError::TooLate));
        assert_eq!(app.seen.take(), vec![Event::WriteTooLate; 6]);
        assert_eq!(session.get().is_some(), read_before);
    }
}

#[test]
fn a_second_finish_sends_no_cookie_and_still_keeps_caches_out() {
    let app = app();
    let mut session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    update(&mut session);
    session.finish(200, &mut Vec::new());
    let mut headers = owned(BEFORE);
    session.finish(200, &mut headers);
    assert_eq!(sorted(headers), sorted(owned(PRIVATE)));
}
