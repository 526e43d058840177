//! Sessions in chunks, whose cookies are lost, exchanged and changed: each request is answered as by the slow reader,
//! which opens them with the secret.
//!
//! Input: the number of a row of kind "0x07", then changes of its cookies in five bytes each.

use std::cmp::Reverse;
use std::sync::LazyLock;
use std::time::Duration;

use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::{Key, KeyRing, Lifetime, Reason, RequestFields, SessionId, SessionState, Sessions};
use serde_json::Value;

use crate::allocation::counted;
use crate::fixtures::{SMALL_CACHE, at, number, text, texts, unhex};
use crate::input::Input;
use crate::reference::cookie_field;
use crate::reference::seal::Sealing;
use crate::reference::token::{self, Kind};

/// The name and the value.
type Cookie = (String, Vec<u8>);

struct Place {
    /// They keep nothing, and what they open.
    sessions: [Sessions<Value>; 2],
    checker: Checker,
    secret: [u8; 32],
    key_id: [u8; 4],
    name: &'static str,
    audience: &'static str,
    bind: Vec<u8>,
    now: u64,
    /// The timeouts of ordinary and of remembered sessions.
    absolute: [u64; 2],
    cut_off: u64,
    revoked: Vec<Vec<u8>>,
    cookies: Vec<Cookie>,
}

static NEXT: LazyLock<Value> = LazyLock::new(testkit::next_vectors);

/// One per row without an idle timeout.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| rows().map(place).collect());

fn rows() -> impl Iterator<Item = &'static Value> {
    let rows = testkit::rows(&NEXT, "rows").iter();
    let is_in_chunks =
        |row: &&Value| row["kind"] == "0x07" && row["op"] == "session" && row["settings"]["idle"].is_null();
    rows.filter(is_in_chunks)
}

fn place(row: &'static Value) -> Place {
    let settings = &row["settings"];
    let secret = unhex(texts(row, "ring")[0]);
    let key = || Key::from_raw_secret(&secret).expect("a secret");
    let (name, audience, now) = (text(row, "name"), text(row, "audience"), number(row, "now"));
    let absolute = ["absolute", "remembered_absolute"].map(|field| number(settings, field));
    let cut_off = number(settings, "cut_off");
    let revoked: Vec<Vec<u8>> = texts(settings, "revoked").into_iter().map(unhex).collect();
    let sessions = [0, SMALL_CACHE].map(|cache| {
        let [ordinary, remembered] =
            absolute.map(|seconds| Lifetime::absolute(Duration::from_secs(seconds)).without_idle());
        let sessions = Sessions::builder(KeyRing::new(key()))
            .cookie_name(name)
            .audience(audience)
            .lifetime(ordinary)
            .remembered(remembered)
            .opened_cache(cache)
            .build()
            .expect("the vectors are configured well");
        sessions.raise_cut_off(at(cut_off));
        for id in &revoked {
            sessions.revoke(SessionId::from_bytes(id[..].try_into().expect("8 bytes")));
        }
        sessions
    });
    let days = sessions[0].edge_keys_at(3, EdgeRights::Check, at(now));
    let checker = Checker::from_edge_keys(days.expose()).expect("what was written");
    let cookie = |pair: &Value| {
        let text = |at: usize| pair[at].as_str().expect("a text").to_owned();
        (text(0), text(1).into_bytes())
    };
    Place {
        checker: checker.without_activity(),
        sessions,
        key_id: key().id().to_bytes(),
        secret: secret.try_into().expect("32 bytes"),
        name,
        audience,
        bind: unhex(text(row, "bind")),
        now,
        absolute,
        cut_off,
        revoked,
        cookies: testkit::rows(row, "cookies").iter().map(cookie).collect(),
    }
}

pub(super) fn run(mut input: Input<'_>) {
    let place = &PLACES[input.below(PLACES.len())];
    let mut cookies = place.cookies.clone();
    // What the unchanged cookies open to may be kept.
    let request = RequestFields::from_cookies(fields(&cookies)).with_bind(place.bind.clone());
    _ = place.sessions[1].load_at(request, at(place.now)).state();
    for _ in 0..8 {
        if !input.is_empty() {
            change(&mut input, &mut cookies, place.name);
        }
    }
    is_answered(place, &cookies);
}

/// One change: which one, at which cookie, with which row, and two bytes for a number.
fn change(input: &mut Input<'_>, cookies: &mut Vec<Cookie>, name: &str) {
    let (what, which) = (input.below(10), input.below(cookies.len().max(1)));
    let row = &PLACES[input.below(PLACES.len())];
    let number = input.below(256) << 8 | input.below(256);
    let (_, other) = &row.cookies[number % row.cookies.len()];
    let (name, added) = (format!("{name}.{}", 2 + number % 3), other.clone());
    let Some((_, value)) = cookies.get_mut(which) else {
        return cookies.push((name, added));
    };
    let (length, at) = (value.len(), number % value.len().max(1));
    match what {
        // Lost, and there twice.
        0 => drop(cookies.remove(which)),
        1 => cookies.insert(0, cookies[which].clone()),
        2 => cookies.push(cookies[which].clone()),
        // Exchanged, and under another name.
        3 => {
            let other = number % cookies.len();
            let values = [which, other].map(|at| cookies[at].1.clone());
            [cookies[other].1, cookies[which].1] = values;
        }
        4 => cookies[which].0 = name,
        // Cut, longer, and with another character.
        5 => value.truncate(length - number.min(length)),
        6 => value.extend(other.iter().take(number % 16)),
        7 => {
            if let Some(character) = value.get_mut(at) {
                *character = other[at % other.len()];
            }
        }
        // Another sealing's cookie, and its text behind the right tie.
        8 => cookies.insert(which, (name, added)),
        _ => value.splice(8.min(length).., added.into_iter().skip(8)).for_each(drop),
    }
}

