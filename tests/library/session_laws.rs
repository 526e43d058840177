//! Laws of sessions: one browser, one server and its key ring under any sequence of requests, time, restarts and
//! rotations, against a model of a few lines.
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use sealed_session::edge::Claims;
use sealed_session::testing;
use sealed_session::{KeyRing, Lifetime, RequestFields, Session, SessionState, Sessions, WriteError};
use serde::{Deserialize, Serialize};

use super::builder;
use testkit::{START, at, keep, key};

const IDLE: u64 = 1500;
const ABSOLUTE: u64 = 3600;
const REMEMBERED_IDLE: u64 = 4000;
const REMEMBERED_ABSOLUTE: u64 = 10_000;
/// How much two clocks may differ.
const LEEWAY: u64 = 300;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Data {
    number: u32,
}

/// What a handler does to its session.
#[derive(Clone, Copy, Debug)]
enum Act {
    Read,
    Start(u32),
    Update(u32),
    Cycle,
    Remember(bool),
    Renew,
    Clear,
}

#[derive(Clone, Debug)]
enum Step {
    /// A request whose response arrives at once.
    Request(Vec<Act>, u16),
    /// A request that reads (and, if true, renews explicitly), and whose response takes long.
    Slow(bool),
    /// One of the late responses arrives.
    Arrive(usize),
    Wait(u64),
    RestartBrowser,
    RestartServer,
    /// A new key opens.
    AddKey,
    /// One of the keys that open seals from now on.
    Promote(usize),
    /// A key is removed whose last token has expired, if there is one.
    DropKey,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Read),
        3 => (0..5u32).prop_map(Act::Start),
        4 => (0..5u32).prop_map(Act::Update),
        2 => Just(Act::Cycle),
        2 => any::<bool>().prop_map(Act::Remember),
        2 => Just(Act::Renew),
        1 => Just(Act::Clear),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let status = prop_oneof![6 => Just(200), 1 => Just(304), 1 => Just(500), 1 => Just(103)];
    prop_oneof![
        10 => (vec(acts(), 0..4), status).prop_map(|(acts, status)| Step::Request(acts, status)),
        4 => any::<bool>().prop_map(Step::Slow),
        4 => (0..8usize).prop_map(Step::Arrive),
        6 => prop_oneof![12 => 1..120u64, 3 => 120..1000u64, 1 => 700..4000u64].prop_map(Step::Wait),
        1 => Just(Step::RestartBrowser),
        1 => Just(Step::RestartServer),
        1 => Just(Step::AddKey),
        1 => (0..4usize).prop_map(Step::Promote),
        1 => Just(Step::DropKey),
    ]
}

fn idle(remembered: bool) -> u64 {
    if remembered { REMEMBERED_IDLE } else { IDLE }
}

fn absolute(remembered: bool) -> u64 {
    if remembered { REMEMBERED_ABSOLUTE } else { ABSOLUTE }
}

/// A session as it should be. `id` is the model's own count of ids.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Model {
    id: u32,
    number: u32,
    started: u64,
    remembered: bool,
}

impl Model {
    fn ends(&self) -> u64 {
        self.started + absolute(self.remembered)
    }
}

/// An activity cookie: its session, its end, and whether it survives the browser.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    id: u32,
    until: u64,
    kept: bool,
}

/// The two cookies in the browser, as they should be.
#[derive(Clone, Copy, Debug, Default)]
struct Browser {
    session: Option<Model>,
    seen: Option<Seen>,
}

impl Browser {
    /// The session that a request at `now` has.
    fn live(&self, now: u64) -> Option<Model> {
        let session = self.session.filter(|session| now < session.ends())?;
        let seen = self.seen?;
        let honest = now < seen.until && seen.until <= now + idle(session.remembered) + LEEWAY;
        (seen.id == session.id && honest).then_some(session)
    }
}

/// What one request changes in the browser, by the table of states.
struct Served {
    /// The session that its handler sees at the end.
    session: Option<Model>,
    effect: Browser,
    is_cleared: bool,
}

