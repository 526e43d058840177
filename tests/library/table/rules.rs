//! Header fields that the application wrote before: which ones stay, change or go.

use super::*;

#[test]
fn several_vary_lines_become_one() {
    let app = app();
    let rows: [(Lines, Lines); 6] = [
        (&[], &[("Vary", "Cookie")]),
        (&[("vary", "cookie")], &[("vary", "cookie")]),
        (&[("Vary", "*")], &[("Vary", "*")]),
        (&[("Vary", "Accept"), ("Vary", "*")], &[("Vary", "*")]),
        (
            &[("Vary", "Accept"), ("vary", "accept, Cookie")],
            &[("Vary", "Accept, Cookie")],
        ),
        (&[("Vary", "Origin,Accept")], &[("Vary", "Origin, Accept, Cookie")]),
    ];
    for (before, expected) in rows {
        app.visit_with("", 0)
            .over(before)
            .gives(|session| _ = session.get(), expected, &[]);
    }
}

#[test]
fn the_field_in_vary_is_the_configured_one() {
    let app = app_with(|builder| builder.vary_field("X-Session-State"));
    let read = |session: &mut Session<Login>| _ = session.get();
    app.visit_with("", 0)
        .over(&[])
        .gives(read, &[("Vary", "X-Session-State")], &[]);
    let before = [("Vary", "Cookie")];
    app.visit_with("", 0)
        .over(&before)
        .gives(read, &[("Vary", "Cookie, X-Session-State")], &[]);
}

#[test]
fn targeted_fields_are_removed_unless_they_forbid_storing() {
    let app = app();
    let private: Lines = &[("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
    for (name, value) in [
        ("X-Accel-Expires", "60"),
        ("x-accel-expires", "@1800000000"),
        ("Surrogate-Control", "max-age=60"),
        ("Edge-Control", "!no-store, max-age=1d"),
        ("CDN-Cache-Control", "max-age=60"),
        ("Cloudflare-CDN-Cache-Control", "no-cache"),
        ("vercel-cdn-cache-control", "no-store, max-age=60"),
    ] {
        app.visit(60)
            .over(&[(name, value)])
            .gives(|session| _ = session.get(), private, &[]);
        app.visit_with("", 0).over(&[(name, value)]).gives(
            |session| _ = session.get(),
            &[(name, value), ("Vary", "Cookie")],
            &[],
        );
        app.visit(60)
            .over(&[(name, value)])
            .gives(|_| {}, &[(name, value)], &[]);
    }
    for (name, value) in [
        ("X-Accel-Expires", "0"),
        ("Surrogate-Control", "no-store"),
        ("Edge-Control", "no-store"),
        ("CDN-Cache-Control", "private"),
        ("Netlify-CDN-Cache-Control", "no-cache, NO-STORE"),
    ] {
        let expected = [private, &[(name, value)]].concat();
        app.visit(60)
            .over(&[(name, value)])
            .gives(|session| _ = session.get(), &expected, &[]);
    }
    let mixed = [("CDN-Cache-Control", "no-store"), ("cdn-cache-control", "max-age=60")];
    app.visit(60)
        .over(&mixed)
        .gives(|session| _ = session.get(), private, &[]);
}

#[test]
fn a_removed_public_is_an_event() {
    let app = app();
    for (before, told) in [
        (&[("Cache-Control", "public, max-age=60")][..], true),
        (&[("Cache-Control", "max-age=60"), ("cache-control", "PUBLIC")], true),
        (&[("Cache-Control", "s-maxage=60")], false),
        (&[("Cache-Control", "private")], false),
        (&[], false),
    ] {
        let session = app
            .sessions
            .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60));
        assert!(session.get().is_some());
        session.finish(200, &mut owned(before));
        let expected = if told { vec![Event::PublicRemoved] } else { vec![] };
        assert_eq!(app.seen.take(), expected, "{before:?}");
    }
}

