//! Arbitrary `Cookie` fields: the crate sees, opens and chooses the same cookies as a slow reader.
//!
//! Input: lines, one `Cookie` field each. The bytes 0xe8 to 0xf2 and 0xf8 to 0xfe mean genuine tokens (see `Known`), which
//! no mutation could make.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{Event, KeyRing, Lifetime, Reason, RequestFields, SessionId, SessionState, Sessions};

use crate::fixtures::{SMALL_CACHE, at, key, rows, text, texts};
use crate::input::Input;
use crate::reference::cookie_field::{self, Cookie};
use crate::reference::token::{self, Kind};

const NAME: &str = "id";
const NOW: u64 = 1_893_369_660;
const IDLE: u64 = 1800;
/// How long before `NOW` the known sessions started; of those of one age the first in the field wins. The last two take
/// three cookies.
const AGES: [u64; 5] = [60, 30, 30, 30, 60];
const IN_CHUNKS: usize = 3;
/// Most chunks of one input: they are long. Nine could be first cookies, and only eight of these are opened.
const MOST_CHUNKS: usize = 16;

struct Known {
    /// The first keep what they open, the second do not.
    sessions: [Sessions<Vec<u32>>; 2],
    events: Arc<Mutex<Vec<Event>>>,
    key_id: [u8; 4],
    /// Session and activity tokens of three sessions in turn, then a damaged one.
    tokens: [String; 7],
    /// Of two sessions in chunks: the first cookie, the others, the activity token. Then a text of the second session
    /// behind the tie of the first, that tie, and the last cookie of the first, cut by four characters.
    chunks: [String; 11],
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sessions = [SMALL_CACHE, 0].map(|cache| {
        let seen = Arc::clone(&events);
        Sessions::<Vec<u32>>::builder(KeyRing::new(key(200)))
            .cookie_name(NAME)
            .opened_cache(cache)
            .chunks(4)
            .largest_cookies(usize::MAX)
            .lifetime(Lifetime::default().idle(Duration::from_secs(IDLE)))
            .observer(move |event: &Event| seen.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone()))
            .build()
            .expect("a configuration")
    });
    let (mut tokens, mut chunks) = (Vec::new(), Vec::new());
    for (data, age) in AGES.into_iter().enumerate() {
        let length = if data < IN_CHUNKS { 1 } else { 3200 };
        let pairs = sessions[0]
            .cookie_for_at(vec![data as u32; length], at(NOW - age))
            .expect("four cookies hold it");
        // In the order of their names: id, id-seen; or id, id.2, id.3 with id-seen at the end.
        let mut pairs: Vec<_> = pairs
            .split("; ")
            .map(|pair| pair.split_once('=').expect("a pair"))
            .collect();
        pairs.sort_by_key(|&(name, _)| (name.ends_with("-seen"), name));
        let list = if data < IN_CHUNKS { &mut tokens } else { &mut chunks };
        list.extend(pairs.into_iter().map(|(_, value)| value.to_owned()));
    }
    let tie = chunks[1][..8].to_owned();
    let cut = chunks[2][..chunks[2].len() - 4].to_owned();
    chunks.extend([format!("{tie}{}", &chunks[5][8..]), tie, cut]);
    let mut damaged = token::decode(tokens[0].as_bytes()).expect("a token");
    damaged[60] ^= 1;
    tokens.push(encode(&damaged));
    Known {
        sessions,
        events,
        key_id: key(200).id().to_bytes(),
        tokens: tokens.try_into().expect("seven tokens"),
        chunks: chunks.try_into().expect("two times four, and three"),
    }
});

/// The bytes of the known session tokens, or of their first cookies.
static DECODED: LazyLock<[Vec<u8>; AGES.len()]> =
    LazyLock::new(|| std::array::from_fn(|data| token::decode(pair(data).0.as_bytes()).expect("a token")));

fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let digit = |six: &[u8]| (0..6).fold(0, |sum, bit| sum << 1 | six.get(bit).copied().unwrap_or(0));
    bits.chunks(6)
        .map(|six| char::from(ALPHABET[usize::from(digit(six))]))
        .collect()
}

