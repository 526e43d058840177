//! What is kept of opened sessions, for how long, and in how much memory. That it changes no answer is shown in
//! `tests/library/opened_cache.rs`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::*;
use crate::error::Reason;
use crate::headers::RequestFields;
use crate::keys::key::Key;
use crate::keys::ring::KeyRing;
use crate::revocation::{Revocation, RevocationList, Revocations};
use crate::session::lifetime::Lifetime;
use crate::session::{SessionState, Updated};
use crate::sessions::builder::Builder;
use crate::sessions::{Session, Sessions};
use crate::time::from_seconds;
use crate::token::Claims;

const START: u64 = 1_800_000_000;

thread_local! {
    /// How many `Data` there are.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    /// How many were read from a payload.
    static READ: Cell<usize> = const { Cell::new(0) };
    static ON_DROP: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    /// What the application's check does when it looks at a session next.
    static ON_LOOK: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// Session data that are counted, and that do something when they are dropped.
#[derive(Serialize, Deserialize)]
struct Data {
    user: u32,
    note: String,
    #[serde(skip, default = "Counted::read")]
    _counted: Counted,
}

struct Counted;

impl Counted {
    fn new() -> Self {
        LIVE.set(LIVE.get() + 1);
        Self
    }

    fn read() -> Self {
        READ.set(READ.get() + 1);
        Self::new()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
        let act = ON_DROP.with_borrow(Clone::clone);
        if let Some(act) = act {
            act();
        }
    }
}

impl Data {
    fn of(user: u32) -> Self {
        Self::with_note(user, 0)
    }

    fn with_note(user: u32, length: usize) -> Self {
        Self {
            user,
            note: "x".repeat(length),
            _counted: Counted::new(),
        }
    }
}

/// Sessions whose clock the test moves, which live for an hour, and for five minutes without activity.
struct App {
    sessions: Sessions<Data>,
    clock: Arc<AtomicU64>,
}

fn ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::new(Key::generate().unwrap()))
}

fn app() -> App {
    app_with(|builder| builder)
}

fn app_with(configure: impl FnOnce(Builder<Data>) -> Builder<Data>) -> App {
    let clock = Arc::new(AtomicU64::new(START));
    let moved = Arc::clone(&clock);
    let builder = Sessions::builder(ring())
        .lifetime(Lifetime::absolute(SECOND * 3600).idle(SECOND * 300))
        .opened_cache(MOST_SHARDS * SHARD)
        .clock(move || from_seconds(moved.load(Ordering::SeqCst)));
    let sessions = configure(builder).build().unwrap();
    App { sessions, clock }
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

impl App {
    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The cookies of a session that starts now, which no request has sent yet.
    fn sign_in(&self, user: u32) -> String {
        self.sessions.cookie_for(Data::of(user)).unwrap()
    }

    fn sign_in_many(&self, users: std::ops::Range<u32>) -> Vec<String> {
        users.map(|user| self.sign_in(user)).collect()
    }

    fn load(&self, cookies: &str) -> Session<Data> {
        self.sessions.load(RequestFields::from_cookies([cookies.to_owned()]))
    }

    /// A request of its own.
    fn user(&self, cookies: &str) -> Option<u32> {
        self.load(cookies).get().map(|data| data.user)
    }

    fn id(&self, cookies: &str) -> SessionId {
        self.load(cookies).id().unwrap()
    }

    /// Whether the next request need not open these cookies: it is asked.
    fn hits(&self, cookies: &str) -> bool {
        READ.take();
        assert!(self.load(cookies).get().is_some());
        READ.take() == 0
    }

    /// A request without a session.
    fn stroll(&self) {
        assert_eq!(self.load("").state(), SessionState::Absent);
    }

    fn entries(&self) -> usize {
        self.sessions.keys().opened.shards.iter().map(Cache::len).sum()
    }

    fn entry(&self, cookies: &str) -> Arc<Kept<Data>> {
        let id = self.id(cookies);
        let keys = self.sessions.keys();
        let text = parts(cookies).0.split_once('=').unwrap().1;
        let mark = Mark::of(text.as_bytes()).unwrap();
        keys.opened.shard(id).unwrap().get(&mark).unwrap()
    }

    /// Shards that have an entry.
    fn filled(&self) -> usize {
        let keys = self.sessions.keys();
        keys.opened.shards.iter().filter(|shard| !shard.is_empty()).count()
    }

    fn another_ring(&self) {
        self.sessions.replace_keys(ring());
    }
}

/// The cookies of two visitors in one request.
fn both(one: &str, other: &str) -> String {
    format!("{one}; {other}")
}

fn parts(cookies: &str) -> (&str, &str) {
    cookies.split_once("; ").unwrap()
}

/// The same token with another last character.
fn altered(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "A" { "Q" } else { "A" })
}

