//! Laws of the tokens of device binding, on generated inputs, with the numbers of SPEC.md.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::keys::KeyRing;
use crate::keys::day_keys::Place;
use crate::keys::key::Key;

const DAY: u64 = 86_400;

/// The kinds of token. `Activity` is that of a bound session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Activity,
    Proof,
    Key,
    Register,
    Refresh,
}

const KINDS: [Kind; 5] = [Kind::Activity, Kind::Proof, Kind::Key, Kind::Register, Kind::Refresh];

impl Kind {
    fn first_byte(self) -> u8 {
        match self {
            Self::Activity => 3,
            Self::Proof => 4,
            Self::Key => 5,
            Self::Register | Self::Refresh => 6,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Activity | Self::Refresh => 49,
            Self::Proof => 45,
            Self::Key => 66,
            Self::Register => 41,
        }
    }

    fn longest_life(self) -> u64 {
        match self {
            Self::Register | Self::Refresh => 60,
            _ => 400 * DAY,
        }
    }
}

/// The parts of one token of each kind.
#[derive(Clone, Debug)]
struct Made {
    key: u64,
    name: String,
    audience: String,
    bind: Vec<u8>,
    session_id: [u8; 8],
    device: [u8; 16],
    random: [u8; 8],
    /// The number of the device's key.
    point: [u8; 2],
    /// The time of sealing.
    now: u64,
    /// Seconds for which a token lasts that is no challenge.
    life: u64,
    /// Seconds from the sealing to the opening, less than its life.
    after: u64,
}

impl Made {
    fn ring(&self) -> PlacedRing {
        placed(self.key, &self.name, &self.audience)
    }

    fn expires(&self, kind: Kind) -> u64 {
        self.now
            + match kind {
                Kind::Register | Kind::Refresh => 60,
                _ => self.life,
            }
    }

    /// A time at which the token is valid.
    fn at(&self, kind: Kind) -> u64 {
        self.now + self.after % (self.expires(kind) - self.now)
    }

    fn device_key(&self) -> DeviceKey {
        let point = testkit::device::signing_key(self.point)
            .verifying_key()
            .to_sec1_point(true);
        DeviceKey::from_point(point.as_bytes().try_into().unwrap()).unwrap()
    }

    fn seal(&self, kind: Kind, ring: &PlacedRing) -> String {
        let (id, device, bind, now) = (
            SessionId(self.session_id),
            DeviceName(self.device),
            &self.bind,
            self.now,
        );
        let expires = self.expires(kind);
        let mut text = String::new();
        match kind {
            Kind::Activity => ring.seal_activity(id, Some(device), expires, bind, now, &mut text),
            Kind::Proof => ring.seal_proof(device, expires, bind, now, &mut text),
            Kind::Key => ring.seal_key(id, &self.device_key(), expires, bind, now, &mut text),
            Kind::Register => ring.seal_challenge(&id.0, &self.random, bind, now, &mut text),
            Kind::Refresh => ring.seal_challenge(&device.0, &self.random, bind, now, &mut text),
        }
        .unwrap();
        text
    }

    /// What the token says when it opens.
    fn said(&self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Activity => [&self.session_id[..], &self.device].concat(),
            Kind::Proof => [&self.device[..], &u32::try_from(self.now).unwrap().to_be_bytes()].concat(),
            Kind::Key => [&self.session_id[..], &self.device_key().point()].concat(),
            Kind::Register => self.session_id.to_vec(),
            Kind::Refresh => self.device.to_vec(),
        }
    }
}

fn placed(key: u64, name: &str, audience: &str) -> PlacedRing {
    let mut secret: [u8; 32] = std::array::from_fn(|i| 0x80 | i as u8);
    secret[24..].copy_from_slice(&key.to_be_bytes());
    let ring = KeyRing::new(Key::from_raw_secret(&secret).unwrap());
    PlacedRing::new(Arc::new(ring), Place::new(name, audience).unwrap())
}

fn open(kind: Kind, ring: &PlacedRing, text: &[u8], bind: &[u8], at: u64) -> Result<Vec<u8>, Reason> {
    Ok(match kind {
        Kind::Activity => {
            let activity = ring.open_activity(&ring.screen_activity(text, true, at)?.decode()?, bind)?;
            let device = activity.device.map_or(Vec::new(), |device| device.0.to_vec());
            [&activity.head.session_id.0[..], &device].concat()
        }
        Kind::Proof => {
            let screened = ring.screen_proof(text, at)?;
            let claimed = screened.claimed_device();
            let proof = ring.open_proof(&screened, bind, 400 * DAY, at)?;
            assert_eq!(claimed, proof.device);
            let proven = u32::try_from(proof.proven).unwrap();
            [&proof.device.0[..], &proven.to_be_bytes()].concat()
        }
        Kind::Key => {
            let registered = ring.open_key(text, bind, at)?;
            [&registered.session_id.0[..], &registered.key.point()].concat()
        }
        Kind::Register => ring.open_challenge_to_register(text, bind, at)?.0.to_vec(),
        Kind::Refresh => ring.open_challenge_to_refresh(text, bind, at)?.0.to_vec(),
    })
}

