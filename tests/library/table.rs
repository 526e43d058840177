//! The table of states: what the response gets, for each way in which a request can leave its session.
//!
//! Every test states the complete header block. Lines are compared in the order of their names, and lines of one name
//! in the order of the block. A token is written as the claims that it makes.
mod late;
mod renewal;
mod rules;
mod writes;

use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionState, Sessions, Updated, WriteError,
};
use serde::{Deserialize, Serialize};

use super::builder;
use testkit::{DAY, START, Seen, after, answered, key, ring, unseen};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Login {
    user: u32,
    note: String,
}

fn login(user: u32) -> Login {
    Login {
        user,
        note: String::new(),
    }
}

type Lines<'a> = &'a [(&'a str, &'a str)];

/// The lines that the application wrote, and below what the rules of the table make of them.
const BEFORE: Lines = &[
    ("Content-Type", "text/html"),
    ("Cache-Control", "Public, max-age=60"),
    ("Cache-Control", "s-maxage=600"),
    ("Vary", "Accept-Encoding"),
    ("Vary", "Accept"),
    ("X-Accel-Expires", "60"),
    ("cdn-cache-control", "max-age=60"),
    ("Surrogate-Control", "no-store"),
    ("Set-Cookie", "theme=dark; Path=/"),
];
const VARIED: Lines = &[
    ("Content-Type", "text/html"),
    ("Cache-Control", "Public, max-age=60"),
    ("Cache-Control", "s-maxage=600"),
    ("Vary", "Accept-Encoding, Accept, Cookie"),
    ("X-Accel-Expires", "60"),
    ("cdn-cache-control", "max-age=60"),
    ("Surrogate-Control", "no-store"),
    ("Set-Cookie", "theme=dark; Path=/"),
];
const PRIVATE: Lines = &[
    ("Content-Type", "text/html"),
    ("Cache-Control", "private, max-age=60"),
    ("Vary", "Accept-Encoding, Accept, Cookie"),
    ("Surrogate-Control", "no-store"),
    ("Set-Cookie", "theme=dark; Path=/"),
];
const NO_STORE: Lines = &[
    ("Content-Type", "text/html"),
    ("Cache-Control", "private, no-store"),
    ("Vary", "Accept-Encoding, Accept, Cookie"),
    ("Surrogate-Control", "no-store"),
    ("Set-Cookie", "theme=dark; Path=/"),
];

const SESSION: &str = "__Host-id=<session of the same id until +43200>; Path=/; Secure; HttpOnly; SameSite=Lax";
const NEW_SESSION: &str = "__Host-id=<session of a new id until +43200>; Path=/; Secure; HttpOnly; SameSite=Lax";
const REMOVED: &str =
    "__Host-id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax";
const ACTIVITY_REMOVED: &str =
    "__Host-id-seen=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax";

fn activity(until: u64) -> String {
    format!("__Host-id-seen=<activity of the same id until +{until}>; Path=/; Secure; HttpOnly; SameSite=Lax")
}

fn new_activity(until: u64) -> String {
    format!("__Host-id-seen=<activity of a new id until +{until}>; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// Sessions with 30 minutes idle and 12 hours absolute, or 14 and 90 days if remembered.
struct App {
    sessions: Sessions<Login>,
    seen: Seen,
    /// The cookies of a browser that signed in at `START` as user 7.
    cookies: String,
}

fn app_with(configure: impl FnOnce(Builder<Login>) -> Builder<Login>) -> App {
    let seen = Seen::default();
    let builder = builder(ring())
        .remembered(Lifetime::absolute(days(90)).idle(days(14)))
        .clock(|| after(0))
        .observer(seen.observer());
    let sessions = configure(builder).build().unwrap();
    let cookies = sessions.cookie_for_at(login(7), after(0)).unwrap();
    seen.take();
    App {
        sessions,
        seen,
        cookies,
    }
}

fn app() -> App {
    app_with(|builder| builder)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

/// One request and its response. Another request with the same fields came just before.
struct Visit<'a> {
    app: &'a App,
    fields: [RequestFields; 2],
    after: u64,
    status: u16,
    before: Lines<'a>,
}

impl App {
    /// A request of the browser that signed in.
    fn visit(&self, after: u64) -> Visit<'_> {
        self.visit_with(self.cookies.clone(), after)
    }

    fn visit_with(&self, cookies: impl Into<String>, after: u64) -> Visit<'_> {
        let cookies = cookies.into();
        Visit {
            app: self,
            fields: [(); 2].map(|()| RequestFields::from_cookies([cookies.clone()])),
            after,
            status: 200,
            before: BEFORE,
        }
    }
}

