//! The table of states: what each way in which a request can leave its session does to the response.
//!
//! Every test states the complete header block. Lines are compared in the order of their names, several lines of one
//! name in the order in which they stand; tokens are written as what they claim.
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionState, Sessions, Updated, WriteError,
};
use serde::{Deserialize, Serialize};

use testkit::{DAY, START, Seen, after, answered, key, ring};

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

/// What the application wrote, and what the rules of the table make of it.
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

/// Sessions with 30 minutes idle, 12 hours absolute, 14 and 90 days if remembered.
struct House {
    sessions: Sessions<Login>,
    seen: Seen,
    /// A browser that signed in at `START` as user 7.
    cookies: String,
}

fn house_with(configure: impl FnOnce(Builder<Login>) -> Builder<Login>) -> House {
    let seen = Seen::default();
    let builder = Sessions::builder(ring())
        .remembered(Lifetime::absolute(days(90)).idle(days(14)))
        .clock(|| after(0))
        .observer(seen.observer());
    let sessions = configure(builder).build().unwrap();
    let cookies = sessions.cookie_for_at(login(7), after(0)).unwrap();
    seen.take();
    House {
        sessions,
        seen,
        cookies,
    }
}

fn house() -> House {
    house_with(|builder| builder)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

/// One request and its response.
struct Visit<'a> {
    house: &'a House,
    fields: RequestFields,
    after: u64,
    status: u16,
    before: Lines<'a>,
}

