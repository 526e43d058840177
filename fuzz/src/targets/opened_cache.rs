//! Sessions that keep what they opened answer as sessions that keep nothing: the same requests at the same times, with the
//! same revocations, checks and rings, get the same answers, header fields and events.
//!
//! Input: the number of a row of the vectors, whose ring, name, audience, limits, cut-off, revoked ids, time and tokens
//! are taken; the configuration in a byte; then operations of one byte with their arguments.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealed_session::edge::Claims;
use sealed_session::revocation::{Revocation, RevocationList, Revocations};
use sealed_session::{Event, Key, KeyRing, RequestFields, Session, SessionId, Sessions};
use serde_json::{Value, json};

use crate::fixtures::{SMALL_CACHE, at, ended, key, number, row_builder, rows, text, texts, unhex};
use crate::input::Input;
use crate::kept::{Counted, Tally};
use crate::reference::cookie_field;
use crate::reference::seal::{Content, Sealing, encode};

/// The sessions that keep: how many opened, and how many were kept.
pub static TALLY: Tally = Tally::new();

const DAY: u64 = 86_400;
/// Most operations of one input.
const MOST: usize = 200;
/// A session that no request used for so many seconds is kept no longer.
const UNUSED: u64 = 60;

type Data = Counted<Value>;

/// One of the two that are compared.
struct Side {
    sessions: Sessions<Data>,
    revocations: Revocations,
    events: Arc<Mutex<Vec<Event>>>,
}

struct World {
    row: &'static Value,
    /// One keeps nothing, the other keeps opened sessions.
    sides: [Side; 2],
    hand: Arc<AtomicU64>,
    /// Sessions whose data take so many characters are refused by the application's own check.
    refused: Arc<AtomicUsize>,
    /// The keys that rings are made of, as texts.
    keys: Vec<String>,
    binds: Vec<Vec<u8>>,
    /// The tokens of the row, those that were sealed here, and those that were sent.
    tokens: Vec<Vec<u8>>,
    /// Every token that came since the ring was replaced or the cut-off was raised, with its bind, and when it came.
    came: Vec<(Vec<u8>, Vec<u8>, u64)>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let row = &rows("vectors")[input.below(256) % rows("vectors").len()];
    let mut world = World::new(row, input.byte());
    for _ in 0..MOST {
        if input.is_empty() {
            break;
        }
        match input.below(8) {
            0..=3 => world.request(&mut input),
            4 | 5 => world.seal(&mut input),
            6 => world.pass(&mut input),
            _ => world.interfere(&mut input),
        }
    }
}

/// What an update does: the type of the data stays, so that nobody signs in or out and no id changes.
fn change(data: &mut Data) -> bool {
    match &mut data.0 {
        Value::Number(number) => data.0 = json!(number.as_u64().unwrap_or_default().wrapping_add(1)),
        Value::String(text) => text.push('x'),
        Value::Bool(value) => *value = !*value,
        Value::Array(values) => values.truncate(1),
        Value::Null | Value::Object(_) => return false,
    }
    true
}

