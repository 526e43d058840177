//! Coming from another library: which old cookies become sessions, what the responses say, and that an end is an end.
//!
//! The old library here has cookies `good-USER-NUMBER`, and takes them percent-encoded or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sealed_session::adopt::{Adopted, OldCookie};
use sealed_session::revocation::{RevocationList, Revocations, read_list};
use sealed_session::testing::Browser;
use sealed_session::{
    Builder, ConfigError, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions,
};
use serde::{Deserialize, Serialize};
use testkit::{DAY, START, Seen, after, answered, at, key, ring};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Visitor {
    user: Option<u32>,
    cart: String,
}

fn user(user: u32) -> Visitor {
    Visitor {
        user: Some(user),
        cart: String::new(),
    }
}

fn guest() -> Visitor {
    Visitor {
        user: None,
        cart: "bread".to_owned(),
    }
}

fn old_cookie(user: u32) -> String {
    format!("good-{user}-1")
}

/// As the old library reads its cookies.
fn read(value: &str) -> Option<Adopted<Visitor>> {
    let value = value.replace("%2D", "-");
    let (name, _) = value.strip_prefix("good-")?.split_once('-')?;
    let visitor = match name {
        "guest" => guest(),
        name => user(name.parse().ok()?),
    };
    Some(Adopted::new(value, visitor))
}

const UNTIL: u64 = START + 30 * DAY;

struct World {
    browser: Browser,
    sessions: Sessions<Visitor>,
    list: Revocations,
    seen: Seen,
}

fn builder(browser: &Browser) -> Builder<Visitor> {
    Sessions::builder(ring())
        .clock(browser.clock())
        .signed_in_if(|visitor: &Visitor| visitor.user.is_some())
}

fn world_with(configure: impl FnOnce(Builder<Visitor>) -> Builder<Visitor>) -> World {
    let (browser, seen, list) = (Browser::at(START), Seen::default(), Revocations::new());
    let builder = configure(builder(&browser)).revocation_list(list.clone());
    World {
        sessions: builder.observer(seen.observer()).build().unwrap(),
        browser,
        list,
        seen,
    }
}

fn world() -> World {
    world_with(|builder| builder.adopt("old", at(UNTIL), read))
}

/// The first release.
fn beside() -> World {
    world_with(|builder| builder.adopt(OldCookie::named("old").beside_old_servers(true), at(UNTIL), read))
}

type Headers = Vec<(String, String)>;
type Handler = fn(&mut Session<Visitor>);
type Configure = fn(Builder<Visitor>) -> Builder<Visitor>;

fn update(session: &mut Session<Visitor>, change: impl FnOnce(&mut Visitor)) {
    session.update(change).unwrap().option().unwrap();
}

fn cached() -> Headers {
    vec![("Cache-Control".to_owned(), "max-age=60".to_owned())]
}

fn cache_control(headers: &Headers) -> &str {
    let mut values = headers.iter().filter(|(name, _)| name == "Cache-Control");
    values.next().map_or("", |(_, value)| value)
}

/// The names that are set, and with a `-` before them those that are removed.
fn set(headers: &Headers) -> Vec<String> {
    let lines = headers.iter().filter(|(name, _)| name == "Set-Cookie");
    let name = |(_, line): &(String, String)| {
        let (name, _) = line.split_once('=').unwrap();
        if line.contains("Max-Age=0") {
            format!("-{name}")
        } else {
            name.to_owned()
        }
    };
    lines.map(name).collect()
}

impl World {
    fn put(&mut self, value: &str) {
        self.browser
            .set_cookie(&format!("old={value}; Path=/; Secure; HttpOnly; SameSite=Lax"))
            .unwrap();
    }

    fn load(&self, cookies: &str) -> Session<Visitor> {
        self.sessions.load(RequestFields::from_cookies([cookies.to_owned()]))
    }

    fn visit_as(&mut self, status: u16, act: impl FnOnce(&mut Session<Visitor>)) -> Headers {
        let mut session = self.sessions.load(self.browser.fields());
        act(&mut session);
        let mut headers = cached();
        session.finish(status, &mut headers);
        self.browser.receive(&headers);
        headers
    }

    fn visit(&mut self, act: impl FnOnce(&mut Session<Visitor>)) -> Headers {
        self.visit_as(200, act)
    }

    fn user(&mut self) -> Option<u32> {
        let mut user = None;
        self.visit(|session| user = session.get().and_then(|visitor| visitor.user));
        user
    }

    /// What a thief is who kept this copy of an old cookie.
    fn thief(&self, copy: &str) -> SessionState {
        self.load(&format!("old={copy}")).state()
    }
}

const REVOKED: SessionState = SessionState::Rejected(Reason::Revoked);
const OURS: [&str; 2] = ["__Host-id", "__Host-id-seen"];

// ---- what becomes a session

