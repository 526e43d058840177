//! Random sequences of operations and times: the crate, which keeps everything in cookies, acts as a server with a
//! session table would, whether the servers keep opened sessions or not.
//!
//! Input: the configuration in two bytes, then operations of one byte with their arguments. They are done twice: by
//! servers that keep nothing, and by servers that keep opened sessions. The cookies of most requests came a moment
//! before, so that the request itself often finds a kept session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::revocation::{Revocation, RevocationList, Revocations};
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, RequestFields, Session, SessionData, SessionId, SessionState, Sessions, Updated,
    WriteError,
};

use serde::{Deserialize, Serialize};

use crate::fixtures::{SMALL_CACHE, at, key, number, rows, text};
use crate::input::Input;
use crate::kept::{Counted, Tally};
use crate::reference::caches::all;
use crate::reference::table::{self, Caches, Chunk, Request, Seen, Sent, Server, Token};

const START: u64 = 1_893_369_600;
const DAY: u64 = 86_400;
/// The servers that keep opened sessions, in both of their worlds: how many opened, and how many were kept.
pub static TALLY: Tally = Tally::new();
/// Most operations of one input.
const MOST: usize = 400;
/// Operations of a request that look at its session: the first of them only peeks.
const PEEK: usize = 2;
const LOOKS: [usize; 14] = [PEEK, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16];

/// A number, as the first of data so long that the session takes one to four cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u8, String)", into = "(u8, String)")]
struct Long(u8);

impl From<Long> for (u8, String) {
    fn from(Long(data): Long) -> Self {
        let length = [1, 4000, 7000, 11_000][usize::from(table::cookies(data) - 1)];
        (data, "x".repeat(length))
    }
}

impl From<(u8, String)> for Long {
    fn from((data, _): (u8, String)) -> Self {
        Self(data)
    }
}

type Data = Counted<Long>;

/// The cookies of one browser: the texts, and the content that the server intended.
#[derive(Clone, Default)]
struct Browser {
    session: Option<(String, Token)>,
    /// Under the numbers 2, 3 and 4.
    chunks: [Option<(String, Chunk)>; 3],
    activity: Option<(String, Seen)>,
}

struct World {
    /// Two servers of one application, with one revocation list.
    servers: [Sessions<Data>; 2],
    revocations: Revocations,
    /// How many bytes of opened sessions each server keeps.
    cache: usize,
    /// Another version of the application, which writes data that this one cannot read.
    other: Sessions<String>,
    /// How many ignored calls of `finish` the observer reported.
    ignored: Arc<AtomicUsize>,
    hand: Arc<AtomicU64>,
    server: Server,
    browsers: [Browser; 2],
    /// All ids that were ever seen.
    ids: Vec<SessionId>,
    /// How many session tokens were sealed.
    sealings: u32,
}

pub fn run(data: &[u8]) {
    for cache in [0, SMALL_CACHE] {
        live(Input::new(data), cache);
    }
}

/// All operations, by servers that keep so many bytes of opened sessions.
fn live(mut input: Input<'_>, cache: usize) {
    let mut world = World::new(input.byte(), input.byte(), cache);
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
                    world.revoke(input.byte());
                }
            }
            6 => world.change_keys(input.byte()),
            _ => match input.below(7) {
                0 => world.raise_cut_off(input.byte()),
                1 => world.browsers[1] = world.browsers[0].clone(),
                2 => world.browsers.swap(0, 1),
                // The activity cookie of the one with the session of the other.
                3 => world.browsers[0].activity = world.browsers[1].activity.clone(),
                4 => world.plant_unreadable(),
                // A chunk is lost, or comes from the other browser.
                5 => world.browsers[0].chunks[input.below(3)] = None,
                _ => {
                    let at = input.below(3);
                    world.browsers[0].chunks[at] = world.browsers[1].chunks[at].clone();
                }
            },
        }
    }
}