// ---- what is saved

#[test]
fn the_second_request_gets_what_the_first_one_opened() {
    let app = app();
    let cookies = app.sign_in(7);
    READ.take();
    let (one, two) = (app.load(&cookies), app.load(&cookies));
    assert!(ptr::eq(one.get().unwrap(), two.get().unwrap()));
    assert_eq!((READ.take(), LIVE.get()), (1, 1));
}

#[test]
fn after_a_pause_each_request_sweeps_the_next_shard() {
    let app = app();
    let shards = app.sessions.keys().opened.shards.len();
    for cookies in app.sign_in_many(0..400) {
        app.user(&cookies);
    }
    app.pass(3 * shards as u64 + UNUSED);
    assert!(app.filled() > 0);
    for _ in 0..shards {
        app.stroll();
        app.pass(1);
    }
    assert_eq!(app.filled(), 0);
}

#[test]
fn the_room_of_a_padded_payload_counts() {
    let bytes = |pad_to| {
        let app = app_with(|builder| builder.pad_to(pad_to));
        let cookies = app.sign_in(7);
        let kept = app.entry(&cookies);
        kept.bytes - kept.credential.len() as u64
    };
    assert!(bytes(2000) > bytes(1) + 1000);
}

#[test]
fn the_room_of_large_data_counts() {
    let sessions = Sessions::<[[u64; 32]; 16]>::builder(ring()).build().unwrap();
    let cookies = sessions.cookie_for([[0; 32]; 16]).unwrap();
    assert!(sessions.load(RequestFields::from_cookies([cookies])).get().is_some());
    let keys = sessions.keys();
    let kept = keys.opened.shards.iter().flat_map(Cache::iter).next();
    // The data, the cookie, and the payload three times.
    assert!(kept.unwrap().1.bytes > 4096 + 4 * 1024);
}

#[test]
fn a_session_in_chunks_is_kept_too() {
    let app = app_with(|builder| builder.chunks(3));
    let cookies = app.sessions.cookie_for(Data::with_note(7, 5000)).unwrap();
    assert!(cookies.contains("__Host-id.2="));
    assert!(!app.hits(&cookies) && app.hits(&cookies));
}

#[test]
fn without_the_cache_each_request_opens_for_itself() {
    let app = app_with(|builder| builder.opened_cache(0));
    let cookies = app.sign_in(7);
    READ.take();
    let (one, two) = (app.load(&cookies), app.load(&cookies));
    assert!(!ptr::eq(one.get().unwrap(), two.get().unwrap()));
    assert_eq!((READ.take(), LIVE.get()), (2, 2));
    drop((one, two));
    assert_eq!(LIVE.get(), 0);
    app.another_ring();
    assert!(!app.sessions.keys().opened.is_on(), "nor under another ring");
}