impl<'a> Visit<'a> {
    fn answered(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn over(self, before: Lines<'a>) -> Self {
        Self { before, ..self }
    }

    fn with(self, change: impl Fn(RequestFields) -> RequestFields) -> Self {
        Self {
            fields: self.fields.map(change),
            ..self
        }
    }

    /// Serves the request, and compares the header block with these lines and cookies.
    #[track_caller]
    fn gives(self, act: impl FnOnce(&mut Session<Login>), lines: Lines, cookies: &[&str]) {
        let [before, mut session] = self
            .fields
            .map(|fields| self.app.sessions.load_at(fields, after(self.after)));
        unseen(|| _ = before.peek());
        act(&mut session);
        let mut headers = owned(self.before);
        session.finish(self.status, &mut headers);
        let mut expected = owned(lines);
        expected.extend(cookies.iter().map(|line| ("Set-Cookie".into(), (*line).into())));
        assert_eq!(sorted(described(headers, self.app)), sorted(expected));
    }
}

fn owned(lines: Lines) -> Vec<(String, String)> {
    lines.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn sorted(mut lines: Vec<(String, String)>) -> Vec<(String, String)> {
    lines.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    lines
}

/// With every token replaced by its claims.
fn described(mut lines: Vec<(String, String)>, app: &App) -> Vec<(String, String)> {
    let (_, first) = app.cookies.split_once('=').unwrap();
    let known = Claims::parse(first.split(';').next().unwrap()).unwrap().session_id;
    for (_, line) in lines.iter_mut().filter(|(name, _)| name == "Set-Cookie") {
        let Some((pair, attributes)) = line.split_once(';') else {
            continue;
        };
        let (name, value) = pair.split_once('=').unwrap();
        let Ok(claims) = Claims::parse(value) else {
            continue;
        };
        let kind = if claims.is_activity { "activity" } else { "session" };
        let whose = if claims.session_id == known {
            "the same"
        } else {
            "a new"
        };
        let until = u64::from(claims.expires) - START;
        *line = format!("{name}=<{kind} of {whose} id until +{until}>;{attributes}");
    }
    lines
}

fn update(session: &mut Session<Login>) {
    assert_eq!(session.update(|login| login.user = 8), Ok(Updated::Done(())));
}

const WRITES: [fn(&mut Session<Login>); 4] = [
    update,
    |session| session.cycle_id().unwrap(),
    |session| session.remember(true).unwrap(),
    |session| session.start(login(9)).unwrap(),
];

// ---- reads

#[test]
fn an_untouched_session_leaves_the_response_alone() {
    let app = app();
    for status in [200, 204, 302, 304, 404, 500, 103] {
        app.visit(1000).answered(status).gives(|_| {}, BEFORE, &[]);
        app.visit_with("", 0).answered(status).gives(|_| {}, BEFORE, &[]);
        app.visit_with("__Host-id=rubbish", 0)
            .answered(status)
            .gives(|_| {}, BEFORE, &[]);
    }
    app.visit(1000).over(&[]).gives(|_| {}, &[], &[]);
    assert_eq!(app.seen.take(), [], "no cryptography, so nothing to tell");
}

#[test]
fn a_peek_leaves_the_response_alone() {
    let app = app();
    app.visit(1000)
        .gives(|session| assert_eq!(session.peek().unwrap().user, 7), BEFORE, &[]);
    app.visit_with("a=b", 0)
        .gives(|session| assert!(session.peek().is_none()), BEFORE, &[]);
    app.visit_with("__Host-id=x", 0)
        .gives(|session| assert!(session.peek().is_none()), BEFORE, &[]);
}

#[test]
fn a_read_without_a_cookie_of_ours_depends_on_cookies_only() {
    let app = app();
    for cookies in ["", "theme=dark", "__Host-id-seen=x", "__host-id=x"] {
        app.visit_with(cookies, 0).gives(
            |session| {
                assert!(session.get().is_none());
                assert_eq!(session.state(), SessionState::Absent);
            },
            VARIED,
            &[],
        );
    }
    app.visit_with("", 0)
        .over(&[])
        .gives(|session| _ = session.get(), &[("Vary", "Cookie")], &[]);
}

/// Whatever ended the session, no cookie is deleted, and the response is private.
#[track_caller]
fn assert_dead(app: &App, cookies: &str, after: u64, reason: Reason) {
    let read = |session: &mut Session<Login>| {
        assert!(session.get().is_none());
        assert_eq!(session.state(), SessionState::Rejected(reason));
    };
    app.visit_with(cookies, after).gives(read, PRIVATE, &[]);
    let bare = [("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
    app.visit_with(cookies, after).over(&[]).gives(read, &bare, &[]);
}

#[test]
fn a_read_of_a_dead_session_makes_the_response_private() {
    let app = app();
    let (session, activity) = app.cookies.split_once("; ").unwrap();
    assert_dead(&app, "__Host-id=", 0, Reason::Malformed);
    assert_dead(&app, "__Host-id=no+token", 0, Reason::Malformed);
    assert_dead(&app, "__Host-id=AAAA", 0, Reason::UnknownVersion);
    assert_dead(&app, &app.cookies, 43_200, Reason::Expired);
    assert_dead(&app, &app.cookies, 1800, Reason::Idle);
    assert_dead(&app, session, 0, Reason::Idle);
    assert_dead(&app, &format!("{session}; {activity}x"), 0, Reason::Idle);
    let altered = if session.ends_with('A') { "Q" } else { "A" };
    let altered = format!("{}{altered}; {activity}", &session[..session.len() - 1]);
    assert_dead(&app, &altered, 0, Reason::Damaged);
    let stranger = builder(KeyRing::new(key(2))).build().unwrap();
    let strange = stranger.cookie_for_at(login(7), after(0)).unwrap();
    assert_dead(&app, &strange, 0, Reason::UnknownKey);
    let neighbour = builder(ring()).audience("blog").build().unwrap();
    let strange = neighbour.cookie_for_at(login(7), after(0)).unwrap();
    assert_dead(&app, &strange, 0, Reason::NotOurs);
}

#[test]
fn of_several_refused_cookies_the_reason_is_that_of_the_one_that_got_furthest() {
    let now = 43_200;
    let app = app_with(|builder| {
        builder
            .clock(move || after(now))
            .refuse_if(|opened| opened.data.user == 13)
    });
    let at_now = |sessions: &Sessions<Login>, user| sessions.cookie_for_at(login(user), after(now)).unwrap();
    let id = |cookies: &str| {
        let session = app
            .sessions
            .load_at(RequestFields::from_cookies([cookies.to_owned()]), after(now));
        session.id().unwrap()
    };
    let stranger = builder(KeyRing::new(key(2))).build().unwrap();
    let neighbour = builder(ring()).audience("blog").build().unwrap();
    let other_type = builder(ring()).build().unwrap();
    let whole = at_now(&app.sessions, 7);
    let (session, _activity) = whole.split_once("; ").unwrap();
    let damaged = format!("{}AAAAAAAA", &session[..session.len() - 8]);
    let revoked = at_now(&app.sessions, 7);
    app.sessions.revoke(id(&revoked));
    // In the order of SPEC.md's table.
    let refused = [
        (Reason::Malformed, "__Host-id=no+token".to_owned()),
        (Reason::UnknownVersion, "__Host-id=AAAA".to_owned()),
        (Reason::Expired, app.cookies.clone()),
        (Reason::UnknownKey, at_now(&stranger, 7)),
        (Reason::NotOurs, at_now(&neighbour, 7)),
        (Reason::Damaged, damaged),
        (Reason::Revoked, revoked),
        (Reason::Idle, session.to_owned()),
        (Reason::Payload, other_type.cookie_for_at(7, after(now)).unwrap()),
        (Reason::Refused, at_now(&app.sessions, 13)),
    ];
    let reported = |cookies: &str| {
        app.seen.take();
        let session = app
            .sessions
            .load_at(RequestFields::from_cookies([cookies.to_owned()]), after(now));
        let state = session.state();
        let event = app.seen.take().into_iter().find_map(|event| match event {
            Event::Rejected { reason, id, .. } => Some((reason, id.is_some())),
            _ => None,
        });
        (state, event)
    };
    for (at, (further, one)) in refused.iter().enumerate() {
        let expected = (
            SessionState::Rejected(*further),
            Some((*further, *further > Reason::Damaged)),
        );
        for (reason, other) in &refused[..=at] {
            for cookies in [format!("{one}; {other}"), format!("{other}; {one}")] {
                assert_eq!(reported(&cookies), expected, "with one that is {reason:?}");
            }
        }
    }
}

#[test]
fn a_read_of_a_revoked_session_makes_the_response_private() {
    let app = app();
    let session = app
        .sessions
        .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0));
    app.sessions.revoke(session.id().unwrap());
    assert_dead(&app, &app.cookies, 0, Reason::Revoked);

    let app = self::app();
    app.sessions.raise_cut_off(after(1));
    assert_dead(&app, &app.cookies, 0, Reason::Revoked);
}

#[test]
fn a_read_of_a_valid_session_makes_the_response_private() {
    let app = app();
    let reads: [fn(&mut Session<Login>); 7] = [
        |session| assert_eq!(session.get(), Some(&login(7))),
        |session| assert_eq!(session.state(), SessionState::Valid),
        |session| assert!(session.id().is_some()),
        |session| assert_eq!(session.started(), Some(after(0))),
        |session| assert_eq!(session.expires(), Some(after(43_200))),
        |session| assert!(!session.is_remembered()),
        |session| assert!(session.clone().get().is_some()),
    ];
    for read in reads {
        app.visit(60).gives(read, PRIVATE, &[]);
        let bare = [("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
        app.visit(60).over(&[]).gives(read, &bare, &[]);
    }
}

#[test]
fn reading_as_the_session_goes_by_is_still_reading() {
    let app = app();
    app.visit(60)
        .gives(|session| _ = (session.peek(), session.get()), PRIVATE, &[]);
    app.visit(60)
        .gives(|session| _ = (session.get(), session.peek()), PRIVATE, &[]);
}

#[test]
fn what_is_private_already_stays_as_it_is() {
    let app = app();
    let before: Lines = &[("cache-control", "private, max-age=5"), ("vary", "Cookie")];
    let expected: Lines = &[("Cache-Control", "private, max-age=5"), ("vary", "Cookie")];
    app.visit(60)
        .over(before)
        .gives(|session| _ = session.get(), expected, &[]);
}

// ---- sign-outs

#[test]
fn a_cleared_session_removes_both_cookies() {
    for cookies in [Some(""), Some("__Host-id=rubbish"), None] {
        for status in [200, 303, 304, 500, 103] {
            let app = app();
            let cookies = cookies.unwrap_or(&app.cookies);
            app.visit_with(cookies, 0).answered(status).gives(
                |session| {
                    session.end().unwrap();
                    assert!(session.get().is_none());
                    assert_eq!(session.state(), SessionState::Ended);
                },
                NO_STORE,
                &[ACTIVITY_REMOVED, REMOVED],
            );
        }
    }
    let app = app();
    app.visit(0).gives(
        |session| {
            update(session);
            session.touch().unwrap();
            session.end().unwrap();
        },
        NO_STORE,
        &[ACTIVITY_REMOVED, REMOVED],
    );
    let events = app.seen.take();
    assert!(
        matches!(events[..], [Event::Revoked { id }, Event::Ended { id: Some(cleared) }] if id == cleared),
        "{events:?}"
    );
}

#[test]
fn a_sign_out_is_sent_even_if_what_was_started_after_it_is_not() {
    let again = |session: &mut Session<Login>| {
        session.end().unwrap();
        session.start(login(9)).unwrap();
    };
    for status in [103, 304, 500] {
        let app = app();
        let visit = app.visit(600).answered(status);
        visit.gives(again, NO_STORE, &[ACTIVITY_REMOVED, REMOVED]);
        let events = app.seen.take();
        assert!(
            matches!(
                events[..],
                [
                    Event::Revoked { .. },
                    Event::WriteDiscarded { .. },
                    Event::Ended { id: Some(_) }
                ]
            ),
            "{events:?}"
        );
    }
}

#[test]
fn a_session_revoked_while_the_request_ran_is_not_carried_on() {
    let writes = WRITES[..3]
        .iter()
        .chain(&[(|session| _ = session.get()) as fn(&mut Session<Login>)]);
    for write in writes {
        let app = app();
        let revoke = |session: &mut Session<Login>| {
            write(session);
            let id = app
                .sessions
                .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(0))
                .id();
            app.sessions.revoke(id.unwrap());
        };
        app.visit(600).gives(revoke, PRIVATE, &[]);
        app.visit(600)
            .gives(|session| assert!(session.get().is_none()), PRIVATE, &[]);
    }
}

#[test]
fn a_start_in_a_request_whose_session_ended_meanwhile_is_sent_only_after_its_own_sign_out() {
    let ends: [fn(&App, &Session<Login>); 2] = [
        |app, session| app.sessions.revoke(session.id().unwrap()),
        |app, _| app.sessions.raise_cut_off(after(1)),
    ];
    for end in ends {
        let app = app();
        let start = |session: &mut Session<Login>| {
            assert!(session.get().is_some());
            end(&app, session);
            session.start(login(9)).unwrap();
        };
        app.visit(60).gives(start, PRIVATE, &[]);
        let events = app.seen.take();
        let told = |event: &Event| matches!(event, Event::EndedMeanwhile { .. });
        assert!(events.iter().any(told), "{events:?}");
    }
    let app = app();
    let clear_and_start = |session: &mut Session<Login>| {
        session.end().unwrap();
        session.start(login(9)).unwrap();
    };
    app.visit(0)
        .gives(clear_and_start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
    // A session that had ended before the request belongs to no visitor: the sign-in over it counts.
    let start = |session: &mut Session<Login>| session.start(login(9)).unwrap();
    app.visit(0).gives(start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
}

#[test]
fn a_sign_out_ends_copies_and_running_writes_unless_it_is_switched_off() {
    for revokes in [false, true] {
        let app = app_with(|builder| builder.revoke_on_end(revokes));
        let load = || {
            app.sessions
                .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60))
        };
        let mut running = load();
        update(&mut running);
        let mut session = load();
        session.end().unwrap();
        let lines = session.finish_patch(200);
        assert_eq!(lines.set_cookies().count(), 2);
        let brought_back = running.finish_patch(200).set_cookies().count() > 0;
        assert_eq!(brought_back, !revokes);
        assert_eq!(load().get().is_some(), !revokes, "a copy");
        let revoked = |event: &Event| matches!(event, Event::Revoked { .. });
        assert_eq!(app.seen.take().iter().any(revoked), revokes);
    }
}

#[test]
fn a_sign_out_asks_for_an_empty_cache_only_if_configured() {
    let cleared = |app: &App| {
        let mut session = app
            .sessions
            .load_at(RequestFields::from_cookies([app.cookies.clone()]), after(60));
        session.end().unwrap();
        let mut lines = vec![("clear-site-data".to_owned(), "\"cookies\"".to_owned())];
        session.finish(303, &mut lines);
        lines.retain(|(name, _)| name.eq_ignore_ascii_case("Clear-Site-Data"));
        lines
    };
    let line = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(cleared(&app()), line("clear-site-data", "\"cookies\""));
    let configured = app_with(|builder| builder.clear_site_data(true));
    // The application's own field stays: it may ask for more.
    let both = [
        line("clear-site-data", "\"cookies\""),
        line("Clear-Site-Data", "\"cache\", \"storage\""),
    ];
    assert_eq!(cleared(&configured), both.concat());
    app_with(|builder| builder.clear_site_data(true))
        .visit(60)
        .gives(update, NO_STORE, &[SESSION]);
}
