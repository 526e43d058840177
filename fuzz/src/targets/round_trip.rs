//! A sealed value opens. After a change at one place it does not, and the reason is that of the layer that was hit.
//!
//! Input: the place of the change, numbers that say where and how, then the payload.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sealed_session::sealer::{SealError, SealOptions};
use sealed_session::{KeyRing, Reason, RequestFields, Sealer, Session, SessionState, Sessions};
use serde_json::Value;

use crate::fixtures::{SMALL_CACHE, at, key, number, rows, text, unhex};
use crate::input::Input;
use crate::reference::token;

const PURPOSE: &str = "magic-link";
const AUDIENCE: &str = "shop";
const BIND: &[u8] = b"device";
/// 8192 characters are 6144 bytes, and a token takes 70 besides its payload.
const LONGEST_PAYLOAD: usize = 6144 - 70;

struct Houses {
    sealer: Sealer,
    other_purpose: Sealer,
    other_audience: Sealer,
    other_ring: Sealer,
    sessions: Sessions<Value>,
}

static HOUSES: LazyLock<Houses> = LazyLock::new(|| {
    let ring = || Arc::new(KeyRing::new(key(200)).also_opening(key(201)).expect("two keys"));
    let sealer = |ring: Arc<KeyRing>, purpose, audience| {
        Sealer::new(ring, purpose)
            .expect("short names")
            .with_audience(audience)
            .expect("short names")
    };
    let stranger = Arc::new(KeyRing::new(key(202)));
    Houses {
        sealer: sealer(ring(), PURPOSE, AUDIENCE),
        other_purpose: sealer(ring(), "oauth-state", AUDIENCE),
        other_audience: sealer(ring(), PURPOSE, "blog"),
        other_ring: sealer(stranger, PURPOSE, AUDIENCE),
        sessions: Sessions::builder(ring())
            .cookie_name("id")
            .opened_cache(SMALL_CACHE)
            .build()
            .expect("a configuration"),
    }
});

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let change = input.byte();
    let place = input.number() as usize;
    let with = input.byte();
    let now = 1_000_000_000 + u64::from(input.number() % 2_000_000_000);
    let life = 1 + u64::from(input.number()) % (400 * 86_400);
    let payload = input.lines().join(&b'\n');
    if payload.len() > 6000 {
        return;
    }
    sealed_value(change, place, with, now, now + life, &payload);
    options(with, now, now + life, &payload);
    session(change, place, with, now, &payload);
}

fn sealed_value(change: u8, place: usize, with: u8, now: u64, expires: u64, payload: &[u8]) {
    let houses = &*HOUSES;
    let token = houses
        .sealer
        .seal_at(
            payload,
            SealOptions::valid_for(Duration::from_secs(expires - now)).bind(BIND),
            at(now),
        )
        .expect("within all limits");
    let open = |sealer: &Sealer, text: &str, bind: &[u8], now| {
        let opened = sealer.open_at(text, bind, at(now));
        opened
            .map(|value| value.payload().to_vec())
            .map_err(|error| error.reason())
    };
    assert_eq!(token.len(), ((70 + payload.len()) * 4).div_ceil(3));
    let value = houses.sealer.open_at(&token, BIND, at(now)).expect("what was sealed");
    assert_eq!(
        (value.payload(), value.sealed(), value.expires()),
        (payload, at(now), at(expires))
    );
    let bytes = token::decode(token.as_bytes()).expect("a token");
    assert_eq!(value.id().to_bytes(), bytes[9..17]);
    assert_eq!(open(&houses.sealer, &token, BIND, expires - 1).as_deref(), Ok(payload));
    let failed = |reason| Err(reason);
    match change % 8 {
        0 => assert_eq!(
            open(&houses.sealer, &token, &BIND[..place % BIND.len()], now),
            failed(Reason::NotOurs)
        ),
        1 => assert_eq!(open(&houses.other_purpose, &token, BIND, now), failed(Reason::NotOurs)),
        2 => assert_eq!(open(&houses.other_audience, &token, BIND, now), failed(Reason::NotOurs)),
        3 => assert_eq!(open(&houses.other_ring, &token, BIND, now), failed(Reason::UnknownKey)),
        4 => assert_eq!(
            open(&houses.sealer, &token, BIND, expires + place as u64),
            failed(Reason::Expired)
        ),
        _ => {
            let (text, reason) = changed(change, place, with, &token, now);
            assert_eq!(open(&houses.sealer, &text, BIND, now), failed(reason), "{text}");
        }
    }
}