#[test]
fn each_token_of_a_session_has_an_entry_of_its_own_and_all_of_them_go_together() {
    let app = app();
    let old = app.sign_in(7);
    let mut session = app.load(&old);
    assert_eq!(session.update(|data| data.user = 8), Ok(Updated::Done(())));
    let patch = session.finish_patch(200);
    drop(session);
    let token = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    let new = format!("{token}; {}", parts(&old).1);
    assert_eq!((app.user(&new), app.entries()), (Some(8), 2));
    assert!(app.hits(&new) && app.hits(&old));
    app.sessions.revoke(app.id(&old));
    assert_eq!(app.entries(), 0);
}

#[test]
fn what_a_request_writes_leaves_what_is_kept_as_it_was() {
    let app = app();
    let cookies = app.sign_in(7);
    for _ in 0..3 {
        let mut session = app.load(&cookies);
        for user in 8..12 {
            assert_eq!(session.update(|data| data.user = user), Ok(Updated::Done(())));
        }
        session.cycle_id().unwrap();
        assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
        assert_eq!(app.user(&cookies), Some(7));
    }
}

#[test]
fn the_activity_token_that_was_verified_last_is_remembered() {
    let app = app();
    let cookies = app.sign_in(7);
    let (session, first) = parts(&cookies);
    let value = |activity: &str| activity.split_once('=').unwrap().1.as_bytes().to_vec();
    assert!(
        app.entry(&cookies).activity(&value(first)).is_some(),
        "by a request that opens"
    );
    app.pass(50);
    let mut request = app.load(&cookies);
    request.touch().unwrap();
    let patch = request.finish_patch(200);
    let second = patch.set_cookies().next().unwrap().split(';').next().unwrap();
    let entry = app.entry(&format!("{session}; {second}"));
    assert!(
        entry.activity(&value(second)).is_some(),
        "by a request that opens no more"
    );
    assert!(entry.activity(&value(first)).is_none());
    // It is looked at: with one that is only remembered, the session is active.
    let forged = altered(second);
    let with_forged = format!("{session}; {forged}");
    assert_eq!(app.load(&with_forged).state(), SessionState::Rejected(Reason::Idle));
    let entry = app.entry(&cookies);
    let head = entry.activity(&value(first)).unwrap();
    entry.set_activity(&value(&forged), head);
    assert_eq!(app.user(&with_forged), Some(7));
}

// ---- when it goes

#[test]
fn what_ends_here_is_not_kept() {
    type Act = fn(&App, &mut Session<Data>);
    let acts: [Act; 5] = [
        |_, session| session.end().unwrap(),
        |_, session| {
            session.start(Data::of(9)).unwrap();
            assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
        },
        |app, session| app.sessions.revoke(session.id().unwrap()),
        |app, _| app.sessions.raise_cut_off(from_seconds(START + 1)),
        |app, _| app.another_ring(),
    ];
    let configurations: [fn(Builder<Data>) -> Builder<Data>; 3] = [
        |builder| builder,
        |builder| builder.revoke_on_end(false),
        // Guests, who are not revoked.
        |builder| builder.signed_in_if(|data| data.user != 7),
    ];
    for configure in configurations {
        for act in acts {
            let app = app_with(configure);
            let cookies = app.sign_in(7);
            assert!(app.user(&cookies).is_some() && app.hits(&cookies));
            let mut session = app.load(&cookies);
            assert!(session.get().is_some());
            act(&app, &mut session);
            assert_eq!(app.entries(), 0);
            drop(session);
            assert_eq!(LIVE.get(), 0);
        }
    }
}

#[test]
fn every_session_that_came_with_a_sign_out_goes() {
    let app = app_with(|builder| builder.revoke_on_end(false));
    let (one, other, stays) = (app.sign_in(7), app.sign_in(8), app.sign_in(9));
    for cookies in [&one, &other, &stays] {
        assert!(app.user(cookies).is_some());
    }
    app.load(&both(&one, &other)).end().unwrap();
    assert_eq!(app.entries(), 1);
    assert!(app.hits(&stays));
}

