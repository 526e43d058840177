//! The cache of opened sessions changes no answer: two servers of one ring, one with the cache and one without, are
//! asked the same and give the same. `src/sessions/opened/tests.rs` shows what is kept, and for how long.
mod laws;
mod threads;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::revocation::{Revocation, RevocationList, Revocations};
use sealed_session::testing::Browser;
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions, Updated,
};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use testkit::{START, Seen, after, answered, at, key, ring};

const IDLE: u64 = 300;
const ABSOLUTE: u64 = 3600;

thread_local! {
    /// How often `Data` were read from a payload.
    static READ: Cell<usize> = const { Cell::new(0) };
    static AS_IT_IS_READ: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Data {
    user: u32,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain {
            user: u32,
        }
        READ.set(READ.get() + 1);
        if let Some(act) = AS_IT_IS_READ.take() {
            act();
        }
        let Plain { user } = Plain::deserialize(deserializer)?;
        Ok(Self { user })
    }
}

struct Server {
    sessions: Sessions<Data>,
    list: Revocations,
    seen: Seen,
}

/// Two servers that differ in the cache alone.
struct Twins {
    with: Server,
    without: Server,
    clock: Browser,
    /// The user whom `refuse_if` refuses.
    refused: Arc<AtomicU32>,
    /// Users below this number count as guests.
    guests: Arc<AtomicU32>,
}

/// Everything that a request and its response show.
#[derive(Debug, PartialEq)]
struct Answer {
    state: SessionState,
    user: Option<u32>,
    id: Option<SessionId>,
    started: Option<OffsetDateTime>,
    expires: Option<OffsetDateTime>,
    is_remembered: bool,
    is_signed_in: bool,
    lines: Vec<(String, String)>,
    events: Vec<Event>,
}