/// A value sealed for a duration alone has no bind. A duration that no value can have, or a payload that is too long, is
/// refused.
fn options(with: u8, now: u64, expires: u64, payload: &[u8]) {
    let sealer = &HOUSES.sealer;
    let lasts = Duration::from_secs(expires - now);
    let seal = |options: SealOptions<'_>, payload: &[u8]| sealer.seal_at(payload, options, at(now));
    let token = sealer.seal_at(payload, lasts, at(now)).expect("within all limits");
    let opened = |text: &str, bind: &[u8]| {
        let value = sealer.open_at(text, bind, at(now)).map_err(|error| error.reason())?;
        Ok((value.payload().to_vec(), value.expires()))
    };
    assert_eq!(opened(&token, b""), Ok((payload.to_vec(), at(expires))));
    assert_eq!(opened(&token, BIND), Err(Reason::NotOurs));
    // If several are set, the last one counts.
    let other = [with];
    let twice = SealOptions::valid_for(lasts).bind(&other).bind(BIND);
    let token = seal(twice, payload).expect("within all limits");
    assert_eq!(opened(&token, BIND), Ok((payload.to_vec(), at(expires))));
    assert_eq!(opened(&token, &other), Err(Reason::NotOurs));
    let beyond = [0, 400 * 86_400 + 1 + u64::from(with), u64::MAX - u64::from(with)];
    for lasts in beyond.map(Duration::from_secs) {
        assert_eq!(seal(lasts.into(), payload), Err(SealError::Expiry), "{lasts:?}");
    }
    let long = vec![with; LONGEST_PAYLOAD + 1 + usize::from(with)];
    let (size, limit) = (((70 + long.len()) * 4).div_ceil(3), 8192);
    assert_eq!(seal(lasts.into(), &long), Err(SealError::TooLarge { size, limit }));
    let longest = seal(lasts.into(), &long[..LONGEST_PAYLOAD]).expect("it just fits");
    assert!(longest.len() <= limit && sealer.open_at(&longest, b"", at(now)).is_ok());
}

/// The text after a change, and the reason that its layer gives.
fn changed(change: u8, place: usize, with: u8, token: &str, now: u64) -> (String, Reason) {
    let mut characters = token.as_bytes().to_vec();
    let place = place % characters.len();
    match change % 3 {
        0 => {
            // One character that is not in the alphabet.
            characters[place] = if with.is_ascii_alphanumeric() || b"-_".contains(&with) {
                b'='
            } else {
                with & 127
            };
            if characters[place].is_ascii_alphanumeric() || b"-_".contains(&characters[place]) {
                characters[place] = b'+';
            }
            (String::from_utf8(characters).expect("ASCII"), Reason::Malformed)
        }
        1 => {
            // One character of the alphabet for another: the same number of bytes, or a spelling that is not canonical.
            let with = b"AEIMQUYcgkosw048_-BCDFGHJKLNOPRSTVWXZabdefhijlmnpqrtuvxyz1235679"[usize::from(with % 64)];
            characters[place] = if characters[place] == with {
                b'A' + u8::from(with == b'A')
            } else {
                with
            };
            let reason = reason_of(token, &characters, now);
            (String::from_utf8(characters).expect("ASCII"), reason)
        }
        _ => {
            // Cut, or continued.
            if with.is_multiple_of(2) {
                characters.truncate(place);
            } else {
                characters.extend(b"A".repeat(1 + usize::from(with) % 9));
            }
            let reason = reason_of(token, &characters, now);
            (String::from_utf8(characters).expect("ASCII"), reason)
        }
    }
}