pub fn run(data: &[u8]) {
    let mut chunks = 0;
    let expand = |field| expanded(field, &mut chunks);
    let fields: Vec<Vec<u8>> = Input::new(data).lines().into_iter().map(expand).collect();
    let slices: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let cookies = cookie_field::cookies(&slices);
    let values = cookie_field::values(&cookies, NAME.as_bytes());
    let activity = cookie_field::values(&cookies, format!("{NAME}-seen").as_bytes());
    let Judged { state, chosen, missing } = judged(&cookies, &values, &activity);
    let chosen = chosen.map(|data| data as u32);
    // The first ones kept the known sessions long ago, in an earlier input.
    for sessions in &KNOWN.sessions {
        let taken = || std::mem::take(&mut *KNOWN.events.lock().unwrap_or_else(PoisonError::into_inner));
        taken();
        let session = sessions.load_at(RequestFields::from_cookies(fields.clone()), at(NOW));
        assert_eq!(session.state(), state);
        assert_eq!(session.get().map(|data| data[0]), chosen);
        are_told(&taken(), values.len(), state, missing);
    }
}

/// The events say how many session cookies came, whether they were rejected, and the first cookie that was missing.
fn are_told(events: &[Event], count: usize, expected: SessionState, missing: Option<u8>) {
    let seen = events.iter().find_map(|event| match event {
        Event::DuplicatesSeen { count } => Some(*count),
        _ => None,
    });
    assert_eq!(seen, Some(count).filter(|&count| count > 1));
    let rejected = events.iter().any(|event| matches!(event, Event::Rejected { .. }));
    assert_eq!(rejected, matches!(expected, SessionState::Rejected(_)));
    let told = events.iter().find_map(|event| match event {
        Event::ChunkMissing { chunk, chunks } => Some((*chunk, *chunks)),
        _ => None,
    });
    let is_incomplete = expected == SessionState::Rejected(Reason::Incomplete);
    assert_eq!(told, missing.filter(|_| is_incomplete).map(|chunk| (chunk, 3)));
}

fn expanded(field: &[u8], chunks: &mut usize) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(field.len());
    for &byte in field {
        match byte {
            0xe8..=0xf2 if *chunks < MOST_CHUNKS => {
                *chunks += 1;
                expanded.extend_from_slice(KNOWN.chunks[usize::from(byte - 0xe8)].as_bytes());
            }
            0xf8..=0xfe => expanded.extend_from_slice(KNOWN.tokens[usize::from(byte - 0xf8)].as_bytes()),
            other => expanded.push(other),
        }
    }
    expanded
}

/// The session and the activity token of a known session.
fn pair(data: usize) -> (&'static str, &'static str) {
    match data.checked_sub(IN_CHUNKS) {
        None => (&KNOWN.tokens[2 * data], &KNOWN.tokens[2 * data + 1]),
        Some(data) => (&KNOWN.chunks[4 * data], &KNOWN.chunks[4 * data + 3]),
    }
}

struct Judged {
    state: SessionState,
    /// The data of the chosen session.
    chosen: Option<usize>,
    /// The first chunk that was missing.
    missing: Option<u8>,
}