#[test]
fn the_first_access_adopts_and_the_response_is_that_of_a_start() {
    let mut world = world();
    world.put(&old_cookie(7));
    let mut first = None;
    let headers = world.visit(|session| {
        assert_eq!(session.get(), Some(&user(7)));
        assert_eq!(
            (session.started(), session.expires()),
            (Some(after(0)), Some(after(12 * 3600)))
        );
        first = session.id();
    });
    assert_eq!(set(&headers), ["__Host-id", "__Host-id-seen", "-old"]);
    assert_eq!(cache_control(&headers), "private, no-store");
    assert_eq!(world.browser.value("old"), None);
    let headers = world.visit(|session| {
        assert_eq!(session.get(), Some(&user(7)));
        assert_eq!(session.id(), first);
    });
    assert_eq!(
        (set(&headers).len(), cache_control(&headers)),
        (0, "private, max-age=60")
    );
    let events = world.seen.take();
    assert_eq!(
        events,
        [Event::Adopted {
            id: first.unwrap(),
            total: 1
        }]
    );
    world.browser.pass(Duration::from_secs(30 * 60));
    assert_eq!(world.user(), None, "the idle timeout");
}

#[test]
fn a_page_that_reads_no_session_stays_as_it_is_and_peek_adopts_nothing() {
    let mut world = world();
    world.put(&old_cookie(7));
    assert_eq!(world.visit(|_| ()), cached());
    assert_eq!(world.visit(|session| assert!(session.peek().is_none())), cached());
    let headers = world.visit(|session| {
        assert!(session.peek().is_none());
        assert!(session.get().is_some());
        assert_eq!(session.peek(), Some(&user(7)));
    });
    assert_eq!(set(&headers).len(), 3);
    world.visit(|session| assert_eq!(session.peek(), Some(&user(7))));
    assert_eq!(world.seen.take().len(), 1, "one Adopted");
    let both = world.load(&format!("{}; old={}", world.browser.cookie_field(), old_cookie(8)));
    assert_eq!(both.peek(), Some(&user(7)), "ours is no old cookie");
    let neither = world.load("theme=dark");
    assert_eq!((neither.peek(), neither.state()), (None, SessionState::Absent));
}

#[test]
fn nothing_is_adopted_beside_a_cookie_of_ours_whatever_it_is() {
    let world = world();
    let ours = world.sessions.cookie_for(user(8)).unwrap();
    let session = world.load(&format!("old={}; {ours}", old_cookie(7)));
    assert_eq!(session.get(), Some(&user(8)));
    let mut headers = cached();
    session.finish(200, &mut headers);
    assert_eq!(set(&headers), ["-old"], "it has been replaced");
    assert_eq!(cache_control(&headers), "private, no-store");
    for bad in ["", "made-up", "AQ"] {
        let session = world.load(&format!("old={}; __Host-id={bad}", old_cookie(7)));
        assert!(matches!(session.state(), SessionState::Rejected(_)), "{bad}");
        let mut headers = cached();
        session.finish(200, &mut headers);
        assert_eq!(
            (set(&headers).len(), cache_control(&headers)),
            (0, "private, max-age=60")
        );
    }
}

#[test]
fn parallel_requests_and_other_servers_adopt_one_session() {
    let world = world();
    let other = builder(&world.browser).adopt("old", at(UNTIL), read);
    let other = Sessions::<Visitor>::builder(KeyRing::new(key(9)))
        .clock(world.browser.clock())
        .adopt("old", at(UNTIL), read)
        .build()
        .map(|third| (third, other.build().unwrap()));
    let (third, other) = other.unwrap();
    let id = |sessions: &Sessions<Visitor>, value: &str| {
        sessions
            .load(RequestFields::from_cookies([format!("old={value}")]))
            .id()
            .unwrap()
    };
    let expected = read("good-7-1").unwrap().id();
    assert_eq!(
        [
            id(&world.sessions, "good-7-1"),
            id(&other, "good-7-1"),
            id(&third, "good-7-1")
        ],
        [expected; 3]
    );
    assert_eq!(id(&world.sessions, "good%2D7-1"), expected, "another spelling");
    assert_ne!(id(&world.sessions, "good-7-2"), expected);
}

#[test]
fn what_cannot_be_sent_is_adopted_by_the_next_request() {
    let mut world = world();
    world.put(&old_cookie(7));
    for status in [304, 500, 103] {
        let headers = world.visit_as(status, |session| assert!(session.get().is_some()));
        assert_eq!(
            (set(&headers).len(), cache_control(&headers)),
            (0, "private, max-age=60"),
            "{status}"
        );
    }
    let events = world.seen.take();
    assert!(
        !events.iter().any(|event| matches!(event, Event::WriteDiscarded { .. })),
        "{events:?}"
    );
    assert_eq!(world.user(), Some(7));
    assert!(world.browser.value("old").is_none());
}

#[test]
fn writes_to_an_adopted_session_are_sent_with_it() {
    let acts: [Handler; 6] = [
        |session| update(session, |visitor| visitor.cart = "milk".to_owned()),
        |session| update(session, |visitor| visitor.user = Some(7)),
        |session| session.cycle_id().unwrap(),
        |session| session.touch().unwrap(),
        |session| session.remember(true).unwrap(),
        |session| session.start(user(7)).unwrap(),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut world = world_with(|builder| {
            let month = Lifetime::absolute(Duration::from_secs(30 * DAY));
            builder.remembered(month).adopt("old", at(UNTIL), read)
        });
        world.put(&old_cookie(7));
        let headers = world.visit(act);
        assert_eq!(set(&headers), ["__Host-id", "__Host-id-seen", "-old"], "{number}");
        assert_eq!(world.user(), Some(7), "{number}");
    }
}

