//! Any requests, with any cookies in any order, get the same answers with the cache and without.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// A cookie of a request.
#[derive(Clone, Debug)]
enum Cookie {
    Session(usize),
    Activity(usize),
    /// A session token with one character changed.
    Altered(usize, usize),
    AlteredActivity(usize, usize),
    Other(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Read,
    Touch,
    End,
    Update(u32),
    Cycle,
    Remember(bool),
    Start(u32),
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Vec<Cookie>, Act, bool),
    /// The cookies of one session, as its browser has them.
    Visit(usize, Act),
    Wait(u64),
    Revoke(usize),
    RevokeElsewhere(usize),
    CutOff,
    CutOffElsewhere,
    Refuse(u32),
    Guests(u32),
    Ring(usize),
}

fn cookies() -> impl Strategy<Value = Cookie> {
    prop_oneof![
        8 => (0..6usize).prop_map(Cookie::Session),
        2 => any::<usize>().prop_map(Cookie::Session),
        6 => (0..6usize).prop_map(Cookie::Activity),
        2 => any::<usize>().prop_map(Cookie::Activity),
        1 => (0..6usize, any::<usize>()).prop_map(|(of, at)| Cookie::Altered(of, at)),
        1 => (0..6usize, any::<usize>()).prop_map(|(of, at)| Cookie::AlteredActivity(of, at)),
        1 => prop_oneof![Just("theme=dark"), Just("__Host-id="), Just("__Host-id=AAAA")].prop_map(Cookie::Other),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => Just(Act::Read),
        2 => Just(Act::Touch),
        1 => Just(Act::End),
        2 => (0..6u32).prop_map(Act::Update),
        1 => Just(Act::Cycle),
        1 => any::<bool>().prop_map(Act::Remember),
        1 => (0..6u32).prop_map(Act::Start),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (vec(cookies(), 0..14), acts(), prop::bool::weighted(0.2))
            .prop_map(|(cookies, act, is_bound)| Step::Ask(cookies, act, is_bound)),
        12 => (0..6usize, acts()).prop_map(|(of, act)| Step::Visit(of, act)),
        6 => prop_oneof![6 => 1..40u64, 2 => 40..100u64, 1 => 100..1000u64].prop_map(Step::Wait),
        1 => (0..6usize).prop_map(Step::Revoke),
        1 => (0..6usize).prop_map(Step::RevokeElsewhere),
        1 => prop_oneof![Just(Step::CutOff), Just(Step::CutOffElsewhere)],
        1 => (0..8u32).prop_map(Step::Refuse),
        1 => (0..8u32).prop_map(Step::Guests),
        2 => (0..RINGS.len()).prop_map(Step::Ring),
    ]
}

/// The key that seals, and the others.
const RINGS: [(u8, &[u8]); 4] = [(1, &[]), (1, &[2]), (2, &[1]), (2, &[])];

const BIND: &[u8] = b"device";