/// SPEC.md, *Opening*, *Choosing among several* and *A session in chunks*.
fn judged(cookies: &[Cookie], values: &[Vec<u8>], activity: &[Vec<u8>]) -> Judged {
    let mut judged = Judged {
        state: SessionState::Absent,
        chosen: None,
        missing: None,
    };
    let ring = [KNOWN.key_id];
    let mut furthest: Vec<Reason> = Vec::new();
    let mut screened = Vec::new();
    for value in values {
        match token::screen(value, 4096 - NAME.len(), Kind::Session, &ring, NOW) {
            Ok(bytes) => screened.push((value, bytes)),
            Err(reason) => furthest.push(reason),
        }
    }
    let mut opened: Vec<usize> = Vec::new();
    for (value, bytes) in screened.into_iter().take(8) {
        match session_of(cookies, value, &bytes, &mut judged.missing) {
            Ok(data) => opened.push(data),
            Err(reason) => furthest.push(reason),
        }
    }
    // Started last; all were sealed when they started; of equals the first.
    opened.sort_by_key(|&data| AGES[data]);
    let named: Vec<SessionId> = opened.iter().map(|&data| id_of(pair(data).0)).collect();
    let of_opened = activity.iter().filter(|value| {
        token::screen(value, 44, Kind::Activity, &ring, NOW).is_ok()
            && str::from_utf8(value).is_ok_and(|text| named.contains(&id_of(text)))
    });
    let verified: Vec<&Vec<u8>> = of_opened.take(8).collect();
    for data in opened {
        if verified.iter().any(|seen| **seen == *pair(data).1.as_bytes()) {
            (judged.state, judged.chosen) = (SessionState::Valid, Some(data));
            return judged;
        }
        furthest.push(Reason::Idle);
    }
    if let Some(reason) = furthest.into_iter().max() {
        judged.state = SessionState::Rejected(reason);
    }
    judged
}

/// Steps 5, 5b and 6: a token is genuine if it is one of ours, and damaged if only its head is.
fn session_of(cookies: &[Cookie], value: &[u8], bytes: &[u8], missing: &mut Option<u8>) -> Result<usize, Reason> {
    let proven = if bytes[0] == 7 { 46 } else { 45 };
    let is_of = |data: &usize| bytes[..proven] == DECODED[*data][..proven];
    let data = (0..AGES.len()).find(is_of).ok_or(Reason::NotOurs)?;
    let (mut came, mut known) = (value.to_vec(), pair(data).0.to_owned());
    if bytes[0] == 7 {
        let others = token::other_cookies(cookies, NAME, value).map_err(|number| {
            missing.get_or_insert(number);
            Reason::Incomplete
        })?;
        came.extend(others);
        let of_session = 4 * (data - IN_CHUNKS);
        for other in &KNOWN.chunks[of_session + 1..=of_session + 2] {
            known.push_str(&other[8..]);
        }
    }
    if came == known.as_bytes() {
        Ok(data)
    } else {
        Err(Reason::Damaged)
    }
}

fn id_of(token: &str) -> SessionId {
    Claims::parse(token).expect("a token").session_id
}