impl World {
    fn new(limits: u8, switches: u8, cache: usize) -> Self {
        let pick = |shift: u8, choices: [u64; 4]| choices[usize::from(limits >> shift & 3)];
        let absolute = pick(0, [43_200, 60, 400 * DAY, 3600]);
        let idle = Some(pick(2, [1800, 0, 50, 3600]).min(absolute)).filter(|&idle| idle > 0);
        let ordinary = table::Lifetime { idle, absolute };
        let absolute = pick(4, [0, 90 * DAY, 600, 400 * DAY]);
        let idle = Some(pick(6, [0, 14 * DAY, 300, 60]).min(absolute)).filter(|&idle| idle > 0);
        let remembered = (absolute > 0).then_some(table::Lifetime { idle, absolute });
        let (has_guests, revokes_on_end) = (switches & 1 != 0, switches & 2 == 0);
        let hand = Arc::new(AtomicU64::new(START));
        let ignored = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ignored);
        let observer = move |event: &Event| {
            if matches!(event, Event::FinishIgnored) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let revocations = Revocations::new();
        let servers = [(); 2].map(|()| {
            let builder = configured::<Data>(&hand, ordinary, remembered)
                .opened_cache(cache)
                .chunks(4)
                .largest_cookies(usize::MAX)
                .revocation_list(revocations.clone())
                .revoke_on_end(revokes_on_end)
                .observer(observer.clone());
            let builder = if has_guests {
                builder.signed_in_if(|data| data.0.0 % 2 == 1)
            } else {
                builder
            };
            builder.build().expect("a configuration")
        });
        Self {
            servers,
            revocations,
            cache,
            other: configured(&hand, ordinary, remembered)
                .opened_cache(0)
                .build()
                .expect("a configuration"),
            ignored,
            hand,
            server: Server {
                ordinary,
                remembered,
                keys: vec![200],
                cut_off: 0,
                revoked: Vec::new(),
                has_guests,
                revokes_on_end,
            },
            browsers: Default::default(),
            ids: Vec::new(),
            sealings: 0,
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

    /// One of the ids is revoked: at one of the servers, or elsewhere, which only their list knows.
    fn revoke(&mut self, which: u8) {
        let id = self.ids[usize::from(which) % self.ids.len()];
        match self.servers.get(usize::from(which >> 6)) {
            Some(sessions) => sessions.revoke(id),
            None => {
                let until = at(self.now() + 801 * DAY);
                self.revocations.revoke_at(Revocation { id, until }, at(self.now()));
            }
        }
        self.server.revoked.push(id);
    }

    /// In the same places.
    fn raise_cut_off(&mut self, ago: u8) {
        let instant = self.now().saturating_sub(ago.into());
        match self.servers.get(usize::from(ago & 3)) {
            Some(sessions) => sessions.raise_cut_off(at(instant)),
            None => self.revocations.raise_cut_off(at(instant)),
        }
        self.server.cut_off = self.server.cut_off.max(instant);
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
        let ring = Arc::new(ring);
        self.servers
            .iter()
            .for_each(|sessions| sessions.replace_keys(Arc::clone(&ring)));
        self.other.replace_keys(ring);
    }

    /// The first browser gets a session of the application's other version.
    fn plant_unreadable(&mut self) {
        let text = self.other.cookie_for("text".to_owned()).expect("four cookies hold it");
        let mut values = text.split("; ").map(|pair| pair.split_once('=').expect("a pair").1);
        let session = values.next().expect("a session cookie").to_owned();
        let (now, lifetime) = (self.now(), self.server.ordinary);
        let id = Claims::parse(&session).expect("a token").session_id;
        self.is_new(id);
        let key = *self.server.keys.last().expect("some key seals");
        let token = Token {
            id,
            started: now,
            sealed: now,
            expires: now + lifetime.absolute,
            remembered: false,
            data: None,
            key,
            sealing: self.next_sealing(),
        };
        let seen = lifetime.idle.map(|idle| Seen {
            id,
            expires: now + idle,
            key,
        });
        let activity = values.next().map(str::to_owned).zip(seen);
        // The chunks that are there belong to another session.
        self.browsers[0].session = Some((session, token));
        self.browsers[0].activity = activity;
    }

    fn request(&mut self, input: &mut Input<'_>) {
        let who = input.byte();
        let (mine, other) = (usize::from(who & 1), usize::from(who & 1 ^ 1));
        let is_prefetch = who & 2 != 0;
        let sessions = self.servers[usize::from(who >> 3 & 1)].clone();
        // Perhaps with the cookies of the other browser, as a sibling subdomain can set them.
        let come: Vec<Browser> = if who & 4 == 0 {
            vec![self.browsers[mine].clone()]
        } else {
            vec![self.browsers[mine].clone(), self.browsers[other].clone()]
        };
        let (texts, tokens): (Vec<String>, Vec<Token>) =
            come.iter().filter_map(|browser| browser.session.clone()).unzip();
        let (others, chunks): (Vec<String>, Vec<Chunk>) =
            come.iter().flat_map(|browser| browser.chunks.clone()).flatten().unzip();
        let (activity, seen): (Vec<String>, Vec<Seen>) =
            come.into_iter().filter_map(|browser| browser.activity).unzip();
        let fields = || {
            let others = others.iter().zip(&chunks);
            let others = others.map(|(text, chunk)| format!("id.{}={text}", chunk.number));
            let texts = texts.iter().map(|text| format!("id={text}"));
            let cookies = texts
                .chain(others)
                .chain(activity.iter().map(|text| format!("id-seen={text}")));
            let fields = RequestFields::from_cookies(cookies);
            if is_prefetch {
                fields.with_sec_purpose("prefetch;anonymous-client-ip")
            } else {
                fields
            }
        };
        if who & 16 == 0 {
            // The same cookies came a moment ago.
            let before = sessions.load(fields());
            agree(
                &before,
                &self.opened(&before, &tokens, &chunks, &seen, is_prefetch),
                &self.server,
            );
        }
        let mut session = sessions.load(fields());
        let mut request: Option<Request> = None;
        let mut is_read = false;
        while !input.is_empty() {
            let operation = input.below(18);
            let looks = LOOKS.contains(&operation);
            // The first access opens the session, at its own time.
            if looks && request.is_none() {
                request = Some(self.opened(&session, &tokens, &chunks, &seen, is_prefetch));
            }
            is_read |= looks && operation != PEEK;
            match (operation, &mut request) {
                (0, _) => self.pass(input),
                (1, _) if !self.ids.is_empty() => self.revoke(input.byte()),
                (1, _) => {}
                (17, _) => match input.byte() {
                    ago @ 0..128 => self.raise_cut_off(ago),
                    to => self.change_keys(to),
                },
                (PEEK, Some(request)) => {
                    let data = session.peek().map(|data| &data.0.0);
                    assert_eq!(data, request.last.as_ref().ok().map(|live| &live.data));
                }
                (3..=5, Some(request)) => agree(&session, request, &self.server),
                (6 | 7, Some(request)) => {
                    let data = input.byte();
                    session.start(Counted(Long(data))).expect("four cookies hold it");
                    let id = session.id().expect("started");
                    self.is_new(id);
                    request.start(&self.server, id, data, self.now());
                }
                (8, Some(request)) => {
                    let (data, id) = (input.byte(), session.id());
                    let before = session
                        .update(|value| std::mem::replace(&mut value.0.0, data))
                        .expect("four cookies hold it");
                    let expected = request.last.map_or(Updated::NoSession, |live| Updated::Done(live.data));
                    assert_eq!(before, expected);
                    self.is_same_or_new(id, session.id());
                    request.update(&self.server, session.id(), data, self.now());
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
                    self.is_same_or_new(before, session.id());
                    let expected = request.remember(&self.server, remembered, session.id(), self.now());
                    assert_eq!(outcome, expected);
                }
                (12, Some(request)) => {
                    session.touch().expect("not finished");
                    request.touch();
                }
                (13, Some(request)) => {
                    session.end().expect("not finished");
                    request.end();
                    self.server.end(&request.genuine);
                }
                (14, Some(request)) => {
                    let step = input.byte();
                    let next = |old: Option<u8>| old.map_or(step, |old| old.wrapping_add(step));
                    let expected = request.last.ok().map(|live| live.data);
                    let mut old = None;
                    let new = |data: Option<Data>| {
                        let data = data.map(|data| data.0.0);
                        old = Some(data);
                        Counted(Long(next(data)))
                    };
                    session.start_with(new).expect("four cookies hold it");
                    assert_eq!(old, Some(expected));
                    let id = session.id().expect("started");
                    self.is_new(id);
                    request.start(&self.server, id, next(expected), self.now());
                }
                (16, Some(request)) => {
                    let (new, step, id) = (input.byte(), input.byte(), session.id());
                    let change = |data: &mut Data| {
                        data.0.0 = data.0.0.wrapping_add(step);
                        data.0.0
                    };
                    let data = session
                        .update_or_start(|| Counted(Long(new)), change)
                        .expect("four cookies hold it");
                    let before = request.last.map_or(new, |live| live.data);
                    assert_eq!(data, before.wrapping_add(step));
                    self.is_same_or_new(id, session.id());
                    request.update_or_start(&self.server, session.id(), data, self.now());
                }
                _ => break,
            }
        }
        let status = [200, 200, 200, 302, 404, 304, 500, 103][input.below(8)];
        let sent = match &request {
            Some(request) if is_read => self.server.finish(request, status, self.now()),
            _ => Sent::Nothing(Caches::Leave),
        };
        self.receive(mine, &session, status, sent, &chunks);
        if let (
            Some(request),
            Sent::Cookies {
                session: Some(token), ..
            },
        ) = (request, sent)
        {
            self.server.take_place(&request, &token);
        }
        self.is_closed(&mut session, status);
    }

    /// Opens the session of a request without reading it: the server's answer, for the rest of the request.
    fn opened(
        &self,
        session: &Session<Data>,
        tokens: &[Token],
        chunks: &[Chunk],
        seen: &[Seen],
        is_prefetch: bool,
    ) -> Request {
        if self.cache > 0 {
            TALLY.is_kept(|| session.peek().is_some());
        }
        let opened = self.server.open(tokens, chunks, seen, self.now());
        Request::new(opened, self.server.genuine(tokens, chunks, self.now()), is_prefetch)
    }

    /// Nothing follows the end of a request: a second finish is ignored and reports it.
    fn is_closed(&self, session: &mut Session<Data>, status: u16) {
        let ignored = self.ignored.swap(0, Ordering::Relaxed);
        assert_eq!(ignored, 0, "the first finish counts");
        let mut headers = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
        session.finish(status, &mut headers);
        assert_eq!(self.ignored.swap(0, Ordering::Relaxed), 1);
        assert_eq!(all(&headers, "Set-Cookie"), [""; 0]);
        assert_eq!(all(&headers, "Cache-Control"), ["private, max-age=60"]);
        assert_eq!(all(&headers, "Vary"), ["Cookie"]);
        assert_eq!(session.end(), Err(WriteError::TooLate));
    }

    fn is_same_or_new(&mut self, before: Option<SessionId>, after: Option<SessionId>) {
        if let Some(id) = after.filter(|_| after != before) {
            self.is_new(id);
        }
    }

    fn is_new(&mut self, id: SessionId) {
        assert!(!self.ids.contains(&id), "{id} was drawn twice");
        self.ids.push(id);
    }

    fn next_sealing(&mut self) -> u32 {
        self.sealings += 1;
        self.sealings
    }

    /// The response is that of the table to a request with these chunks, and the browser keeps its cookies.
    fn receive(&mut self, who: usize, session: &Session<Data>, status: u16, sent: Sent, came: &[Chunk]) {
        let mut headers = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
        session.finish(status, &mut headers);
        let lines = all(&headers, "Set-Cookie");
        let cookie = |line: &str| {
            let pair = line
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a pair");
            (pair.0.to_owned(), pair.1.to_owned())
        };
        let mut cookies = lines.iter().map(|line| cookie(line));
        let sealing = self.next_sealing();
        let browser = &mut self.browsers[who];
        // The chunks that came and are not sent are removed where the session cookie is sent or removed.
        let strays = |most: u8| (most + 1..=4).filter(|&number| came.iter().any(|chunk| chunk.number == number));
        let caches = match sent {
            Sent::Nothing(caches) => caches,
            Sent::Removed => {
                for number in strays(1) {
                    assert_eq!(cookies.next(), Some((format!("id.{number}"), String::new())));
                }
                // The session cookie is the last: some clients keep all but the last one.
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
                    let count = token.data.map_or(1, table::cookies);
                    for number in 2..=count {
                        let (name, text) = cookies.next().expect("a chunk");
                        assert_eq!(name, format!("id.{number}"));
                        browser.chunks[usize::from(number) - 2] = Some((text, Chunk { sealing, number }));
                    }
                    for number in strays(count) {
                        assert_eq!(cookies.next(), Some((format!("id.{number}"), String::new())));
                        browser.chunks[usize::from(number) - 2] = None;
                    }
                    let (name, text) = cookies.next().expect("a session cookie");
                    let claims = Claims::parse(&text).expect("a token");
                    assert_eq!((&*name, claims.is_activity), ("id", false));
                    assert_eq!(
                        (claims.session_id, u64::from(claims.expires)),
                        (token.id, token.expires)
                    );
                    assert_eq!(claims.key_id, key(token.key).id());
                    assert_eq!(claims.chunks, count);
                    browser.session = Some((text, Token { sealing, ..token }));
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

/// The common configuration of both versions of the application.
fn configured<T: SessionData>(
    hand: &Arc<AtomicU64>,
    ordinary: table::Lifetime,
    remembered: Option<table::Lifetime>,
) -> Builder<T> {
    let lifetime = |limits: table::Lifetime| {
        let lifetime = Lifetime::absolute(Duration::from_secs(limits.absolute));
        match limits.idle {
            Some(idle) => lifetime.idle(Duration::from_secs(idle)),
            None => lifetime.without_idle(),
        }
    };
    let clock = Arc::clone(hand);
    let builder = Sessions::builder(KeyRing::new(key(200)))
        .cookie_name("id")
        .lifetime(lifetime(ordinary))
        .clock(move || at(clock.load(Ordering::Relaxed)));
    match remembered {
        Some(remembered) => builder.remembered(lifetime(remembered)),
        None => builder,
    }
}

#[track_caller]
fn agree(session: &Session<Data>, request: &Request, server: &Server) {
    let live = request.last.as_ref();
    assert_eq!(
        session.state(),
        live.map_or_else(|state| *state, |_| SessionState::Valid)
    );
    let live = live.ok();
    assert_eq!(session.get().map(|data| &data.0.0), live.map(|live| &live.data));
    assert_eq!(session.id(), live.map(|live| live.id));
    assert_eq!(session.started(), live.map(|live| at(live.started)));
    assert_eq!(session.expires(), live.map(|live| at(live.expires)));
    let is_signed_in = live.is_some_and(|live| server.is_signed_in(live.data));
    assert_eq!(session.is_signed_in(), is_signed_in);
    assert_eq!(session.is_remembered(), live.is_some_and(|live| live.remembered));
}

/// One story per row: its session starts, is remembered if the row's is, and is read as much later as the row's.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, row): (usize, &serde_json::Value)| {
        let configuration = if row["limits"]["idle"].is_null() {
            0b0001_0100
        } else {
            0b0101_0000
        };
        let mut seed = vec![configuration, 0, 0, 0, 6, index as u8];
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
    // Operations: 0 a request, 4 time passes (unit and steps), 7 and 1 the second browser copies the first,
    // 7 and 5 a chunk is lost, 7 and 6 it comes from the second browser. Data from 64, 128 and 192 take two, three and
    // four cookies. In a request: 3 reads, 6 starts, 8 updates, 12 touches, 13 ends, 14 starts with the old data, 16 updates or starts; 15 and the
    // status end it.
    let lives: [&[&[u8]]; 22] = [
        // A guest's basket, which the visitor keeps at a sign-in; then an end.
        &[
            &[0, 1],
            &[0, 0, 16, 0, 2, 15, 0],
            &[0, 0, 14, 3, 15, 0],
            &[0, 0, 3, 13, 15, 0],
        ],
        // A guest signs in by an update; a copy of that session signs out by another update, which ends the first.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[0, 0, 8, 3, 15, 0],
            &[7, 1],
            &[0, 0, 8, 4, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // The same with a response that has no place for it.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[0, 0, 8, 3, 15, 5],
            &[0, 0, 3, 8, 5, 15, 6],
        ],
        // A guest ends and signs in by one request: the copy ends.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[7, 1],
            &[0, 0, 13, 6, 3, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // A guest ends, and the copy still opens.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[7, 1],
            &[0, 0, 13, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // A session that another version wrote ends, and its copy is revoked.
        &[&[0, 1], &[7, 4], &[7, 1], &[0, 0, 3, 13, 15, 0], &[0, 1, 3, 15, 0]],
        // Two browsers' cookies come together, the newer one a guest's: a start ends the other one.
        &[
            &[0, 1],
            &[0, 1, 6, 3, 15, 0],
            &[4, 0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[0, 4, 3, 6, 5, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // And the other way round.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[4, 0, 1],
            &[0, 1, 6, 3, 15, 0],
            &[0, 4, 3, 6, 5, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // A guest who was idle too long ends: the copy opens again if the clock goes back.
        &[
            &[0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[4, 2, 1],
            &[7, 1],
            &[0, 0, 3, 13, 15, 0],
            &[4, 2, 255],
            &[0, 1, 3, 15, 0],
        ],
        // A visitor who is signed in ends a session that has not begun by this clock.
        &[
            &[0, 1],
            &[0, 0, 6, 3, 15, 0],
            &[7, 1],
            &[4, 2, 255],
            &[0, 0, 3, 13, 15, 0],
            &[4, 2, 1],
            &[0, 1, 3, 15, 0],
        ],
        // An end revokes nothing.
        &[
            &[0, 3],
            &[0, 0, 6, 3, 15, 0],
            &[7, 1],
            &[0, 0, 8, 2, 13, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // A touch before a renewal is due.
        &[
            &[0, 0],
            &[0, 0, 6, 3, 15, 0],
            &[4, 1, 1],
            &[0, 0, 12, 15, 0],
            &[0, 0, 3, 12, 15, 6],
        ],
        // Two browsers' cookies come together, the newer one a guest's, who starts again: the other one ends.
        &[
            &[0, 1],
            &[0, 1, 6, 3, 15, 0],
            &[4, 0, 1],
            &[0, 0, 6, 2, 15, 0],
            &[0, 4, 3, 6, 4, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // A session is revoked elsewhere, and another one is revoked while it is served.
        &[
            &[0, 0],
            &[0, 0, 6, 3, 15, 0],
            &[5, 0xc0],
            &[0, 0, 3, 15, 0],
            &[0, 1, 6, 3, 15, 0],
            &[0, 1, 3, 1, 0xc1, 8, 5, 15, 0],
        ],
        // A minute passes, almost, and the idle timeout is shorter.
        &[&[8, 0], &[0, 0, 6, 3, 15, 0], &[4, 0, 55], &[0, 0, 3, 15, 0]],
        // The activity cookie is lost.
        &[&[0, 1], &[0, 0, 6, 3, 15, 0], &[7, 3], &[0, 0, 3, 15, 0]],
        // The newer one of two sessions comes with the activity of the other.
        &[
            &[0, 1],
            &[0, 1, 6, 3, 15, 0],
            &[4, 0, 1],
            &[0, 0, 6, 5, 15, 0],
            &[7, 3],
            &[0, 4, 3, 15, 0],
        ],
        // A session grows from one cookie to four and shrinks again; an end removes what is there.
        &[
            &[0, 0],
            &[0, 0, 6, 3, 15, 0],
            &[0, 0, 8, 200, 15, 0],
            &[0, 0, 8, 100, 15, 0],
            &[0, 0, 8, 150, 15, 0],
            &[0, 0, 8, 4, 15, 0],
            &[0, 0, 8, 199, 15, 0],
            &[0, 0, 3, 13, 15, 0],
        ],
        // A chunk is lost: the session is incomplete, and a start removes the others.
        &[
            &[0, 0],
            &[0, 0, 6, 199, 15, 0],
            &[7, 5, 1],
            &[0, 0, 3, 15, 0],
            &[0, 0, 6, 70, 15, 0],
        ],
        // An incomplete session is no session to end: its copy still opens.
        &[
            &[0, 0],
            &[0, 0, 6, 131, 15, 0],
            &[7, 1],
            &[7, 5, 0],
            &[0, 0, 3, 13, 15, 0],
            &[0, 1, 3, 15, 0],
        ],
        // The second browser has written since: its chunk does not fit here, and it comes beside the right one.
        &[
            &[0, 0],
            &[0, 0, 6, 131, 15, 0],
            &[7, 1],
            &[0, 1, 8, 133, 15, 0],
            &[0, 4, 3, 15, 0],
            &[7, 6, 0],
            &[0, 0, 3, 15, 0],
            &[0, 5, 3, 15, 0],
        ],
        // Chunks stay behind a session in one cookie: a read and a touch leave them, a write removes them.
        &[
            &[0, 0],
            &[0, 0, 6, 199, 15, 0],
            &[7, 4],
            &[0, 0, 3, 15, 0],
            &[0, 0, 6, 3, 15, 0],
            &[0, 1, 6, 70, 15, 0],
            &[7, 6, 0],
            &[0, 0, 3, 12, 15, 0],
            &[0, 0, 8, 5, 15, 0],
        ],
    ];
    // The same with a read by each browser after every request, so that the servers keep both sessions.
    let kept = |life: &[&[u8]]| {
        let (configuration, steps) = life.split_first().expect("the configuration comes first");
        let step = |step: &&[u8]| {
            let reads: &[u8] = if step[0] == 0 {
                &[0, 0, 3, 15, 0, 0, 1, 3, 15, 0]
            } else {
                &[]
            };
            [step, reads].concat()
        };
        [configuration.to_vec(), steps.iter().flat_map(step).collect()].concat()
    };
    let rows = rows("vectors").iter().enumerate().map(seed);
    rows.chain(lives.map(kept))
        .chain(lives.map(<[&[u8]]>::concat))
        .collect()
}