fn made() -> impl Strategy<Value = Made> {
    let names = ("[a-zA-Z0-9_-]{1,24}", ".{0,12}", vec(any::<u8>(), 0..40));
    let drawn = (
        any::<u64>(),
        any::<[u8; 8]>(),
        any::<[u8; 16]>(),
        any::<[u8; 8]>(),
        any::<[u8; 2]>(),
    );
    let now = prop_oneof![4 => 0..=u64::from(u32::MAX) - 401 * DAY, 1 => (0..49_000u64).prop_map(|day| day * DAY)];
    let life = prop_oneof![2 => 1..=DAY, 2 => 1..=400 * DAY, 1 => Just(400 * DAY)];
    (names, drawn, now, life, any::<u64>()).prop_map(
        |((name, audience, bind), (key, session_id, device, random, point), now, life, after)| Made {
            key,
            name,
            audience,
            bind,
            session_id,
            device,
            random,
            point,
            now,
            life,
            after,
        },
    )
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    base64url::encode(bytes, &mut text);
    text.into_bytes()
}

fn bytes_of(text: &str) -> Vec<u8> {
    base64url::decode(text.as_bytes()).unwrap().to_vec()
}

fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn what_was_sealed_opens_to_the_same_until_it_expires(it in made()) {
        for kind in KINDS {
            let text = it.seal(kind, &it.ring());
            let (bytes, expires) = (bytes_of(&text), it.expires(kind));
            prop_assert_eq!((bytes[0], bytes.len()), (kind.first_byte(), kind.bytes()));
            prop_assert_eq!(&bytes[5..9], &u32::try_from(expires).unwrap().to_be_bytes());
            let opened = |at| open(kind, &it.ring(), text.as_bytes(), &it.bind, at);
            for at in [it.now, it.at(kind), expires - 1] {
                prop_assert_eq!(opened(at), Ok(it.said(kind)), "{:?}", kind);
            }
            prop_assert_eq!(opened(expires), Err(Reason::Expired), "{:?}", kind);
            prop_assert_eq!(opened(u64::MAX), Err(Reason::Expired), "{:?}", kind);
            // Five minutes before the longest life, and no second more.
            if let Some(earliest) = expires.checked_sub(kind.longest_life() + 300) {
                let early = opened(earliest);
                let is_ahead = kind == Kind::Proof && it.now > earliest + 300;
                prop_assert_eq!(early, if is_ahead { Err(Reason::ProvenInFuture) } else { Ok(it.said(kind)) });
                if earliest > 0 {
                    prop_assert_eq!(opened(earliest - 1), Err(Reason::ExpiresTooFar), "{:?}", kind);
                }
            }
        }
    }

    #[test]
    fn a_proof_is_as_old_as_it_says_whatever_the_lifetime(it in made(), lifetime in 61..=DAY, after in 0..=2 * DAY) {
        let ring = it.ring();
        let text = it.seal(Kind::Proof, &ring);
        let opened = |at: u64| {
            let screened = ring.screen_proof(text.as_bytes(), at)?;
            ring.open_proof(&screened, &it.bind, lifetime, at).map(|proof| proof.proven)
        };
        let expected = match () {
            () if it.now + after >= it.expires(Kind::Proof) => Err(Reason::Expired),
            () if after >= lifetime => Err(Reason::TooOld),
            () => Ok(it.now),
        };
        prop_assert_eq!(opened(it.now + after), expected);
        if let Some(at) = it.now.checked_sub(301) && it.expires(Kind::Proof) - at <= 400 * DAY + 300 {
            prop_assert_eq!(opened(at), Err(Reason::ProvenInFuture));
            prop_assert_eq!(opened(at + 1), Ok(it.now));
        }
    }

    /// All under one name, although in use each has its own: first byte and length alone keep them apart.
    #[test]
    fn no_kind_opens_as_another(it in made()) {
        let ring = it.ring();
        for kind in KINDS {
            let text = it.seal(kind, &ring);
            let (bytes, at) = (bytes_of(&text), it.now);
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                let opened = open(other, &ring, text.as_bytes(), &it.bind, at);
                prop_assert!(matches!(opened, Err(Reason::Malformed | Reason::UnknownVersion)), "{:?} {:?}", kind, other);
                // With the other's first byte and length: the check covers both.
                let mut forged = bytes.clone();
                forged[0] = other.first_byte();
                let (head, check) = forged.split_at(bytes.len() - 16);
                let mut head = head.to_vec();
                head.resize(other.bytes() - 16, 0);
                let expires = u32::from_be_bytes(bytes[5..9].try_into().unwrap());
                let is_too_far = u64::from(expires) > at + other.longest_life() + 300;
                let expected = if is_too_far { Reason::ExpiresTooFar } else { Reason::NotOurs };
                let forged = encode(&[&head, check].concat());
                prop_assert_eq!(open(other, &ring, &forged, &it.bind, at), Err(expected), "{:?} {:?}", kind, other);
            }
            // Nor as a session, or as the activity of a plain one.
            prop_assert!(ring.screen_session(text.as_bytes(), 8192, at).is_err());
            prop_assert!(ring.screen_activity(text.as_bytes(), false, at).is_err());
            let renamed = |version, length: usize| {
                let mut bytes = bytes.clone();
                bytes[0] = version;
                bytes.resize(length, 0);
                encode(&bytes)
            };
            let session = ring.screen_session(&renamed(1, 90), 8192, at).unwrap().decode().unwrap();
            prop_assert_eq!(ring.open_session(session, &it.bind, &mut |_| None).err(), Some(Reason::NotOurs));
            let plain = renamed(2, 33);
            let activity = ring.screen_activity(&plain, true, at).unwrap().decode().unwrap();
            prop_assert_eq!(ring.open_activity(&activity, &it.bind).err(), Some(Reason::NotOurs));
        }
    }

    #[test]
    fn another_name_audience_bind_or_secret_fails(it in made(), other in made()) {
        prop_assume!(it.name != other.name && it.audience != other.audience);
        prop_assume!(it.bind != other.bind && it.key != other.key);
        for kind in KINDS {
            let text = it.seal(kind, &it.ring());
            let with = |key, name: &str, audience: &str, bind: &[u8]| {
                open(kind, &placed(key, name, audience), text.as_bytes(), bind, it.now)
            };
            prop_assert_eq!(with(it.key, &other.name, &it.audience, &it.bind), Err(Reason::NotOurs));
            prop_assert_eq!(with(it.key, &it.name, &other.audience, &it.bind), Err(Reason::NotOurs));
            prop_assert_eq!(with(it.key, &it.name, &it.audience, &other.bind), Err(Reason::NotOurs));
            prop_assert_eq!(with(other.key, &it.name, &it.audience, &it.bind), Err(Reason::UnknownKey));
        }
    }
}

