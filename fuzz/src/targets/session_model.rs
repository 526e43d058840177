//! Random sequences of operations and instants: the crate, which keeps everything in cookies, does what a server with a
//! table would do.
//!
//! Input: the configuration, then operations of one byte with their arguments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{KeyRing, RequestFields, WriteError, Session, SessionId, Sessions};

use crate::fixtures::{at, key, number, rows, text};
use crate::input::Input;
use crate::reference::caches::all;
use crate::reference::table::{Caches, Lifetime, Request, Seen, Sent, Server, Token};

const START: u64 = 1_893_369_600;
const DAY: u64 = 86_400;
/// Most operations of one input.
const MOST: usize = 400;

/// The cookies of one browser: the texts, and what they were meant to say.
#[derive(Clone, Default)]
struct Browser {
    session: Option<(String, Token)>,
    activity: Option<(String, Seen)>,
}

struct World {
    sessions: Sessions<u8>,
    hand: Arc<AtomicU64>,
    server: Server,
    browsers: [Browser; 2],
    /// All ids that were ever seen.
    ids: Vec<SessionId>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MOST {
        if input.is_empty() {
            break;
        }
        match input.below(8) {
            0..=3 => world.request(&mut input),
            4 => world.pass(&mut input),
            5 => {
                let ids = world.ids.len();
                if ids > 0 {
                    let id = world.ids[input.below(ids)];
                    world.revoke(id);
                }
            }
            6 => world.change_keys(input.byte()),
            _ => match input.below(4) {
                0 => {
                    let instant = world.now().saturating_sub(u64::from(input.byte()));
                    world.sessions.raise_cut_off(at(instant));
                    world.server.cut_off = world.server.cut_off.max(instant);
                }
                1 => world.browsers[1] = world.browsers[0].clone(),
                2 => world.browsers.swap(0, 1),
                // The activity cookie of the one with the session of the other.
                _ => world.browsers[0].activity = world.browsers[1].activity.clone(),
            },
        }
    }
}

impl World {
    fn new(configuration: u8) -> Self {
        let pick = |shift: u8, choices: [u64; 4]| choices[usize::from(configuration >> shift & 3)];
        let absolute = pick(0, [43_200, 60, 400 * DAY, 3600]);
        let idle = Some(pick(2, [1800, 0, 50, 3600]).min(absolute)).filter(|&idle| idle > 0);
        let long = pick(4, [0, 90 * DAY, 600, 400 * DAY]);
        let long_idle = Some(pick(6, [0, 14 * DAY, 300, 60]).min(long)).filter(|&idle| idle > 0);
        let hand = Arc::new(AtomicU64::new(START));
        let clock = Arc::clone(&hand);
        let seconds = Duration::from_secs;
        let builder = Sessions::<u8>::builder(KeyRing::new(key(200)))
            .cookie_name("id")
            .lifetime(Lifetime::absolute(seconds(absolute)))
            .clock(move || at(clock.load(Ordering::Relaxed)));
        let builder = match idle {
            Some(idle) => builder.lifetime(Lifetime::default().idle(seconds(idle))),
            None => builder.lifetime(Lifetime::default().without_idle()),
        };
        let builder = match (long, long_idle) {
            (0, _) => builder,
            (long, Some(idle)) => builder.remembered(Lifetime::absolute(seconds(long)).idle(seconds(idle))),
            (long, None) => builder.remembered(Lifetime::absolute(seconds(long)).without_idle()),
        };
        let ordinary = Lifetime { idle, absolute };
        let remembered = (long > 0).then_some(Lifetime {
            idle: long_idle,
            absolute: long,
        });
        Self {
            sessions: builder.build().expect("a configuration"),
            hand,
            server: Server {
                ordinary,
                remembered,
                keys: vec![200],
                cut_off: 0,
                revoked: Vec::new(),
            },
            browsers: Default::default(),
            ids: Vec::new(),
        }
    }

    fn now(&self) -> u64 {
        self.hand.load(Ordering::Relaxed)
    }

    /// Time passes, or the clock steps back.
    fn pass(&mut self, input: &mut Input<'_>) {
        let unit = [1, 60, 3600, DAY][input.below(4)];
        let steps = input.byte() as i8;
        let seconds = u64::from(steps.unsigned_abs()) * unit;
        let now = if steps < 0 {
            self.now().saturating_sub(seconds)
        } else {
            self.now() + seconds
        };
        // Within the format's 32 bits, with room for the longest life.
        self.hand
            .store(now.clamp(START / 2, u64::from(u32::MAX) - 500 * DAY), Ordering::Relaxed);
    }