#[test]
fn an_update_of_an_adopted_session_is_no_new_id() {
    let mut world = world();
    world.put(&old_cookie(7));
    let mut id = None;
    world.visit(|session| {
        update(session, |visitor| visitor.cart = "milk".to_owned());
        id = session.id();
    });
    let id = id.unwrap();
    assert_eq!(
        world.seen.take(),
        [Event::Adopted { id, total: 1 }, Event::Updated { id }]
    );
}

#[test]
fn a_sign_in_by_a_guest_of_the_old_application_gets_an_id_that_nobody_knew() {
    let mut world = world();
    world.put("good-guest-1");
    let mut ids = Vec::new();
    world.visit(|session| {
        assert!(!session.is_signed_in());
        ids.extend(session.id());
        update(session, |visitor| visitor.user = Some(7));
        ids.extend(session.id());
    });
    assert_ne!(ids[0], ids[1]);
    assert_eq!(world.user(), Some(7));
    assert_eq!(world.thief("good-guest-1"), REVOKED);
}

#[test]
fn a_remembered_one_is_remembered_where_that_is_configured() {
    let remembered = |value: &str| {
        let mut old = read(value)?;
        old.remembered = true;
        Some(old)
    };
    let month = Lifetime::absolute(Duration::from_secs(30 * DAY));
    let mut kept = world_with(|builder| builder.remembered(month).adopt("old", at(UNTIL), remembered));
    let mut ordinary = world_with(|builder| builder.adopt("old", at(UNTIL), remembered));
    for (world, expected) in [(&mut kept, Some(7)), (&mut ordinary, None)] {
        world.put(&old_cookie(7));
        assert_eq!(world.user(), Some(7));
        world.browser.restart();
        assert_eq!(world.user(), expected);
    }
}

// ---- what does not

#[test]
fn the_start_that_it_says_counts_and_an_unknown_one_passes_no_cut_off() {
    let started = |said: Option<u64>| {
        move |value: &str| {
            let mut old = read(value)?;
            old.started = said.map(at);
            Some(old)
        }
    };
    let state = |said: Option<u64>, cut_off: Option<u64>| {
        let world = world_with(|builder| builder.adopt("old", at(UNTIL), started(said)));
        cut_off.into_iter().for_each(|to| world.sessions.raise_cut_off(at(to)));
        world.thief(&old_cookie(7))
    };
    const HOURS_12: u64 = 12 * 3600;
    let rejected = SessionState::Rejected;
    for (said, cut_off, expected) in [
        (Some(START), None, SessionState::Valid),
        (Some(START - HOURS_12 + 1), None, SessionState::Valid),
        (Some(START - HOURS_12), None, rejected(Reason::TooOld)),
        (Some(0), None, rejected(Reason::TooOld)),
        (Some(START + 300), None, SessionState::Valid),
        (Some(START + 301), None, rejected(Reason::StartedInFuture)),
        (Some(START - 10), Some(START - 10), SessionState::Valid),
        (Some(START - 10), Some(START - 9), REVOKED),
        (None, None, SessionState::Valid),
        (None, Some(1), REVOKED),
    ] {
        assert_eq!(state(said, cut_off), expected, "{said:?}, {cut_off:?}");
    }
    let world = world_with(|builder| builder.adopt("old", at(UNTIL), started(Some(START - 60))));
    let session = world.load(&format!("old={}", old_cookie(7)));
    assert_eq!(session.expires(), Some(at(START - 60 + HOURS_12)));
    let world = world_with(|builder| builder.adopt("old", at(UNTIL), started(Some(START + 200))));
    let session = world.load(&format!("old={}", old_cookie(7)));
    assert_eq!(
        (session.started(), session.expires()),
        (Some(at(START)), Some(at(START + HOURS_12))),
        "a clock ahead of ours adds nothing"
    );
}

#[test]
fn each_refusal_has_its_reason_and_leaves_the_response_without_a_cookie() {
    let world = world_with(|builder| {
        let large = |value: &str| {
            let mut old = read(value)?;
            if old.data.user == Some(99) {
                old.data.cart = "x".repeat(4000);
            }
            Some(old)
        };
        builder
            .refuse_if(|opened| opened.data.user == Some(13))
            .adopt("old", at(UNTIL), large)
    });
    world.sessions.revoke(read(&old_cookie(5)).unwrap().id());
    let too_long = "x".repeat(4097);
    let revoked = old_cookie(5);
    for (value, expected) in [
        ("made-up", Reason::NotOurs),
        ("", Reason::Malformed),
        (&too_long, Reason::Malformed),
        ("good-13-1", Reason::Refused),
        ("good-99-1", Reason::Payload),
        (&revoked, Reason::Revoked),
    ] {
        world.seen.take();
        let session = world.load(&format!("old={value}"));
        assert_eq!(session.state(), SessionState::Rejected(expected), "{value}");
        let mut headers = cached();
        session.finish(200, &mut headers);
        assert_eq!(
            (set(&headers).len(), cache_control(&headers)),
            (0, "private, max-age=60"),
            "{value}"
        );
        let events = world.seen.take();
        let last = events.last().unwrap();
        assert!(
            matches!(last, Event::NotAdopted { reason, .. } if *reason == expected),
            "{events:?}"
        );
    }
    let fields = RequestFields::from_cookies([b"old=good-7-\xff".to_vec()]);
    assert_eq!(
        world.sessions.load(fields).state(),
        SessionState::Rejected(Reason::Malformed)
    );
    world.browser.pass(Duration::from_secs(30 * DAY));
    assert_eq!(world.thief(&old_cookie(7)), SessionState::Rejected(Reason::Expired));
    let last = world.seen.take().pop().unwrap();
    assert!(matches!(last, Event::NotAdopted { total: 8, .. }), "{last:?}");
}