impl World {
    fn new(row: &'static Value, configuration: u8) -> Self {
        let hand = Arc::new(AtomicU64::new(number(row, "now")));
        let refused = Arc::new(AtomicUsize::new(usize::MAX));
        // The small cache holds a few of the longest sessions. In the larger one, requests sweep only a part of it.
        let cache = SMALL_CACHE * if configuration & 1 == 0 { 1 } else { 16 };
        let side = |cache| {
            let (clock, refused) = (Arc::clone(&hand), Arc::clone(&refused));
            let events = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&events);
            let revocations = Revocations::new();
            let mut builder = row_builder::<Data>(row)
                .opened_cache(cache)
                .revocation_list(revocations.clone())
                .revoke_on_end(configuration & 2 == 0)
                .refuse_if(move |opened| opened.data.0.to_string().len() == refused.load(Ordering::Relaxed))
                .observer(move |event: &Event| locked(&seen).push(event.clone()))
                .clock(move || at(clock.load(Ordering::Relaxed)));
            if configuration & 4 != 0 {
                builder = builder.signed_in_if(|data| !data.0.is_number());
            }
            let sessions = builder.build().expect("the vectors are configured well");
            Side {
                sessions: ended(row, sessions),
                revocations,
                events,
            }
        };
        let others = [key(200), key(201)].map(|key: Key| key.write_with_secret().expose().to_owned());
        let tokens = [text(row, "token")].into_iter().chain(texts(row, "seen"));
        Self {
            row,
            sides: [0, cache].map(side),
            hand,
            refused,
            keys: texts(row, "ring")
                .into_iter()
                .map(str::to_owned)
                .chain(others)
                .collect(),
            binds: vec![
                unhex(text(row, "bind")),
                unhex(text(&row["sealed_with"], "bind")),
                Vec::new(),
                b"key".to_vec(),
            ],
            tokens: tokens.map(|token| token.as_bytes().to_vec()).collect(),
            came: Vec::new(),
        }
    }

    fn now(&self) -> u64 {
        self.hand.load(Ordering::Relaxed)
    }

    /// Time passes, mostly a little, or the clock steps back.
    fn pass(&self, input: &mut Input<'_>) {
        let unit = [1, 1, 1, 1, 60, 60, 3600, DAY][input.below(8)];
        let steps = input.byte() as i8;
        let now = self.now().saturating_add_signed(i64::from(steps) * unit as i64);
        // Within the format's 32 bits, with room for the longest life.
        self.hand.store(
            now.clamp(1_000_000_000, u64::from(u32::MAX) - 500 * DAY),
            Ordering::Relaxed,
        );
    }

    /// A session ends, sessions end, or the ring is replaced, on both sides alike.
    fn interfere(&mut self, input: &mut Input<'_>) {
        let (what, which) = (input.below(8), input.byte());
        let now = at(self.now());
        let id = self.id(which);
        let until = at(self.now() + 801 * DAY);
        let cut_off = at(self.now().saturating_sub(which.into()));
        let ring = Arc::new(self.ring(which));
        self.each(|side| match what {
            0 => side.sessions.revoke(id),
            // At another server, which the sessions do not see.
            1 => side.revocations.revoke_at(Revocation { id, until }, now),
            2 => side.sessions.raise_cut_off(cut_off),
            3 => side.revocations.raise_cut_off(cut_off),
            4 | 5 => side.sessions.replace_keys(Arc::clone(&ring)),
            _ => {}
        });
        match what {
            2 | 4 | 5 => self.came.clear(),
            6 | 7 => self.refused.store(which.into(), Ordering::Relaxed),
            _ => {}
        }
    }

    /// The row's, or one of sixteen.
    fn id(&self, which: u8) -> SessionId {
        let id = match which % 16 {
            0 => unhex(text(self.row, "session_id")).try_into().expect("8 bytes"),
            other => [other; 8],
        };
        SessionId::from_bytes(id)
    }

    /// One key seals; for each of the others, a bit says whether it opens.
    fn ring(&self, which: u8) -> KeyRing {
        let key = |index: usize| Key::parse(&self.keys[index]).expect("a key");
        let seals = usize::from(which) % self.keys.len();
        let opens = (0..self.keys.len()).filter(|&index| index != seals && which >> (index % 5 + 3) & 1 != 0);
        opens.fold(KeyRing::new(key(seals)), |ring, index| {
            ring.also_opening(key(index)).expect("another key")
        })
    }

    /// Another session token or activity token, of any content.
    fn seal(&mut self, input: &mut Input<'_>) {
        let (kind, who, size) = (input.byte(), input.byte(), input.byte());
        let (life, age, salt) = (input.byte(), input.byte(), input.byte());
        let audience = if kind & 0xe0 == 0xe0 {
            "another"
        } else {
            text(self.row, "audience")
        };
        let secret = &self.keys[usize::from(who >> 4 & 3) % self.keys.len()];
        let sealing = Sealing {
            secret: unhex(&secret[17..])
                .try_into()
                .expect("sealed1_, the key id, _, 64 digits"),
            name: text(self.row, "name"),
            audience,
            bind: &self.binds[usize::from(who >> 6)],
        };
        let id = self.id(who).to_bytes();
        let now = self.now() as u32;
        // Most seals are good ones: they last for hours, and are some seconds old.
        let life =
            [43_200, 3600, 60, 1, 30 * 86_400, 400 * 86_400, 0, 86_400][usize::from(life % 8)] + u32::from(life / 8);
        let expires = now.saturating_add(life);
        let started = now
            .saturating_sub(u32::from(age))
            .saturating_add(u32::from(age == 255) * 600);
        let payload = match kind & 7 {
            0 | 1 => json!(size).to_string(),
            2 | 3 => json!("s".repeat(usize::from(size) * 10)).to_string(),
            4 => json!(vec![size; usize::from(size)]).to_string(),
            // Not as it would be written here.
            5 => format!(" {{ \"a\" : {size} }} "),
            6 => format!("{{{size}"),
            _ => String::from_utf8_lossy(&unhex(text(self.row, "payload"))).into_owned(),
        };
        // With the longest names there is no activity.
        let token = if kind & 8 == 0 || sealing.name.len() > 250 {
            sealing.session(&Content {
                expires,
                id,
                salt: [salt; 12],
                started,
                sealed: started,
                flags: kind >> 4 & 1,
                payload: payload.as_bytes(),
            })
        } else {
            sealing.activity(expires, id)
        };
        self.tokens.push(encode(&token));
    }

    /// One of the tokens of this world, or of those of the vectors.
    fn token(&self, which: u8) -> Vec<u8> {
        match which.checked_sub(128) {
            None => self.tokens[usize::from(which) % self.tokens.len()].clone(),
            Some(row) => text(&rows("vectors")[usize::from(row)], "token").as_bytes().to_vec(),
        }
    }

    fn request(&mut self, input: &mut Input<'_>) {
        let how = input.byte();
        let mut bind = self.binds[usize::from(how & 3)].clone();
        let mut values = Vec::new();
        for _ in 0..=input.below(12) {
            let (which, alter) = (input.byte(), input.byte());
            let mut value = self.token(which);
            if alter >= 0xc0 && !value.is_empty() {
                let place = usize::from(input.byte()) * value.len() / 256;
                match alter & 3 {
                    0 => value.truncate(place),
                    1 => value[place] = if value[place] == b'A' { b'B' } else { b'A' },
                    2 => value.insert(place, b'A'),
                    // What a cookie and its bind are together stays.
                    _ => bind = [value.split_off(place), bind].concat(),
                }
            }
            // An activity token starts with the byte 2. Some tokens come under the other name.
            let starts_with_2 = matches!(value[..], [b'A', b'g'..=b'v', ..]);
            let is_activity = starts_with_2 != (alter & 0xe0 == 0xa0);
            values.push((is_activity, value));
        }
        let name = text(self.row, "name");
        let pairs = values.iter().map(|(is_activity, value)| {
            let name = if *is_activity {
                format!("{name}-seen=")
            } else {
                format!("{name}=")
            };
            [name.into_bytes(), value.clone()].concat()
        });
        let lines: Vec<Vec<u8>> = match how & 4 {
            0 => vec![pairs.collect::<Vec<_>>().join(&b"; "[..])],
            _ => pairs.collect(),
        };
        // A token that came may have spaces around it, or a semicolon in it.
        let slices: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let read = cookie_field::values(&cookie_field::cookies(&slices), name.as_bytes());
        let fields = || {
            let fields = RequestFields::from_cookies(lines.clone()).with_bind(bind.clone());
            if how & 8 == 0 {
                fields
            } else {
                fields.with_sec_purpose("prefetch")
            }
        };
        // The same request comes several times, and each time but the last only reads.
        for _ in 0..how >> 4 & 3 {
            let sessions = self.each(|side| side.sessions.load(fields()));
            self.opens(&sessions, &read, &bind);
            self.reads(&sessions);
            self.finish(&sessions, 200);
        }
        let mut sessions = self.each(|side| side.sessions.load(fields()));
        let mut is_open = false;
        while !input.is_empty() {
            let operation = input.below(12);
            if operation >= 2 && !is_open {
                self.opens(&sessions, &read, &bind);
                is_open = true;
            }
            match operation {
                0 => self.pass(input),
                1 => self.interfere(input),
                2..=4 => self.reads(&sessions),
                5 => same(sessions.each_mut().map(|session| session.touch())),
                6 => same(sessions.each_mut().map(|session| session.end())),
                7 | 8 => same(sessions.each_mut().map(|session| session.update(change))),
                _ => break,
            }
        }
        self.finish(&sessions, [200, 200, 200, 302, 404, 304, 500, 103][input.below(8)]);
    }

    /// Both open, and a kept session is one of a token that came here with this bind within a minute.
    fn opens(&mut self, sessions: &[Session<Data>; 2], values: &[Vec<u8>], bind: &[u8]) {
        let [one, kept] = sessions;
        let now = self.now();
        let expected = one.peek();
        if TALLY.is_kept(|| kept.peek().is_some()) {
            let is_known = |(text, of, when): &(Vec<u8>, Vec<u8>, u64)| {
                of == bind && now.abs_diff(*when) < UNUSED && values.contains(text)
            };
            assert!(self.came.iter().any(is_known), "kept for too long");
        }
        assert_eq!(kept.peek(), expected);
        let came = values.iter().map(|value| (value.clone(), bind.to_vec(), now));
        self.came.extend(came);
        self.tell_the_same();
    }

    fn reads(&self, sessions: &[Session<Data>; 2]) {
        let answer = |session: &Session<Data>| {
            (
                (session.state(), session.get().cloned(), session.id()),
                (session.started(), session.expires()),
                (session.is_remembered(), session.is_signed_in()),
            )
        };
        same(sessions.each_ref().map(answer));
    }

    /// Of a session that is sealed again, the salts differ and so do the ciphertexts.
    fn finish(&mut self, sessions: &[Session<Data>; 2], status: u16) {
        let mut sealed = Vec::new();
        let sent = sessions.each_ref().map(|session| {
            let mut headers = vec![("Cache-Control".to_owned(), "public, max-age=60".to_owned())];
            session.finish(status, &mut headers);
            for (_, line) in headers.iter_mut().filter(|(name, _)| name == "Set-Cookie") {
                let value = line.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
                let Ok(claims) = Claims::parse(&value) else { continue };
                if !claims.is_activity {
                    *line = line.replace(&value, &format!("{claims:?} in {}", value.len()));
                }
                sealed.push(value.into_bytes());
            }
            headers
        });
        same(sent);
        self.tokens.extend(sealed);
        self.tell_the_same();
    }

    fn each<R>(&self, act: impl FnMut(&Side) -> R) -> [R; 2] {
        self.sides.each_ref().map(act)
    }

    /// Both told the observer the same.
    fn tell_the_same(&self) {
        same(self.each(|side| std::mem::take(&mut *locked(&side.events))));
    }
}

