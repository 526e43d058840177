//! The traffic of a day, at servers that keep opened sessions: how many requests find theirs kept, and how many are
//! kept. A day is three windows, each with as many visitors as that part of the day has.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Session, Sessions};
use serde::{Deserialize, Deserializer, Serialize};

use crate::random::Random;
use crate::server::at;

#[path = "../../../benches/payload.rs"]
mod payload;

/// Bytes of the session data as JSON.
pub const PAYLOAD: usize = 250;

/// Hours of the day, and how many percent of the peak's visitors are there meanwhile.
pub const CURVE: [(u32, u32); 3] = [(8, 10), (10, 50), (6, 100)];

/// Seconds before anything is counted: twice as long as an unused entry stays.
const WARM_UP: u32 = 120;

/// Who asks, and who answers.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Visitors in the middle of a visit, at the peak.
    pub visitors: u32,
    pub servers: u32,
    /// Whether all requests of a visit go to one server, or each to any.
    pub sticky: bool,
    /// What each server's `opened_cache` is given.
    pub cache: usize,
}

/// What one server had of a day, on average over the servers that were watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests with a session.
    pub requests: u64,
    /// Those whose session was kept.
    pub hits: u64,
    /// Entries at half of the peak's visitors, on average.
    pub typical: f64,
    /// Most entries of any server, at any time.
    pub peak: u64,
}

impl Tally {
    /// Percent of the requests.
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 * 100.0 / self.requests.max(1) as f64
    }
}

impl Traffic {
    /// Windows of about `requests` requests at the peak, and at least a minute.
    pub fn day(&self, requests: u32, seed: u64) -> Tally {
        let mut tally = Tally::default();
        for (hours, percent) in CURVE {
            // Four requests a page, a page in 45 seconds.
            let window = (requests / self.visitors * 45 / 4).clamp(60, 6 * 3600);
            let visitors = (self.visitors * percent / 100).max(1);
            let seen = Window::new(self, visitors, seed).run(window);
            // An hour has as many windows in every part of the day.
            tally.requests += seen.requests * u64::from(hours);
            tally.hits += seen.hits * u64::from(hours);
            tally.peak = tally.peak.max(seen.peak);
            if percent == 50 {
                tally.typical = seen.typical;
            }
        }
        tally
    }

    /// Servers that are alike need not all be watched.
    fn watched(&self) -> usize {
        match self.servers {
            0..=3 => 1,
            4..=9 => 2,
            _ => 4,
        }
    }
}

/// The sessions of a server that keeps `cache` bytes. Without an idle timeout, whose cookie makes no difference here.
pub fn server(ring: &Arc<KeyRing>, cache: usize) -> Sessions<Data> {
    let half_a_day = Lifetime::absolute(Duration::from_secs(12 * 3600)).without_idle();
    let builder = Sessions::builder(Arc::clone(ring)).lifetime(half_a_day);
    builder.opened_cache(cache).build().expect("a sound configuration")
}

pub fn ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::new(Key::generate().expect("random bytes")))
}

/// A part of the day with a steady number of visitors.
struct Window<'t> {
    traffic: &'t Traffic,
    random: Random,
    watched: Vec<Sessions<Data>>,
    /// All other servers. What they keep shows nowhere.
    elsewhere: Sessions<Data>,
    visitors: Vec<Visitor>,
    /// The visitors that open a page, by second.
    calendar: Vec<Vec<u32>>,
    tally: Tally,
}

/// Somebody in the middle of a visit.
struct Visitor {
    /// Empty before the sign-in.
    cookie: String,
    pages_left: u64,
    server: u64,
}

impl Visitor {
    /// Five to twenty pages.
    fn new(servers: u32, random: &mut Random) -> Self {
        Self {
            cookie: String::new(),
            pages_left: 5 + random.below(16),
            server: random.below(servers.into()),
        }
    }
}

impl<'t> Window<'t> {
    fn new(traffic: &'t Traffic, visitors: u32, seed: u64) -> Self {
        let ring = ring();
        KEPT.set([0; MOST_WATCHED]);
        let mut random = Random(seed);
        let mut visitor = || {
            let mut visitor = Visitor::new(traffic.servers, &mut random);
            visitor.pages_left = 1 + random.below(visitor.pages_left);
            visitor
        };
        Self {
            traffic,
            watched: (0..traffic.watched()).map(|_| server(&ring, traffic.cache)).collect(),
            elsewhere: server(&ring, 0),
            visitors: (0..visitors).map(|_| visitor()).collect(),
            calendar: Vec::new(),
            tally: Tally::default(),
            random,
        }
    }

    fn run(mut self, window: u32) -> Tally {
        self.calendar.resize_with((WARM_UP + window) as usize, Vec::new);
        for visitor in 0..self.visitors.len() {
            let pause = think_time(&mut self.random);
            let first = self.random.below(pause.into());
            self.plan(visitor as u32, first as u32);
        }
        let mut entries = 0;
        for now in 0..WARM_UP + window {
            for visitor in std::mem::take(&mut self.calendar[now as usize]) {
                self.page(visitor as usize, now);
                let next = now + think_time(&mut self.random);
                self.plan(visitor, next);
            }
            if now == WARM_UP {
                (self.tally.requests, self.tally.hits) = (0, 0);
            }
            if now >= WARM_UP {
                let kept = &KEPT.get()[..self.watched.len()];
                entries += kept.iter().sum::<u64>();
                self.tally.peak = self.tally.peak.max(kept.iter().copied().max().unwrap_or_default());
            }
        }
        self.tally.typical = entries as f64 / f64::from(window) / self.watched.len() as f64;
        self.tally
    }