#[test]
fn of_several_refused_ones_the_first_that_got_furthest_is_reported() {
    let world = world();
    let ids = [5, 6].map(|user| read(&old_cookie(user)).unwrap().id());
    ids.iter().for_each(|&id| world.sessions.revoke(id));
    for cookies in [
        "old=bad; old=good-5-1; old=good-6-1",
        "old=good-5-1; old=good-6-1; old=bad",
        "old=good-5-1; old=bad; old=good-6-1",
    ] {
        world.seen.take();
        assert_eq!(world.load(cookies).state(), REVOKED, "{cookies}");
        let events = world.seen.take();
        let is_first = |event: &Event| matches!(event, Event::NotAdopted { id, .. } if *id == Some(ids[0]));
        assert!(events.iter().any(is_first), "{cookies}: {events:?}");
    }
}

#[test]
fn of_several_the_first_good_one_is_adopted_and_no_more_than_eight_are_read() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let world = world_with(|builder| {
        builder.adopt("old", at(UNTIL), move |value| {
            counted.fetch_add(1, Ordering::Relaxed);
            read(value)
        })
    });
    let session = world.load("old=bad; old=good-7-1; old=good-8-1");
    assert_eq!(session.get(), Some(&user(7)));
    calls.store(0, Ordering::Relaxed);
    let many = format!("{}old=good-7-1", "old=bad; ".repeat(8));
    assert_eq!(world.load(&many).state(), SessionState::Rejected(Reason::NotOurs));
    assert_eq!(calls.load(Ordering::Relaxed), 8);
}

#[test]
fn the_applications_own_check_sees_when_the_session_started() {
    let read = |value: &str| {
        let mut old = read(value)?;
        old.started = Some(at(START - 60));
        Some(old)
    };
    let refused = |not_before: u64| {
        let world = world_with(|builder| {
            builder
                .refuse_if(move |opened| opened.started < at(not_before))
                .adopt("old", at(UNTIL), read)
        });
        world.thief(&old_cookie(7))
    };
    assert_eq!(refused(START - 60), SessionState::Valid);
    assert_eq!(refused(START - 59), SessionState::Rejected(Reason::Refused));
}

// ---- the end is the end

#[test]
fn a_sign_out_removes_the_old_cookie_and_refuses_every_copy_until_the_end() {
    let mut world = world();
    world.put(&old_cookie(7));
    world.user();
    let id = read(&old_cookie(7)).unwrap().id();
    let headers = world.visit(|session| session.end().unwrap());
    assert_eq!(set(&headers), ["-old", "-__Host-id-seen", "-__Host-id"]);
    assert_eq!(world.browser.cookies().count(), 0);
    assert_eq!(world.user(), None);
    for copy in [old_cookie(7), "good%2D7%2D1".to_owned()] {
        assert_eq!(world.thief(&copy), REVOKED);
    }
    let snapshot = world.list.snapshot_at(after(0));
    let (_, entries) = read_list(&snapshot).unwrap();
    let entries: Vec<_> = entries.collect();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id]);
    assert!(entries[0].until >= at(UNTIL + 300), "as long as any server adopts");
    // Long after our own timeouts.
    world.browser.pass(Duration::from_secs(29 * DAY));
    assert_eq!(world.thief(&old_cookie(7)), REVOKED);
}

#[test]
fn a_sign_out_in_the_first_request_is_one_and_so_is_one_with_both_cookies() {
    let mut first = world();
    first.put(&old_cookie(7));
    let headers = first.visit(|session| session.end().unwrap());
    assert_eq!(set(&headers), ["-old", "-__Host-id-seen", "-__Host-id"]);
    assert_eq!(first.thief(&old_cookie(7)), REVOKED);

    // Long after our own timeouts.
    first.browser.pass(Duration::from_secs(29 * DAY));
    assert_eq!(first.thief(&old_cookie(7)), REVOKED);

    let both = world();
    let ours = both.sessions.cookie_for(user(8)).unwrap();
    let mut session = both.load(&format!("{ours}; old={}", old_cookie(7)));
    session.end().unwrap();
    let _ = session.finish_patch(200);
    assert_eq!(both.thief(&old_cookie(7)), REVOKED, "it was signed out with the other");
}

#[test]
fn what_takes_the_place_of_an_adopted_session_refuses_the_old_cookie() {
    let acts: [Handler; 4] = [
        |session| session.start(user(8)).unwrap(),
        |session| session.remember(true).unwrap(),
        |session| session.cycle_id().unwrap(),
        |session| update(session, |visitor| visitor.user = None),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        for is_at_once in [true, false] {
            let mut world = world_with(|builder| {
                let month = Lifetime::absolute(Duration::from_secs(30 * DAY));
                builder.remembered(month).adopt("old", at(UNTIL), read)
            });
            world.put(&old_cookie(7));
            if !is_at_once {
                world.user();
            }
            world.visit(act);
            assert_eq!(world.thief(&old_cookie(7)), REVOKED, "{number}");
            world.visit(|session| session.end().unwrap());
            world.browser.pass(Duration::from_secs(29 * DAY));
            assert_eq!(world.thief(&old_cookie(7)), REVOKED, "{number}");
        }
    }
}