fn serve(browser: &Browser, acts: &[Act], status: u16, now: u64, ids: &mut u32) -> Served {
    let first = browser.live(now);
    let mut last = first;
    let (mut wrote, mut is_new, mut is_cleared, mut renews) = (false, false, false, false);
    for &act in acts {
        match (act, &mut last) {
            (Act::Start(number), last) => {
                *ids += 1;
                *last = Some(Model {
                    id: *ids,
                    number,
                    started: now,
                    remembered: false,
                });
                (wrote, is_new, renews) = (true, true, false);
            }
            (Act::Clear, last) => {
                *last = None;
                (wrote, is_new, is_cleared, renews) = (false, false, true, false);
            }
            (Act::Update(number), Some(session)) => (session.number, wrote) = (number, true),
            (Act::Cycle, Some(session)) => {
                *ids += 1;
                session.id = *ids;
                (wrote, is_new) = (true, true);
            }
            (Act::Remember(remembered), Some(session)) if session.remembered == remembered => wrote = true,
            (Act::Remember(remembered), Some(session)) if now < session.started + absolute(remembered) => {
                // An id never changes its kind: the old one is replaced.
                if first.is_some_and(|first| first.id == session.id) {
                    *ids += 1;
                    session.id = *ids;
                }
                (session.remembered, wrote, is_new) = (remembered, true, true);
            }
            (Act::Renew, Some(_)) => renews = true,
            _ => {}
        }
    }
    let mut effect = Browser::default();
    if let Some(session) = last.filter(|_| !acts.is_empty() && status == 200) {
        if wrote && (is_new || first != last) {
            effect.session = last;
        }
        let until = (now + idle(session.remembered)).min(session.ends());
        let old = browser.seen.map_or(0, |seen| seen.until);
        let worth = (idle(session.remembered) / 10).max(60);
        let is_last = until > old && until == session.ends();
        if is_new || renews || is_last || until >= old + worth {
            effect.seen = Some(Seen {
                id: session.id,
                until,
                kept: session.remembered,
            });
        }
    }
    Served {
        session: last,
        effect,
        // A sign-out is sent even if the session started after it is not.
        is_cleared: is_cleared && (last.is_none() || status != 200),
    }
}

/// The keys of the server, each with the time at which its last token expires.
struct Server {
    keys: Vec<(u8, u64)>,
    sealing: u8,
    next: u8,
    sessions: Sessions<Data>,
}

impl Server {
    fn new() -> Self {
        let keys = vec![(0, 0)];
        Self {
            sessions: built(&ring_text(&keys, 0)),
            keys,
            sealing: 0,
            next: 1,
        }
    }

    fn text(&self) -> String {
        ring_text(&self.keys, self.sealing)
    }

    /// The new ring comes while the server runs.
    fn replace(&mut self) {
        self.sessions.replace_keys(KeyRing::parse(&self.text()).unwrap());
    }

    /// Remembers how long the tokens of a response may live, and that the right key sealed them.
    fn note(&mut self, lines: &[String]) {
        for line in lines {
            if let Some(claims) = claims(line) {
                assert_eq!(claims.key_id, key(self.sealing).id(), "one key seals");
                for (_, until) in self
                    .keys
                    .iter_mut()
                    .filter(|(number, _)| key(*number).id() == claims.key_id)
                {
                    *until = u64::from(claims.expires).max(*until);
                }
            }
        }
    }
}

fn ring_text(keys: &[(u8, u64)], sealing: u8) -> String {
    let entry = |&(number, _): &(u8, u64)| {
        let role = if number == sealing { "seal" } else { "open" };
        format!("{role} {}\n", key(number).write_with_secret().expose())
    };
    keys.iter().rev().map(entry).collect()
}

fn built(ring: &str) -> Sessions<Data> {
    builder(KeyRing::parse(ring).unwrap())
        .lifetime(Lifetime::absolute(Duration::from_secs(ABSOLUTE)).idle(Duration::from_secs(IDLE)))
        .remembered(
            Lifetime::absolute(Duration::from_secs(REMEMBERED_ABSOLUTE)).idle(Duration::from_secs(REMEMBERED_IDLE)),
        )
        .build()
        .unwrap()
}

