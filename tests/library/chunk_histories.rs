//! Random histories of sessions that grow, shrink, run in parallel and lose cookies: nothing ever opens that was not
//! sealed as one.
//!
//! `HISTORIES=100000 cargo test --release --all-features --test library -- --nocapture histories` runs more of them.

use std::collections::{BTreeMap, HashMap};
use std::env;

use sealed_session::{Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions};
use serde::{Deserialize, Serialize};
use testkit::{after, ring};

/// Each write has a number of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Data {
    number: u32,
    filling: String,
}

/// Random numbers that a seed repeats (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }
}

struct History {
    random: Random,
    sessions: Sessions<Data>,
    now: u64,
    jar: BTreeMap<String, String>,
    /// Cookies of the same names that another host or path has set: they are sent too, and no response removes them.
    tossed: Vec<(String, String)>,
    /// `Set-Cookie` lines of responses on the way.
    in_flight: Vec<Vec<String>>,
    /// Every value that a cookie ever had.
    values: Vec<(String, String)>,
    /// The data that were sealed as one, and the ids of the sessions.
    sealed: HashMap<u32, (SessionId, Data)>,
    seen: Seen,
}

/// How often what came of a look.
#[derive(Default, Debug)]
struct Seen {
    valid: usize,
    absent: usize,
    incomplete: usize,
    damaged: usize,
    other: usize,
}

const NAMES: [&str; 4] = ["__Host-id", "__Host-id.2", "__Host-id.3", "__Host-id.4"];

impl History {
    fn new(seed: u64) -> Self {
        let lifetime = Lifetime::default().without_idle();
        let builder = super::builder(ring()).lifetime(lifetime).revoke_on_end(false);
        let sessions = builder.chunks(4).largest_cookies(20_000).build().unwrap();
        Self {
            random: Random(seed),
            sessions,
            now: 0,
            jar: BTreeMap::new(),
            tossed: Vec::new(),
            in_flight: Vec::new(),
            values: Vec::new(),
            sealed: HashMap::new(),
            seen: Seen::default(),
        }
    }

    fn load(&mut self) -> Session<Data> {
        self.now += 1;
        let mut pairs: Vec<_> = self
            .jar
            .iter()
            .chain(self.tossed.iter().map(|(name, value)| (name, value)))
            .collect();
        let first = self.random.below(pairs.len().max(1));
        pairs.rotate_left(first);
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.sessions
            .load_at(RequestFields::from_cookies([pairs.join("; ")]), after(self.now))
    }

    /// What opens was sealed as one.
    fn look(&mut self, session: &Session<Data>) {
        match session.state() {
            SessionState::Valid => {
                let data = session.get().unwrap();
                let (id, sealed) = &self.sealed[&data.number];
                assert_eq!((session.id(), data), (Some(*id), sealed));
                self.seen.valid += 1;
            }
            SessionState::Absent => {
                assert!(!self.jar.contains_key(NAMES[0]) && self.tossed.iter().all(|(name, _)| name != NAMES[0]));
                self.seen.absent += 1;
            }
            SessionState::Rejected(Reason::Incomplete) => self.seen.incomplete += 1,
            SessionState::Rejected(Reason::Damaged) => self.seen.damaged += 1,
            // Another cookie's value under the session cookie's name claims anything.
            SessionState::Rejected(reason) if reason <= Reason::NotOurs => self.seen.other += 1,
            state => panic!("{state:?}"),
        }
    }

    /// A request with the jar as it is. Returns the lines of its response.
    fn request(&mut self) -> Vec<String> {
        let mut session = self.load();
        self.look(&session);
        let number = u32::try_from(self.sealed.len()).unwrap() + 1;
        // From one cookie to four, at any length.
        let filling = "x".repeat(self.random.below(12_100));
        let data = Data { number, filling };
        let is_read = match self.random.below(9) {
            0 => true,
            1 => {
                session.start(data).unwrap();
                false
            }
            2 => {
                session.end().unwrap();
                false
            }
            // Other data need other numbers: without a write nothing is noted.
            3 if session.get().is_some() => {
                session.cycle_id().unwrap();
                session.update(|data| data.number = number).unwrap().option().unwrap();
                false
            }
            _ => {
                session
                    .update_or_start(|| data.clone(), |old| *old = data.clone())
                    .unwrap();
                false
            }
        };
        if let (Some(id), Some(data), false) = (session.id(), session.get(), is_read) {
            self.sealed.insert(number, (id, data.clone()));
        }
        let patch = session.finish_patch(200);
        let lines: Vec<_> = patch.set_cookies().map(str::to_owned).collect();
        assert!(!is_read || lines.is_empty(), "a read touches nothing: {lines:?}");
        lines
    }