#[test]
fn the_cut_off_empties_the_cache_even_if_it_was_raised_before() {
    let app = app();
    app.sessions.raise_cut_off(from_seconds(START));
    let cookies = app.sign_in_many(0..100);
    for cookies in &cookies {
        assert!(app.user(cookies).is_some());
    }
    assert_eq!((app.entries(), LIVE.get()), (100, 100));
    app.sessions.raise_cut_off(from_seconds(START));
    assert_eq!((app.entries(), LIVE.get()), (0, 0));
}

#[test]
fn a_kept_session_that_is_refused_goes() {
    let list = Revocations::new();
    let is_refused = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&is_refused);
    let app = app_with(|builder| {
        builder
            .revocation_list(list.clone())
            .refuse_if(move |_| refuses.load(Ordering::SeqCst))
    });
    let mut cookies = app.sign_in_many(0..4).into_iter();
    let mut refused = |reason, refuse: &dyn Fn(&str) -> Option<String>| {
        let cookies = cookies.next().unwrap();
        assert!(app.user(&cookies).is_some() && app.hits(&cookies));
        let sent = refuse(&cookies).unwrap_or(cookies);
        assert_eq!(app.load(&sent).state(), SessionState::Rejected(reason));
        assert_eq!((app.entries(), LIVE.get()), (0, 0), "{reason:?}");
    };
    refused(Reason::Idle, &|cookies| Some(parts(cookies).0.to_owned()));
    // By another server.
    refused(Reason::Revoked, &|cookies| {
        let until = from_seconds(START + 7200);
        let id = app.id(cookies);
        list.revoke_at(Revocation { id, until }, from_seconds(START));
        None
    });
    refused(Reason::Refused, &|_| {
        is_refused.store(true, Ordering::SeqCst);
        None
    });
    is_refused.store(false, Ordering::SeqCst);
    refused(Reason::Revoked, &|_| {
        list.raise_cut_off(from_seconds(START + 1));
        None
    });
}

#[test]
fn a_request_that_is_held_open_across_a_change_of_keys_leaves_nothing_of_the_old_secret() {
    let sessions = Arc::new(OnceLock::<Sessions<Data>>::new());
    let replaces = Arc::new(AtomicBool::new(false));
    let (callback, once) = (Arc::clone(&sessions), Arc::clone(&replaces));
    let app = app_with(|builder| {
        builder.refuse_if(move |_| {
            if once.swap(false, Ordering::SeqCst) {
                callback.get().unwrap().replace_keys(ring());
            }
            false
        })
    });
    sessions.set(app.sessions.clone()).unwrap();
    for is_kept in [false, true] {
        let cookies = app.sign_in(7);
        assert!(!is_kept || app.user(&cookies).is_some());
        let early = app.load(&cookies);
        replaces.store(true, Ordering::SeqCst);
        let request = app.load(&cookies);
        assert!(request.get().is_some(), "it began before");
        assert_eq!((app.entries(), LIVE.get()), (0, 1), "the request alone has the data");
        let unknown = SessionState::Rejected(Reason::UnknownKey);
        assert_eq!(app.load(&cookies).state(), unknown);
        assert_eq!(early.state(), unknown, "it was loaded before, and looked after");
        drop(request);
        assert_eq!(LIVE.get(), 0);
    }
}

// ---- after a minute

#[test]
fn what_no_request_used_for_a_minute_is_opened_anew() {
    let app = app();
    let cookies = app.sign_in(7);
    assert!(!app.hits(&cookies) && app.hits(&cookies));
    for _ in 0..4 {
        app.pass(59);
        assert!(app.hits(&cookies), "every use counts");
    }
    app.pass(60);
    assert!(!app.hits(&cookies));
}

