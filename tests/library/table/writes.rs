//! Writes, and the responses that carry none.

use super::*;

#[test]
fn equal_bytes_are_no_write() {
    for pad_to in [1, 64, 1000] {
        let app = app_with(|builder| builder.pad_to(pad_to));
        app.visit(60)
            .gives(|session| _ = session.update(|_| ()).unwrap(), PRIVATE, &[]);
        let there_and_back = |session: &mut Session<Login>| {
            update(session);
            let _ = session.update(|login| login.user = 7).unwrap();
        };
        app.visit(60).gives(there_and_back, PRIVATE, &[]);
        app.visit(60)
            .gives(|session| session.remember(false).unwrap(), PRIVATE, &[]);
        assert_eq!(app.seen.take(), vec![Event::PublicRemoved; 3]);
    }
}

#[test]
fn equal_bytes_renew_like_a_read() {
    let app = app();
    app.visit(600).gives(
        |session| _ = session.update(|_| ()).unwrap(),
        PRIVATE,
        &[&activity(2400)],
    );
}

#[test]
fn an_id_never_changes_its_kind_not_even_there_and_back() {
    let app = app();
    let there_and_back = |session: &mut Session<Login>| {
        let came = session.id();
        session.remember(true).unwrap();
        let drawn = session.id();
        assert_ne!(drawn, came);
        session.remember(false).unwrap();
        assert_eq!(session.id(), drawn, "no browser has it yet");
    };
    app.visit(600)
        .gives(there_and_back, NO_STORE, &[NEW_SESSION, &new_activity(2400)]);
    // The session that came has ended.
    app.visit(660).gives(
        |session| assert_eq!(session.state(), SessionState::Rejected(Reason::Revoked)),
        PRIVATE,
        &[],
    );
}

#[test]
fn a_session_that_starts_here_gets_its_kind_with_its_first_id() {
    let app = app();
    app.visit_with("", 0).gives(
        |session| {
            session.start(login(9)).unwrap();
            let id = session.id();
            session.remember(true).unwrap();
            session.remember(false).unwrap();
            assert_eq!(session.id(), id);
        },
        NO_STORE,
        &[NEW_SESSION, &new_activity(1800)],
    );
}

#[test]
fn a_refused_write_counts_as_a_read() {
    let app = app();
    let refused = |session: &mut Session<Login>| {
        let error = session.update(|login| login.note = "x".repeat(5000)).unwrap_err();
        assert!(matches!(error, WriteError::TooLarge { .. }));
    };
    app.visit(60).gives(refused, PRIVATE, &[]);
    let refused = |session: &mut Session<Login>| {
        let note = "x".repeat(5000);
        assert!(session.start(Login { user: 1, note }).is_err());
    };
    app.visit_with("__Host-id=x", 60).gives(refused, PRIVATE, &[]);
    app.visit_with("", 60).gives(refused, VARIED, &[]);
    let plain = app_with(|_| builder(ring()));
    plain.visit(60).gives(
        |session| assert_eq!(session.remember(true), Err(WriteError::RememberOff)),
        PRIVATE,
        &[],
    );
}

#[test]
fn a_write_without_a_session_counts_as_a_read() {
    let app = app();
    let writes: [fn(&mut Session<Login>); 4] = [
        |session| {
            let result = session.update::<()>(|_| panic!("there is nothing to update"));
            assert_eq!(result, Ok(Updated::NoSession));
        },
        |session| session.cycle_id().unwrap(),
        |session| session.remember(true).unwrap(),
        |session| session.touch().unwrap(),
    ];
    for write in writes {
        app.visit_with("", 0).gives(write, VARIED, &[]);
        app.visit_with("__Host-id=x", 0).gives(write, PRIVATE, &[]);
    }
}

#[test]
fn a_renewed_session_sends_the_activity_cookie_alone() {
    let app = app();
    app.visit(600)
        .gives(|session| _ = session.get(), PRIVATE, &[&activity(2400)]);
    let events = app.seen.take();
    assert!(
        matches!(events[..], [Event::Touched { .. }, Event::PublicRemoved]),
        "{events:?}"
    );
    app.visit(60)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[&activity(1860)]);
    // A write beside it leaves it due, before and after.
    let [before, after]: [fn(&mut Session<Login>); 2] = [
        |session| {
            session.touch().unwrap();
            update(session);
        },
        |session| {
            update(session);
            session.touch().unwrap();
        },
    ];
    for act in [before, after] {
        app.visit(60).gives(act, NO_STORE, &[SESSION, &activity(1860)]);
    }
}

#[test]
fn an_updated_session_sends_its_cookie_and_the_activity_cookie_if_due() {
    let app = app();
    app.visit(60).gives(update, NO_STORE, &[SESSION]);
    assert!(matches!(app.seen.take()[..], [Event::Updated { .. }]));
    app.visit(600).gives(update, NO_STORE, &[SESSION, &activity(2400)]);
    assert!(matches!(
        app.seen.take()[..],
        [Event::Updated { .. }, Event::Touched { .. }]
    ));
    app.visit(60).over(&[]).gives(
        update,
        &[("Cache-Control", "private, no-store"), ("Vary", "Cookie")],
        &[SESSION],
    );
}