/// The layer that meets the first difference between two tokens.
fn reason_of(token: &str, changed: &[u8], now: u64) -> Reason {
    let original = token::decode(token.as_bytes()).expect("a token");
    let Some(bytes) = token::decode(changed) else {
        return Reason::Malformed;
    };
    let differs = |from: usize, to: usize| bytes.get(from..to) != original.get(from..to);
    let expires = || token::expires(&bytes);
    match () {
        () if bytes.is_empty() => Reason::Malformed,
        () if differs(0, 1) => Reason::UnknownVersion,
        () if changed.len() > 8192 || bytes.len() < 70 => Reason::Malformed,
        () if expires() <= now => Reason::Expired,
        () if expires() > now + 400 * 86_400 + 300 => Reason::ExpiresTooFar,
        // With these keys, no single bit turns one of the two key ids into the other.
        () if differs(1, 5) => Reason::UnknownKey,
        () if differs(5, 45) => Reason::NotOurs,
        () => Reason::Damaged,
    }
}

fn session(change: u8, place: usize, with: u8, now: u64, payload: &[u8]) {
    let data = Value::from(String::from_utf8_lossy(&payload[..payload.len().min(400)]));
    let sessions = &HOUSES.sessions;
    let bound = |cookies: Vec<String>, bind: &[u8]| -> Session<Value> {
        sessions.load_at(RequestFields::from_cookies(cookies).with_bind(bind), at(now))
    };
    let mut started = bound(Vec::new(), BIND);
    started.start(data.clone()).expect("a small session");
    let patch = started.finish_patch(200);
    let cookies: Vec<String> = patch
        .set_cookies()
        .map(|line| line.split(';').next().unwrap_or_default().to_owned())
        .collect();
    let opens = || {
        let opened = bound(cookies.clone(), BIND);
        assert_eq!(
            (opened.state(), opened.get(), opened.id()),
            (SessionState::Valid, Some(&data), started.id())
        );
        assert_eq!(opened.started(), Some(at(now)));
    };
    opens();
    // The session is kept now.
    opens();
    let [session, seen] = [&cookies[0], &cookies[1]].map(|cookie| cookie.split_once('=').expect("a pair").1);
    let (altered, reason) = match change % 5 {
        0 => (cookies.clone(), Reason::NotOurs),
        1 => (vec![cookies[0].clone()], Reason::Idle),
        2 => (
            vec![
                cookies[0].clone(),
                format!("id-seen={}", changed(change, place, with, seen, now).0),
            ],
            Reason::Idle,
        ),
        3 => (
            vec![format!("id={seen}"), format!("id-seen={session}")],
            Reason::UnknownVersion,
        ),
        _ => {
            let (text, reason) = changed(change, place, with, session, now);
            if text.contains([';', ' ', '\t']) {
                return;
            }
            (vec![format!("id={text}"), cookies[1].clone()], reason)
        }
    };
    let bind = if change.is_multiple_of(5) {
        b"another".as_slice()
    } else {
        BIND
    };
    for _ in 0..2 {
        let refused = bound(altered.clone(), bind);
        assert_eq!((refused.state(), refused.get()), (SessionState::Rejected(reason), None));
    }
    opens();
}

/// Each row's payload and times, with the change that its number means.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |(index, row)| {
        let mut seed = vec![index as u8];
        seed.extend((index as u32 * 7).to_be_bytes());
        seed.push(index as u8 ^ 0x55);
        seed.extend(((number(row, "now") - 1_000_000_000) as u32).to_be_bytes());
        seed.extend((43_200u32).to_be_bytes());
        seed.extend(unhex(text(row, "payload")));
        seed
    };
    rows("vectors").iter().enumerate().map(seed).collect()
}