impl Twins {
    fn new() -> Self {
        let clock = Browser::at(START);
        let (refused, guests) = (Arc::new(AtomicU32::new(u32::MAX)), Arc::new(AtomicU32::new(0)));
        let server = |builder: Builder<Data>| {
            let (list, seen) = (Revocations::new(), Seen::default());
            let (refused, guests) = (Arc::clone(&refused), Arc::clone(&guests));
            let builder = builder
                .lifetime(Lifetime::absolute(Duration::from_secs(ABSOLUTE)).idle(Duration::from_secs(IDLE)))
                .remembered(Lifetime::absolute(Duration::from_secs(2 * ABSOLUTE)).idle(Duration::from_secs(2 * IDLE)))
                .clock(clock.clock())
                .revocation_list(list.clone())
                .refuse_if(move |opened| opened.data.user == refused.load(Ordering::SeqCst))
                .signed_in_if(move |data| data.user >= guests.load(Ordering::SeqCst))
                .observer(seen.observer());
            let sessions = builder.build().unwrap();
            Server { sessions, list, seen }
        };
        Self {
            with: server(Sessions::builder(ring())),
            without: server(Sessions::builder(ring()).opened_cache(0)),
            clock,
            refused,
            guests,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Does the same on both servers, and drops their events.
    fn both(&self, act: impl Fn(&Server)) {
        for server in [&self.with, &self.without] {
            act(server);
            server.seen.take();
        }
    }

    fn sign_in(&self, user: u32) -> String {
        self.sign_in_from(user, b"")
    }

    /// The cookies of a session with this `bind`, which no request has sent yet.
    fn sign_in_from(&self, user: u32, bind: &[u8]) -> String {
        let server = &self.with;
        let mut session = server.sessions.load(RequestFields::default().with_bind(bind));
        session.start(Data { user }).unwrap();
        let cookies = answered("", &session.finish_patch(200));
        server.seen.take();
        cookies
    }

    /// What both answer to a read.
    #[track_caller]
    fn ask(&self, cookies: &str) -> SessionState {
        self.ask_from(cookies, b"")
    }

    #[track_caller]
    fn ask_from(&self, cookies: &str, bind: &[u8]) -> SessionState {
        self.answer(cookies, bind, |_| ()).state
    }

    /// What both answer to a read at this time.
    #[track_caller]
    fn ask_at(&self, cookies: &str, now: OffsetDateTime) -> SessionState {
        let [with, without] = [&self.with, &self.without].map(|server| {
            let fields = RequestFields::from_cookies([cookies.to_owned()]);
            server.sessions.load_at(fields, now).state()
        });
        assert_eq!(with, without, "with the cache, and without, at {now}: {cookies}");
        with
    }

    /// What both answer to a request that does this: nothing whose result is random.
    #[track_caller]
    fn answer(&self, cookies: &str, bind: &[u8], act: impl Fn(&mut Session<Data>)) -> Answer {
        let [with, without] = [&self.with, &self.without].map(|server| {
            let fields = RequestFields::from_cookies([cookies.to_owned()]).with_bind(bind);
            let mut session = server.sessions.load(fields);
            act(&mut session);
            Answer::of(&session, &server.seen)
        });
        assert_eq!(with, without, "with the cache, and without: {cookies}");
        with
    }

    /// Whether the server with the cache opens these cookies without reading them. They are valid.
    #[track_caller]
    fn hits(&self, cookies: &str) -> bool {
        READ.take();
        assert_eq!(self.ask(cookies), SessionState::Valid);
        let read = READ.take();
        assert!(read == 1 || read == 2, "the server without the cache reads");
        read == 1
    }

    /// The id of a session, which both servers open.
    fn id(&self, cookies: &str) -> SessionId {
        self.answer(cookies, b"", |_| ()).id.unwrap()
    }

    /// A session that the cache has, and its id.
    #[track_caller]
    fn kept(&self, user: u32) -> (String, SessionId) {
        let cookies = self.sign_in(user);
        let id = self.id(&cookies);
        assert!(self.hits(&cookies));
        (cookies, id)
    }
}

impl Answer {
    fn of(session: &Session<Data>, seen: &Seen) -> Self {
        let state = session.state();
        let (user, id) = (session.get().map(|data| data.user), session.id());
        let (started, expires) = (session.started(), session.expires());
        let (is_remembered, is_signed_in) = (session.is_remembered(), session.is_signed_in());
        let mut lines = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
        session.finish(200, &mut lines);
        Self {
            state,
            user,
            id,
            started,
            expires,
            is_remembered,
            is_signed_in,
            lines,
            events: seen.take(),
        }
    }
}

/// The cookies of a browser after a response.
fn written(twins: &Twins, cookies: &str, act: impl FnOnce(&mut Session<Data>)) -> String {
    let server = &twins.with;
    let mut session = server.sessions.load(RequestFields::from_cookies([cookies.to_owned()]));
    act(&mut session);
    let cookies = answered(cookies, &session.finish_patch(200));
    server.seen.take();
    cookies
}

fn parts(cookies: &str) -> (&str, &str) {
    cookies.split_once("; ").unwrap()
}

/// A pair of name and value, with each character of the value changed, left out and doubled.
fn near_misses(pair: &str) -> Vec<String> {
    let (name, value) = pair.split_once('=').unwrap();
    let near = |at: usize| {
        let (before, from) = value.split_at(at);
        let (character, after) = from.split_at(1);
        let other = if character == "A" { "B" } else { "A" };
        [other, "", &character.repeat(2)].map(|instead| format!("{name}={before}{instead}{after}"))
    };
    (0..value.len()).flat_map(near).collect()
}

// ---- the token

#[test]
fn no_near_miss_of_a_kept_token_is_a_hit() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    let (session, activity) = parts(&cookies);
    for near in near_misses(session) {
        let state = twins.ask(&format!("{near}; {activity}"));
        assert!(matches!(state, SessionState::Rejected(_)), "{near}");
    }
    assert!(twins.hits(&cookies), "and none displaces it");
    for near in near_misses(activity) {
        let state = twins.ask(&format!("{session}; {near}"));
        assert_eq!(state, SessionState::Rejected(Reason::Idle), "{near}");
        assert_eq!(twins.ask(&cookies), SessionState::Valid);
    }
}

#[test]
fn two_tokens_of_one_id_are_two_answers() {
    let twins = Twins::new();
    let (old, _) = twins.kept(7);
    let new = written(&twins, &old, |session| {
        assert_eq!(session.update(|data| data.user = 8), Ok(Updated::Done(())));
    });
    for _ in 0..3 {
        for (cookies, user) in [(&old, 7), (&new, 8)] {
            assert_eq!(twins.answer(cookies, b"", |_| ()).user, Some(user));
        }
    }
    // The head of one with the rest of the other.
    let ((old, activity), (new, _)) = (parts(&old), parts(&new));
    for at in (20..old.len()).step_by(7) {
        let mixed = format!("{}{}", &new[..at], &old[at..]);
        if mixed != old && mixed != new {
            let state = twins.ask(&format!("{mixed}; {activity}"));
            assert!(matches!(state, SessionState::Rejected(_)), "{at}");
        }
    }
}

#[test]
fn a_kept_token_opens_with_its_own_bind_alone() {
    let twins = Twins::new();
    let bind = b"device";
    let cookies = twins.sign_in_from(7, bind);
    let (session, activity) = parts(&cookies);
    assert_eq!(twins.ask_from(&cookies, bind), SessionState::Valid);
    let not_ours = SessionState::Rejected(Reason::NotOurs);
    for other in [
        &b""[..],
        b"devic",
        b"devicf",
        b"device0",
        b"Device",
        b"another",
        b"\0device",
    ] {
        assert_eq!(twins.ask_from(&cookies, other), not_ours);
        assert_eq!(twins.ask_from(&cookies, bind), SessionState::Valid);
    }
    // What one of the two has less, the other has more.
    for length in 1..12 {
        let (less, more) = session.split_at(session.len() - length);
        let state = twins.ask_from(&format!("{less}; {activity}"), &[more.as_bytes(), bind].concat());
        assert!(matches!(state, SessionState::Rejected(_)));
        let longer = format!(
            "{session}{}; {activity}",
            str::from_utf8(&bind[..length.min(6)]).unwrap()
        );
        let state = twins.ask_from(&longer, &bind[length.min(6)..]);
        assert!(matches!(state, SessionState::Rejected(_)));
    }
    // A session that is bound to nothing has no other bind either.
    let (unbound, _) = twins.kept(8);
    assert_eq!(twins.ask_from(&unbound, bind), not_ours);
    assert!(twins.hits(&unbound));
}

// ---- the activity token

#[test]
fn a_kept_session_needs_its_own_activity_token() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    let (session, activity) = parts(&cookies);
    let (other, _) = twins.kept(8);
    let (other_session, of_other) = parts(&other);
    let bound = twins.sign_in_from(9, b"device");
    assert_eq!(twins.ask_from(&bound, b"device"), SessionState::Valid);
    let (bound_session, of_bound) = parts(&bound);
    let idle = SessionState::Rejected(Reason::Idle);
    for _ in 0..2 {
        assert_eq!(twins.ask(&format!("{session}; {of_other}")), idle);
        assert_eq!(twins.ask(&format!("{session}; {of_bound}")), idle);
        assert_eq!(twins.ask(session), idle);
        assert_eq!(twins.ask(&format!("{session}; __Host-id-seen=")), idle);
        let session_as_activity = session.replacen("__Host-id", "__Host-id-seen", 1);
        assert_eq!(twins.ask(&format!("{session}; {session_as_activity}")), idle);
        assert_eq!(twins.ask_from(&format!("{bound_session}; {activity}"), b"device"), idle);
        // Its own one among others.
        for cookies in [
            format!("{session}; {of_other}; {activity}"),
            format!("{activity}; {activity}; {session}; {of_bound}"),
            format!("{other_session}; {session}; {activity}"),
            format!("{other_session}; {session}; {of_other}; {activity}"),
        ] {
            assert_eq!(twins.ask(&cookies), SessionState::Valid);
        }
        assert_eq!(twins.ask_from(&bound, b"device"), SessionState::Valid);
    }
    // More of others than are looked at.
    let many = [of_other].repeat(9).join("; ");
    twins.ask(&format!("{session}; {other_session}; {many}; {activity}"));
    twins.ask(&format!("{session}; {many}; {activity}"));
}