impl House {
    /// A request of the browser that is signed in.
    fn visit(&self, after: u64) -> Visit<'_> {
        self.visit_with(self.cookies.clone(), after)
    }

    fn visit_with(&self, cookies: impl Into<String>, after: u64) -> Visit<'_> {
        Visit {
            house: self,
            fields: RequestFields::from_cookies([cookies.into()]),
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

    fn with(self, change: impl FnOnce(RequestFields) -> RequestFields) -> Self {
        Self {
            fields: change(self.fields),
            ..self
        }
    }

    /// Serves the request, and compares the header block with these lines and cookies.
    #[track_caller]
    fn gives(self, act: impl FnOnce(&mut Session<Login>), lines: Lines, cookies: &[&str]) {
        let mut session = self.house.sessions.load_at(self.fields, after(self.after));
        act(&mut session);
        let mut headers = owned(self.before);
        session.finish(self.status, &mut headers);
        let mut expected = owned(lines);
        expected.extend(cookies.iter().map(|line| ("Set-Cookie".into(), (*line).into())));
        assert_eq!(sorted(described(headers, self.house)), sorted(expected));
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
fn described(mut lines: Vec<(String, String)>, house: &House) -> Vec<(String, String)> {
    let (_, first) = house.cookies.split_once('=').unwrap();
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

// ---- rows without a write

#[test]
fn an_untouched_session_leaves_the_response_alone() {
    let house = house();
    for status in [200, 204, 302, 304, 404, 500, 103] {
        house.visit(1000).answered(status).gives(|_| {}, BEFORE, &[]);
        house.visit_with("", 0).answered(status).gives(|_| {}, BEFORE, &[]);
        house
            .visit_with("__Host-id=rubbish", 0)
            .answered(status)
            .gives(|_| {}, BEFORE, &[]);
    }
    house.visit(1000).over(&[]).gives(|_| {}, &[], &[]);
    assert_eq!(house.seen.take(), [], "no cryptography, so nothing to tell");
}

#[test]
fn a_peek_leaves_the_response_alone() {
    let house = house();
    house
        .visit(1000)
        .gives(|session| assert_eq!(session.peek().unwrap().user, 7), BEFORE, &[]);
    house
        .visit_with("a=b", 0)
        .gives(|session| assert!(session.peek().is_none()), BEFORE, &[]);
    house
        .visit_with("__Host-id=x", 0)
        .gives(|session| assert!(session.peek().is_none()), BEFORE, &[]);
}

#[test]
fn a_read_without_a_cookie_of_ours_depends_on_cookies_only() {
    let house = house();
    for cookies in ["", "theme=dark", "__Host-id-seen=x", "__host-id=x"] {
        house.visit_with(cookies, 0).gives(
            |session| {
                assert!(session.get().is_none());
                assert_eq!(session.state(), SessionState::Absent);
            },
            VARIED,
            &[],
        );
    }
    house
        .visit_with("", 0)
        .over(&[])
        .gives(|session| _ = session.get(), &[("Vary", "Cookie")], &[]);
}

/// However the session is dead: nothing is deleted, and the response is not for others.
#[track_caller]
fn assert_dead(house: &House, cookies: &str, after: u64, reason: Reason) {
    let read = |session: &mut Session<Login>| {
        assert!(session.get().is_none());
        assert_eq!(session.state(), SessionState::Rejected(reason));
    };
    house.visit_with(cookies, after).gives(read, PRIVATE, &[]);
    let bare = [("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
    house.visit_with(cookies, after).over(&[]).gives(read, &bare, &[]);
}

#[test]
fn a_read_of_a_dead_session_makes_the_response_private() {
    let house = house();
    let (session, activity) = house.cookies.split_once("; ").unwrap();
    assert_dead(&house, "__Host-id=", 0, Reason::Malformed);
    assert_dead(&house, "__Host-id=no+token", 0, Reason::Malformed);
    assert_dead(&house, "__Host-id=AAAA", 0, Reason::UnknownVersion);
    assert_dead(&house, &house.cookies, 43_200, Reason::Expired);
    assert_dead(&house, &house.cookies, 1800, Reason::Idle);
    assert_dead(&house, session, 0, Reason::Idle);
    assert_dead(&house, &format!("{session}; {activity}x"), 0, Reason::Idle);
    let altered = if session.ends_with('A') { "Q" } else { "A" };
    let altered = format!("{}{altered}; {activity}", &session[..session.len() - 1]);
    assert_dead(&house, &altered, 0, Reason::Damaged);
    let stranger = Sessions::builder(KeyRing::new(key(2))).build().unwrap();
    let strange = stranger.cookie_for_at(login(7), after(0)).unwrap();
    assert_dead(&house, &strange, 0, Reason::UnknownKey);
    let neighbour = Sessions::builder(ring()).audience("blog").build().unwrap();
    let strange = neighbour.cookie_for_at(login(7), after(0)).unwrap();
    assert_dead(&house, &strange, 0, Reason::NotOurs);
}

#[test]
fn of_several_refused_cookies_the_reason_is_that_of_the_one_that_got_furthest() {
    let now = 43_200;
    let house = house_with(|builder| {
        builder
            .clock(move || after(now))
            .refuse_if(|opened| opened.data.user == 13)
    });
    let at_now = |sessions: &Sessions<Login>, user| sessions.cookie_for_at(login(user), after(now)).unwrap();
    let id = |cookies: &str| {
        let session = house
            .sessions
            .load_at(RequestFields::from_cookies([cookies.to_owned()]), after(now));
        session.id().unwrap()
    };
    let stranger = Sessions::builder(KeyRing::new(key(2))).build().unwrap();
    let neighbour = Sessions::builder(ring()).audience("blog").build().unwrap();
    let other_type = Sessions::builder(ring()).build().unwrap();
    let whole = at_now(&house.sessions, 7);
    let (session, _activity) = whole.split_once("; ").unwrap();
    let damaged = format!("{}AAAAAAAA", &session[..session.len() - 8]);
    let revoked = at_now(&house.sessions, 7);
    house.sessions.revoke(id(&revoked));
    // In the order of SPEC.md's table.
    let refused = [
        (Reason::Malformed, "__Host-id=no+token".to_owned()),
        (Reason::UnknownVersion, "__Host-id=AAAA".to_owned()),
        (Reason::Expired, house.cookies.clone()),
        (Reason::UnknownKey, at_now(&stranger, 7)),
        (Reason::NotOurs, at_now(&neighbour, 7)),
        (Reason::Damaged, damaged),
        (Reason::Revoked, revoked),
        (Reason::Idle, session.to_owned()),
        (Reason::Payload, other_type.cookie_for_at(7, after(now)).unwrap()),
        (Reason::Refused, at_now(&house.sessions, 13)),
    ];
    let reported = |cookies: &str| {
        house.seen.take();
        let session = house
            .sessions
            .load_at(RequestFields::from_cookies([cookies.to_owned()]), after(now));
        let state = session.state();
        let event = house.seen.take().into_iter().find_map(|event| match event {
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
    let house = house();
    let session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    house.sessions.revoke(session.id().unwrap());
    assert_dead(&house, &house.cookies, 0, Reason::Revoked);

    let house = self::house();
    house.sessions.raise_cut_off(after(1));
    assert_dead(&house, &house.cookies, 0, Reason::Revoked);
}

#[test]
fn a_read_of_a_valid_session_makes_the_response_private() {
    let house = house();
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
        house.visit(60).gives(read, PRIVATE, &[]);
        let bare = [("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
        house.visit(60).over(&[]).gives(read, &bare, &[]);
    }
}

#[test]
fn reading_as_the_session_goes_by_is_still_reading() {
    let house = house();
    house
        .visit(60)
        .gives(|session| _ = (session.peek(), session.get()), PRIVATE, &[]);
    house
        .visit(60)
        .gives(|session| _ = (session.get(), session.peek()), PRIVATE, &[]);
}

#[test]
fn what_is_private_already_stays_as_it_is() {
    let house = house();
    let before: Lines = &[("cache-control", "private, max-age=5"), ("vary", "Cookie")];
    let expected: Lines = &[("Cache-Control", "private, max-age=5"), ("vary", "Cookie")];
    house
        .visit(60)
        .over(before)
        .gives(|session| _ = session.get(), expected, &[]);
}

// ---- writes

#[test]
fn equal_bytes_are_no_write() {
    for pad_to in [1, 64, 1000] {
        let house = house_with(|builder| builder.pad_to(pad_to));
        house
            .visit(60)
            .gives(|session| _ = session.update(|_| ()).unwrap(), PRIVATE, &[]);
        let there_and_back = |session: &mut Session<Login>| {
            update(session);
            let _ = session.update(|login| login.user = 7).unwrap();
        };
        house.visit(60).gives(there_and_back, PRIVATE, &[]);
        house
            .visit(60)
            .gives(|session| session.remember(false).unwrap(), PRIVATE, &[]);
        assert_eq!(house.seen.take(), vec![Event::PublicRemoved; 3]);
    }
}

#[test]
fn equal_bytes_renew_like_a_read() {
    let house = house();
    house.visit(600).gives(
        |session| _ = session.update(|_| ()).unwrap(),
        PRIVATE,
        &[&activity(2400)],
    );
}

#[test]
fn an_id_never_changes_its_kind_not_even_there_and_back() {
    let house = house();
    let there_and_back = |session: &mut Session<Login>| {
        let came = session.id();
        session.remember(true).unwrap();
        let drawn = session.id();
        assert_ne!(drawn, came);
        session.remember(false).unwrap();
        assert_eq!(session.id(), drawn, "nobody has it yet");
    };
    house
        .visit(600)
        .gives(there_and_back, NO_STORE, &[NEW_SESSION, &new_activity(2400)]);
    // The one that came is over.
    house.visit(660).gives(
        |session| assert_eq!(session.state(), SessionState::Rejected(Reason::Revoked)),
        PRIVATE,
        &[],
    );
}

#[test]
fn a_session_that_starts_here_gets_its_kind_with_its_first_id() {
    let house = house();
    house.visit_with("", 0).gives(
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
    let house = house();
    let refused = |session: &mut Session<Login>| {
        let error = session.update(|login| login.note = "x".repeat(5000)).unwrap_err();
        assert!(matches!(error, WriteError::TooLarge { .. }));
    };
    house.visit(60).gives(refused, PRIVATE, &[]);
    let refused = |session: &mut Session<Login>| {
        let note = "x".repeat(5000);
        assert!(session.start(Login { user: 1, note }).is_err());
    };
    house.visit_with("__Host-id=x", 60).gives(refused, PRIVATE, &[]);
    house.visit_with("", 60).gives(refused, VARIED, &[]);
    let plain = house_with(|_| Sessions::builder(ring()));
    plain.visit(60).gives(
        |session| assert_eq!(session.remember(true), Err(WriteError::RememberOff)),
        PRIVATE,
        &[],
    );
}

#[test]
fn a_write_without_a_session_counts_as_a_read() {
    let house = house();
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
        house.visit_with("", 0).gives(write, VARIED, &[]);
        house.visit_with("__Host-id=x", 0).gives(write, PRIVATE, &[]);
    }
}

#[test]
fn a_renewed_session_sends_the_activity_cookie_alone() {
    let house = house();
    house
        .visit(600)
        .gives(|session| _ = session.get(), PRIVATE, &[&activity(2400)]);
    let events = house.seen.take();
    assert!(
        matches!(events[..], [Event::Touched { .. }, Event::PublicRemoved]),
        "{events:?}"
    );
    house
        .visit(60)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[&activity(1860)]);
}

#[test]
fn an_updated_session_sends_its_cookie_and_the_activity_cookie_if_due() {
    let house = house();
    house.visit(60).gives(update, NO_STORE, &[SESSION]);
    assert!(matches!(house.seen.take()[..], [Event::Updated { .. }]));
    house.visit(600).gives(update, NO_STORE, &[SESSION, &activity(2400)]);
    assert!(matches!(
        house.seen.take()[..],
        [Event::Updated { .. }, Event::Touched { .. }]
    ));
    house.visit(60).over(&[]).gives(
        update,
        &[("Cache-Control", "private, no-store"), ("Vary", "Cookie")],
        &[SESSION],
    );
}

#[test]
fn a_cycled_session_sends_both_cookies_under_a_new_id() {
    let house = house();
    house.visit(60).gives(
        |session| session.cycle_id().unwrap(),
        NO_STORE,
        &[NEW_SESSION, &new_activity(1860)],
    );
    let events = house.seen.take();
    assert!(
        matches!(events[..], [Event::Cycled { id, previous }] if id != previous),
        "{events:?}"
    );
}

#[test]
fn a_remembered_session_sends_both_cookies_to_be_kept() {
    let house = house();
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
    house.visit(60).gives(
        |session| session.remember(true).unwrap(),
        NO_STORE,
        &[&session, &activity],
    );
}

#[test]
fn a_session_that_is_no_longer_remembered_sends_both_cookies_for_this_visit_only() {
    let house = house();
    let mut session = house.sessions.load_at(RequestFields::default(), after(0));
    session.start(login(7)).unwrap();
    session.remember(true).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    let house = House { cookies, ..house };
    house.visit(60).gives(
        |session| session.remember(false).unwrap(),
        NO_STORE,
        &[NEW_SESSION, &new_activity(1860)],
    );
}

#[test]
fn a_session_too_old_to_be_an_ordinary_one_stays_remembered_and_says_so() {
    let house = house();
    let mut session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    session.remember(true).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    house.visit_with(cookies, 43_200).gives(
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
    let house = house();
    let start = |session: &mut Session<Login>| session.start(login(9)).unwrap();
    for cookies in ["", "__Host-id=rubbish", &house.cookies] {
        house
            .visit_with(cookies, 0)
            .gives(start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
        let events = house.seen.take();
        let started = events.iter().filter(|event| matches!(event, Event::Started { .. }));
        let revoked = events.iter().filter(|event| matches!(event, Event::Revoked { .. }));
        let came = usize::from(cookies == house.cookies);
        assert_eq!((started.count(), revoked.count()), (1, came), "{events:?}");
    }
    let everything = |session: &mut Session<Login>| {
        session.end().unwrap();
        session.start(login(9)).unwrap();
        update(session);
        session.cycle_id().unwrap();
    };
    house
        .visit(0)
        .gives(everything, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
}

#[test]
fn without_an_idle_timeout_there_is_no_second_cookie() {
    let house = house_with(|_| Sessions::builder(ring()).lifetime(Lifetime::default().without_idle()));
    assert!(!house.cookies.contains("-seen"));
    house
        .visit_with("", 0)
        .gives(|session| session.start(login(9)).unwrap(), NO_STORE, &[NEW_SESSION]);
    house
        .visit(40_000)
        .gives(|session| session.cycle_id().unwrap(), NO_STORE, &[NEW_SESSION]);
    house.visit(40_000).gives(update, NO_STORE, &[SESSION]);
    house
        .visit(40_000)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    house.visit(40_000).gives(|session| _ = session.get(), PRIVATE, &[]);
}

#[test]
fn a_cleared_session_removes_both_cookies() {
    for cookies in [Some(""), Some("__Host-id=rubbish"), None] {
        for status in [200, 303, 304, 500, 103] {
            let house = house();
            let cookies = cookies.unwrap_or(&house.cookies);
            house.visit_with(cookies, 0).answered(status).gives(
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
    let house = house();
    house.visit(0).gives(
        |session| {
            update(session);
            session.touch().unwrap();
            session.end().unwrap();
        },
        NO_STORE,
        &[ACTIVITY_REMOVED, REMOVED],
    );
    let events = house.seen.take();
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
        let house = house();
        let visit = house.visit(600).answered(status);
        visit.gives(again, NO_STORE, &[ACTIVITY_REMOVED, REMOVED]);
        let events = house.seen.take();
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
        let house = house();
        let revoke = |session: &mut Session<Login>| {
            write(session);
            let id = house
                .sessions
                .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0))
                .id();
            house.sessions.revoke(id.unwrap());
        };
        house.visit(600).gives(revoke, PRIVATE, &[]);
        house
            .visit(600)
            .gives(|session| assert!(session.get().is_none()), PRIVATE, &[]);
    }
}

#[test]
fn a_start_in_a_request_whose_session_ended_meanwhile_is_sent_only_after_its_own_sign_out() {
    let ends: [fn(&House, &Session<Login>); 2] = [
        |house, session| house.sessions.revoke(session.id().unwrap()),
        |house, _| house.sessions.raise_cut_off(after(1)),
    ];
    for end in ends {
        let house = house();
        let start = |session: &mut Session<Login>| {
            assert!(session.get().is_some());
            end(&house, session);
            session.start(login(9)).unwrap();
        };
        house.visit(60).gives(start, PRIVATE, &[]);
        let events = house.seen.take();
        let told = |event: &Event| matches!(event, Event::EndedMeanwhile { .. });
        assert!(events.iter().any(told), "{events:?}");
    }
    let house = house();
    let clear_and_start = |session: &mut Session<Login>| {
        session.end().unwrap();
        session.start(login(9)).unwrap();
    };
    house
        .visit(0)
        .gives(clear_and_start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
    // A session that was over when the request came is nobody's: the sign-in over it counts.
    let start = |session: &mut Session<Login>| session.start(login(9)).unwrap();
    house
        .visit(0)
        .gives(start, NO_STORE, &[NEW_SESSION, &new_activity(1800)]);
}

#[test]
fn a_sign_out_ends_copies_and_running_writes_unless_it_is_switched_off() {
    for revokes in [false, true] {
        let house = house_with(|builder| builder.revoke_on_end(revokes));
        let load = || {
            house
                .sessions
                .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(60))
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
        assert_eq!(house.seen.take().iter().any(revoked), revokes);
    }
}

#[test]
fn a_sign_out_asks_for_an_empty_cache_only_if_configured() {
    let cleared = |house: &House| {
        let mut session = house
            .sessions
            .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(60));
        session.end().unwrap();
        let mut lines = vec![("clear-site-data".to_owned(), "\"cookies\"".to_owned())];
        session.finish(303, &mut lines);
        lines.retain(|(name, _)| name.eq_ignore_ascii_case("Clear-Site-Data"));
        lines
    };
    let line = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(cleared(&house()), line("clear-site-data", "\"cookies\""));
    let configured = house_with(|builder| builder.clear_site_data(true));
    // What the application asks for stays: it may be more.
    let both = [
        line("clear-site-data", "\"cookies\""),
        line("Clear-Site-Data", "\"cache\", \"storage\""),
    ];
    assert_eq!(cleared(&configured), both.concat());
    house_with(|builder| builder.clear_site_data(true))
        .visit(60)
        .gives(update, NO_STORE, &[SESSION]);
}

const WRITES: [fn(&mut Session<Login>); 4] = [
    update,
    |session| session.cycle_id().unwrap(),
    |session| session.remember(true).unwrap(),
    |session| session.start(login(9)).unwrap(),
];

#[test]
fn a_response_that_fails_or_takes_no_cookie_carries_no_write() {
    let house = house();
    for status in [100, 103, 199, 304, 500, 503, 599] {
        for write in WRITES {
            house.visit(600).answered(status).gives(write, PRIVATE, &[]);
            assert_eq!(
                house.seen.take(),
                [Event::WriteDiscarded { status }, Event::PublicRemoved]
            );
        }
        house
            .visit(600)
            .answered(status)
            .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
        house
            .visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        assert_eq!(house.seen.take(), [Event::PublicRemoved, Event::PublicRemoved]);
    }
}

#[test]
fn a_server_error_carries_writes_if_configured_but_never_a_renewal() {
    let house = house_with(|builder| builder.write_on_server_error(true).revoke_on_end(false));
    let both = [NEW_SESSION, &new_activity(2400)];
    house.visit(600).answered(500).gives(update, NO_STORE, &[SESSION]);
    house
        .visit(600)
        .answered(503)
        .gives(|session| session.cycle_id().unwrap(), NO_STORE, &both);
    let started = NEW_SESSION.replace("43200", "43800");
    house.visit(600).answered(500).gives(
        |session| session.start(login(9)).unwrap(),
        NO_STORE,
        &[&started, both[1]],
    );
    house
        .visit(600)
        .answered(500)
        .gives(|session| _ = session.get(), PRIVATE, &[]);
    house
        .visit(600)
        .answered(500)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    for status in [103, 304] {
        for write in WRITES {
            house.visit(600).answered(status).gives(write, PRIVATE, &[]);
        }
    }
}

#[test]
fn other_failures_are_responses_like_any_other() {
    let house = house();
    for status in [200, 201, 302, 303, 307, 400, 401, 404, 499] {
        house.visit(60).answered(status).gives(update, NO_STORE, &[SESSION]);
        house
            .visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[&activity(2400)]);
    }
}

// ---- too late

#[test]
fn a_first_read_after_the_header_block_gives_no_session() {
    let house = house();
    let session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    let mut headers = owned(BEFORE);
    session.finish(200, &mut headers);
    assert_eq!(headers, owned(BEFORE));
    assert!(session.get().is_none());
    assert_eq!(session.state(), SessionState::Rejected(Reason::TooLate));
    assert_eq!(house.seen.take(), [Event::ReadTooLate, Event::ReadTooLate]);
}

#[test]
fn a_peek_before_the_header_block_does_not_allow_a_read_after_it() {
    let house = house();
    let session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    assert!(session.peek().is_some());
    session.finish(200, &mut owned(BEFORE));
    assert_eq!(session.state(), SessionState::Rejected(Reason::TooLate));
    assert!(session.peek().is_some());
}

#[test]
fn what_was_read_before_the_header_block_stays_readable() {
    let house = house();
    let session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    let lent = session.get().unwrap();
    session.finish(200, &mut Vec::new());
    assert_eq!(session.get(), Some(lent));
    assert_eq!(session.state(), SessionState::Valid);
}

#[test]
fn a_write_after_the_header_block_is_an_error() {
    let house = house();
    for read_before in [false, true] {
        let mut session = house
            .sessions
            .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
        if read_before {
            assert!(session.get().is_some());
        }
        session.finish(200, &mut Vec::new());
        house.seen.take();
        assert_eq!(session.start(login(1)), Err(WriteError::TooLate));
        assert_eq!(session.update(|_| ()), Err(WriteError::TooLate));
        assert_eq!(session.cycle_id(), Err(WriteError::TooLate));
        assert_eq!(session.remember(true), Err(WriteError::TooLate));
        assert_eq!(session.touch(), Err(WriteError::TooLate));
        assert_eq!(session.end(), Err(WriteError::TooLate));
        assert_eq!(house.seen.take(), vec![Event::WriteTooLate; 6]);
        assert_eq!(session.get().is_some(), read_before);
    }
}

#[test]
fn a_second_finish_sends_no_cookie_and_still_keeps_caches_out() {
    let house = house();
    let mut session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(0));
    update(&mut session);
    session.finish(200, &mut Vec::new());
    let mut headers = owned(BEFORE);
    session.finish(200, &mut headers);
    assert_eq!(sorted(headers), sorted(owned(PRIVATE)));
}

// ---- the rules below the table

#[test]
fn several_vary_lines_become_one() {
    let house = house();
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
        house
            .visit_with("", 0)
            .over(before)
            .gives(|session| _ = session.get(), expected, &[]);
    }
}

#[test]
fn the_field_in_vary_is_the_configured_one() {
    let house = house_with(|builder| builder.vary_field("X-Session-State"));
    let read = |session: &mut Session<Login>| _ = session.get();
    house
        .visit_with("", 0)
        .over(&[])
        .gives(read, &[("Vary", "X-Session-State")], &[]);
    let before = [("Vary", "Cookie")];
    house
        .visit_with("", 0)
        .over(&before)
        .gives(read, &[("Vary", "Cookie, X-Session-State")], &[]);
}

#[test]
fn targeted_fields_are_removed_unless_they_forbid_storing() {
    let house = house();
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
        house
            .visit(60)
            .over(&[(name, value)])
            .gives(|session| _ = session.get(), private, &[]);
        house.visit_with("", 0).over(&[(name, value)]).gives(
            |session| _ = session.get(),
            &[(name, value), ("Vary", "Cookie")],
            &[],
        );
        house
            .visit(60)
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
        house
            .visit(60)
            .over(&[(name, value)])
            .gives(|session| _ = session.get(), &expected, &[]);
    }
    let mixed = [("CDN-Cache-Control", "no-store"), ("cdn-cache-control", "max-age=60")];
    house
        .visit(60)
        .over(&mixed)
        .gives(|session| _ = session.get(), private, &[]);
}

#[test]
fn a_removed_public_is_an_event() {
    let house = house();
    for (before, told) in [
        (&[("Cache-Control", "public, max-age=60")][..], true),
        (&[("Cache-Control", "max-age=60"), ("cache-control", "PUBLIC")], true),
        (&[("Cache-Control", "s-maxage=60")], false),
        (&[("Cache-Control", "private")], false),
        (&[], false),
    ] {
        let session = house
            .sessions
            .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(60));
        assert!(session.get().is_some());
        session.finish(200, &mut owned(before));
        let expected = if told { vec![Event::PublicRemoved] } else { vec![] };
        assert_eq!(house.seen.take(), expected, "{before:?}");
    }
}

#[test]
fn a_header_block_above_3_kib_is_an_event() {
    let house = house();
    let mut bytes = Vec::new();
    for length in [0, 1000, 2000, 2900, 3000] {
        let mut session = house
            .sessions
            .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(60));
        update(&mut session);
        let mut headers = vec![("X-Long".to_owned(), "x".repeat(length))];
        session.finish(200, &mut headers);
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let large = house.seen.take().into_iter().find_map(|event| match event {
            Event::LargeHeaderBlock { bytes } => Some(bytes),
            _ => None,
        });
        assert_eq!(large, (size > 3072).then_some(size));
        bytes.push(large);
    }
    assert!(bytes[0].is_none() && bytes[4].is_some(), "{bytes:?}");
}

#[test]
fn a_large_header_block_without_our_cookie_is_not_our_concern() {
    let house = house();
    let session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(60));
    assert!(session.get().is_some());
    session.finish(200, &mut vec![("X-Long".to_owned(), "x".repeat(5000))]);
    assert_eq!(house.seen.take(), []);
}

#[test]
fn an_earlier_cookie_of_our_name_is_replaced_and_others_are_kept() {
    let house = house();
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
    house.visit(60).over(before).gives(
        |session| session.start(login(9)).unwrap(),
        kept,
        &[&NEW_SESSION.replace("43200", "43260"), &new_activity(1860)],
    );
    house
        .visit(60)
        .over(before)
        .gives(|session| session.end().unwrap(), kept, &[ACTIVITY_REMOVED, REMOVED]);
    house.visit(60).over(before).gives(|_| {}, before, &[]);
}

#[test]
fn where_no_cookie_is_sent_all_that_are_there_stay() {
    let house = house();
    let before: Lines = &[
        ("Set-Cookie", "__Host-id=1"),
        ("Set-Cookie", "__Host-id=2; Path=/"),
        ("Set-Cookie", "__Host-id-seen=3"),
    ];
    let private: Lines = &[("Cache-Control", "private, no-cache"), ("Vary", "Cookie")];
    house.visit(60).over(before).gives(
        |session| assert!(session.get().is_some()),
        &[private, before].concat(),
        &[],
    );
    let no_store: Lines = &[("Cache-Control", "private, no-store"), ("Vary", "Cookie")];
    house
        .visit(60)
        .over(before)
        .gives(update, &[no_store, &before[2..]].concat(), &[SESSION]);
}

#[test]
fn a_patch_applied_twice_changes_nothing_more() {
    let house = house();
    let mut session = house
        .sessions
        .load_at(RequestFields::from_cookies([house.cookies.clone()]), after(600));
    update(&mut session);
    let patch = session.finish_patch(200);
    let mut once = owned(BEFORE);
    patch.apply(&mut once);
    let mut twice = once.clone();
    patch.apply(&mut twice);
    assert_eq!(sorted(twice), sorted(once));
}

// ---- renewal

/// A read so many seconds after the start renews, and one second earlier it does not.
#[track_caller]
fn assert_renews_from(idle: u64, threshold: u64) {
    let house = house_with(|_| {
        Sessions::builder(ring()).lifetime(Lifetime::absolute(days(400)).idle(Duration::from_secs(idle)))
    });
    let read = |session: &mut Session<Login>| assert!(session.get().is_some());
    house.visit(threshold - 1).gives(read, PRIVATE, &[]);
    house
        .visit(threshold)
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
    let house = house_with(|_| Sessions::builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(2000))));
    let read = |session: &mut Session<Login>| assert!(session.get().is_some());
    house.visit(179).gives(read, PRIVATE, &[]);
    house.visit(1000).gives(read, PRIVATE, &[&activity(2000)]);
    // The last one is due however little it moves: a session in use lasts until its absolute timeout.
    let house = house_with(|_| Sessions::builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(1979))));
    house.visit(178).gives(read, PRIVATE, &[]);
    house.visit(179).gives(read, PRIVATE, &[&activity(1979)]);
    house.visit(1799).gives(read, PRIVATE, &[&activity(1979)]);
    let house = house_with(|_| Sessions::builder(ring()).lifetime(Lifetime::absolute(Duration::from_secs(1800))));
    house.visit(1799).gives(read, PRIVATE, &[]);
}