#[test]
fn a_header_block_above_3_kib_is_an_event() {
    // Besides these bytes; the first answer tells them.
    let mut other = 0;
    for length in [0, 1000, 2000, 3072, 3073_usize] {
        let app = app();
        let mut session = app
            .sessions
            .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60));
        update(&mut session);
        let mut headers = vec![("X-Long".to_owned(), "x".repeat(length.saturating_sub(other)))];
        session.finish(200, &mut headers);
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let large = app.seen.take().into_iter().find_map(|event| match event {
            Event::LargeHeaderBlock { bytes } => Some(bytes),
            _ => None,
        });
        if length == 0 {
            other = size;
        }
        assert_eq!(size, length.max(other));
        assert_eq!(large, (size > 3072).then_some(size));
    }
}

#[test]
fn a_large_header_block_is_reported_once_for_each_build() {
    let app = app();
    let reported = || {
        let mut session = app
            .sessions
            .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60));
        update(&mut session);
        session.finish(200, &mut vec![("X-Long".to_owned(), "x".repeat(3000))]);
        let events = app.seen.take();
        let large = |event: &&Event| matches!(event, Event::LargeHeaderBlock { .. });
        events.iter().filter(large).count()
    };
    assert_eq!([reported(), reported(), reported()], [1, 0, 0]);
}

#[test]
fn a_large_header_block_without_our_cookie_is_not_our_concern() {
    let app = app();
    let session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60));
    assert!(session.get().is_some());
    session.finish(200, &mut vec![("X-Long".to_owned(), "x".repeat(5000))]);
    assert_eq!(app.seen.take(), []);
}

#[test]
fn an_earlier_cookie_of_our_name_is_replaced_and_others_are_kept() {
    let app = app();
    let before: Lines = &[
        ("Set-Cookie", "a=1"),
        ("set-cookie", "__Host-id=forged; Path=/; Secure"),
        ("Set-Cookie", " __Host-id = forged"),
        ("Set-Cookie", "__Host-id-seen=forged"),
        ("Set-Cookie", "__Host-id2=b; Path=/"),
        ("Set-Cookie", "x=__Host-id=c"),
        ("Set-Cookie", "__host-id=d"),
    ];
    let kept: Lines = &[
        ("Cache-Control", "private, no-store"),
        ("Vary", "Cookie"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "__Host-id2=b; Path=/"),
        ("Set-Cookie", "x=__Host-id=c"),
        ("Set-Cookie", "__host-id=d"),
    ];
    app.visit(60).over(before).gives(
        |session| session.start(login(9)).unwrap(),
        kept,
        &[&NEW_SESSION.replace("43200", "43260"), &new_activity(1860)],
    );
    app.visit(60)
        .over(before)
        .gives(|session| session.end().unwrap(), kept, &[ACTIVITY_REMOVED, REMOVED]);
    app.visit(60).over(before).gives(|_| {}, before, &[]);
}

#[test]
fn where_no_cookie_is_sent_all_that_are_there_stay() {
    let app = app();
    let before: Lines = &[
        ("Set-Cookie", "__Host-id=1"),
        ("Set-Cookie", "__Host-id=2; Path=/"),
        ("Set-Cookie", "__Host-id-seen=3"),
    ];
    let private: Lines = &[("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
    app.visit(60).over(before).gives(
        |session| assert!(session.get().is_some()),
        &[private, before].concat(),
        &[],
    );
    let no_store: Lines = &[("Cache-Control", "private, no-store"), ("Vary", "Cookie")];
    app.visit(60)
        .over(before)
        .gives(update, &[no_store, &before[2..]].concat(), &[SESSION]);
}

#[test]
fn a_patch_applied_twice_changes_nothing_more() {
    let app = app();
    let mut session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(600));
    update(&mut session);
    let patch = session.finish_patch(200);
    let mut once = owned(BEFORE);
    patch.apply(&mut once);
    let mut twice = once.clone();
    patch.apply(&mut twice);
    assert_eq!(sorted(twice), sorted(once));
}