fn locked(events: &Mutex<Vec<Event>>) -> std::sync::MutexGuard<'_, Vec<Event>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn same<A: std::fmt::Debug + PartialEq>([without, with]: [A; 2]) {
    assert_eq!(with, without, "with a cache on the left, without one on the right");
}

/// Each row's cookies come again and again, with and without changes; then what its number says happens, and they come
/// once more.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, row): (usize, &Value)| {
        let seen = texts(row, "seen").len() as u8;
        // The row's tokens: the first one as `alter` and `place` say, the others as they are.
        let came = |how: u8, first: &[u8], operations: &[u8]| {
            let others = (1..=seen).flat_map(|token| [token, 0]);
            [
                &[0, how, seen, 0],
                first,
                &others.collect::<Vec<_>>(),
                operations,
                &[11, 0],
            ]
            .concat()
        };
        let comes = |how| came(how, &[0], &[2]);
        let happens: &[u8] = match index % 9 {
            0 => &[7, 0, 0],
            1 => &[7, 1, 0],
            2 => &[7, 2, 0],
            3 => &[7, 3, 0],
            // The cut-off of some minutes ago.
            4 => &[7, 2, 255],
            // The row's key goes; or it still opens.
            5 => &[7, 4, 1],
            6 => &[7, 4, 25],
            7 => &[6, 0, 61 + index as u8 % 16],
            _ => &[7, 6, 8],
        };
        [
            &[index as u8, index as u8][..],
            &comes(0x30),
            &[6, 0, 30],
            &comes(0x18),
            &came(0x10, &[0xc1, index as u8], &[2]),
            &came(0x10, &[0xc3, 0xf8], &[2]),
            &comes(3),
            &came(0x14, &[0], &[2, 7, 2]),
            &came(0x10, &[0], &[5, 2]),
            happens,
            &comes(0x10),
            &came(0x10, &[0], &[2, 6]),
            &comes(0),
        ]
        .concat()
    };
    // Sixteen long sessions, which do not all have room, come one after another, and once more.
    let sealed = (0..16).flat_map(|id| [4, 2, id | 0x80, 250, 0, 5, id]);
    let each = (0..32).flat_map(|token| [0, 2 + 0x10, 0, 1 + token % 16, 0, 2, 11, 0]);
    // Two sessions come together with their activity, which is renewed; then with that of the other one.
    let pair = [
        4, 0, 0x81, 1, 0, 5, 1, 4, 0, 0x82, 2, 0, 6, 2, 4, 8, 0x81, 0, 2, 0, 0, 4, 8, 0x82, 0, 2, 0, 0,
    ];
    let together = |tokens: &[u8]| {
        let tokens: Vec<u8> = tokens.iter().flat_map(|&token| [token, 0]).collect();
        [&[0, 2 + 0x10, tokens.len() as u8 / 2 - 1], &tokens[..], &[2, 5, 11, 0]].concat()
    };
    // Twelve sessions are kept and then come together: the newest one comes last, beyond the eight that are opened.
    let many = (0..12).flat_map(|id| [4, 0, id | 0x80, 1, 0, 12 - id, id]);
    let apart = (1..=12).flat_map(|token| [0, 2, 0, token, 0, 2, 11, 0]);
    let all: Vec<u8> = (1..=12).collect();
    let idle = rows("vectors").iter().position(|row| !row["limits"]["idle"].is_null());
    let idle = u8::try_from(idle.expect("some row has an idle timeout")).expect("a byte");
    // The row's own tokens come first in the list.
    let own = 1 + texts(&rows("vectors")[usize::from(idle)], "seen").len() as u8;
    // A token comes as it is, and then with a space before it.
    let spaced = rows("vectors")
        .iter()
        .position(|row| text(row, "token").starts_with(' '));
    let spaced = spaced.expect("some row has a space");
    let is_same = |row: &Value| text(row, "token") == text(&rows("vectors")[spaced], "token").trim_start();
    let plain = rows("vectors").iter().position(is_same).expect("it is the example's") as u8;
    let with_a_space = [
        plain,
        0,
        0,
        0,
        0,
        0,
        0,
        2,
        11,
        0,
        0,
        0,
        0,
        128 + spaced as u8,
        0,
        2,
        11,
        0,
    ];
    let lives = [
        with_a_space.to_vec(),
        [0, 0].into_iter().chain(sealed).chain(each).collect(),
        [0, 1]
            .into_iter()
            .chain(many)
            .chain(apart)
            .chain(together(&all))
            .collect(),
        [
            &[idle, 0][..],
            &pair,
            &together(&[own, own + 1, own + 2, own + 3]),
            &together(&[own, own + 3]),
            // With an altered activity token.
            &[0, 2, 1, own, 0, own + 2, 0xc1, 200, 2, 11, 0],
            &together(&[own + 1, own + 3]),
            &together(&[own, own + 1, own + 2]),
            &together(&[own, own + 1, own + 3]),
        ]
        .concat(),
    ];
    rows("vectors").iter().enumerate().map(seed).chain(lives).collect()
}