    fn revoke(&mut self, id: SessionId) {
        self.sessions.revoke(id);
        self.server.revoked.push(id);
    }

    fn change_keys(&mut self, to: u8) {
        let to = 200 + to % 8;
        self.server.keys.retain(|&key| key != to);
        if to.is_multiple_of(2) {
            self.server.keys.clear();
        }
        self.server.keys.push(to);
        let others = self.server.keys.iter().filter(|&&other| other != to);
        let ring = others.fold(KeyRing::new(key(to)), |ring, &other| {
            ring.also_opening(key(other)).expect("another key")
        });
        self.sessions.replace_keys(ring);
    }

    fn request(&mut self, input: &mut Input<'_>) {
        let who = input.byte();
        let browser = self.browsers[usize::from(who & 1)].clone();
        let is_prefetch = who & 2 != 0;
        let cookies = [
            ("id", browser.session.as_ref().map(|(text, _)| text)),
            ("id-seen", browser.activity.as_ref().map(|(text, _)| text)),
        ];
        let cookies = cookies
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name}={}", text?)));
        let mut fields = RequestFields::from_cookies(cookies);
        if is_prefetch {
            fields = fields.with_sec_purpose("prefetch;anonymous-client-ip");
        }
        let mut session = self.sessions.load(fields);
        let mut request: Option<Request> = None;
        let mut is_read = false;
        while !input.is_empty() {
            let operation = input.below(16);
            // The first access opens, at its own instant.
            if (2..14).contains(&operation) && request.is_none() {
                let token = browser.session.as_ref().map(|(_, token)| *token);
                let seen = browser.activity.as_ref().map(|(_, seen)| *seen);
                let opened = self.server.open(token, seen, self.now());
                let genuine = self.server.genuine(token, self.now());
                request = Some(Request::new(opened, genuine, is_prefetch));
            }
            is_read |= (3..14).contains(&operation);
            match (operation, &mut request) {
                (0, _) => self.pass(input),
                (1, _) if !self.ids.is_empty() => {
                    let id = self.ids[input.below(self.ids.len())];
                    self.revoke(id);
                }
                (1, _) => {}
                (2, Some(request)) => assert_eq!(session.peek(), request.last.as_ref().ok().map(|live| &live.data)),
                (3..=5, Some(request)) => agree(&session, request),
                (6 | 7, Some(request)) => {
                    let data = input.byte();
                    session.start(data).expect("a small session");
                    let id = session.id().expect("started");
                    self.is_new(id);
                    request.start(&self.server, id, data, self.now());
                }
                (8, Some(request)) => {
                    let data = input.byte();
                    let before = session.update(|value| std::mem::replace(value, data)).expect("small");
                    assert_eq!(before, request.last.ok().map(|live| live.data));
                    request.update(&self.server, data);
                }
                (9, Some(request)) => {
                    session.cycle_id().expect("not finished");
                    if let Some(id) = session.id() {
                        self.is_new(id);
                    }
                    request.cycle(&self.server, session.id());
                }
                (10 | 11, Some(request)) => {
                    let remembered = operation == 10;
                    let before = session.id();
                    let outcome = session.remember(remembered);
                    if let Some(id) = session.id().filter(|_| session.id() != before) {
                        self.is_new(id);
                    }
                    let expected = request.remember(&self.server, remembered, session.id(), self.now());
                    assert_eq!(outcome, expected);
                }
                (12, Some(request)) => {
                    session.touch().expect("not finished");
                    request.touch();
                }
                (13, Some(request)) => {
                    session.end().expect("not finished");
                    request.clear();
                    self.server.revoked.extend(request.genuine);
                }
                _ => break,
            }
        }
        let status = [200, 200, 200, 302, 404, 304, 500, 103][input.below(8)];
        let sent = match &request {
            Some(request) if is_read => self.server.finish(request, status, self.now()),
            _ => Sent::Nothing(Caches::Leave),
        };
        let is_sent = matches!(sent, Sent::Cookies { session: Some(_), .. });
        self.receive(usize::from(who & 1), &session, status, sent);
        if let Some(request) = request.filter(|request| is_sent && request.takes_its_place()) {
            self.server.revoked.extend(request.genuine);
        }
        assert_eq!(session.end(), Err(WriteError::TooLate));
    }

    fn is_new(&mut self, id: SessionId) {
        assert!(!self.ids.contains(&id), "{id} was drawn twice");
        self.ids.push(id);
    }

    /// The response is what the table says, and the browser keeps its cookies.
    fn receive(&mut self, who: usize, session: &Session<u8>, status: u16, sent: Sent) {
        let patch = session.finish_patch(status);
        let mut headers = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
        patch.apply(&mut headers);
        let lines: Vec<&str> = patch.set_cookies().collect();
        let cookie = |line: &str| {
            let pair = line
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            (pair.0.to_owned(), pair.1.to_owned())
        };
        let mut cookies = lines.iter().map(|line| cookie(line));
        let browser = &mut self.browsers[who];
        let caches = match sent {
            Sent::Nothing(caches) => caches,
            Sent::Removed => {
                // The session's last: some clients keep all but the last one.
                for name in ["id-seen", "id"] {
                    assert_eq!(cookies.next(), Some((name.to_owned(), String::new())));
                }
                *browser = Browser::default();
                Caches::NoStore
            }
            Sent::Cookies {
                session,
                activity,
                caches,
            } => {
                if let Some(token) = session {
                    let (name, text) = cookies.next().expect("a session cookie");
                    let claims = Claims::parse(&text).expect("a token");
                    assert_eq!((&*name, claims.is_activity), ("id", false));
                    assert_eq!(
                        (claims.session_id, u64::from(claims.expires)),
                        (token.id, token.expires)
                    );
                    assert_eq!(claims.key_id, key(token.key).id());
                    browser.session = Some((text, token));
                }
                if let Some(seen) = activity {
                    let (name, text) = cookies.next().expect("an activity cookie");
                    let claims = Claims::parse(&text).expect("a token");
                    assert_eq!((&*name, claims.is_activity), ("id-seen", true));
                    assert_eq!((claims.session_id, u64::from(claims.expires)), (seen.id, seen.expires));
                    assert_eq!(claims.key_id, key(seen.key).id());
                    browser.activity = Some((text, seen));
                }
                caches
            }
        };
        assert_eq!(cookies.next(), None, "more was sent: {lines:?} for {sent:?}");
        let (control, varies) = match caches {
            Caches::Leave => ("public, max-age=60", false),
            Caches::Vary => ("public, max-age=60", true),
            Caches::Private => ("private, max-age=60", true),
            Caches::NoStore => ("private, no-store", true),
        };
        assert_eq!(all(&headers, "Cache-Control"), [control]);
        assert_eq!(all(&headers, "Vary"), if varies { vec!["Cookie"] } else { vec![] });
    }
}

