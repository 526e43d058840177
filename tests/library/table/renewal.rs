//! When a response renews the activity cookie.

use super::*;

/// A read renews from so many seconds after the start on, and not one second earlier.
#[track_caller]
fn assert_renews_from(idle: u64, threshold: u64) {
    let app = app_with(|_| builder(ring()).lifetime(Lifetime::absolute(days(400)).idle(Duration::from_secs(idle))));
    let read = |session: &mut Session<Login>| assert!(session.get().is_some());
    app.visit(threshold - 1).gives(read, PRIVATE, &[]);
    app.visit(threshold)
        .gives(read, PRIVATE, &[&activity(threshold + idle)]);
}

#[test]
fn renewal_is_due_after_a_tenth_of_the_idle_timeout_within_bounds() {
    assert_renews_from(1800, 180);
    assert_renews_from(3600, 360);
    assert_renews_from(300, 60);
    assert_renews_from(600, 60);
    assert_renews_from(120, 60);
    assert_renews_from(119, 59);
    assert_renews_from(10, 5);
    assert_renews_from(2, 1);
    assert_renews_from(9 * DAY, 9 * DAY / 10);
    assert_renews_from(10 * DAY, DAY);
    assert_renews_from(300 * DAY, DAY);
}

#[test]
fn renewal_does_not_go_beyond_the_absolute_timeout() {
    let app = app_with(|_| builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(2000))));
    let read = |session: &mut Session<Login>| assert!(session.get().is_some());
    app.visit(179).gives(read, PRIVATE, &[]);
    app.visit(1000).gives(read, PRIVATE, &[&activity(2000)]);
    // The last renewal is due however short its step is: a session in use lasts until its absolute timeout.
    let app = app_with(|_| builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(1979))));
    app.visit(178).gives(read, PRIVATE, &[]);
    app.visit(179).gives(read, PRIVATE, &[&activity(1979)]);
    app.visit(1799).gives(read, PRIVATE, &[&activity(1979)]);
    let app = app_with(|_| builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(1800))));
    app.visit(1799).gives(read, PRIVATE, &[]);
}

#[test]
fn a_prefetch_renews_nothing() {
    let app = app();
    for purpose in ["prefetch", "prefetch;prerender", "Prefetch", " prefetch"] {
        let prefetch = |fields: RequestFields| fields.with_sec_purpose(purpose);
        app.visit(600)
            .with(prefetch)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        app.visit(600).with(prefetch).gives(update, NO_STORE, &[SESSION]);
    }
    app.visit(600).with(|fields| fields.with_sec_purpose("other")).gives(
        |session| _ = session.get(),
        PRIVATE,
        &[&activity(2400)],
    );
}

#[test]
fn a_hook_narrows_what_counts_as_activity() {
    let app = app_with(|builder| {
        builder.touch_if(|fields| {
            fields.sec_fetch_dest() == Some("document") && fields.sec_fetch_site() == Some("same-origin")
        })
    });
    let read = |session: &mut Session<Login>| _ = session.get();
    let document = |fields: RequestFields| {
        fields
            .with_sec_fetch_dest("document")
            .with_sec_fetch_site("same-origin")
    };
    app.visit(600).gives(read, PRIVATE, &[]);
    app.visit(600)
        .with(|fields| fields.with_sec_fetch_dest("document"))
        .gives(read, PRIVATE, &[]);
    app.visit(600).with(document).gives(read, PRIVATE, &[&activity(2400)]);
    app.visit(600)
        .with(|fields| document(fields).with_sec_purpose("prefetch"))
        .gives(read, PRIVATE, &[]);
    app.visit(600)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[&activity(2400)]);
}

#[test]
fn requests_of_scripts_count_as_activity() {
    let app = app();
    app.visit(600).with(|fields| fields.with_sec_fetch_dest("empty")).gives(
        |session| _ = session.get(),
        PRIVATE,
        &[&activity(2400)],
    );
}

#[test]
fn no_response_but_a_final_and_fresh_one_renews() {
    let app = app();
    for status in [100, 101, 103, 304, 500, 502] {
        app.visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        app.visit(600)
            .answered(status)
            .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    }
    app.visit(600).gives(|_| {}, BEFORE, &[]);
    app.visit(600).gives(|session| _ = session.peek(), BEFORE, &[]);
}