fn claims(line: &str) -> Option<Claims> {
    let (_, value) = line.split(';').next()?.split_once('=')?;
    Claims::parse(value).ok()
}

fn act_on(session: &mut Session<Data>, act: Act) {
    match act {
        Act::Read => _ = session.get(),
        Act::Start(number) => session.start(Data { number }).unwrap(),
        Act::Update(number) => _ = session.update(|data| data.number = number).unwrap(),
        Act::Cycle => session.cycle_id().unwrap(),
        Act::Remember(remembered) => match session.remember(remembered) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!((error, remembered), (WriteError::Expiry, false));
            }
        },
        Act::Renew => session.touch().unwrap(),
        Act::Clear => session.end().unwrap(),
    }
}

fn seconds(browser: &testing::Browser) -> u64 {
    u64::try_from(browser.now().unix_timestamp()).unwrap()
}

struct World {
    server: Server,
    jar: testing::Browser,
    browser: Browser,
    /// Late responses, with what they should do.
    on_the_way: Vec<(Vec<String>, Option<Seen>)>,
    ids: u32,
}

impl World {
    fn new() -> Self {
        Self {
            server: Server::new(),
            jar: testing::Browser::at(START),
            browser: Browser::default(),
            on_the_way: Vec::new(),
            ids: 0,
        }
    }

    fn load(&self) -> Session<Data> {
        self.server.sessions.load_at(self.jar.fields(), self.jar.now())
    }

    fn now(&self) -> u64 {
        seconds(&self.jar)
    }

    /// The browser's session is exactly that of the model.
    fn check(&self) {
        let session = self.load();
        let expected = self.browser.live(self.now());
        assert_eq!(
            session.get().map(|data| data.number),
            expected.map(|model| model.number),
            "data read is data last written: {:?} {:?}",
            session.state(),
            self.browser
        );
        if let Some(model) = expected {
            assert_eq!(session.started(), Some(at(model.started)));
            assert_eq!(
                session.expires(),
                Some(at(model.ends())),
                "start and kind alone fix the end"
            );
            assert_eq!(session.is_remembered(), model.remembered);
            assert!(self.now() < model.started + absolute(model.remembered));
        }
    }

    fn request(&mut self, acts: &[Act], status: u16) {
        let mut session = self.load();
        for &act in acts {
            act_on(&mut session, act);
        }
        let served = serve(&self.browser, acts, status, self.now(), &mut self.ids);
        let seen = session.peek().map(|data| data.number);
        assert_eq!(seen, served.session.map(|model| model.number));
        let lines = self.finish(&session, status);
        if served.is_cleared {
            assert_eq!(lines.len(), 2, "both cookies are removed: {lines:?}");
            self.browser = Browser::default();
        } else {
            self.assert_sends(&lines, &served.effect);
            self.browser.session = served.effect.session.or(self.browser.session);
            self.browser.seen = served.effect.seen.or(self.browser.seen);
        }
        keep(&mut self.jar, lines.iter().map(String::as_str));
        self.check();
    }

    fn finish(&mut self, session: &Session<Data>, status: u16) -> Vec<String> {
        let patch = session.finish_patch(status);
        let lines: Vec<String> = patch.set_cookies().map(str::to_owned).collect();
        self.server.note(&lines);
        lines
    }

    /// These lines set exactly these cookies, with these ends.
    fn assert_sends(&self, lines: &[String], effect: &Browser) {
        let sent: Vec<_> = lines.iter().map(|line| claims(line).unwrap()).collect();
        let ends = |is_activity| {
            let sent = sent.iter().find(move |claims| claims.is_activity == is_activity);
            sent.map(|claims| u64::from(claims.expires))
        };
        assert_eq!(ends(false), effect.session.map(|session| session.ends()), "{lines:?}");
        assert_eq!(ends(true), effect.seen.map(|seen| seen.until), "{lines:?}");
        assert_eq!(
            lines.len(),
            usize::from(effect.session.is_some()) + usize::from(effect.seen.is_some())
        );
    }