#[test]
fn a_new_activity_token_takes_the_place_of_the_one_that_was_remembered() {
    let twins = Twins::new();
    let (first, _) = twins.kept(7);
    let session = parts(&first).0;
    let mut cookies = vec![first.clone()];
    for _ in 0..6 {
        twins.pass(50);
        let last = cookies.last().unwrap();
        let touched = twins.answer(last, b"", |session| session.touch().unwrap());
        let line = touched.lines.iter().find(|(name, _)| name == "Set-Cookie").unwrap();
        let activity = line.1.split(';').next().unwrap();
        cookies.push(format!("{session}; {activity}"));
        // Each is judged by what it says, whatever came before.
        for (passed, cookies) in (0..).zip(cookies.iter().rev()) {
            let is_active = passed * 50 < IDLE;
            let state = if is_active {
                SessionState::Valid
            } else {
                SessionState::Rejected(Reason::Idle)
            };
            assert_eq!(twins.ask(cookies), state);
            assert_eq!(twins.ask(cookies), state);
        }
    }
    assert_eq!(twins.ask(&first), SessionState::Rejected(Reason::Idle));
    assert_eq!(twins.ask(&cookies[6]), SessionState::Valid);
    assert!(twins.hits(&cookies[6]));
}

// ---- what is judged anew