#[test]
fn a_sweep_drops_what_no_request_used_for_a_minute_and_nothing_else() {
    let app = app();
    let cookies = app.sign_in_many(0..200);
    for cookies in &cookies {
        assert!(app.user(cookies).is_some());
    }
    for _ in 0..59 {
        app.pass(1);
        app.stroll();
    }
    assert_eq!(app.entries(), 200, "no sooner");
    assert!(app.hits(&cookies[0]));
    for _ in 0..64 {
        app.pass(1);
        assert!(app.hits(&cookies[0]));
    }
    assert_eq!((app.entries(), LIVE.get()), (1, 1));
}

#[test]
fn one_request_sweeps_a_little_and_some_requests_sweep_all() {
    // A pause, and then requests that come at once, every second, or as often as there are shards.
    for step in [0, 1, 2, 60, 64, 600, 3600] {
        let app = app();
        for cookies in app.sign_in_many(0..200) {
            assert!(app.user(&cookies).is_some());
        }
        app.pass(3600);
        let mut filled = app.filled();
        assert!(filled > MOST_SHARDS / 2);
        for _ in 0..64 {
            app.stroll();
            app.pass(step);
            let left = app.filled();
            assert!(filled - left <= 1, "one request swept {} shards", filled - left);
            filled = left;
        }
        assert_eq!((filled, LIVE.get()), (0, 0), "every {step} seconds");
    }
}

#[test]
fn a_clock_that_jumps_keeps_nothing_for_ever() {
    for jump in [3600, 86_400 * 25_000] {
        for is_back in [false, true] {
            let app = app_with(|builder| builder.lifetime(Lifetime::absolute(SECOND * 3600).without_idle()));
            for cookies in app.sign_in_many(0..100) {
                assert!(app.user(&cookies).is_some());
            }
            // It was far ahead when they were used, or is from now on.
            let there = if is_back { START - jump.min(START) } else { START + jump };
            app.clock.store(there, Ordering::SeqCst);
            for _ in 0..200 {
                app.stroll();
                app.pass(1);
            }
            assert_eq!((app.entries(), LIVE.get()), (0, 0), "{there}");
            // And it works as before.
            let cookies = app.sign_in(7);
            assert!(!app.hits(&cookies) && app.hits(&cookies));
        }
    }
}

// ---- memory

fn weight(app: &App) -> u64 {
    let keys = app.sessions.keys();
    let shards = keys.opened.shards.iter();
    let bytes = shards.flat_map(|shard| shard.iter().map(|(_, kept)| kept.bytes).collect::<Vec<_>>());
    bytes.sum()
}

#[test]
fn entries_take_no_more_than_configured_and_every_session_opens_all_the_same() {
    for bytes in [SMALLEST, 5 * SMALLEST, 2 * SHARD + 1] {
        let app = app_with(|builder| builder.opened_cache(bytes));
        let note = |user: u32| user as usize % 7 * 300;
        let cookies: Vec<_> = (0..150)
            .map(|user| app.sessions.cookie_for(Data::with_note(user, note(user))).unwrap())
            .collect();
        for _ in 0..2 {
            for (user, cookies) in (0..).zip(&cookies) {
                assert_eq!(app.user(cookies), Some(user));
                assert!(weight(&app) <= bytes as u64);
                assert_eq!(LIVE.get(), app.entries(), "what is evicted is dropped");
            }
        }
        assert!(weight(&app) > bytes as u64 / 2 && app.entries() < 150);
        // The same room under the next ring.
        let size = |app: &App| -> u64 { app.sessions.keys().opened.shards.iter().map(Cache::capacity).sum() };
        let before = size(&app);
        app.another_ring();
        assert_eq!((size(&app), LIVE.get()), (before, 0));
        assert!(before <= bytes as u64);
    }
}