// These try every bit and every length of each token.
proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn a_flip_of_any_bit_fails_for_the_reason_of_its_layer(it in made()) {
        let ring = it.ring();
        for kind in KINDS {
            let (bytes, at) = (bytes_of(&it.seal(kind, &ring)), it.at(kind));
            let reason_of = |bit: usize, flipped: &[u8]| {
                let expires = u32::from_be_bytes(flipped[5..9].try_into().unwrap());
                let left = i128::from(expires) - i128::from(at);
                match bit / 8 {
                    // The activity cookie takes plain ones too, which are shorter.
                    0 if kind == Kind::Activity && flipped[0] == 2 => Reason::Malformed,
                    0 => Reason::UnknownVersion,
                    5..9 if left <= 0 => Reason::Expired,
                    5..9 if left > i128::from(kind.longest_life()) + 300 => Reason::ExpiresTooFar,
                    1..5 => Reason::UnknownKey,
                    _ => Reason::NotOurs,
                }
            };
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let opened = open(kind, &ring, &encode(&flipped), &it.bind, at);
                prop_assert_eq!(opened, Err(reason_of(bit, &flipped)), "{:?}, bit {}", kind, bit);
            }
        }
    }

    #[test]
    fn any_other_length_is_malformed(it in made()) {
        let ring = it.ring();
        for kind in KINDS {
            let (text, at) = (it.seal(kind, &ring), it.at(kind));
            let bytes = bytes_of(&text);
            let malformed = |text: &[u8]| open(kind, &ring, text, &it.bind, at) == Err(Reason::Malformed);
            for end in 0..text.len() {
                prop_assert!(malformed(&text.as_bytes()[..end]), "{:?}, {} characters", kind, end);
            }
            for end in 0..bytes.len() {
                prop_assert!(malformed(&encode(&bytes[..end])), "{:?}, {} bytes", kind, end);
            }
            for byte in 0..=255 {
                prop_assert!(malformed(&[text.as_bytes(), &[byte]].concat()), "{:?}, character {}", kind, byte);
                prop_assert!(malformed(&encode(&[&bytes[..], &[byte]].concat())), "{:?}, byte {}", kind, byte);
            }
        }
    }
}
