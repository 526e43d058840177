//! Arbitrary bytes as tokens under the rings of the vectors: only sealed tokens open, every refusal has the reason that
//! the specification names, and the work takes no more memory than the input.
//!
//! Input: the number of a row of the vectors, whose ring, name, audience, bind, limits and time are taken; then lines:
//! the session token and activity tokens. After 0xff: see `chunks`.

mod chunks;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sealed_session::edge::{Checker, Claims, EdgeRights};
use sealed_session::{Reason, RequestFields, Sealer, SessionState, Sessions};
use serde_json::Value;

use crate::allocation::counted;
use crate::fixtures::{SMALL_CACHE, at, number, row_ring, row_sessions, rows, text, texts, unhex};
use crate::input::Input;
use crate::reference::cookie_field::trimmed;
use crate::reference::token::{self, Kind};

struct Place {
    /// They keep nothing.
    sessions: Sessions<Value>,
    /// They keep what they open.
    keeping: Sessions<Value>,
    sealer: Sealer,
    checker: Checker,
    ring: Vec<[u8; 4]>,
    name: &'static str,
    bind: Vec<u8>,
    now: u64,
}

/// One per row of the vectors.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| rows("vectors").iter().map(place).collect());

/// The sealed tokens and their payloads.
static SEALED: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
    let row = |row: &'static Value| (text(row, "token"), unhex(text(row, "payload")));
    rows("vectors").iter().map(row).collect()
});

/// The heads that a key holder made, with their checks: of all tokens in the vectors.
static CHECKED: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| {
    let all = rows("vectors").iter();
    let sent = all
        .clone()
        .filter_map(|row| token::decode(text(row, "token").as_bytes()));
    let made = all.map(|row| unhex(&format!("{}{}", text(row, "head"), text(row, "check"))));
    sent.chain(made)
        .filter_map(|bytes| bytes.get(..45).map(<[u8]>::to_vec))
        .collect()
});