#[track_caller]
fn agree(session: &Session<u8>, request: &Request) {
    let live = request.last.as_ref();
    assert_eq!(
        session.state(),
        live.map_or_else(|state| *state, |_| sealed_session::SessionState::Valid)
    );
    let live = live.ok();
    assert_eq!(session.get(), live.map(|live| &live.data));
    assert_eq!(session.id(), live.map(|live| live.id));
    assert_eq!(session.started(), live.map(|live| at(live.started)));
    assert_eq!(session.expires(), live.map(|live| at(live.expires)));
    assert_eq!(session.is_remembered(), live.is_some_and(|live| live.remembered));
}

/// A life per row: its session starts, is remembered if the row's is, and is read as much later as the row's.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, row): (usize, &serde_json::Value)| {
        let configuration = if row["limits"]["idle"].is_null() {
            0b0001_0100
        } else {
            0b0101_0000
        };
        let mut seed = vec![configuration, 0, 0, 6, index as u8];
        if row["flags"] == 1 {
            seed.push(10);
        }
        seed.extend([15, 0]);
        let mut passes = |seconds: u64| {
            let (unit, size) = [(3, DAY), (2, 3600), (1, 60), (0, 1)]
                .into_iter()
                .find(|&(_, size)| seconds >= size)
                .unwrap_or((0, 1));
            seed.extend([4, unit, (seconds / size).min(127) as u8]);
        };
        passes(number(row, "now").saturating_sub(number(row, "started")));
        let then: &[u8] = match text(row, "expect") {
            "revoked" => &[5, 0, 0, 0, 3, 15, 0],
            "unknown key" => &[6, 2, 0, 0, 3, 15, 0],
            "damaged" => &[7, 1, 0, 1, 3, 9, 15, 0, 0, 0, 3, 13, 15, 0],
            "not ours" => &[0, 0, 3, 8, 9, 15, 0, 0, 2, 3, 12, 15, 6],
            _ => &[0, 0, 3, 8, 5, 15, 0, 0, 0, 3, 15, 0],
        };
        seed.extend_from_slice(then);
        seed
    };
    rows("vectors").iter().enumerate().map(seed).collect()
}