    fn send_slowly(&mut self, renews: bool) {
        let act = if renews { Act::Renew } else { Act::Read };
        let mut session = self.load();
        act_on(&mut session, act);
        let served = serve(&self.browser, &[act], 200, self.now(), &mut self.ids);
        let lines = self.finish(&session, 200);
        self.assert_sends(&lines, &served.effect);
        self.on_the_way.push((lines, served.effect.seen));
    }

    fn arrive(&mut self, index: usize) {
        if self.on_the_way.is_empty() {
            return;
        }
        let (lines, seen) = self.on_the_way.swap_remove(index % self.on_the_way.len());
        let before = self.jar.clone();
        keep(&mut self.jar, lines.iter().map(String::as_str));
        assert_eq!(
            self.jar.cookie("__Host-id"),
            before.cookie("__Host-id"),
            "a renewal carries no data"
        );
        self.browser.seen = seen.or(self.browser.seen);
        if self.browser.session.is_none() {
            assert_eq!(
                self.load().state(),
                SessionState::Absent,
                "a renewal brings nothing back"
            );
        }
        self.check();
    }

    fn wait(&mut self, seconds: u64) {
        let was_dead = self.browser.live(self.now()).is_none();
        self.jar.pass(Duration::from_secs(seconds));
        self.check();
        // An activity token that ends too late for its session would be valid after a wait. This server never makes
        // one.
        if was_dead && self.seen_fits() {
            assert!(self.load().get().is_none(), "once dead by time it stays dead");
        }
    }

    /// Whether the session's own lifetimes allow the activity cookie.
    fn seen_fits(&self) -> bool {
        let (Some(session), Some(seen)) = (self.browser.session, self.browser.seen) else {
            return true;
        };
        seen.kept == session.remembered
    }

    fn restart_browser(&mut self) {
        self.jar.restart();
        self.browser.session = self.browser.session.filter(|session| session.remembered);
        self.browser.seen = self.browser.seen.filter(|seen| seen.kept);
        self.check();
    }

    fn change_ring(&mut self, step: &Step) {
        let now = self.now();
        let server = &mut self.server;
        match *step {
            Step::AddKey if server.next < 200 => {
                server.keys.push((server.next, 0));
                server.next += 1;
            }
            Step::Promote(index) => server.sealing = server.keys[index % server.keys.len()].0,
            Step::DropKey => {
                let sealing = server.sealing;
                let gone = |&(number, until): &(u8, u64)| number != sealing && until <= now;
                if let Some(index) = server.keys.iter().position(gone) {
                    server.keys.remove(index);
                }
            }
            _ => {}
        }
        server.replace();
        self.check();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Request(acts, status) => self.request(acts, *status),
            Step::Slow(renews) => self.send_slowly(*renews),
            Step::Arrive(index) => self.arrive(*index),
            Step::Wait(seconds) => self.wait(*seconds),
            Step::RestartBrowser => self.restart_browser(),
            Step::RestartServer => self.server.sessions = built(&self.server.text()),
            Step::AddKey | Step::Promote(_) | Step::DropKey => self.change_ring(step),
        }
    }
}

/// The end that a session claims, or a token.
struct End {
    at: u64,
    is_remembered: bool,
    /// When the visitor was seen, if this is the end of activity.
    active_at: Option<u64>,
}