#[test]
fn an_entry_weighs_what_it_takes() {
    let app = app();
    let mut last = 0;
    for note in [0, 100, 1000, 2500] {
        let cookies = app.sessions.cookie_for(Data::with_note(7, note)).unwrap();
        let text = parts(&cookies).0.len() - "__Host-id=".len();
        let payload = note + r#"{"user":7,"note":""}"#.len();
        assert!(app.user(&cookies).is_some());
        let entry = app.entry(&cookies);
        assert_eq!(entry.credential.len(), text);
        // Text, the buffer with the payload, data that take twice as much as it, and the entry itself.
        assert!(entry.bytes as usize >= text + 3 * payload + size_of::<Kept<Data>>());
        assert!(entry.bytes > last && (entry.bytes as usize) < 1500 + 6 * text);
        last = entry.bytes;
    }
}

#[test]
fn what_is_too_large_is_not_kept_and_opens_all_the_same() {
    let app = app_with(|builder| builder.opened_cache(SMALLEST));
    let small = app.sign_in(7);
    assert!(app.user(&small).is_some());
    let bind = vec![b'x'; SMALLEST];
    let fields = |cookies: &str| RequestFields::from_cookies([cookies.to_owned()]).with_bind(bind.clone());
    let mut session = app.sessions.load(fields(""));
    session.start(Data::of(8)).unwrap();
    let patch = session.finish_patch(200);
    let pairs: Vec<_> = patch
        .set_cookies()
        .map(|line| line.split(';').next().unwrap())
        .collect();
    let large = pairs.join("; ");
    for _ in 0..3 {
        let session = app.sessions.load(fields(&large));
        assert_eq!(session.get().map(|data| data.user), Some(8));
    }
    assert_eq!(app.entries(), 1);
    assert!(app.hits(&small));
}

// ---- data may do anything

/// How many fit into the smallest cache and are there at first.
const FIRST: usize = 6;

type Act = fn(&App, &[String]);

/// Each way in which the cache drops the data of visitors.
const WAYS: [(&str, Act); 7] = [
    ("evicted", |app, cookies| {
        for cookies in &cookies[FIRST..] {
            _ = app.user(cookies);
        }
    }),
    ("swept", |app, _| {
        app.pass(60);
        app.stroll();
    }),
    ("unused", |app, cookies| {
        app.sessions.keys().opened.swept.store(START + 60, Ordering::Relaxed);
        app.pass(60);
        _ = app.user(&cookies[0]);
    }),
    ("ended", |app, cookies| {
        let mut request = app.load(&both(&cookies[0], &cookies[1]));
        request.end().unwrap();
        // The data of the request itself are its own affair.
        ON_DROP.take();
    }),
    ("revoked", |app, cookies| {
        let ids = [0, 1].map(|at| app.id(&cookies[at]));
        ids.into_iter().for_each(|id| app.sessions.revoke(id));
    }),
    ("cut off", |app, _| app.sessions.raise_cut_off(from_seconds(START + 1))),
    ("under a dropped key", |app, _| app.another_ring()),
];