/// Each row of the vectors as a field, its tokens replaced by genuine ones where the row says that they open.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for row in rows("vectors") {
        let mut seed = format!("theme=dark; {NAME}=").into_bytes();
        match text(row, "expect") {
            "ok" => seed.extend_from_slice(b"\xf8; id-seen=\xf9"),
            "damaged" => seed.push(0xfe),
            _ => seed.extend_from_slice(text(row, "token").as_bytes()),
        }
        for seen in texts(row, "seen") {
            seed.extend_from_slice(format!("\n{NAME}-seen={seen}").as_bytes());
        }
        seeds.push(seed);
    }
    seeds.extend([
        b"id=\xf8; id=\xfa; id=\xfc\nid-seen=\xf9; id-seen=\xfb; id-seen=\xfd".to_vec(),
        b"id=\xfa\x41; id=\xf8;id-seen=\xfb ; \tid-seen\t= \xf9".to_vec(),
        [b"id=\xfe;".repeat(8), b"id=\xf8; id-seen=\xf9".to_vec()].concat(),
        [
            b"id=\xf8; id=\xfa;".to_vec(),
            b"id-seen=\xf9;".repeat(8),
            b"id-seen=\xfb".to_vec(),
        ]
        .concat(),
    ]);
    // Sessions in chunks: whole, in any order, without the second cookie, without the third.
    seeds.extend(
        [
            &b"id=\xe8; id.2=\xe9; id.3=\xea; id-seen=\xeb"[..],
            b"id-seen=\xeb; id.3=\xea\nid.2=\xe9\nid=\xe8",
            b"id=\xe8; id.3=\xea; id-seen=\xeb",
            b"id=\xe8; id.2=\xe9; id-seen=\xeb",
            // Of another sealing, alone, before the right one, and behind the right tie.
            b"id=\xe8; id.2=\xed; id.3=\xea; id-seen=\xeb",
            b"id=\xe8; id.2=\xed; id.2=\xe9; id.3=\xea; id-seen=\xeb",
            b"id=\xe8; id.2=\xf0; id.3=\xea; id-seen=\xeb",
            b"id=\xe8; id.2=\xf0; id.2=\xe9; id.3=\xea; id-seen=\xeb",
            // Exchanged, the tie alone, cut, longer, strays.
            b"id=\xe8; id.2=\xea; id.3=\xe9; id-seen=\xeb",
            b"id=\xe8; id.2=\xe9; id.3=\xf1; id.3=\xf1A; id.3=\xf1AA; id.3=\xea; id-seen=\xeb",
            b"id=\xe8; id.2=\xe9; id.3=\xf2; id-seen=\xeb",
            b"id=\xe8; id.2=\xe9AAAA; id.3=\xea; id-seen=\xeb",
            b"id=\xf8; id.2=\xe9; id.3=\xea; id.4=x; id-seen=\xf9",
            // Two sessions in chunks, each with its own; one of them beside a session in one cookie.
            b"id=\xec; id=\xe8; id.2=\xed; id.2=\xe9; id.3=\xee; id.3=\xea; id-seen=\xeb; id-seen=\xef",
            b"id=\xec; id=\xe8; id.2=\xed; id.2=\xe9; id.3=\xee; id-seen=\xeb; id-seen=\xef",
            b"id=\xfa; id=\xe8; id.2=\xe9; id.3=\xea; id-seen=\xeb; id-seen=\xfb",
            b"id=\xe8; id=\xec; id=\xfe; id.2=\xed",
            b"id=\xe8A; id=\xe9; id=\xf1\xea; id.2=\xe8",
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_tokens_are_what_they_are_for() {
        assert_eq!(encode(b"A"), "QQ");
        let values = |tokens: &[usize]| {
            tokens
                .iter()
                .map(|&at| KNOWN.tokens[at].clone().into_bytes())
                .collect::<Vec<_>>()
        };
        let judged = |values: &[Vec<u8>], activity: &[Vec<u8>], others: &[&[u8]]| {
            let judged = judged(&cookie_field::cookies(others), values, activity);
            (judged.state, judged.chosen, judged.missing)
        };
        let valid = |data| (SessionState::Valid, Some(data), None);
        let rejected = |reason| (SessionState::Rejected(reason), None, None);
        assert_eq!(judged(&[], &[], &[]), (SessionState::Absent, None, None));
        assert_eq!(judged(&values(&[0]), &values(&[1]), &[]), valid(0));
        assert_eq!(judged(&values(&[0, 4, 2]), &values(&[1, 3, 5]), &[]), valid(2));
        assert_eq!(judged(&values(&[0, 2]), &values(&[1]), &[]), valid(0));
        assert_eq!(judged(&values(&[0]), &values(&[3]), &[]), rejected(Reason::Idle));
        assert_eq!(judged(&values(&[6]), &[], &[]), rejected(Reason::Damaged));
        assert_eq!(judged(&[b"x".to_vec()], &[], &[]), rejected(Reason::Malformed));
        let chunk = |number: usize| KNOWN.chunks[number].as_bytes().to_vec();
        let others: Vec<Vec<u8>> = [(2, 1), (3, 2), (2, 5), (2, 8)]
            .map(|(number, at)| [format!("id.{number}=").into_bytes(), chunk(at)].concat())
            .into();
        let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
        let judged = |others: &[&[u8]]| judged(&[chunk(0)], &[chunk(3)], others);
        assert_eq!(judged(&others), valid(3));
        let incomplete = SessionState::Rejected(Reason::Incomplete);
        assert_eq!(judged(&others[1..3]), (incomplete, None, Some(2)));
        assert_eq!(judged(&others[..1]), (incomplete, None, Some(3)));
        assert_eq!(judged(&others[1..]), rejected(Reason::Damaged));
    }
}