/// Every end that is shown or sealed in the life of one session.
fn life(steps: &[(Act, u64)]) -> Vec<End> {
    let sessions = built(&ring_text(&[(0, 0)], 0));
    let mut jar = testing::Browser::at(START);
    let mut ends = Vec::new();
    for (act, wait) in [(Act::Start(0), 0)].iter().chain(steps) {
        jar.pass(Duration::from_secs(*wait));
        let mut session = sessions.load_at(jar.fields(), jar.now());
        act_on(&mut session, *act);
        if let Some(expires) = session.expires() {
            ends.push(End {
                at: u64::try_from(expires.unix_timestamp()).unwrap(),
                is_remembered: session.is_remembered(),
                active_at: None,
            });
        }
        let patch = session.finish_patch(200);
        let sent = patch.set_cookies().filter_map(claims);
        ends.extend(sent.map(|claims| End {
            at: claims.expires.into(),
            is_remembered: session.is_remembered(),
            active_at: claims.is_activity.then(|| seconds(&jar)),
        }));
        keep(&mut jar, patch.set_cookies());
    }
    ends
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 100, ..Config::default() })]

    #[test]
    fn one_browser_sees_what_the_model_says(steps in vec(steps(), 1..100)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
    }

    #[test]
    fn no_write_moves_the_end_of_a_session(
        steps in vec((
            prop_oneof![
                Just(Act::Read),
                (0..9u32).prop_map(Act::Update),
                Just(Act::Cycle),
                any::<bool>().prop_map(Act::Remember),
                Just(Act::Renew),
            ],
            0..500u64,
        ), 1..40),
    ) {
        for End { at, is_remembered, active_at } in life(&steps) {
            let end = START + absolute(is_remembered);
            let expected = active_at.map_or(end, |now| end.min(now + idle(is_remembered)));
            prop_assert_eq!(at, expected);
        }
    }

    #[test]
    fn a_session_is_alive_until_its_end_and_dead_ever_after(
        remembered in any::<bool>(),
        visits in vec(0..2500u64, 0..20),
    ) {
        let sessions = built(&ring_text(&[(0, 0)], 0));
        let mut jar = testing::Browser::at(START);
        let mut session = sessions.load_at(RequestFields::default(), at(START));
        session.start(Data { number: 1 }).unwrap();
        session.remember(remembered).unwrap();
        keep(&mut jar, session.finish_patch(200).set_cookies());
        let (mut last_visit, mut is_dead) = (START, false);
        for wait in visits {
            jar.pass(Duration::from_secs(wait));
            let now = seconds(&jar);
            let session = sessions.load_at(jar.fields(), jar.now());
            let is_live = session.get().is_some();
            prop_assert!(!(is_dead && is_live), "it came back");
            let absent = now - last_visit;
            if absent >= idle(remembered) || now >= START + absolute(remembered) {
                prop_assert!(!is_live, "absent for {absent} seconds at {now}");
            }
            // A visit that comes too soon for a renewal loses at most the smallest step of one.
            let worth = idle(remembered) / 10;
            if absent + worth < idle(remembered) && now < START + absolute(remembered) && !is_dead {
                prop_assert!(is_live, "absent for {absent} seconds only at {now}");
            }
            is_dead = !is_live;
            last_visit = now;
            keep(&mut jar, session.finish_patch(200).set_cookies());
        }
    }

    #[test]
    fn a_renewal_that_arrives_after_a_change_changes_no_data(number in any::<u32>(), wait in 0..599u64) {
        let mut world = World::new();
        world.request(&[Act::Start(0)], 200);
        world.wait(wait);
        world.send_slowly(true);
        world.request(&[Act::Update(number)], 200);
        world.arrive(0);
        let session = world.load();
        prop_assert_eq!(session.get(), Some(&Data { number }));
    }

    #[test]
    fn a_renewal_that_arrives_after_a_sign_out_brings_nothing_back(wait in 0..599u64, later in 0..599u64) {
        let mut world = World::new();
        world.request(&[Act::Start(0)], 200);
        world.wait(wait);
        world.send_slowly(true);
        world.request(&[Act::Clear], 200);
        world.wait(later);
        world.arrive(0);
        prop_assert_eq!(world.load().state(), SessionState::Absent);
    }

    #[test]
    fn a_renewal_that_arrives_after_the_lifetimes_were_shortened_prolongs_nothing(
        wait in 0..1499u64,
        later in 0..4000u64,
    ) {
        let mut world = World::new();
        world.request(&[Act::Start(0), Act::Remember(true)], 200);
        world.wait(wait);
        world.send_slowly(true);
        world.request(&[Act::Remember(false)], 200);
        let shortened = world.now();
        world.arrive(0);
        world.wait(later);
        if world.load().get().is_some() {
            prop_assert!(world.now() < START + ABSOLUTE);
            prop_assert!(world.now() < shortened + REMEMBERED_IDLE);
        }
    }
}