#[test]
fn a_cycled_id_stays_good_for_requests_under_way() {
    let mut world = world();
    world.put(&old_cookie(7));
    world.user();
    let under_way = world.browser.cookie_field();
    world.visit(|session| session.cycle_id().unwrap());
    assert_eq!(world.load(&under_way).get(), Some(&user(7)));
    assert_eq!(world.user(), Some(7));
}

#[test]
fn a_late_answer_to_a_read_does_not_undo_a_new_id() {
    let acts: [Handler; 2] = [
        |session| session.cycle_id().unwrap(),
        |session| session.start(user(8)).unwrap(),
    ];
    for act in acts {
        let mut world = world();
        world.put(&old_cookie(7));
        let page = world.load(&world.browser.cookie_field());
        assert!(page.get().is_some());
        world.visit(act);
        let mut id = None;
        world.visit(|session| id = session.id());
        let mut headers = cached();
        page.finish(200, &mut headers);
        world.browser.receive(&headers);
        world.visit(|session| assert_eq!(session.id(), id));
    }
}

#[test]
fn a_guest_who_ends_a_session_leaves_no_entry_and_a_user_next_to_a_guest_does() {
    let mut world = world();
    world.put("good-guest-1");
    world.visit(|session| session.end().unwrap());
    assert_eq!(world.list.len(), 0);
    // The guest's old cookie came beside a session of ours.
    let ours = world.sessions.cookie_for(user(8)).unwrap();
    let mut session = world.load(&format!("{ours}; old=good-guest-1; old={}", old_cookie(7)));
    session.end().unwrap();
    assert_eq!(world.list.len(), 2);
    assert_eq!(world.thief(&old_cookie(7)), REVOKED);
}

#[test]
fn a_guest_whose_old_session_was_signed_in_meanwhile_is_signed_out_for_good() {
    let world = world_with(|builder| builder.adopt("old", at(UNTIL), |_| None));
    let load = |cookies: &str, found: Visitor| {
        let session = world.load(&format!("{cookies}; old=key"));
        assert!(session.adopt([Adopted::new("key", found)]));
        session
    };
    let session = load("theme=dark", guest());
    assert_eq!(session.get(), Some(&guest()));
    let cookies = answered("", &session.finish_patch(200));
    // The old application has signed the visitor in under the same key.
    let mut session = load(&cookies, user(7));
    assert_eq!(session.get(), Some(&guest()));
    session.end().unwrap();
    assert_eq!(world.list.len(), 1);
    assert_eq!(load("theme=dark", user(7)).state(), REVOKED);
}

#[test]
fn after_the_end_of_adopting_a_new_id_leaves_no_entry() {
    let mut world = world();
    world.put(&old_cookie(7));
    world.user();
    let ended = world_with(|builder| builder.adopt("old", at(START), read));
    ended.browser.pass(Duration::from_secs(300));
    world.sessions = ended.sessions;
    world.visit(|session| session.cycle_id().unwrap());
    assert_eq!(ended.list.len(), 0);
}

#[test]
fn guests_cannot_fill_the_list() {
    let mut world = world();
    world.put("good-guest-1");
    for _ in 0..3 {
        world.visit(|session| session.cycle_id().unwrap());
    }
    assert_eq!(world.list.len(), 0);
    world.visit(|session| update(session, |visitor| visitor.user = Some(7)));
    assert_eq!(world.list.len(), 1, "a sign-in in a guest's place");
}

#[test]
fn a_revoked_id_ends_both_the_old_cookie_and_ours() {
    let mut world = world();
    world.put(&old_cookie(7));
    world.user();
    world.sessions.revoke(read(&old_cookie(7)).unwrap().id());
    assert_eq!(world.user(), None);
    world.browser.pass(Duration::from_secs(29 * DAY));
    assert_eq!(world.thief(&old_cookie(7)), REVOKED);
}

// ---- beside old servers

