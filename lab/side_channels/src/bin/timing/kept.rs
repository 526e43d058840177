//! The opened sessions that are kept: near misses of the token of one, hits and misses.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealed_session::{KeyRing, Reason, RequestFields, SessionState, Sessions};
use time::OffsetDateTime;

use crate::Table;
use crate::statistics::{Classes, timed};
use crate::tokens::{BODY, CHECK, CHECK_LEN, ID, POOL, SALT, decoded, flipped, random};

const NAME: &str = "__Host-id=";
/// Of the session data. Long, so that a comparison that stops early shows.
const LENGTH: usize = 1000;
/// Room for all pools at once.
const ROOM: usize = 64 * 1024 * 1024;
const BIND: &str = "the hash of a client certificate";

/// A session's cookies as a browser sends them, apart.
struct Cookies {
    token: Vec<u8>,
    activity: String,
}

impl Cookies {
    fn new(sessions: &Sessions<String>, length: usize, now: OffsetDateTime) -> Self {
        let cookies = sessions
            .cookie_for_at("x".repeat(length), now)
            .expect("a short session");
        let (session, activity) = cookies.split_once("; ").expect("two cookies");
        Self {
            token: decoded(session.strip_prefix(NAME).expect("the default name")),
            activity: activity.to_owned(),
        }
    }

    /// The field value with these cookies.
    fn field(&self) -> String {
        self.with(&URL_SAFE_NO_PAD.encode(&self.token))
    }

    /// The same with another session token.
    fn with(&self, token: &str) -> String {
        format!("{NAME}{token}; {}", self.activity)
    }

    fn with_each(&self, tokens: Vec<String>) -> Vec<String> {
        tokens.iter().map(|token| self.with(token)).collect()
    }
}

/// What is open, and when.
struct Place {
    sessions: Sessions<String>,
    now: OffsetDateTime,
}

impl Place {
    fn new(ring: &Arc<KeyRing>, room: usize, now: OffsetDateTime) -> Self {
        let sessions = Sessions::builder(Arc::clone(ring)).opened_cache(room).build();
        let sessions = sessions.expect("the defaults");
        Self { sessions, now }
    }

    fn state(&self, fields: RequestFields) -> SessionState {
        self.sessions.load_at(fields, self.now).state()
    }

    /// Opens the session with this field value, so that it is kept.
    fn open(&self, field: &str) {
        let state = self.state(RequestFields::from_cookies([field.to_owned()]));
        assert_eq!(state, SessionState::Valid);
    }

    /// A session whose entry goes: without activity it is idle.
    fn forget(&self, field: &str) {
        let (session, _) = field.split_once("; ").expect("two cookies");
        let state = self.state(RequestFields::from_cookies([session.to_owned()]));
        assert_eq!(state, SessionState::Rejected(Reason::Idle));
    }

    /// The time of opening, without the making of the request.
    fn time(&self, fields: RequestFields) -> f64 {
        timed(|| {
            let session = self.sessions.load_at(fields, self.now);
            let is_open = session.get().is_some();
            (session, is_open)
        })
    }

    /// Opens one input of each class, to see that both are refused for this reason.
    fn refuses(&self, classes: &Classes, reason: Reason) {
        for class in classes {
            let state = self.state(RequestFields::from_cookies([class[0].clone()]));
            assert_eq!(state, SessionState::Rejected(reason));
        }
    }

    fn pool(&self, length: usize) -> Vec<Cookies> {
        (0..POOL)
            .map(|_| Cookies::new(&self.sessions, length, self.now))
            .collect()
    }
}

/// Every row about kept sessions.
pub(crate) fn rows(table: &mut Table, ring: &Arc<KeyRing>, now: OffsetDateTime) {
    let place = Place::new(ring, ROOM, now);
    let [kept, others, longer, shorter] = [LENGTH, LENGTH, LENGTH + 1, LENGTH - 1].map(|length| place.pool(length));
    // In turn, so that their entries lie alike in memory.
    for at in 0..POOL {
        for pool in [&kept, &longer, &shorter] {
            place.open(&pool[at].field());
        }
    }
    unknown_ids(table, &place);
    near_misses(table, &place, &kept[0]);
    other_credentials(table, &place, &kept[0], ring);
    presence(table, &place, [&kept, &others, &longer, &shorter]);
    hits(table, &place, &kept, &others);
    evicted(table, ring, now);
}