fn fields(cookies: &[Cookie]) -> Vec<Vec<u8>> {
    let field = |(name, value): &Cookie| [name.as_bytes(), b"=", value].concat();
    cookies.iter().map(field).collect()
}

fn is_answered(place: &Place, cookies: &[Cookie]) {
    let fields = fields(cookies);
    let length: usize = fields.iter().map(Vec::len).sum();
    let Judged { opened, proven } = judged(place, &fields);
    let (state, data) = match opened {
        Ok(data) => (SessionState::Valid, Some(data)),
        Err(state) => (state, None),
    };
    let request = || RequestFields::from_cookies(fields.iter().cloned()).with_bind(place.bind.clone());
    for sessions in &place.sessions {
        // The second time, what was opened may be kept, and the day's keys are derived.
        for is_first in [true, false] {
            let session = sessions.load_at(request(), at(place.now));
            let (seen, allocated) = counted(|| session.state());
            assert_eq!((seen, session.get()), (state, data.as_ref()));
            // A payload becomes a tree of JSON values; nothing is put together before a head is proven.
            let allowed = if !proven.is_empty() {
                64 * length + 16 * 1024
            } else {
                length + 256
            };
            assert!(is_first || allocated <= allowed, "{allocated} bytes for {length}");
        }
    }
    let answer = place.checker.check_at(&request(), at(place.now));
    // The checker has the keys of three days.
    let checked = proven.iter().any(|expires| expires / 86_400 < place.now / 86_400 + 3);
    assert_eq!(answer.is_ok(), checked, "{answer:?} by a checker");
}

struct Judged {
    opened: Result<Value, SessionState>,
    /// When the tokens expire that passed step 5.
    proven: Vec<u64>,
}

/// SPEC.md, *Opening*, *Choosing among several* and *A session in chunks*.
fn judged(place: &Place, fields: &[Vec<u8>]) -> Judged {
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let cookies = cookie_field::cookies(&fields);
    let values = cookie_field::values(&cookies, place.name.as_bytes());
    let (mut reasons, mut screened, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for value in &values {
        match token::screen(
            value,
            4096 - place.name.len(),
            Kind::Session,
            &[place.key_id],
            place.now,
        ) {
            Ok(bytes) => screened.push((value, bytes)),
            Err(reason) => reasons.push(reason),
        }
    }
    let mut proven = Vec::new();
    for (value, bytes) in screened.into_iter().take(8) {
        match opened_by(place, &cookies, value, bytes, &mut proven) {
            Ok(frame) => opened.push(frame),
            Err(reason) => reasons.push(reason),
        }
    }
    // Started last, sealed last, first.
    opened.sort_by_key(|frame| Reverse(<[u8; 8]>::try_from(&frame[..8]).expect("two times")));
    let mut read = opened.iter().map(|frame| serde_json::from_slice(&frame[9..]).ok());
    let found = read.find_map(|data| {
        if data.is_none() {
            reasons.push(Reason::Payload);
        }
        data
    });
    let worst = reasons
        .into_iter()
        .max()
        .map_or(SessionState::Absent, SessionState::Rejected);
    Judged {
        opened: found.ok_or(worst),
        proven,
    }
}

/// Steps 5 to 7: the frame. `proven` gets the expiry of a token that passed step 5.
fn opened_by(
    place: &Place,
    cookies: &[cookie_field::Cookie],
    value: &[u8],
    mut bytes: Vec<u8>,
    proven: &mut Vec<u64>,
) -> Result<Vec<u8>, Reason> {
    let sealing = Sealing {
        secret: place.secret,
        name: place.name,
        audience: place.audience,
        bind: &place.bind,
    };
    let head = if bytes[0] == 7 { 30 } else { 29 };
    if !sealing.open(&bytes, head).0 {
        return Err(Reason::NotOurs);
    }
    proven.push(token::expires(&bytes));
    if bytes[0] == 7 {
        let others = token::other_cookies(cookies, place.name, value).map_err(|_| Reason::Incomplete)?;
        bytes = token::decode(&[value, &others].concat()).expect("each is canonical");
    }
    let frame = sealing.open(&bytes, head).1.ok_or(Reason::Damaged)?;
    let started = u64::from(u32::from_be_bytes(frame[..4].try_into().expect("4 bytes")));
    match () {
        () if frame[8] > 1 => Err(Reason::UnknownFlags),
        () if started > place.now + 300 => Err(Reason::StartedInFuture),
        () if started + place.absolute[usize::from(frame[8])] <= place.now => Err(Reason::TooOld),
        () if started < place.cut_off || place.revoked.iter().any(|id| bytes[9..17] == **id) => Err(Reason::Revoked),
        () => Ok(frame),
    }
}

/// Each row as it is, and with one change of every kind.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let count = PLACES.len() as u8;
    let seed = |row: u8| {
        let change = [row % 10, row / 10, row + 1, 0, row];
        [&[0xff, row][..], if row.is_multiple_of(2) { &change } else { &[] }].concat()
    };
    let mut seeds: Vec<Vec<u8>> = (0..count).map(seed).collect();
    seeds.extend((0..10).map(|what| vec![0xff, 2, what, 1, 3, 0, 4, what, 2, 3, 0, 1]));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_reader_answers_the_rows() {
        for (place, row) in PLACES.iter().zip(rows()) {
            let answer = match judged(place, &fields(&place.cookies)).opened {
                Ok(_) => "ok",
                Err(SessionState::Rejected(reason)) => reason.name(),
                Err(_) => "absent",
            };
            assert_eq!(answer, row["expect"]["result"], "{}", row["shows"]);
        }
    }
}