    fn plan(&mut self, visitor: u32, second: u32) {
        if let Some(opening) = self.calendar.get_mut(second as usize) {
            opening.push(visitor);
        }
    }

    /// A page: its document, and two to four requests more within the same second.
    fn page(&mut self, visitor: usize, now: u32) {
        self.visitors[visitor].pages_left -= 1;
        let Visitor { cookie, pages_left, .. } = &self.visitors[visitor];
        let act = match () {
            () if cookie.is_empty() => Act::SignIn,
            () if *pages_left == 0 && self.random.once_in(4) => Act::SignOut,
            () if self.random.once_in(10) => Act::Update,
            () => Act::Read,
        };
        let is_last = *pages_left == 0;
        self.request(visitor, act, now);
        if !matches!(act, Act::SignOut) {
            let others = 2 + self.random.below(3);
            (0..others).for_each(|_| self.request(visitor, Act::Read, now));
        }
        if is_last {
            // Another visitor comes instead.
            self.visitors[visitor] = Visitor::new(self.traffic.servers, &mut self.random);
        }
    }

    fn request(&mut self, visitor: usize, act: Act, now: u32) {
        let visitor = &mut self.visitors[visitor];
        let at_server = if self.traffic.sticky {
            visitor.server
        } else {
            self.random.below(self.traffic.servers.into())
        } as usize;
        let server = self.watched.get(at_server);
        if server.is_none() && matches!(act, Act::Read) {
            return;
        }
        SERVER.set(server.map(|_| at_server));
        let cookie = (!visitor.cookie.is_empty()).then(|| visitor.cookie.clone());
        let read = READ.get();
        let mut session = server
            .unwrap_or(&self.elsewhere)
            .load_at(RequestFields::from_cookies(cookie), at(now));
        let is_new = matches!(act, Act::SignIn);
        assert_eq!(session.get().is_none(), is_new, "{:?}", session.state());
        if server.is_some() && !is_new {
            self.tally.requests += 1;
            self.tally.hits += u64::from(READ.get() == read);
        }
        if let Some(cookie) = act.on(&mut session) {
            visitor.cookie = cookie;
        }
        drop(session);
        SERVER.set(None);
    }
}

/// What a request is for.
#[derive(Clone, Copy)]
enum Act {
    SignIn,
    Read,
    Update,
    SignOut,
}

impl Act {
    /// Returns the cookie that the response sets.
    fn on(self, session: &mut Session<Data>) -> Option<String> {
        match self {
            Self::SignIn => session.start(Data::new()),
            Self::Read => return None,
            Self::Update => session.update(|data| data.visit.user += 1).map(drop),
            Self::SignOut => session.end(),
        }
        .expect("a small session, not finished yet");
        let patch = session.finish_patch(200);
        let mut pairs = patch.set_cookies().filter_map(|line| line.split(';').next());
        pairs.find(|pair| pair.starts_with("__Host-id=")).map(str::to_owned)
    }
}

/// Seconds between two pages: log-normal, half of them below 30 seconds, 45 on average, at most 20 minutes.
fn think_time(random: &mut Random) -> u32 {
    let mut uniform = || (random.draw() >> 11) as f64 / (1u64 << 53) as f64;
    let (length, angle) = (
        (-2.0 * (1.0 - uniform()).ln()).sqrt(),
        std::f64::consts::TAU * uniform(),
    );
    (30.0 * (0.9 * length * angle.cos()).exp()).clamp(1.0, 1200.0) as u32
}

const MOST_WATCHED: usize = 4;

thread_local! {
    /// How many sessions were deserialised: a request whose session was kept deserialises none.
    static READ: Cell<u64> = const { Cell::new(0) };
    /// The watched server that deals with the request.
    static SERVER: Cell<Option<usize>> = const { Cell::new(None) };
    /// The sessions that each watched server has in memory.
    static KEPT: Cell<[u64; MOST_WATCHED]> = const { Cell::new([0; MOST_WATCHED]) };
}

/// A shop's session that tells when it is deserialised, and when it goes.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Data {
    visit: payload::Visit,
    #[serde(skip)]
    server: Option<usize>,
}

impl Data {
    pub fn new() -> Self {
        let (visit, server) = (payload::visit(PAYLOAD), None);
        Self { visit, server }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::new()
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visit = payload::Visit::deserialize(deserializer)?;
        READ.set(READ.get() + 1);
        let server = SERVER.get();
        count(server, 1);
        Ok(Self { visit, server })
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        count(self.server, -1);
    }
}

fn count(server: Option<usize>, by: i64) {
    if let Some(server) = server {
        let mut kept = KEPT.get();
        kept[server] = kept[server].saturating_add_signed(by);
        KEPT.set(kept);
    }
}