#[test]
fn beside_old_servers_none_of_ours_is_sent_and_a_sign_out_removes_everything() {
    let acts: [(Handler, &str); 7] = [
        (|session| drop(session.get().cloned()), "private, max-age=60"),
        (|session| session.touch().unwrap(), "private, max-age=60"),
        (
            |session| update(session, |visitor| visitor.cart = "milk".to_owned()),
            "private, no-store",
        ),
        (
            |session| update(session, |visitor| visitor.user = None),
            "private, no-store",
        ),
        (|session| session.cycle_id().unwrap(), "private, no-store"),
        (|session| session.remember(true).unwrap(), "private, no-store"),
        (|session| session.start(user(8)).unwrap(), "private, no-store"),
    ];
    let mut world = world_with(|builder| {
        let old = OldCookie::named("old").beside_old_servers(true);
        let month = Lifetime::absolute(Duration::from_secs(30 * DAY));
        builder.remembered(month).adopt(old, at(UNTIL), read)
    });
    let guest = world.visit(|session| session.start(user(8)).unwrap());
    assert_eq!((set(&guest).len(), cache_control(&guest)), (0, "private, no-store"));
    world.put(&old_cookie(7));
    for (number, (act, expected)) in acts.into_iter().enumerate() {
        let headers = world.visit(act);
        assert_eq!(
            (set(&headers).len(), cache_control(&headers)),
            (0, expected),
            "{number}"
        );
        assert_eq!(world.user(), Some(7), "the old cookie is the session, after {number}");
    }
    let events = world.seen.take();
    let is_of_ours = |event: &Event| {
        matches!(
            event,
            Event::Started { .. } | Event::Cycled { .. } | Event::Updated { .. }
        )
    };
    assert!(!events.iter().any(is_of_ours), "nothing of ours was sent: {events:?}");
    let headers = world.visit(|session| session.end().unwrap());
    assert_eq!(set(&headers), ["-old", "-__Host-id-seen", "-__Host-id"]);
    assert_eq!(world.user(), None);
    assert_eq!(world.thief(&old_cookie(7)), REVOKED);
}

#[test]
fn beside_old_servers_a_visitor_with_a_session_of_ours_keeps_it() {
    let world = beside();
    let ours = world.sessions.cookie_for(user(8)).unwrap();
    assert!(
        ours.starts_with("__Host-id="),
        "tests of an application sign in as ever: {ours}"
    );
    let mut session = world.load(&format!("{ours}; old={}", old_cookie(7)));
    assert_eq!(session.get(), Some(&user(8)));
    session.start(user(9)).unwrap();
    let mut headers = cached();
    session.finish(200, &mut headers);
    assert_eq!(set(&headers), OURS, "the old application may need its cookie");
}

// ---- looked up by a middleware

#[test]
fn what_a_middleware_looked_up_is_adopted_if_it_came_in_time() {
    let in_store = |_: &str| None;
    let mut world = world_with(|builder| builder.adopt("old", at(UNTIL), in_store));
    world.put("key-7");
    let found = || Adopted::new("key-7", user(7));
    assert_eq!(
        world.visit(|session| assert!(session.adopt([found()]))),
        cached(),
        "nothing was read"
    );
    let headers = world.visit(|session| {
        assert_eq!(session.old_cookies(), ["key-7"]);
        assert!(session.adopt([found()]));
        assert!(!session.adopt([Adopted::new("key-8", user(8))]), "the first one counts");
        assert!(session.peek().is_none());
        assert_eq!(session.get(), Some(&user(7)));
        assert_eq!(session.id(), Some(found().id()));
    });
    assert_eq!(set(&headers), ["__Host-id", "__Host-id-seen", "-old"]);
    let session = world.load("theme=dark");
    assert!(session.adopt([found()]));
    assert_eq!(session.get(), Some(&user(7)), "its key came in another way");
    let session = world.load("theme=dark");
    assert!(session.adopt([]));
    assert_eq!(session.state(), SessionState::Absent, "nothing was found");
    let session = world.load("old=key-9; old=key-7");
    assert!(session.adopt([Adopted::new("key-9", guest()), found()]));
    assert_eq!(session.get(), Some(&guest()), "the first of several");
    // Next to one of ours it is not the session, but ends with it.
    let next_to_ours = format!("{}; old=key-8", world.browser.cookie_field());
    let session = world.load(&next_to_ours);
    assert_eq!(session.old_cookies(), ["key-8"]);
    assert!(session.adopt([Adopted::new("key-8", user(8))]));
    assert_eq!(session.get(), Some(&user(7)));
    let mut session = world.load(&next_to_ours);
    assert!(session.adopt([6, 8].map(|number| Adopted::new(format!("key-{number}"), user(number)))));
    session.end().unwrap();
    let session = world.load("old=key-6");
    assert!(session.adopt([Adopted::new("key-6", user(6))]));
    assert_eq!(session.state(), REVOKED);
    let session = world.load("old=key-8");
    assert!(session.adopt([Adopted::new("key-8", user(8))]));
    assert_eq!(session.state(), REVOKED);
    let session = world.load("old=key-7");
    assert_eq!(session.state(), SessionState::Rejected(Reason::NotOurs));
    assert!(
        !session.adopt([found()]) && session.old_cookies().is_empty(),
        "too late"
    );
    world.visit(|session| session.end().unwrap());
    let session = world.load("old=key-7");
    assert!(session.adopt([found()]));
    assert_eq!(session.state(), REVOKED);
    world.browser.pass(Duration::from_secs(30 * DAY));
    let session = world.load("old=key-7");
    assert!(
        session.old_cookies().is_empty() && !session.adopt([found()]),
        "the time is over"
    );
    let session = world_with(|builder| builder).load("old=key-7");
    assert!(!session.adopt([found()]), "without `Builder::adopt`");
}

#[test]
fn the_end_of_adopting_is_no_alarm() {
    let world = world();
    let alarms = |value: &str| {
        for _ in 0..100 {
            assert!(world.load(&format!("old={value}")).get().is_none());
        }
        world.browser.pass(Duration::from_secs(180));
        assert!(world.load("old=made-up").get().is_none());
        let events = world.seen.take().into_iter();
        events
            .filter(|event| matches!(event, Event::ManyRejected { .. }))
            .count()
    };
    assert_eq!(alarms("made-up"), 1, "a wrong key, for example");
    world.browser.pass(Duration::from_secs(30 * DAY));
    alarms("made-up");
    assert_eq!(alarms(&old_cookie(7)), 0);
}