struct World {
    twins: Twins,
    /// Values of session cookies and of activity cookies. Those of one session have one number at the start.
    sessions: Vec<String>,
    activities: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            twins: Twins::new(),
            sessions: Vec::new(),
            activities: Vec::new(),
        };
        for user in 0..6 {
            let bind = if user == 5 { BIND } else { b"" };
            let cookies = world.twins.sign_in_from(user, bind);
            world.keep(&cookies);
            world.twins.pass(u64::from(user % 2));
        }
        world
    }

    fn keep(&mut self, cookies: &str) {
        for pair in cookies.split("; ") {
            let (name, value) = pair.split_once('=').unwrap();
            let of = match name {
                "__Host-id" => &mut self.sessions,
                _ => &mut self.activities,
            };
            of.push(value.to_owned());
        }
    }

    fn pair(&self, cookie: &Cookie) -> String {
        let of = |values: &[String], number: usize| values[number % values.len()].clone();
        let altered = |mut value: String, at: usize| {
            let at = at % value.len();
            let other = if value.as_bytes()[at] == b'A' { "B" } else { "A" };
            value.replace_range(at..=at, other);
            value
        };
        match *cookie {
            Cookie::Session(number) => format!("__Host-id={}", of(&self.sessions, number)),
            Cookie::Activity(number) => format!("__Host-id-seen={}", of(&self.activities, number)),
            Cookie::Altered(number, at) => format!("__Host-id={}", altered(of(&self.sessions, number), at)),
            Cookie::AlteredActivity(number, at) => {
                format!("__Host-id-seen={}", altered(of(&self.activities, number), at))
            }
            Cookie::Other(pair) => pair.to_owned(),
        }
    }

    fn id(&self, number: usize) -> SessionId {
        Claims::parse(&self.sessions[number]).unwrap().session_id
    }

    /// Both answer the same, twice: what the first request left in the cache does not matter to the second.
    fn ask(&mut self, cookies: &[Cookie], act: Act, bind: &[u8]) {
        let pairs: Vec<_> = cookies.iter().map(|cookie| self.pair(cookie)).collect();
        let field = pairs.join("; ");
        self.twins.ask_from(&field, bind);
        match act {
            Act::Read => _ = self.twins.ask_from(&field, bind),
            Act::Touch => _ = self.twins.answer(&field, bind, |session| session.touch().unwrap()),
            Act::End => _ = self.twins.answer(&field, bind, |session| session.end().unwrap()),
            Act::Update(_) | Act::Cycle | Act::Remember(_) | Act::Start(_) => self.write(&field, act, bind),
        }
    }

    /// Writes draw ids and salts. Both servers get the cookies of the one with the cache.
    fn write(&mut self, field: &str, act: Act, bind: &[u8]) {
        let [(with, lines), (without, _)] = [&self.twins.with, &self.twins.without].map(|server| {
            let fields = RequestFields::from_cookies([field.to_owned()]).with_bind(bind);
            let mut session = server.sessions.load(fields);
            let result = match act {
                Act::Update(user) => session.update(|data| data.user = user).map(drop),
                Act::Cycle => session.cycle_id(),
                Act::Remember(is_remembered) => session.remember(is_remembered),
                Act::Start(user) => session.start(Data { user }),
                Act::Read | Act::Touch | Act::End => unreachable!("they write nothing"),
            };
            let shown = (result, session.state(), session.get().cloned(), session.expires());
            let patch = session.finish_patch(200);
            let lines: Vec<_> = patch.set_cookies().map(str::to_owned).collect();
            let claims = |line: &String| {
                let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
                let claims = Claims::parse(value).map(|claims| (claims.key_id, claims.expires)).ok();
                (name.to_owned(), claims)
            };
            let claims: Vec<_> = lines.iter().map(claims).collect();
            let events: Vec<_> = server.seen.take().iter().map(Event::name).collect();
            ((shown, claims, events), lines)
        });
        assert_eq!(with, without, "with the cache, and without: {act:?} of {field}");
        for line in lines {
            self.keep(line.split(';').next().unwrap());
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask(ref cookies, act, is_bound) => {
                self.ask(cookies, act, if is_bound { BIND } else { b"" });
            }
            Step::Visit(of, act) => {
                let bind = if of == 5 { BIND } else { b"" };
                self.ask(&[Cookie::Session(of), Cookie::Activity(of)], act, bind);
            }
            Step::Wait(seconds) => self.twins.pass(seconds),
            Step::Revoke(of) => self.twins.both(|server| server.sessions.revoke(self.id(of))),
            Step::RevokeElsewhere(of) => self.twins.both(|server| {
                let (id, now) = (self.id(of), self.twins.now());
                let until = now + Duration::from_secs(3 * ABSOLUTE);
                server.list.revoke_at(Revocation { id, until }, now);
            }),
            // Sessions of the last minute stay.
            Step::CutOff => {
                let to = self.twins.now() - Duration::from_secs(60);
                self.twins.both(|server| server.sessions.raise_cut_off(to));
            }
            Step::CutOffElsewhere => {
                let to = self.twins.now() - Duration::from_secs(60);
                self.twins.both(|server| server.list.raise_cut_off(to));
            }
            Step::Refuse(user) => self.twins.refused.store(user, Ordering::SeqCst),
            Step::Guests(user) => self.twins.guests.store(user, Ordering::SeqCst),
            Step::Ring(number) => {
                let (seals, opens) = RINGS[number];
                let ring = || {
                    let new = KeyRing::new(key(seals));
                    opens
                        .iter()
                        .fold(new, |ring, &number| ring.also_opening(key(number)).unwrap())
                };
                self.twins.both(|server| server.sessions.replace_keys(ring()));
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, cases: 50, ..Config::default() })]

    #[test]
    fn the_cache_changes_no_answer(steps in vec(steps(), 1..50)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
    }

    #[test]
    fn of_many_cookies_the_same_session_is_chosen(cookies in vec(cookies(), 5..25), kept in vec(0..6usize, 0..6)) {
        let mut world = World::new();
        for of in kept {
            world.step(&Step::Visit(of, Act::Read));
        }
        // At first some are kept and some are new, then all that count are kept.
        for _ in 0..3 {
            world.ask(&cookies, Act::Read, b"");
        }
        world.ask(&cookies, Act::End, b"");
        for of in 0..6 {
            world.step(&Step::Visit(of, Act::Read));
        }
    }
}