/// The places in which a near miss can differ. Both classes fail at the same step.
fn near_misses(table: &mut Table, place: &Place, kept: &Cookies) {
    let token = &kept.token;
    let last = token.len() - 1;
    let load = |_: usize, field: &str| place.time(RequestFields::from_cookies([field.to_owned()]));
    let text = kept.field();
    let leaky = |_: usize, field: &str| {
        let fields = RequestFields::from_cookies([field.to_owned()]);
        timed(|| {
            let session = place.sessions.load_at(fields, place.now);
            let is_open = session.get().is_some() || field == text;
            (session, is_open)
        })
    };
    let mut classes = |places: [usize; 2]| places.map(|at| kept.with_each(flipped(&mut table.rng, token, at)));
    let same = classes([SALT, SALT]);
    let early = classes([BODY, last]);
    let checks = [
        (
            "kept: salt wrong in its first or its last byte",
            classes([SALT, CHECK - 1]),
        ),
        ("kept: salt wrong, or check", classes([SALT, BODY - 1])),
        (
            "kept: check wrong in its first or its last byte",
            classes([CHECK, CHECK + CHECK_LEN - 1]),
        ),
    ];
    let bodies = [
        (
            "kept: body wrong at its start or in the middle",
            classes([BODY, token.len() / 2]),
        ),
        (
            "kept: body wrong at its start, or tag in its last byte",
            classes([BODY, last]),
        ),
    ];
    let random_checks = [false, true].map(|each| kept.with_each(random(&mut table.rng, token, CHECK, each)));
    table.quiet("control: kept, the same class twice", &same, &load);
    table.loud(
        "control: kept, with `==` of the texts, body or tag wrong",
        &early,
        &leaky,
    );
    for (name, classes) in checks {
        place.refuses(&classes, Reason::NotOurs);
        table.row(name, &classes, &load);
    }
    table.row("kept: check fixed or random, both wrong", &random_checks, &load);
    for (name, classes) in bodies {
        place.refuses(&classes, Reason::Damaged);
        table.row(name, &classes, &load);
    }
}

/// The table of the cache: ids near that of a kept session, and far from it. The table orders them by a hash, so each
/// id has a place of its own, and many are needed.
fn unknown_ids(table: &mut Table, place: &Place) {
    let load = |_: usize, field: &str| place.time(RequestFields::from_cookies([field.to_owned()]));
    let kept = Cookies::new(&place.sessions, 1, place.now);
    place.open(&kept.field());
    let mut wrong = |start: usize, end: usize| -> Vec<String> {
        let mut change = || {
            let mut token = kept.token.clone();
            table.rng.fill(&mut token[start..end]);
            kept.with(&URL_SAFE_NO_PAD.encode(token))
        };
        (0..64 * POOL).map(|_| change()).collect()
    };
    // The last byte of the id chooses the shard.
    let [start, end, shard] =
        [(ID, ID + 3), (SALT - 4, SALT - 1), (SALT - 3, SALT)].map(|(start, end)| wrong(start, end));
    let classes = [start, end];
    place.refuses(&classes, Reason::NotOurs);
    table.row("kept: session id wrong at its start or at its end", &classes, &load);
    let [_, end] = classes;
    table.by_design(
        "session id of none, in the shard of a kept one or any",
        &[end, shard],
        &load,
    );
}

/// The right token with another bind or another activity token.
fn other_credentials(table: &mut Table, place: &Place, kept: &Cookies, ring: &Arc<KeyRing>) {
    let field = &kept.field();
    let bound = {
        let mut session = place
            .sessions
            .load_at(RequestFields::default().with_bind(BIND), place.now);
        session.start("x".repeat(LENGTH)).expect("a short session");
        let patch = session.finish_patch(200);
        let pairs: Vec<_> = patch.set_cookies().filter_map(|line| line.split(';').next()).collect();
        pairs.join("; ")
    };
    let with_bind = |bind: &str| RequestFields::from_cookies([bound.clone()]).with_bind(bind);
    assert_eq!(place.state(with_bind(BIND)), SessionState::Valid);
    let mut binds = |at: usize| -> Vec<String> {
        let mut change = || {
            let mut bind = BIND.as_bytes().to_vec();
            bind[at] ^= table.rng.u8(1..0x20);
            String::from_utf8(bind).expect("ASCII")
        };
        (0..POOL).map(|_| change()).collect()
    };
    let classes = [binds(0), binds(BIND.len() - 1)];
    for class in &classes {
        assert_eq!(
            place.state(with_bind(&class[0])),
            SessionState::Rejected(Reason::NotOurs)
        );
    }
    table.row(
        "kept: bind wrong in its first or its last byte",
        &classes,
        &|_, bind| place.time(with_bind(bind)),
    );

    // The refusal of an idle session removes its entry, so each round brings it back before the time counts.
    let (name, activity) = kept.activity.split_once('=').expect("a pair");
    let token = decoded(activity);
    let session = field.split_once("; ").expect("two cookies").0;
    let mut wrong = |at: usize| -> Vec<String> {
        let tokens = flipped(&mut table.rng, &token, at);
        tokens
            .iter()
            .map(|token| format!("{session}; {name}={token}"))
            .collect()
    };
    let check = token.len() - CHECK_LEN;
    let classes = [wrong(check), wrong(token.len() - 1)];
    place.refuses(&classes, Reason::Idle);
    table.row(
        "kept: activity wrong in its check's first or last byte",
        &classes,
        &|_, other| {
            place.open(field);
            place.time(RequestFields::from_cookies([other.to_owned()]))
        },
    );

    place.open(field);

    // A touch ten minutes later gives another genuine activity token.
    let later = Place::new(ring, ROOM, place.now + time::Duration::minutes(10));
    let session_later = later
        .sessions
        .load_at(RequestFields::from_cookies([field.clone()]), later.now);
    assert!(session_later.get().is_some());
    let patch = session_later.finish_patch(200);
    let line = patch.set_cookies().next().expect("an activity cookie").to_owned();
    let newer = format!("{session}; {}", line.split(';').next().unwrap_or_default());
    assert!(newer.contains(name) && newer != *field);
    let classes = [vec![field.clone()], vec![newer]];
    table.by_design(
        "activity: as at the last request, or another genuine one",
        &classes,
        &|_, came| {
            later.forget(field);
            later.open(field);
            later.time(RequestFields::from_cookies([came.to_owned()]))
        },
    );
}

