//! The opened sessions that are kept: near misses of the token of one, hits and misses.
//!
//! The library finds a kept session by its id and by a part of the check in its token: the *mark*. Holders of the token
//! know the mark, and nobody else.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealed_session::{KeyRing, Reason, RequestFields, SessionState, Sessions};
use time::OffsetDateTime;

use crate::Table;
use crate::statistics::{Classes, timed};
use crate::tokens::{BODY, CHECK, CHECK_LEN, ID, POOL, SALT, decoded, flipped};

const NAME: &str = "__Host-id=";
/// The characters of a token by which the library finds it: all of them are of the check.
const MARK: Range<usize> = 40..56;
/// Characters of the salt, as many.
const SALT_TEXT: Range<usize> = 23..39;
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
    fn new(sessions: &Sessions<String>, now: OffsetDateTime) -> Self {
        let cookies = sessions
            .cookie_for_at("x".repeat(LENGTH), now)
            .expect("a short session");
        let (session, activity) = cookies.split_once("; ").expect("two cookies");
        Self {
            token: decoded(session.strip_prefix(NAME).expect("the default name")),
            activity: activity.to_owned(),
        }
    }

    /// The field value with these cookies.
    fn field(&self) -> String {
        self.with_bytes(&self.token)
    }

    /// The same with another session token.
    fn with(&self, token: &str) -> String {
        format!("{NAME}{token}; {}", self.activity)
    }

    fn with_bytes(&self, token: &[u8]) -> String {
        self.with(&URL_SAFE_NO_PAD.encode(token))
    }

    /// The last byte of the id chooses one of 64 shards.
    fn shard(&self) -> u8 {
        self.token[SALT - 1] % 64
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

    /// A row whose tokens have other marks at each call: all else may be right.
    fn strange(&self, table: &mut Table, name: &str, classes: &Classes) {
        for class in classes {
            let state = self.state(anew(&class[0], &MARK));
            assert_eq!(state, SessionState::Rejected(Reason::NotOurs));
        }
        // Copied in turn, so that the texts of both classes lie alike in memory.
        let [a, b] = classes;
        let (a, b) = a.iter().zip(b).map(|(a, b)| (a.clone(), b.clone())).unzip();
        table.row(name, &[a, b], &|_, field| self.time(anew(field, &MARK)));
    }

    fn pool(&self) -> Vec<Cookies> {
        (0..POOL).map(|_| Cookies::new(&self.sessions, self.now)).collect()
    }
}

/// The field value with other random characters in this part of its session token. The library's table orders marks by
/// a hash, so a mark that came twice would be measured with its place.
fn anew(field: &str, part: &Range<usize>) -> RequestFields {
    let mut field = field.as_bytes().to_vec();
    // As much is written whatever the part is.
    for at in SALT_TEXT.start..MARK.end {
        let (random, old) = (fastrand::alphanumeric() as u8, field[NAME.len() + at]);
        field[NAME.len() + at] = if part.contains(&at) { random } else { old };
    }
    RequestFields::from_cookies([field])
}

/// Every row about kept sessions.
pub(crate) fn rows(table: &mut Table, ring: &Arc<KeyRing>, now: OffsetDateTime) {
    let place = Place::new(ring, ROOM, now);
    let [kept, others] = [(); 2].map(|()| place.pool());
    kept.iter().for_each(|cookies| place.open(&cookies.field()));
    strangers(table, &place, &kept);
    empty_shards(table, ring, &kept, now);
    marks(table, &place, &kept[0]);
    near_misses(table, &place, &kept[0]);
    other_credentials(table, &place, &kept[0], ring);
    hits(table, &place, &kept, &others);
}

/// Mark wrong, and all else right: what somebody sees who knows a session id, or even all of a token but its mark.
fn strangers(table: &mut Table, place: &Place, kept: &[Cookies]) {
    // Both classes have the same shards, since shards differ by where they lie.
    let mut with_other_id = |cookies: &Cookies| {
        let mut token = cookies.token.clone();
        table.rng.fill(&mut token[ID..SALT - 1]);
        cookies.with_bytes(&token)
    };
    let fields: Vec<_> = kept.iter().map(Cookies::field).collect();
    let others: Vec<_> = kept.iter().map(&mut with_other_id).collect();
    // An entry that was used just now is in the processor's caches. The texts lie in many places, as above.
    let of_one = [&fields, &others].map(|class| vec![class[0].clone(); POOL]);
    place.strange(table, "mark wrong: session id kept, or not", &[fields, others]);
    place.strange(table, "mark wrong: always the same two ids, kept or not", &of_one);
}

/// Servers with few sessions: a shard has one, or none. Shards differ by where they lie, so there are many servers, and
/// each shard has a session on every second one.
fn empty_shards(table: &mut Table, ring: &Arc<KeyRing>, pool: &[Cookies], now: OffsetDateTime) {
    let places: [_; 64] = std::array::from_fn(|_| Place::new(ring, ROOM, now));
    let of_shard = |shard| pool.iter().find(|cookies| cookies.shard() == shard);
    let fields: Vec<_> = (0..64).filter_map(of_shard).map(Cookies::field).collect();
    let is_kept = |server: usize, at: usize| (server + at).is_multiple_of(2);
    for (server, place) in places.iter().enumerate() {
        for (at, field) in fields.iter().enumerate() {
            if is_kept(server, at) {
                place.open(field);
            }
        }
    }
    let numbered: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| format!("{at:02}{field}"))
        .collect();
    let classes = [numbered.clone(), numbered];
    table.by_design(
        "mark wrong: in a shard of one session, or of none",
        &classes,
        &|class, input| {
            let (at, field) = input.split_at(2);
            let at: usize = at.parse().expect("two digits");
            let server = 2 * fastrand::usize(..32) + (at + class) % 2;
            places[server].time(anew(field, &MARK))
        },
    );
}

/// The mark itself: by parts, and all of it.
fn marks(table: &mut Table, place: &Place, kept: &Cookies) {
    let classes = [(); 2].map(|()| vec![kept.field(); POOL]);
    let ends = [MARK.start..MARK.start + 4, MARK.end - 4..MARK.end];
    table.row("mark wrong: at its start or at its end", &classes, &|class, field| {
        place.time(anew(field, &ends[class]))
    });
    table.by_design("mark right and salt wrong, or mark wrong", &classes, &|class, field| {
        place.time(anew(field, &[SALT_TEXT, MARK][class]))
    });
}

/// The places in which a near miss can differ whose mark is right. Both classes fail at the same step.
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
    for (name, classes) in bodies {
        place.refuses(&classes, Reason::Damaged);
        table.row(name, &classes, &load);
    }
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