/// Sessions with entries in one shard, whose data do this when they are dropped in one of the ways. Returns how often.
fn dropped(way: Act, act: impl Fn(&App, &[String]) + 'static) -> usize {
    let app = Rc::new(app_with(|builder| builder.opened_cache(SMALLEST)));
    let sign_in = |user| app.sessions.cookie_for(Data::with_note(user, 1500)).unwrap();
    let cookies: Rc<[String]> = (0..4 * FIRST as u32).map(sign_in).collect();
    for cookies in &cookies[..FIRST] {
        assert!(app.user(cookies).is_some());
    }
    assert_eq!(app.entries(), FIRST);
    let count = Rc::new(Cell::new(0));
    let (of_app, of_cookies, counter) = (Rc::clone(&app), Rc::clone(&cookies), Rc::clone(&count));
    let is_within = Cell::new(false);
    ON_DROP.set(Some(Rc::new(move || {
        // The data that it drops do nothing themselves.
        if !is_within.replace(true) {
            counter.set(counter.get() + 1);
            let _ended = OnDrop(|| is_within.set(false));
            act(&of_app, &of_cookies);
        }
    })));
    way(&app, &cookies);
    ON_DROP.take();
    // All others are served as before.
    let cookies = app
        .sessions
        .cookie_for_at(Data::of(42), from_seconds(START + 3000))
        .unwrap();
    app.clock.store(START + 3000, Ordering::SeqCst);
    assert!(!app.hits(&cookies) && app.hits(&cookies));
    count.get()
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn data_that_use_the_sessions_when_they_are_dropped_lock_nothing_up() {
    let acts: [Act; 5] = [
        |app, cookies| cookies[..3].iter().for_each(|cookies| _ = app.user(cookies)),
        |app, cookies| {
            for cookies in &cookies[..3] {
                if let Some(id) = app.load(cookies).id() {
                    app.sessions.revoke(id);
                }
            }
        },
        |app, _| app.sessions.raise_cut_off(from_seconds(START)),
        |app, _| app.another_ring(),
        |app, _| app.stroll(),
    ];
    for (name, way) in WAYS {
        for act in acts {
            assert!(dropped(way, act) > 0, "nothing was {name}");
        }
    }
}

/// One visitor's data fail neither another visitor's request nor the process.
#[test]
fn data_that_panic_when_they_are_dropped_harm_no_other_visitor() {
    for (name, way) in WAYS {
        let count = dropped(way, |_, _| std::panic::resume_unwind(Box::new("as it is dropped")));
        assert!(count > 0, "nothing was {name}");
    }
}

fn app_with_a_check() -> App {
    app_with(|builder| {
        builder.refuse_if(|_| {
            if let Some(act) = ON_LOOK.take() {
                act();
            }
            false
        })
    })
}

#[test]
fn a_request_that_is_the_last_to_hold_entries_is_as_careful() {
    let app = app_with_a_check();
    let cookies = app.sign_in_many(0..3);
    for cookies in &cookies {
        assert!(app.user(cookies).is_some());
    }
    let dropped = Rc::new(Cell::new(0));
    let counter = Rc::clone(&dropped);
    let sessions = app.sessions.clone();
    ON_LOOK.set(Some(Box::new(move || {
        // It ends no session, and empties the cache.
        sessions.raise_cut_off(from_seconds(START));
        ON_DROP.set(Some(Rc::new(move || {
            counter.set(counter.get() + 1);
            std::panic::resume_unwind(Box::new("as it is dropped"))
        })));
    })));
    let request = app.load(&both(&both(&cookies[0], &cookies[1]), &cookies[2]));
    assert!(request.get().is_some());
    ON_DROP.take();
    assert_eq!((dropped.get(), app.entries()), (2, 0));
}

#[test]
fn what_is_revoked_while_it_is_opened_is_not_kept() {
    let app = app_with_a_check();
    let cookies = app.sign_in(7);
    let id = Claims::parse(parts(&cookies).0.split_once('=').unwrap().1)
        .unwrap()
        .session_id;
    let sessions = app.sessions.clone();
    ON_LOOK.set(Some(Box::new(move || sessions.revoke(id))));
    assert_eq!((app.user(&cookies), app.entries()), (Some(7), 0));
    assert_eq!(app.user(&cookies), None);
}

// ---- shards

#[test]
fn the_shards_share_the_ids() {
    let app = app();
    for cookies in app.sign_in_many(0..500) {
        assert!(app.user(&cookies).is_some());
    }
    let keys = app.sessions.keys();
    assert_eq!(keys.opened.shards.len(), MOST_SHARDS);
    let mut counts = HashMap::<usize, usize>::new();
    keys.opened
        .shards
        .iter()
        .for_each(|shard| *counts.entry(shard.len()).or_default() += 1);
    // 8 on average: a shard with 50 would come up once in 10^20 runs.
    assert!(counts.keys().all(|&count| count < 50), "{counts:?}");
}
