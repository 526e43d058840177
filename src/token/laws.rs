//! Laws of tokens, on generated inputs.
//!
//! A law computes what it expects from SPEC.md's numbers, not with the crate's own constants.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;

use super::*;
use crate::keys::key::Key;

/// The parts of a token, and a time `at` at which it is valid.
#[derive(Clone, Debug)]
struct Made {
    key: u64,
    name: String,
    audience: String,
    bind: Vec<u8>,
    session_id: SessionId,
    salt: [u8; 12],
    expires: u32,
    /// The time of sealing: at most 400 days before `expires`.
    now: u64,
    /// The time of opening: at most 400 days and 5 minutes before `expires`.
    at: u64,
    frame: Frame,
    payload: Vec<u8>,
}

impl Made {
    fn ring(&self) -> PlacedRing {
        placed(KeyRing::new(key(self.key)), &self.name, &self.audience)
    }

    fn session_expiring(&self, ring: &PlacedRing, expires: u32, now: u64) -> String {
        let state = State {
            session_id: self.session_id,
            expires: expires.into(),
            frame: self.frame,
            payload: &self.payload,
            padding: 0,
            chunks: 1,
        };
        let mut text = String::new();
        ring.seal_session(&state, &self.bind, now, &self.salt, &mut text)
            .unwrap();
        text
    }

    fn session(&self, ring: &PlacedRing) -> String {
        self.session_expiring(ring, self.expires, self.now)
    }

    fn activity(&self, ring: &PlacedRing) -> String {
        self.activity_expiring(ring, self.expires, self.now)
    }

    fn activity_expiring(&self, ring: &PlacedRing, expires: u32, now: u64) -> String {
        let mut text = String::new();
        ring.seal_activity(self.session_id, None, expires.into(), &self.bind, now, &mut text)
            .unwrap();
        text
    }

    fn head(&self) -> Head {
        Head {
            key_id: key(self.key).id(),
            expires: self.expires,
            session_id: self.session_id,
        }
    }

    fn opened(&self) -> Opened {
        Opened {
            head: self.head(),
            frame: self.frame,
            payload: self.payload.clone(),
        }
    }

    /// The reason for which an altered expiry is refused, if nothing else is wrong before the check.
    fn refusal_of_expiry(&self, expires: u32) -> Reason {
        let left = i128::from(expires) - i128::from(self.at);
        match left {
            ..=0 => Reason::Expired,
            1..=34_560_300 => Reason::NotOurs,
            _ => Reason::ExpiresTooFar,
        }
    }
}

/// The content of an opened session token.
#[derive(Clone, Debug, PartialEq)]
struct Opened {
    head: Head,
    frame: Frame,
    payload: Vec<u8>,
}

fn open(ring: &PlacedRing, text: impl AsRef<[u8]>, bind: &[u8], at: u64) -> Result<Opened, Reason> {
    let opened = ring.open_session(
        ring.screen_session(text.as_ref(), 8192, at)?.decode()?,
        bind,
        &mut |_| None,
    )?;
    Ok(Opened {
        head: opened.head,
        frame: opened.frame,
        payload: opened.payload().to_vec(),
    })
}

fn open_activity(ring: &PlacedRing, text: impl AsRef<[u8]>, bind: &[u8], at: u64) -> Result<Head, Reason> {
    let token = ring.screen_activity(text.as_ref(), false, at)?.decode()?;
    ring.open_activity(&token, bind).map(|activity| activity.head)
}

fn placed(ring: KeyRing, name: &str, audience: &str) -> PlacedRing {
    PlacedRing::new(Arc::new(ring), Place::new(name, audience).unwrap())
}

/// One of 2^64 keys: a key is not `Clone`, so a law carries its number.
fn key(number: u64) -> Key {
    let mut secret: [u8; 32] = std::array::from_fn(|i| 0x80 | i as u8);
    secret[24..].copy_from_slice(&number.to_be_bytes());
    Key::from_raw_secret(&secret).unwrap()
}