#[test]
fn a_prefetch_renews_nothing() {
    let house = house();
    for purpose in ["prefetch", "prefetch;prerender", "Prefetch", " prefetch"] {
        let prefetch = |fields: RequestFields| fields.with_sec_purpose(purpose);
        house
            .visit(600)
            .with(prefetch)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        house.visit(600).with(prefetch).gives(update, NO_STORE, &[SESSION]);
    }
    house.visit(600).with(|fields| fields.with_sec_purpose("other")).gives(
        |session| _ = session.get(),
        PRIVATE,
        &[&activity(2400)],
    );
}

#[test]
fn a_hook_narrows_what_counts_as_activity() {
    let house = house_with(|builder| {
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
    house.visit(600).gives(read, PRIVATE, &[]);
    house
        .visit(600)
        .with(|fields| fields.with_sec_fetch_dest("document"))
        .gives(read, PRIVATE, &[]);
    house.visit(600).with(document).gives(read, PRIVATE, &[&activity(2400)]);
    house
        .visit(600)
        .with(|fields| document(fields).with_sec_purpose("prefetch"))
        .gives(read, PRIVATE, &[]);
    house
        .visit(600)
        .gives(|session| session.touch().unwrap(), PRIVATE, &[&activity(2400)]);
}

#[test]
fn requests_of_scripts_count_as_activity() {
    let house = house();
    house
        .visit(600)
        .with(|fields| fields.with_sec_fetch_dest("empty"))
        .gives(|session| _ = session.get(), PRIVATE, &[&activity(2400)]);
}

#[test]
fn no_response_but_a_final_and_fresh_one_renews() {
    let house = house();
    for status in [100, 101, 103, 304, 500, 502] {
        house
            .visit(600)
            .answered(status)
            .gives(|session| _ = session.get(), PRIVATE, &[]);
        house
            .visit(600)
            .answered(status)
            .gives(|session| session.touch().unwrap(), PRIVATE, &[]);
    }
    house.visit(600).gives(|_| {}, BEFORE, &[]);
    house.visit(600).gives(|session| _ = session.peek(), BEFORE, &[]);
}