fn place(row: &'static Value) -> Place {
    let sessions = row_sessions(row, 0);
    let now = number(row, "now");
    let days = sessions.edge_keys_at(3, EdgeRights::Check, at(now));
    Place {
        sealer: Sealer::new(row_ring(row), "magic-link")
            .expect("a short purpose")
            .with_audience(text(row, "audience"))
            .expect("a short purpose"),
        checker: Checker::from_edge_keys(days.expose())
            .expect("what was written")
            .without_activity(),
        sessions,
        keeping: row_sessions(row, SMALL_CACHE),
        ring: row_ring(row).describe().iter().map(|key| key.id.to_bytes()).collect(),
        name: text(row, "name"),
        bind: unhex(text(row, "bind")),
        now,
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if data.first() == Some(&0xff) {
        input.byte();
        return chunks::run(input);
    }
    let place = &PLACES[input.below(PLACES.len())];
    let lines = input.lines();
    let sent = lines.first().copied().unwrap_or_default();
    claims_are_read_alike(sent);
    no_session_opens_as_another_value(place, sent);
    // A cookie ends at a semicolon: other cookies, also a session's, would follow.
    if !lines.iter().any(|line| line.contains(&b';')) {
        only_what_was_sealed_opens(place, sent, lines.get(1..).unwrap_or_default());
    }
}

fn fields(place: &Place, sent: &[u8], seen: &[&[u8]]) -> RequestFields {
    let session = [place.name.as_bytes(), b"=", sent].concat();
    let seen = seen
        .iter()
        .map(|seen| [place.name.as_bytes(), b"-seen=", seen].concat());
    RequestFields::from_cookies([session].into_iter().chain(seen)).with_bind(place.bind.clone())
}

fn only_what_was_sealed_opens(place: &Place, sent: &[u8], seen: &[&[u8]]) {
    let session = place.sessions.load_at(fields(place, sent, seen), at(place.now));
    let state = session.state();
    let sent = trimmed(sent);
    let screened = token::screen(sent, 4096 - place.name.len(), Kind::Session, &place.ring, place.now);
    let genuine = screened.clone().is_ok_and(|bytes| CHECKED.contains(&bytes[..45]));
    match (state, screened) {
        (SessionState::Rejected(reason), Err(expected)) => assert_eq!(reason, expected, "steps 1 to 4"),
        (SessionState::Rejected(reason), Ok(_)) if !genuine => assert_eq!(reason, Reason::NotOurs, "step 5"),
        (SessionState::Rejected(reason), Ok(_)) => assert!(reason >= Reason::NotOurs, "{reason:?} after step 4"),
        (SessionState::Valid, Ok(_)) => {
            let text = str::from_utf8(sent).expect("base64url");
            let payload = SEALED.get(text).expect("opened, but never sealed");
            let data: Value = serde_json::from_slice(payload).expect("opened, so it is JSON");
            assert_eq!(session.get(), Some(&data));
        }
        (state, screened) => panic!("{state:?} of {screened:?}"),
    }
    let again = |sessions: &Sessions<Value>| {
        let again = sessions.load_at(fields(place, sent, seen), at(place.now));
        let (outcome, allocated) = counted(|| again.state());
        assert_eq!((outcome, again.get()), (state, session.get()), "the second time");
        assert_eq!((again.id(), again.expires()), (session.id(), session.expires()));
        allocated
    };
    let length = sent.len() + seen.iter().map(|seen| seen.len()).sum::<usize>();
    // A payload becomes a tree of JSON values, which are larger than their text; a refusal makes no such tree.
    let (tree, none) = (64 * length + 16 * 1024, length + 256);
    let allowed = if genuine { tree } else { none };
    // Again, now that the day's keys are derived.
    let allocated = again(&place.sessions);
    assert!(allocated <= allowed, "{allocated} bytes for {length}");
    // Keeping a session takes a copy of its text and a place in the cache. The day's keys are derived here as well.
    let allocated = again(&place.keeping);
    assert!(!genuine || allocated <= tree, "{allocated} bytes to keep {length}");
    // A kept session is served as it is: there is one list with it, one with its id, and up to eight activity tokens.
    let allowed = if state == SessionState::Valid {
        none + 256 + 8 * 64
    } else {
        allowed
    };
    let allocated = again(&place.keeping);
    assert!(allocated <= allowed, "{allocated} bytes for {length}, which were kept");
    let checked = place.checker.check_at(&fields(place, sent, &[]), at(place.now));
    assert!(
        checked.is_err() || genuine,
        "the edge accepts a head that no key holder made"
    );
    drop(fields(place, sent, seen));
}

fn no_session_opens_as_another_value(place: &Place, sent: &[u8]) {
    let Ok(text) = str::from_utf8(sent) else { return };
    let reason = place
        .sealer
        .open_at(text, &place.bind, at(place.now))
        .expect_err("nothing was sealed")
        .reason();
    let screened = token::screen(sent, 8192, Kind::Value, &place.ring, place.now);
    assert_eq!(reason, screened.err().unwrap_or(Reason::NotOurs));
}

fn claims_are_read_alike(sent: &[u8]) {
    let Ok(text) = str::from_utf8(sent) else { return };
    let bytes = token::decode(sent).ok_or(Reason::Malformed);
    let expected = bytes.and_then(|bytes| {
        let kind = match bytes.first() {
            Some(2) => Kind::Activity,
            Some(3) => Kind::BoundActivity,
            _ => Kind::Session,
        };
        token::parse(&bytes, kind).map(|()| bytes)
    });
    match (Claims::parse(text), expected) {
        (Ok(claims), Ok(bytes)) => {
            assert_eq!(
                (claims.is_activity, claims.version),
                (matches!(bytes[0], 2 | 3), bytes[0])
            );
            assert_eq!(claims.chunks, if bytes[0] == 7 { bytes[29] } else { 1 });
            assert_eq!(claims.key_id.to_bytes(), bytes[1..5]);
            assert_eq!(u64::from(claims.expires), token::expires(&bytes));
            assert_eq!(claims.session_id.to_bytes(), bytes[9..17]);
        }
        (Err(reason), Err(expected)) => assert_eq!(reason, expected),
        (claims, expected) => panic!("{claims:?} of {expected:?}"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, row)| {
        let mut seed = vec![index as u8];
        seed.extend_from_slice(text(row, "token").as_bytes());
        for seen in texts(row, "seen") {
            seed.push(b'\n');
            seed.extend_from_slice(seen.as_bytes());
        }
        seed
    };
    let seeds = rows("vectors").iter().enumerate().map(seed);
    // A session's cookie in the place of an activity token.
    let two = b"\0H\n; __Host-id=AwFR".to_vec();
    // Two activity tokens of one session in turn, more than are read: a kept session knows one of them.
    let seen = "\nAp5IWaRw2o4It0d-vrGc7zhL_Jb6lvIvv9QsYMhyiXyV\nAp5IWaRw2o9xt0d-vrGc7zjAHKLDiNHtVfQNC62yq1z2";
    let example = text(&rows("vectors")[0], "token");
    let many = [&[170], example.as_bytes(), seen.repeat(5).as_bytes()].concat();
    seeds.chain(chunks::seeds()).chain([two, many]).collect()
}