fn made(payload: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Made> {
    let who = (any::<u64>(), name(), audience(), vec(any::<u8>(), 0..300));
    let drawn = (any::<[u8; 8]>(), any::<[u8; 12]>());
    let frame = (any::<u32>(), any::<u32>(), any::<bool>());
    let when = (
        expiry(),
        life(34_560_000), // 400 days
        life(34_560_300), // 400 days and 5 minutes
    );
    (who, drawn, frame, when, payload).prop_map(
        |(
            (key, name, audience, bind),
            (session_id, salt),
            (started, sealed, remembered),
            (expires, seal_before, open_before),
            payload,
        )| Made {
            key,
            name,
            audience,
            bind,
            session_id: SessionId(session_id),
            salt,
            expires,
            now: u64::from(expires).saturating_sub(seal_before),
            at: u64::from(expires).saturating_sub(open_before),
            frame: Frame {
                started,
                sealed,
                remembered,
            },
            payload,
        },
    )
}

fn small() -> impl Strategy<Value = Made> {
    made(vec(any::<u8>(), 0..24))
}

/// A payload of any length that fits in a cookie with a name of nine characters.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..=2995),
        1 => vec(any::<u8>(), 2995),
        1 => Just(vec![]),
    ]
}

/// A token of RFC 6265 (RFC 9110, section 5.6.2), 1 to 255 bytes.
fn name() -> impl Strategy<Value = String> {
    const TCHAR: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let of = |length| vec(select(TCHAR), length).prop_map(|name| String::from_utf8(name).unwrap());
    prop_oneof![4 => of(1..=24), 1 => of(1..=255), 1 => of(255..=255)]
}

/// UTF-8 of 0 to 255 bytes.
fn audience() -> impl Strategy<Value = String> {
    prop_oneof![4 => vec(any::<char>(), 0..=12), 1 => vec(any::<char>(), 0..=255)].prop_map(|characters| {
        let mut audience = String::from_iter(characters);
        while audience.len() > 255 {
            audience.pop();
        }
        audience
    })
}

/// Any expiry, often at the borders of days and of 32 bits.
fn expiry() -> impl Strategy<Value = u32> {
    prop_oneof![
        2 => 1..=u32::MAX,
        2 => (1..=u32::MAX / 86_400, 0..3u32).prop_map(|(day, after)| day * 86_400 - 1 + after),
        1 => u32::MAX - 2..=u32::MAX,
        1 => 1..4u32,
    ]
}

/// Seconds from a time to the expiry.
fn life(longest: u64) -> impl Strategy<Value = u64> {
    prop_oneof![2 => 1..=longest, 2 => 1..=86_400u64, 1 => Just(1), 1 => Just(longest)]
}

/// A token's text with some bytes replaced, inserted and removed; often without a change.
fn edited(text: &str, edits: &[(u8, Index, u8)]) -> Vec<u8> {
    let mut text = text.as_bytes().to_vec();
    for (kind, at, byte) in edits {
        let at = at.index(text.len());
        match kind {
            0 => text[at] = *byte,
            1 => text.insert(at, *byte),
            _ => drop(text.remove(at)),
        }
    }
    text
}

fn edits() -> impl Strategy<Value = Vec<(u8, Index, u8)>> {
    let byte = prop_oneof![3 => select(ALPHABET), 1 => any::<u8>()];
    vec((0..3u8, any::<Index>(), byte), 0..3)
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The number of bytes that `text` spells, if it is canonical base64url.
fn canonical_len(text: &[u8]) -> Option<usize> {
    let mut last = 0;
    for byte in text {
        last = ALPHABET.iter().position(|known| known == byte)?;
    }
    let spare = match text.len() % 4 {
        0 => 0,
        2 => last % 16,
        3 => last % 4,
        _ => return None,
    };
    (spare == 0).then_some(text.len() * 3 / 4)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    base64url::encode(bytes.as_ref(), &mut text);
    text
}

fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    base64url::decode(text.as_ref()).map(|bytes| bytes.to_vec())
}

fn flipped(bytes: &[u8], bit: usize) -> String {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    encode(&bytes)
}

fn bytes_of(text: &str) -> Vec<u8> {
    decode(text.as_bytes()).unwrap()
}