    fn receive(&mut self, line: &str) {
        let (name, rest) = line.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap();
        if rest.contains("; Max-Age=0") {
            self.jar.remove(name);
        } else {
            assert!(name.len() + value.len() <= 4096, "no browser keeps it");
            self.jar.insert(name.to_owned(), value.to_owned());
            self.values.push((name.to_owned(), value.to_owned()));
        }
    }

    fn step(&mut self) {
        let name = NAMES[self.random.below(NAMES.len())].to_owned();
        match self.random.below(10) {
            0..4 => {
                let lines = self.request();
                self.in_flight.push(lines);
            }
            // A response arrives whole, or in parts that cross with others, or without a line.
            at @ 4..8 if !self.in_flight.is_empty() => {
                let which = self.random.below(self.in_flight.len());
                let mut lines = self.in_flight.swap_remove(which);
                if at == 6 && !lines.is_empty() {
                    let part = self.random.below(lines.len());
                    self.in_flight.push(lines.split_off(part));
                }
                if at == 7 && !lines.is_empty() {
                    lines.remove(self.random.below(lines.len()));
                }
                lines.iter().for_each(|line| self.receive(line));
            }
            8 if self.random.below(2) == 0 => _ = self.jar.remove(&name),
            9 if !self.values.is_empty() => {
                let (old_name, value) = self.values[self.random.below(self.values.len())].clone();
                match self.random.below(4) {
                    0 if self.tossed.len() < 3 => self.tossed.push((old_name, value)),
                    1 => _ = self.jar.insert(name, value),
                    _ => _ = self.jar.insert(old_name, value),
                }
            }
            _ => {}
        }
        let session = self.load();
        self.look(&session);
        drop(session);
    }

    /// Whatever the browser holds, a sign-in heals it, and a sign-out leaves nothing that a response could remove.
    fn ends_well(&mut self) {
        self.in_flight.clear();
        let mut session = self.load();
        let filling = "y".repeat(self.random.below(12_100));
        let data = Data {
            number: u32::MAX,
            filling,
        };
        session.start(data.clone()).unwrap();
        let id = session.id();
        let patch = session.finish_patch(200);
        patch.set_cookies().for_each(|line| self.receive(line));
        let session = self.load();
        assert_eq!(
            (session.get(), session.id()),
            (Some(&data), id),
            "{:?}",
            session.state()
        );
        let mut session = self.load();
        session.end().unwrap();
        session
            .finish_patch(200)
            .set_cookies()
            .for_each(|line| self.receive(line));
        assert!(self.jar.is_empty(), "{:?}", self.jar.keys());
    }
}

#[test]
fn in_random_histories_nothing_opens_that_was_not_sealed_as_one() {
    let histories = env::var("HISTORIES").map_or(150, |count| count.parse().expect("a number"));
    let mut seen = Seen::default();
    for seed in 0..histories {
        let mut history = History::new(seed);
        let lines = history.request();
        history.in_flight.push(lines);
        for _ in 0..20 {
            history.step();
        }
        history.ends_well();
        let Seen {
            valid,
            absent,
            incomplete,
            damaged,
            other,
        } = history.seen;
        seen.valid += valid;
        seen.absent += absent;
        seen.incomplete += incomplete;
        seen.damaged += damaged;
        seen.other += other;
    }
    println!("{histories} histories of sessions in chunks: {seen:?}");
    assert!(seen.valid > 0 && seen.incomplete > 0, "{seen:?}");
}