/// What an attacker can see who knows a session id and no more. All texts are equally long.
fn presence(table: &mut Table, place: &Place, [kept, others, longer, shorter]: [&[Cookies]; 4]) {
    let load = |_: usize, field: &str| place.time(RequestFields::from_cookies([field.to_owned()]));
    let mut wrong = |cookies: &[Cookies]| -> Vec<String> {
        let near = |cookies: &Cookies| {
            let mut token = cookies.token.clone();
            token.resize(kept[0].token.len(), 0);
            table.rng.fill(&mut token[SALT..]);
            cookies.with(&URL_SAFE_NO_PAD.encode(token))
        };
        cookies.iter().map(near).collect()
    };
    let [kept, others, longer, shorter] = [kept, others, longer, shorter].map(&mut wrong);
    let lengths = [longer.clone(), shorter];
    let presence = [kept, others];
    for classes in [&lengths, &presence] {
        place.refuses(classes, Reason::NotOurs);
    }
    table.by_design("only the id known: of a kept session, or of none", &presence, &load);
    // An entry that was used just now is in the processor's caches.
    let of_one = presence.each_ref().map(|class| vec![class[0].clone()]);
    table.by_design("the same, with always the same two ids", &of_one, &load);
    table.by_design(
        "only the id known: the kept token a byte longer, or shorter",
        &lengths,
        &load,
    );
    let [kept, _] = presence;
    table.by_design(
        "only the id known: the kept token as long as this one, or not",
        &[kept, longer],
        &load,
    );
}

/// Genuine tokens. Before each call the session is kept or forgotten, by the same two requests.
fn hits(table: &mut Table, place: &Place, kept: &[Cookies], others: &[Cookies]) {
    let classes: Classes = [kept, others].map(|pool| pool.iter().map(Cookies::field).collect());
    table.by_design("genuine: kept, or not", &classes, &|class, field| {
        if class == 0 {
            place.forget(field);
            place.open(field);
        } else {
            place.open(field);
            place.forget(field);
        }
        place.time(RequestFields::from_cookies([field.to_owned()]))
    });
}

/// The cache remembers hashes of ids that it evicted.
fn evicted(table: &mut Table, ring: &Arc<KeyRing>, now: OffsetDateTime) {
    /// One shard, a few entries, and as many hashes.
    const SMALL: usize = 64 * 1024;
    let small = Place::new(ring, SMALL, now);
    let came: Vec<_> = (0..64).map(|_| Cookies::new(&small.sessions, LENGTH, now)).collect();
    came.iter().for_each(|cookies| small.open(&cookies.field()));
    // A full cache keeps the first ones and a newcomer, and has hashes of the ones before that.
    let evicted = &came[came.len() - 24..came.len() - 4];
    let never: Vec<_> = evicted
        .iter()
        .map(|_| Cookies::new(&small.sessions, LENGTH, now))
        .collect();
    let mut wrong = |cookies: &[Cookies]| -> Vec<String> {
        let near = |cookies: &Cookies| {
            let mut token = cookies.token.clone();
            table.rng.fill(&mut token[SALT..]);
            cookies.with(&URL_SAFE_NO_PAD.encode(token))
        };
        cookies.iter().map(near).collect()
    };
    let classes = [wrong(evicted), wrong(&never)];
    table.by_design(
        "only the id known: it was evicted, or never seen",
        &classes,
        &|_, field| small.time(RequestFields::from_cookies([field.to_owned()])),
    );
}