#[test]
fn a_kept_session_ends_when_its_activity_ends() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    for _ in 0..9 {
        twins.pass(30);
        assert!(twins.hits(&cookies));
    }
    twins.pass(29);
    assert!(twins.hits(&cookies));
    twins.pass(1);
    assert_eq!(twins.ask(&cookies), SessionState::Rejected(Reason::Idle));
}

#[test]
fn a_kept_session_ends_at_its_absolute_timeout() {
    for (lifetime, end, reason) in [
        (ABSOLUTE, ABSOLUTE, Reason::Expired),
        // Another server is configured to a longer one.
        (ABSOLUTE / 2, ABSOLUTE / 2, Reason::TooOld),
    ] {
        let long = Twins::new();
        let cookies = parts(&long.sign_in(7)).0.to_owned();
        let twins = |builder: Builder<Data>| {
            let lifetime = Lifetime::absolute(Duration::from_secs(lifetime)).without_idle();
            builder.lifetime(lifetime).build().unwrap()
        };
        let servers = [
            twins(Sessions::builder(ring())),
            twins(Sessions::builder(ring()).opened_cache(0)),
        ];
        let ask = |seconds| {
            let [with, without] = servers.each_ref().map(|sessions| {
                let fields = RequestFields::from_cookies([cookies.clone()]);
                let session = sessions.load_at(fields, after(seconds));
                (session.state(), session.get().cloned(), session.expires())
            });
            assert_eq!(with, without, "after {seconds} s");
            with
        };
        for seconds in (0..end).step_by(30).chain([end - 1]) {
            READ.take();
            assert_eq!(ask(seconds).2, Some(after(end)));
            assert_eq!(READ.take(), if seconds == 0 { 2 } else { 1 }, "it is kept all the time");
        }
        assert_eq!(ask(end).0, SessionState::Rejected(reason));
    }
}

#[test]
fn a_kept_session_from_a_clock_ahead_is_judged_by_the_clock_of_now() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    let ask = |seconds| twins.ask_at(&cookies, at(START - seconds));
    assert_eq!(ask(59), SessionState::Valid);
    let states: Vec<_> = [60, 299, 300, 301, 4000].map(ask).into();
    assert!(states.contains(&SessionState::Valid) && states.iter().any(|&state| state != SessionState::Valid));
    assert_eq!(twins.ask(&cookies), SessionState::Valid);
}

#[test]
fn a_kept_session_needs_activity_that_this_server_could_have_noted() {
    let twins = Twins::new();
    let lifetime = Lifetime::absolute(Duration::from_secs(ABSOLUTE)).idle(Duration::from_secs(2000));
    let other = Sessions::builder(ring()).lifetime(lifetime).build().unwrap();
    let cookies = other.cookie_for_at(Data { user: 7 }, after(0)).unwrap();
    // The idle timeout and five minutes before the activity ends.
    let first = 2000 - IDLE - 300;
    for _ in 0..2 {
        assert_eq!(twins.ask_at(&cookies, after(first)), SessionState::Valid);
        assert_eq!(twins.ask_at(&cookies, after(first)), SessionState::Valid);
        let idle = SessionState::Rejected(Reason::Idle);
        assert_eq!(twins.ask_at(&cookies, after(first - 1)), idle);
    }
}

#[test]
fn a_kept_session_is_refused_once_it_is_revoked_wherever_that_was() {
    let ways: [fn(&Server, SessionId, OffsetDateTime); 4] = [
        |server, id, _| server.sessions.revoke(id),
        // Another server's revocation and cut-off come with the list.
        |server, id, now| {
            let until = now + Duration::from_secs(3 * ABSOLUTE);
            server.list.revoke_at(Revocation { id, until }, now);
        },
        |server, _, now| server.sessions.raise_cut_off(now + Duration::from_secs(1)),
        |server, _, now| server.list.raise_cut_off(now + Duration::from_secs(1)),
    ];
    for revoke in ways {
        let twins = Twins::new();
        let (cookies, id) = twins.kept(7);
        twins.both(|server| revoke(server, id, twins.now()));
        for _ in 0..2 {
            assert_eq!(twins.ask(&cookies), SessionState::Rejected(Reason::Revoked));
        }
    }
}