fn cases(cases: u32) -> Config {
    Config {
        cases,
        // A failure prints its smallest input. An input worth keeping becomes a test or a vector.
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn what_was_sealed_opens_to_the_same(it in made(payload())) {
        let text = it.session(&it.ring());
        prop_assert_eq!(text.len(), ((70 + it.payload.len()) * 4).div_ceil(3));
        // A new ring: nothing is remembered between sealing and opening.
        prop_assert_eq!(open(&it.ring(), &text, &it.bind, it.at), Ok(it.opened()));
        let activity = it.activity(&it.ring());
        prop_assert_eq!(activity.len(), 44);
        prop_assert_eq!(open_activity(&it.ring(), &activity, &it.bind, it.at), Ok(it.head()));
        // The first 12 characters say version, key id and expiry.
        for (text, version) in [(&text, 1), (&activity, 2)] {
            let mut start = vec![version];
            start.extend(key(it.key).id().to_bytes());
            start.extend(it.expires.to_be_bytes());
            prop_assert_eq!(&text[..12], encode(&start));
        }
    }

    #[test]
    fn a_token_as_long_as_allowed_opens_and_one_character_more_is_malformed(it in small()) {
        let ring = it.ring();
        let text = it.session(&ring);
        prop_assert!(ring.screen_session(text.as_bytes(), text.len(), it.at).is_ok());
        let screened = ring.screen_session(text.as_bytes(), text.len() - 1, it.at);
        prop_assert_eq!(screened.err(), Some(Reason::Malformed));
    }

    #[test]
    fn a_flip_of_any_bit_of_a_large_token_fails(it in made(payload()), at in any::<Index>()) {
        let ring = it.ring();
        let bytes = bytes_of(&it.session(&ring));
        let bit = at.index((bytes.len() - 45) * 8) + 45 * 8;
        prop_assert_eq!(open(&ring, flipped(&bytes, bit), &it.bind, it.at), Err(Reason::Damaged));
    }

    #[test]
    fn another_name_audience_bind_or_secret_fails(it in small(), other in small()) {
        prop_assume!(it.name != other.name && it.audience != other.audience);
        prop_assume!(it.bind != other.bind && it.key != other.key);
        let (session, activity) = (it.session(&it.ring()), it.activity(&it.ring()));
        let with = |key: Key, name: &str, audience: &str, bind: &[u8]| {
            let ring = placed(KeyRing::new(key), name, audience);
            (
                open(&ring, &session, bind, it.at).unwrap_err(),
                open_activity(&ring, &activity, bind, it.at).unwrap_err(),
            )
        };
        let ours = || key(it.key);
        let not_ours = (Reason::NotOurs, Reason::NotOurs);
        prop_assert_eq!(with(ours(), &other.name, &it.audience, &it.bind), not_ours);
        prop_assert_eq!(with(ours(), &it.name, &other.audience, &it.bind), not_ours);
        prop_assert_eq!(with(ours(), &it.name, &it.audience, &other.bind), not_ours);
        let unknown = (Reason::UnknownKey, Reason::UnknownKey);
        prop_assert_eq!(with(key(other.key), &it.name, &it.audience, &it.bind), unknown);
    }

    #[test]
    fn a_byte_that_moves_between_name_and_audience_fails(it in small(), text in name(), two in any::<[Index; 2]>()) {
        let [first, second] = two.map(|at| at.index(text.len() + 1));
        prop_assume!(first != second);
        let (name, audience) = text.split_at(first);
        let sealing = placed(KeyRing::new(key(it.key)), name, audience);
        let (name, audience) = text.split_at(second);
        let opening = placed(KeyRing::new(key(it.key)), name, audience);
        prop_assert_eq!(open(&opening, it.session(&sealing), &it.bind, it.at), Err(Reason::NotOurs));
        let activity = it.activity(&sealing);
        prop_assert_eq!(open_activity(&opening, activity, &it.bind, it.at), Err(Reason::NotOurs));
    }

    #[test]
    fn a_byte_in_front_of_bind_fails(it in small(), byte in any::<u8>()) {
        // The head has a fixed length: after it, the check covers bind and nothing else.
        let ring = it.ring();
        let mut longer = it.bind.clone();
        longer.insert(0, byte);
        prop_assert_eq!(open(&ring, it.session(&ring), &longer, it.at), Err(Reason::NotOurs));
        prop_assert_eq!(open_activity(&ring, it.activity(&ring), &longer, it.at), Err(Reason::NotOurs));
    }

    #[test]
    fn a_token_of_another_day_fails(it in small(), days in 1..400u32, later in any::<bool>()) {
        let ring = it.ring();
        let after = it.expires.checked_add(days * 86_400);
        let before = it.expires.checked_sub(days * 86_400).filter(|&expires| expires > 0);
        // At either end of the 32 bits only one of the two exists.
        let other = if later { after.or(before) } else { before.or(after) }.unwrap();
        let now = u64::from(other) - 1;
        let transplant = |text: &str| {
            let mut bytes = bytes_of(text);
            bytes[5..9].copy_from_slice(&it.expires.to_be_bytes());
            bytes
        };
        let session = transplant(&it.session_expiring(&ring, other, now));
        let activity = transplant(&it.activity_expiring(&ring, other, now));
        let opened = |bytes: &[u8]| open(&ring, encode(bytes), &it.bind, it.at);
        let seen = |bytes: &[u8]| open_activity(&ring, encode(bytes), &it.bind, it.at);
        prop_assert_eq!(opened(&session), Err(Reason::NotOurs));
        prop_assert_eq!(seen(&activity), Err(Reason::NotOurs));

        // Having that day's keys does not help either: the forger's own check over this head, and a body that fits it.
        let forge = |expires: u32| {
            let keys = ring.day_keys.get(ring.ring.sealing(now), expires);
            let (head, seen_head) = (it.head().write_session(&it.salt), it.head().write_activity());
            let mut body = it.frame.write().to_vec();
            body.extend(&it.payload);
            let tag = aead::encrypt(&keys.seal.expand(&[&head, &it.bind]), &mut body);
            let check = keys.check.expand::<16>(&[&head, &it.bind]);
            let seen_check = keys.check.expand::<16>(&[&seen_head, &it.bind]);
            ([&head[..], &*check, &body, &tag].concat(), [&seen_head[..], &*seen_check].concat())
        };
        let (session, activity) = forge(other);
        prop_assert_eq!(opened(&session), Err(Reason::NotOurs));
        prop_assert_eq!(seen(&activity), Err(Reason::NotOurs));
        // The same with this day's keys is the genuine token.
        let (session, activity) = forge(it.expires);
        prop_assert_eq!(encode(&session), it.session(&ring));
        prop_assert_eq!(encode(&activity), it.activity(&ring));
    }

    #[test]
    fn outcomes_only_go_from_too_far_to_ok_to_expired(it in small(), mut times in vec(any::<u64>(), 0..4)) {
        let ring = it.ring();
        let (session, activity) = (it.session(&ring), it.activity(&ring));
        let expires = u64::from(it.expires);
        for border in [0, expires.saturating_sub(34_560_300), it.at, expires, u64::MAX] {
            times.extend([border.saturating_sub(1), border, border.saturating_add(1)]);
        }
        times.sort_unstable();
        let rank = |failure: Option<Reason>| match failure {
            Some(Reason::ExpiresTooFar) => 0,
            None => 1,
            Some(Reason::Expired) => 2,
            Some(other) => panic!("time cannot lead to {other:?}"),
        };
        let mut past = 0;
        for now in times {
            let outcome = rank(open(&ring, &session, &it.bind, now).err());
            prop_assert_eq!(outcome, rank(open_activity(&ring, &activity, &it.bind, now).err()));
            prop_assert!(past <= outcome, "at {now}, {outcome} follows {past}");
            let expected = if now >= expires { 2 } else { u8::from(expires - now <= 34_560_300) };
            prop_assert_eq!(outcome, expected, "at {}", now);
            past = outcome;
        }
    }

    #[test]
    fn neither_kind_of_token_opens_as_the_other(it in small()) {
        // The same cookie name for both, although in use they have two: only the version byte keeps them apart.
        let ring = it.ring();
        let (session, activity) = (it.session(&ring), it.activity(&ring));
        prop_assert_eq!(open(&ring, &activity, &it.bind, it.at), Err(Reason::UnknownVersion));
        prop_assert_eq!(open_activity(&ring, &session, &it.bind, it.at), Err(Reason::Malformed));

        let (session, activity) = (bytes_of(&session), bytes_of(&activity));
        let seen = |bytes: &[u8]| open_activity(&ring, encode(bytes), &it.bind, it.at);
        let opened = |bytes: &[u8]| open(&ring, encode(bytes), &it.bind, it.at);
        // Cut to the other's length, with and without the other's version byte.
        prop_assert_eq!(seen(&session[..33]), Err(Reason::UnknownVersion));
        let mut cut = [&session[..17], &session[29..45]].concat();
        cut[0] = 2;
        prop_assert_eq!(seen(&cut), Err(Reason::NotOurs));
        let mut renamed = activity.clone();
        renamed[0] = 1;
        prop_assert_eq!(opened(&renamed), Err(Reason::Malformed));
        let stretched = [&renamed[..17], &it.salt, &activity[17..], &session[45..]].concat();
        prop_assert_eq!(opened(&stretched), Err(Reason::NotOurs));
    }
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn ring_order_and_unrelated_keys_never_change_an_outcome(
        it in small(),
        edits in edits(),
        (count, order, others) in (0..6u64).prop_flat_map(|count| {
            (Just(count), Just((0..=count).collect::<Vec<_>>()).prop_shuffle(), vec(any::<bool>(), 7))
        }),
        now in prop_oneof![2 => Just(None), 1 => any::<u32>().prop_map(Some)],
    ) {
        let now = now.map_or(it.at, u64::from);
        let alone = it.ring();
        // Number 0 is the token's own key.
        let number = |index: u64| it.key.wrapping_add(index);
        let ring_of = |order: &[u64]| {
            let mut keys = order.iter().map(|&index| key(number(index)));
            let mut ring = KeyRing::new(keys.next().unwrap());
            for (at, key) in keys.enumerate() {
                let id = key.id();
                ring = ring.also_opening(key).unwrap();
                if !others[at] {
                    let from = crate::time::from_seconds(1 + at as u64);
                    ring = ring.promote(id, Some(from)).unwrap();
                }
            }
            placed(ring, &it.name, &it.audience)
        };
        let crowded = ring_of(&order);
        // Tokens of every key of the ring, on one day: none is opened with the keys of another.
        for index in 0..=count {
            let theirs = Made { key: number(index), ..it.clone() };
            let ring = theirs.ring();
            prop_assert_eq!(open(&crowded, theirs.session(&ring), &it.bind, it.at), Ok(theirs.opened()));
            prop_assert_eq!(open_activity(&crowded, theirs.activity(&ring), &it.bind, it.at), Ok(theirs.head()));
        }
        let strangers: Vec<u64> = (1..=count + 1).collect();
        let strangers = ring_of(&strangers);
        for text in [it.session(&alone), it.activity(&alone)] {
            let text = edited(&text, &edits);
            let expected = open(&alone, &text, &it.bind, now);
            prop_assert_eq!(&open(&crowded, &text, &it.bind, now), &expected);
            let seen = open_activity(&alone, &text, &it.bind, now);
            prop_assert_eq!(&open_activity(&crowded, &text, &it.bind, now), &seen);
            // Without the token's key, only failures before the look into the ring stay the same.
            let unknown = |failure: Option<Reason>| match failure {
                Some(reason) if reason < Reason::UnknownKey => reason,
                _ => Reason::UnknownKey,
            };
            prop_assert_eq!(open(&strangers, &text, &it.bind, now).err(), Some(unknown(expected.err())));
            prop_assert_eq!(open_activity(&strangers, &text, &it.bind, now).err(), Some(unknown(seen.err())));
        }
    }

    #[test]
    fn an_accepted_token_re_encodes_to_itself(it in small(), edits in edits()) {
        let ring = it.ring();
        for text in [it.session(&ring), it.activity(&ring)] {
            let edited = edited(&text, &edits);
            let decoded = decode(&edited);
            prop_assert_eq!(decoded.as_ref().map(Vec::len), canonical_len(&edited));
            if let Some(bytes) = decoded {
                prop_assert_eq!(encode(&bytes).into_bytes(), edited.clone());
            }
            // Of all texts near a token, only the token itself opens.
            let opens = open(&ring, &edited, &it.bind, it.at).is_ok()
                || open_activity(&ring, &edited, &it.bind, it.at).is_ok();
            prop_assert_eq!(opens, edited == text.as_bytes());
        }
    }

    #[test]
    fn any_text_that_decodes_re_encodes_to_itself(text in vec(prop_oneof![9 => select(ALPHABET), 1 => any::<u8>()], 0..9)) {
        let decoded = decode(&text);
        prop_assert_eq!(decoded.as_ref().map(Vec::len), canonical_len(&text));
        if let Some(bytes) = decoded {
            prop_assert_eq!(encode(&bytes).into_bytes(), text.clone());
        }
    }
}

// These test every bit and every length of each token, so a few tokens are enough.
proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_flip_of_any_bit_fails_for_the_reason_of_its_layer(it in small()) {
        let ring = it.ring();
        let (session, activity) = (bytes_of(&it.session(&ring)), bytes_of(&it.activity(&ring)));
        let reason_of = |bit: usize| match bit / 8 {
            0 => Reason::UnknownVersion,
            1..5 => Reason::UnknownKey,
            // Big-endian: bit 0 of byte 5 is bit 24 of the expiry.
            byte @ 5..9 => it.refusal_of_expiry(it.expires ^ (1 << ((8 - byte) * 8 + bit % 8))),
            9..45 => Reason::NotOurs,
            _ => Reason::Damaged,
        };
        for bit in 0..session.len() * 8 {
            let outcome = open(&ring, flipped(&session, bit), &it.bind, it.at);
            prop_assert_eq!(outcome, Err(reason_of(bit)), "bit {}", bit);
        }
        for bit in 0..activity.len() * 8 {
            let outcome = open_activity(&ring, flipped(&activity, bit), &it.bind, it.at);
            prop_assert_eq!(outcome, Err(reason_of(bit)), "bit {} of the activity token", bit);
        }
    }

    #[test]
    fn any_truncation_fails(it in small()) {
        let ring = it.ring();
        let (session, activity) = (it.session(&ring), it.activity(&ring));
        for end in 0..session.len() {
            let cut = &session[..end];
            let expected = match canonical_len(cut.as_bytes()) {
                Some(70..) => Reason::Damaged,
                _ => Reason::Malformed,
            };
            prop_assert_eq!(open(&ring, cut, &it.bind, it.at), Err(expected), "{} characters", end);
        }
        let bytes = bytes_of(&session);
        for end in 0..bytes.len() {
            let expected = if end < 70 { Reason::Malformed } else { Reason::Damaged };
            let cut = encode(&bytes[..end]);
            prop_assert_eq!(open(&ring, cut, &it.bind, it.at), Err(expected), "{} bytes", end);
        }
        for end in 0..44 {
            let outcome = open_activity(&ring, &activity[..end], &it.bind, it.at);
            prop_assert_eq!(outcome, Err(Reason::Malformed), "{} characters", end);
        }
        for end in 0..33 {
            let cut = encode(&bytes_of(&activity)[..end]);
            prop_assert_eq!(open_activity(&ring, cut, &it.bind, it.at), Err(Reason::Malformed), "{} bytes", end);
        }
    }

    #[test]
    fn any_appended_byte_fails(it in small()) {
        let ring = it.ring();
        let (session, activity) = (it.session(&ring), it.activity(&ring));
        for byte in 0..=255 {
            let longer = [session.as_bytes(), &[byte]].concat();
            let expected = match canonical_len(&longer) {
                Some(_) => Reason::Damaged,
                None => Reason::Malformed,
            };
            prop_assert_eq!(open(&ring, longer, &it.bind, it.at), Err(expected), "character {}", byte);
            let longer = encode([bytes_of(&session), vec![byte]].concat());
            prop_assert_eq!(open(&ring, longer, &it.bind, it.at), Err(Reason::Damaged), "byte {}", byte);

            let longer = [activity.as_bytes(), &[byte]].concat();
            prop_assert_eq!(open_activity(&ring, longer, &it.bind, it.at), Err(Reason::Malformed));
            let longer = encode([bytes_of(&activity), vec![byte]].concat());
            prop_assert_eq!(open_activity(&ring, longer, &it.bind, it.at), Err(Reason::Malformed));
        }
    }
}