// ---- device binding

#[cfg(feature = "device")]
#[test]
fn an_adopted_session_is_offered_a_binding_and_a_look_at_its_proof_adopts_nothing() {
    use sealed_session::device::DeviceBinding;

    let world = world_with(|builder| {
        let builder = builder.device_binding(DeviceBinding::at("/device"));
        builder.adopt("old", at(UNTIL), |_| None)
    });
    let link = RequestFields::from_cookies(["old=key-7"]).with_target("GET", "/orders");
    let session = world
        .sessions
        .load(link.with_sec_fetch_dest("document").with_sec_fetch_site("cross-site"));
    assert!(session.prove_first().is_none());
    assert!(session.adopt([Adopted::new("key-7", user(7))]), "in time");
    assert_eq!(session.get(), Some(&user(7)));
    let mut headers = cached();
    session.finish(200, &mut headers);
    let offers = headers.iter().filter(|(name, _)| name == "Secure-Session-Registration");
    assert_eq!(offers.count(), 1);
}

/// The old cookie knows nothing of the device.
#[cfg(feature = "device")]
#[test]
fn a_session_that_is_bound_to_a_device_is_not_adopted_again_without_it() {
    use sealed_session::device::{DeviceBinding, DeviceState};
    use testkit::device::{Answered, Device, From, Post};

    let world = world_with(|builder| {
        let builder = builder.device_binding(DeviceBinding::at("/device"));
        builder.adopt("old", at(UNTIL), read)
    });
    let mut device = Device::new(world.browser.another(), 1);
    device.browser.set_cookie("old=good-7-1; Path=/; Secure").unwrap();
    let session = world.sessions.load(device.browser.fields());
    let id = session.id();
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    device.receive(&headers);
    let sessions = world.sessions.clone();
    let mut server = move |post: &Post| {
        let fields = RequestFields::from_cookies([post.cookies.clone()]);
        let proof = post.proof.as_deref();
        let answer = match post.path.as_str() {
            "/device/register" => sessions.register_device(&fields, proof),
            _ => sessions.refresh_device(&fields, post.identifier.as_deref(), proof),
        };
        let headers = answer
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Answered {
            status: answer.status(),
            headers: headers.collect(),
            body: answer.body().to_owned(),
        })
    };
    device.register(&mut server);
    world.browser.pass(Duration::from_secs(2));
    device.before("/", From::Here, &mut server);
    let session = world.sessions.load(device.browser.fields());
    assert_eq!((session.id(), session.device()), (id, DeviceState::Proven));
    assert_eq!(world.thief(&old_cookie(7)), REVOKED);

    let named = |name: &str| {
        let builder = Sessions::<Visitor>::builder(ring()).clock(|| after(0));
        builder
            .device_binding(DeviceBinding::at("/device"))
            .adopt(name, at(UNTIL), read)
            .build()
    };
    assert!(named("__Host-id-proof").is_err() && named("__Host-id-asked").is_err());
}

// ---- configuration

#[test]
fn options_that_cannot_work_are_refused() {
    let build = |configure: Configure| -> Result<Sessions<Visitor>, ConfigError> {
        configure(Sessions::builder(ring()).clock(|| after(0))).build()
    };
    let cases: [(Configure, &str); 8] = [
        (
            |builder| builder.adopt("__Host-id", at(UNTIL), read),
            "a cookie of these sessions",
        ),
        (
            |builder| builder.adopt("__Host-id-seen", at(UNTIL), read),
            "a cookie of these sessions",
        ),
        (
            |builder| builder.adopt("__Host-id.2", at(UNTIL), read),
            "a cookie of these sessions",
        ),
        (|builder| builder.adopt("two words", at(UNTIL), read), "is not a token"),
        (
            |builder| builder.adopt(OldCookie::named("old").path("shop"), at(UNTIL), read),
            "does not start with `/`",
        ),
        (
            |builder| builder.adopt(OldCookie::named("__Host-old").domain("a.example"), at(UNTIL), read),
            "with a domain",
        ),
        (
            |builder| builder.adopt("old", at(START + 400 * DAY + 1), read),
            "more than 400 days",
        ),
        (
            |builder| builder.revoke_on_end(false).adopt("old", at(UNTIL), read),
            "needs `revoke_on_end`",
        ),
    ];
    for (configure, expected) in cases {
        let error = build(configure).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        build(|builder| builder.adopt("old", at(0), read)).is_ok(),
        "it is over, and the server starts"
    );
    assert!(build(|builder| builder.adopt("old", at(START + 400 * DAY), read)).is_ok());
    let sessions = build(|builder| {
        builder.adopt(
            OldCookie::named("old").path("/shop").domain("a.example"),
            at(UNTIL),
            read,
        )
    });
    let session = sessions.unwrap().load(RequestFields::from_cookies(["old=good-7-1"]));
    assert!(session.get().is_some());
    let patch = session.finish_patch(200);
    assert!(
        patch
            .set_cookies()
            .any(|line| line.starts_with("old=; Path=/shop; Domain=a.example; Max-Age=0;"))
    );
}

