//! Arbitrary `Cookie` fields: the crate sees, opens and chooses the same cookies as a slow reader.
//!
//! Input: lines, one `Cookie` field each. The bytes 0xf8 to 0xfe mean genuine tokens (see `Known`), which no
//! mutation could make.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use sealed_session::edge::Claims;
use sealed_session::{Event, KeyRing, Lifetime, Reason, RequestFields, SessionId, SessionState, Sessions};

use crate::fixtures::{SMALL_CACHE, at, key, rows, text, texts};
use crate::input::Input;
use crate::reference::cookie_field;
use crate::reference::token::{self, Kind};

const NAME: &str = "id";
const NOW: u64 = 1_893_369_660;
const IDLE: u64 = 1800;
/// How long before `NOW` the known sessions started; of the two last ones the first in the field wins.
const AGES: [u64; 3] = [60, 30, 30];

struct Known {
    /// The first keep what they open, the second do not.
    sessions: [Sessions<u32>; 2],
    events: Arc<Mutex<Vec<Event>>>,
    key_id: [u8; 4],
    /// Session and activity tokens of three sessions in turn, then a damaged one.
    tokens: [String; 7],
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sessions = [SMALL_CACHE, 0].map(|cache| {
        let seen = Arc::clone(&events);
        Sessions::<u32>::builder(KeyRing::new(key(200)))
            .cookie_name(NAME)
            .opened_cache(cache)
            .lifetime(Lifetime::default().idle(Duration::from_secs(IDLE)))
            .observer(move |event: &Event| seen.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone()))
            .build()
            .expect("a configuration")
    });
    let mut tokens = Vec::new();
    for (data, age) in AGES.into_iter().enumerate() {
        let pair = sessions[0]
            .cookie_for_at(data as u32, at(NOW - age))
            .expect("a small session");
        tokens.extend(
            pair.split("; ")
                .map(|cookie| cookie.split_once('=').expect("a pair").1.to_owned()),
        );
    }
    let mut damaged = token::decode(tokens[0].as_bytes()).expect("a token");
    damaged[60] ^= 1;
    tokens.push(encode(&damaged));
    Known {
        sessions,
        events,
        key_id: key(200).id().to_bytes(),
        tokens: tokens.try_into().expect("seven tokens"),
    }
});

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
    let fields: Vec<Vec<u8>> = Input::new(data).lines().into_iter().map(expanded).collect();
    let slices: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let values = cookie_field::values(&slices, NAME.as_bytes());
    let activity = cookie_field::values(&slices, format!("{NAME}-seen").as_bytes());
    let (expected, chosen) = judged(&values, &activity);
    let chosen = chosen.map(|data| data as u32);
    // The first ones kept the known sessions long ago, in an earlier input.
    for sessions in &KNOWN.sessions {
        let taken = || std::mem::take(&mut *KNOWN.events.lock().unwrap_or_else(PoisonError::into_inner));
        taken();
        let session = sessions.load_at(RequestFields::from_cookies(fields.clone()), at(NOW));
        assert_eq!(session.state(), expected);
        assert_eq!(session.get(), chosen.as_ref());
        are_told(&taken(), values.len(), expected);
    }
}

/// The events say how many session cookies came, and whether they were rejected.
fn are_told(events: &[Event], count: usize, expected: SessionState) {
    let seen = events.iter().find_map(|event| match event {
        Event::DuplicatesSeen { count } => Some(*count),
        _ => None,
    });
    assert_eq!(seen, Some(count).filter(|&count| count > 1));
    let rejected = events.iter().any(|event| matches!(event, Event::Rejected { .. }));
    assert_eq!(rejected, matches!(expected, SessionState::Rejected(_)));
}

fn expanded(field: &[u8]) -> Vec<u8> {
    let expand = |&byte: &u8| match byte {
        0xf8..=0xfe => KNOWN.tokens[usize::from(byte - 0xf8)].clone().into_bytes(),
        other => vec![other],
    };
    field.iter().flat_map(expand).collect()
}

/// SPEC.md, *Opening* and *Choosing among several*: the state, and the data of the chosen session.
fn judged(values: &[Vec<u8>], activity: &[Vec<u8>]) -> (SessionState, Option<usize>) {
    if values.is_empty() {
        return (SessionState::Absent, None);
    }
    let ring = [KNOWN.key_id];
    let mut furthest: Vec<Reason> = Vec::new();
    let mut screened = Vec::new();
    for value in values {
        match token::screen(value, 4096 - NAME.len(), Kind::Session, &ring, NOW) {
            Ok(_) => screened.push(value),
            Err(reason) => furthest.push(reason),
        }
    }
    let mut opened: Vec<usize> = Vec::new();
    for value in screened.into_iter().take(8) {
        match session_of(value) {
            Ok(data) => opened.push(data),
            Err(reason) => furthest.push(reason),
        }
    }
    // Started last; all were sealed when they started; of equals the first.
    opened.sort_by_key(|&data| AGES[data]);
    let named: Vec<SessionId> = opened.iter().map(|&data| id_of(&KNOWN.tokens[2 * data])).collect();
    let of_opened = activity.iter().filter(|value| {
        token::screen(value, 44, Kind::Activity, &ring, NOW).is_ok()
            && str::from_utf8(value).is_ok_and(|text| named.contains(&id_of(text)))
    });
    let verified: Vec<&Vec<u8>> = of_opened.take(8).collect();
    for data in opened {
        if verified
            .iter()
            .any(|seen| **seen == *KNOWN.tokens[2 * data + 1].as_bytes())
        {
            return (SessionState::Valid, Some(data));
        }
        furthest.push(Reason::Idle);
    }
    (
        SessionState::Rejected(furthest.into_iter().max().expect("some reason")),
        None,
    )
}

/// Steps 5 and 6: a token is genuine if it is one of ours, and damaged if only its head is.
fn session_of(value: &[u8]) -> Result<usize, Reason> {
    let of = |token: &str| (value.len() >= 60 && value[..60] == token.as_bytes()[..60]).then_some(Reason::Damaged);
    for data in 0..AGES.len() {
        let token = &KNOWN.tokens[2 * data];
        if value == token.as_bytes() {
            return Ok(data);
        }
        // Head and check are 45 bytes: 60 characters.
        if let Some(reason) = of(token) {
            return Err(reason);
        }
    }
    Err(Reason::NotOurs)
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
        assert_eq!(judged(&[], &[]), (SessionState::Absent, None));
        assert_eq!(judged(&values(&[0]), &values(&[1])), (SessionState::Valid, Some(0)));
        assert_eq!(
            judged(&values(&[0, 4, 2]), &values(&[1, 3, 5])),
            (SessionState::Valid, Some(2))
        );
        assert_eq!(judged(&values(&[0, 2]), &values(&[1])), (SessionState::Valid, Some(0)));
        assert_eq!(
            judged(&values(&[0]), &values(&[3])),
            (SessionState::Rejected(Reason::Idle), None)
        );
        assert_eq!(
            judged(&values(&[6]), &[]),
            (SessionState::Rejected(Reason::Damaged), None)
        );
        assert_eq!(
            judged(&[b"x".to_vec()], &[]),
            (SessionState::Rejected(Reason::Malformed), None)
        );
    }
}