#[test]
fn a_cycled_session_sends_both_cookies_under_a_new_id() {
    let app = app();
    app.visit(60).gives(
        |session| session.cycle_id().unwrap(),
        NO_STORE,
        &[NEW_SESSION, &new_activity(1860)],
    );
    let events = app.seen.take();
    assert!(
        matches!(events[..], [Event::Cycled { id, previous }] if id != previous),
        "{events:?}"
    );
}

#[test]
fn a_remembered_session_sends_both_cookies_to_be_kept() {
    let app = app();
    let until = 90 * DAY;
    let session = format!(
        "__Host-id=<session of a new id until +{until}>; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax",
        until - 60
    );
    let activity = format!(
        "__Host-id-seen=<activity of a new id until +{}>; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax",
        14 * DAY + 60,
        14 * DAY
    );
    app.visit(60).gives(
        |session| session.remember(true).unwrap(),
        NO_STORE,
        &[&session, &activity],
    );
}

#[test]
fn a_session_that_is_no_longer_remembered_sends_both_cookies_for_this_visit_only() {
    let app = app();
    let mut session = app.sessions.load_at(RequestFields::default(), after(0));
    session.start(login(7)).unwrap();
    session.remember(true).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    let app = App { cookies, ..app };
    app.visit(60).gives(
        |session| session.remember(false).unwrap(),
        NO_STORE,
        &[NEW_SESSION, &new_activity(1860)],
    );
}

#[test]
fn a_session_too_old_to_be_an_ordinary_one_stays_remembered_and_says_so() {
    let app = app();
    let mut session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    session.remember(true).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    app.visit_with(cookies, 43_200).gives(
        |session| {
            assert_eq!(session.remember(false), Err(WriteError::Expiry));
            assert!(session.is_remembered());
        },
        PRIVATE,
        &[],
    );
}

#[test]
fn a_started_session_sends_both_cookies() {
    let app = app();
    let start = |session: &mut Session<Login>| session.start(login(9)).unwrap();
    for cookies in ["", "__Host-id=rubbish", &app.cookies] {
        app.visit_with(cookies, 0)
            .gives(start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
        let events = app.seen.take();
        let started = events.iter().filter(|event| matches!(event, Event::Started { .. }));
        let revoked = events.iter().filter(|event| matches!(event, Event::Revoked { .. }));
        let came = usize::from(cookies == app.cookies);
        assert_eq!((started.count(), revoked.count()), (1, came), "{events:?}");
    }
    let everything = |session: &mut Session<Login>| {
        session.end().unwrap();
        session.start(login(9)).unwrap();
        update(session);
        session.cycle_id().unwrap();
    };
    app.visit(0)
        .gives(everything, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
}

#[test]
fn without_an_idle_timeout_there_is_no_second_cookie() {
    let app = app_with(|_| builder(ring()).lifetime(Lifetime::default().without_idle()));
    assert!(!app.cookies.contains("-seen"));
    app.visit_with("", 0)
        .gives(|session| session.start(login(9)).unwrap(), NO_STORE, &[NEW_SESSION]);
    app.visit(40_000)
        .gives(|session| session.cycle_id().unwrap(), NO_STORE, &[NEW_SESSION]);
    app.visit(40_000).gives(update, NO_STORE, &[SESSION]);
    app.visit(40_000)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    app.visit(40_000).gives(|session| _ = session.get(), PRIVATE, &[]);
}

#[test]
fn a_response_that_fails_or_takes_no_cookie_carries_no_write() {
    let app = app();
    for status in [100, 103, 199, 304, 500, 503, 599] {
        for write in WRITES {
            app.visit(600).answered(status).gives(write, PRIVATE, &[]);
            assert_eq!(
                app.seen.take(),
                [Event::WriteDiscarded { status }, Event::PublicRemoved]
            );
        }
        app.visit(600)
            .answered(status)
            .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
        app.visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        assert_eq!(app.seen.take(), [Event::PublicRemoved, Event::PublicRemoved]);
    }
}

#[test]
fn a_server_error_carries_writes_if_configured_but_never_a_renewal() {
    let app = app_with(|builder| builder.write_on_server_error(true).revoke_on_end(false));
    let both = [NEW_SESSION, &new_activity(2400)];
    app.visit(600).answered(500).gives(update, NO_STORE, &[SESSION]);
    app.visit(600)
        .answered(503)
        .gives(|session| session.cycle_id().unwrap(), NO_STORE, &both);
    let started = NEW_SESSION.replace("43200", "43800");
    app.visit(600).answered(500).gives(
        |session| session.start(login(9)).unwrap(),
        NO_STORE,
        &[&started, both[1]],
    );
    app.visit(600)
        .answered(500)
        .gives(|session| _ = session.get(), PRIVATE, &[]);
    app.visit(600)
        .answered(500)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    for status in [103, 304] {
        for write in WRITES {
            app.visit(600).answered(status).gives(write, PRIVATE, &[]);
        }
    }
}

#[test]
fn other_failures_are_responses_like_any_other() {
    let app = app();
    for status in [200, 201, 302, 303, 307, 400, 401, 404, 499] {
        app.visit(60).answered(status).gives(update, NO_STORE, &[SESSION]);
        app.visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[&activity(2400)]);
    }
}