#[test]
fn a_kept_session_is_checked_by_refuse_if_and_signed_in_if_on_each_request() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    for _ in 0..2 {
        twins.refused.store(7, Ordering::SeqCst);
        assert_eq!(twins.ask(&cookies), SessionState::Rejected(Reason::Refused));
        twins.refused.store(8, Ordering::SeqCst);
        assert_eq!(twins.ask(&cookies), SessionState::Valid);
        assert!(twins.hits(&cookies));
        for guests in [8, 7] {
            twins.guests.store(guests, Ordering::SeqCst);
            assert_eq!(twins.answer(&cookies, b"", |_| ()).is_signed_in, guests == 7);
            assert!(twins.hits(&cookies));
        }
    }
}

#[test]
fn a_sign_out_revokes_a_kept_session_unless_it_counts_as_a_guests_now() {
    let twins = Twins::new();
    for guests in [0, 100, 0] {
        let (cookies, id) = twins.kept(7);
        twins.guests.store(guests, Ordering::SeqCst);
        let answer = twins.answer(&cookies, b"", |session| session.end().unwrap());
        assert_eq!(answer.events.contains(&Event::Revoked { id }), guests == 0);
        let copy = twins.ask(&cookies);
        assert_eq!(copy == SessionState::Rejected(Reason::Revoked), guests == 0);
    }
    // Refused ones, too.
    for guests in [0, 100] {
        let (cookies, id) = twins.kept(7);
        twins.guests.store(guests, Ordering::SeqCst);
        twins.refused.store(7, Ordering::SeqCst);
        let answer = twins.answer(&cookies, b"", |session| session.end().unwrap());
        assert_eq!(answer.events.contains(&Event::Revoked { id }), guests == 0);
        twins.refused.store(u32::MAX, Ordering::SeqCst);
    }
}

#[test]
fn a_dropped_key_ends_what_is_kept_and_another_ring_with_the_key_opens_it_again() {
    let twins = Twins::new();
    let (cookies, _) = twins.kept(7);
    let other = || KeyRing::new(key(2));
    let unknown = SessionState::Rejected(Reason::UnknownKey);
    for (ring, state) in [
        (other as fn() -> KeyRing, unknown),
        (ring, SessionState::Valid),
        (other, unknown),
    ] {
        twins.both(|server| server.sessions.replace_keys(ring()));
        assert_eq!((twins.ask(&cookies), twins.ask(&cookies)), (state, state));
    }
}

// ---- code of the application that runs while a session is opened

#[test]
fn what_data_do_as_they_are_read_counts_for_the_next_request() {
    type Act = fn(&Sessions<Data>, SessionId);
    let acts: [(Act, Reason); 3] = [
        (|sessions, id| sessions.revoke(id), Reason::Revoked),
        (|sessions, _| sessions.raise_cut_off(after(1)), Reason::Revoked),
        (
            |sessions, _| sessions.replace_keys(KeyRing::new(key(2))),
            Reason::UnknownKey,
        ),
    ];
    for (act, reason) in acts {
        let twins = Twins::new();
        let cookies = twins.sign_in(7);
        let token = parts(&cookies).0.split_once('=').unwrap().1;
        let id = Claims::parse(token).unwrap().session_id;
        let answer = twins.answer(&cookies, b"", |session| {
            let sessions = session.sessions().clone();
            AS_IT_IS_READ.set(Some(Box::new(move || act(&sessions, id))));
            assert!(session.get().is_some(), "this one is open already");
        });
        assert_eq!(answer.state, SessionState::Valid);
        assert_eq!(twins.ask(&cookies), SessionState::Rejected(reason));
    }
}

#[test]
fn data_that_open_their_own_session_as_they_are_read_get_it() {
    let twins = Twins::new();
    let cookies = twins.sign_in(7);
    let inner = cookies.clone();
    let answer = twins.answer(&cookies, b"", |session| {
        let (sessions, cookies) = (session.sessions().clone(), inner.clone());
        AS_IT_IS_READ.set(Some(Box::new(move || {
            let session = sessions.load(RequestFields::from_cookies([cookies.clone()]));
            assert_eq!(session.get(), Some(&Data { user: 7 }));
        })));
    });
    assert_eq!(answer.user, Some(7));
    assert!(twins.hits(&cookies));
}