// ---- a rolling deploy, in any order of requests

#[derive(Clone, Copy, Debug)]
enum Act {
    Read,
    SignIn(u32),
    SignOut,
    Shop,
}

/// A request: to which of the two servers that run at the moment, and what for.
type Step = (bool, Act);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        4 => Just(Act::Read),
        2 => (1..4u32).prop_map(Act::SignIn),
        1 => Just(Act::SignOut),
        2 => Just(Act::Shop),
    ];
    vec((any::<bool>(), act), 1..12)
}

/// The old application: it knows its own cookie, and nothing else.
fn old_server(browser: &mut Browser, act: Act, number: &mut u32) -> Option<u32> {
    let signed_in = browser.value("old").and_then(read).and_then(|old| old.data.user);
    let mut set = |user: Option<u32>| {
        *number += 1;
        let line = match user {
            Some(user) => format!("old=good-{user}-{number}; Path=/; Secure"),
            None => "old=; Path=/; Secure; Max-Age=0".to_owned(),
        };
        browser.set_cookie(&line).unwrap();
        user
    };
    match act {
        Act::Read => signed_in,
        Act::SignIn(user) => set(Some(user)),
        Act::SignOut => set(None),
        // It writes its cookie anew.
        Act::Shop if signed_in.is_some() => set(signed_in),
        Act::Shop => None,
    }
}

/// The new application in a release: the first one writes the old cookie too, as the old application does.
fn new_server(
    sessions: &Sessions<Visitor>,
    beside: bool,
    browser: &mut Browser,
    act: Act,
    number: &mut u32,
) -> Option<u32> {
    let mut session = sessions.load(browser.fields());
    let before = session.get().and_then(|visitor| visitor.user);
    let mut headers = Vec::new();
    let mut old = |line: String| {
        if beside {
            headers.push(("Set-Cookie".to_owned(), line));
        }
    };
    match act {
        Act::Read => {}
        Act::SignIn(user) => {
            *number += 1;
            old(format!("old=good-{user}-{number}; Path=/; Secure"));
            session.start(self::user(user)).unwrap();
        }
        Act::SignOut => {
            old("old=; Path=/; Secure; Max-Age=0".to_owned());
            session.end().unwrap();
        }
        Act::Shop => {
            if let (Some(user), true) = (before, session.get().is_some()) {
                *number += 1;
                old(format!("old=good-{user}-{number}; Path=/; Secure"));
                session
                    .update(|visitor| visitor.cart.push('+'))
                    .unwrap()
                    .option()
                    .unwrap();
            }
        }
    }
    let after = session.get().and_then(|visitor| visitor.user);
    session.finish(200, &mut headers);
    browser.receive(&headers);
    after
}

proptest! {
    /// The old application beside the first release, then this one beside the second: whoever is signed in stays so, whatever
    /// server answers, and nobody is signed in again after a sign-out.
    #[test]
    fn a_rolling_deploy_signs_nobody_out_and_nobody_in_again(first in steps(), second in steps(), third in steps()) {
        let mut browser = Browser::at(START);
        let list = Revocations::new();
        let build = |old: OldCookie| {
            let builder = builder(&browser).revocation_list(list.clone());
            builder.adopt(old, at(UNTIL), read).build().unwrap()
        };
        let one = build(OldCookie::named("old").beside_old_servers(true));
        let two = build(OldCookie::named("old"));
        let (mut signed_in, mut number) = (None, 0);
        let deploys = [(first, 0), (second, 1), (third, 2)];
        for (steps, deploy) in deploys {
            for (is_new, act) in steps {
                match act {
                    Act::SignIn(user) => signed_in = Some(user),
                    Act::SignOut => signed_in = None,
                    Act::Read | Act::Shop => {}
                }
                let seen = match (deploy, is_new) {
                    (0, false) => old_server(&mut browser, act, &mut number),
                    (0, true) | (1, false) => new_server(&one, true, &mut browser, act, &mut number),
                    _ => new_server(&two, false, &mut browser, act, &mut number),
                };
                prop_assert_eq!(seen, signed_in, "in deploy {} after {:?}", deploy, act);
            }
        }
    }
}

/// Without the first release it goes wrong, which is what that one is for: the old application cannot end a session of ours.
#[test]
fn without_the_first_release_a_sign_out_at_an_old_server_does_not_hold() {
    let mut world = world();
    let mut number = 0;
    old_server(&mut world.browser, Act::SignIn(7), &mut number);
    assert_eq!(world.user(), Some(7));
    assert_eq!(
        old_server(&mut world.browser, Act::Read, &mut number),
        None,
        "signed out"
    );
    old_server(&mut world.browser, Act::SignOut, &mut number);
    assert_eq!(world.user(), Some(7), "signed in again");
}

#[test]
fn the_id_of_an_old_cookie_is_fixed() {
    let id: SessionId = "92232abbc2bde6e9".parse().unwrap();
    assert_eq!(Adopted::new("old value", ()).id(), id);
    let debug = format!("{:?}", Adopted::new("old value", "secret data"));
    assert!(
        !debug.contains("secret") && debug.contains("92232abbc2bde6e9"),
        "{debug}"
    );
    let list = Revocations::new();
    assert!(!list.is_revoked(id));
}
