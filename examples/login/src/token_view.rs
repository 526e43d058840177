//! The picture of a token: what each byte is, who can read it, and a way to break it.
//!
//! SPEC.md has the layout. An application needs none of this: the session opens its own tokens.

use std::ops::Range;

use sealed_session::edge::Claims;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::terminal::date_time;

/// A token taken apart.
pub(crate) struct TokenView {
    pub(crate) bytes: Vec<u8>,
    pub(crate) segments: Vec<Segment>,
}

/// A run of bytes with one meaning.
pub(crate) struct Segment {
    pub(crate) name: &'static str,
    pub(crate) range: Range<usize>,
    pub(crate) access: Access,
    /// The meaning of these very bytes, if they can be read.
    pub(crate) decoded: Option<String>,
    pub(crate) meaning: &'static str,
}

/// Who can use a segment.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// Everyone who sees the cookie.
    Readable,
    /// Only holders of the key. All others see random bytes, and can neither make nor check them.
    Proof,
    /// Only holders of the key. All others see random bytes.
    Sealed,
}

impl TokenView {
    /// Takes a token apart; `None` if the text is no token. Nothing is verified here.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let bytes = decode(token)?;
        if bytes.first() == Some(&PROOF) {
            return Self::of_proof(bytes);
        }
        // The sessions of this demo are in one cookie.
        let claims = Claims::parse(token).ok().filter(|claims| claims.chunks == 1)?;
        let mut segments = head(&claims, bytes[0]);
        if bytes[0] == BOUND {
            segments.push(segment("device", 17..33, Access::Readable, DEVICE));
            segments.push(segment("check", 33..49, Access::Proof, CHECK));
        } else if claims.is_activity {
            segments.push(segment("check", 17..33, Access::Proof, CHECK));
        } else {
            let tag = bytes.len().checked_sub(16)?;
            segments.push(segment("salt", 17..29, Access::Readable, SALT));
            segments.push(segment("check", 29..45, Access::Proof, CHECK));
            segments.push(segment("sealed state", 45..tag, Access::Sealed, STATE));
            segments.push(segment("tag", tag..bytes.len(), Access::Proof, TAG));
        }
        Some(Self { bytes, segments })
    }

    fn of_proof(bytes: Vec<u8>) -> Option<Self> {
        let proven = seconds(&bytes, 25).filter(|_| bytes.len() == 45)?;
        let key_id = bytes[1..5].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut segments = start("4: a proof", key_id, seconds(&bytes, 5)?, UNTIL_PROVEN_AGAIN);
        segments.push(segment("device", 9..25, Access::Readable, DEVICE));
        segments.push(readable("proven", 25..29, instant(proven), PROVEN));
        segments.push(segment("check", 29..45, Access::Proof, CHECK));
        Some(Self { bytes, segments })
    }
}

/// First bytes: an activity token of a bound session, and a proof.
const BOUND: u8 = 3;
const PROOF: u8 = 4;

fn seconds(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn instant(seconds: u32) -> String {
    OffsetDateTime::from_unix_timestamp(seconds.into()).map_or_else(|_| String::new(), date_time)
}

fn head(claims: &Claims, version: u8) -> Vec<Segment> {
    let (version, expires) = match version {
        BOUND => ("3: an activity token of a bound session", UNTIL_IDLE),
        _ if claims.is_activity => ("2: an activity token", UNTIL_IDLE),
        _ => ("1: a session token", UNTIL),
    };
    let mut segments = start(version, claims.key_id.to_string(), claims.expires, expires);
    segments.push(readable("session id", 9..17, claims.session_id.to_string(), ID));
    segments
}

/// What every token begins with.
fn start(version: &str, key_id: String, expires: u32, meaning: &'static str) -> Vec<Segment> {
    vec![
        readable("version", 0..1, version.to_owned(), VERSION),
        readable("key id", 1..5, key_id, KEY_ID),
        readable("expires", 5..9, instant(expires), meaning),
    ]
}

fn readable(name: &'static str, range: Range<usize>, decoded: String, meaning: &'static str) -> Segment {
    Segment {
        decoded: Some(decoded),
        ..segment(name, range, Access::Readable, meaning)
    }
}

fn segment(name: &'static str, range: Range<usize>, access: Access, meaning: &'static str) -> Segment {
    Segment {
        name,
        range,
        access,
        decoded: None,
        meaning,
    }
}

const VERSION: &str = "The version of the format, and which of its tokens this is.";
const KEY_ID: &str = "The public name of the key that made it, so the server never tries one key after another.";
const UNTIL: &str = "When the session ends in any case: the absolute timeout.";
const UNTIL_IDLE: &str = "When the session ends unless you come back: the idle timeout.";
const UNTIL_PROVEN_AGAIN: &str = "When the proof ends. Your browser drops this cookie a minute before.";
const DEVICE: &str = "The name of your device: a hash of its public key.";
const PROVEN: &str = "When your device proved its key.";
const ID: &str = "Random, made when the session starts. It may be in logs, since it opens nothing.";
const SALT: &str = "Random, new for every sealing, so every state has its own AES key.";
const CHECK: &str = "An HMAC of all bytes before it: a changed bit is noticed before anything is decrypted.";
const STATE: &str = "AES-256-GCM over start, time of sealing, flags and the data as JSON.";
const TAG: &str = "The proof of AES-GCM that no bit of the sealed state was changed.";

/// Where to break a token.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// In the session id.
    Head,
    /// In the first byte of the sealed state.
    State,
}

impl Part {
    pub(crate) const ALL: [Self; 2] = [Self::Head, Self::State];

    /// As forms name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::State => "state",
        }
    }

    /// The segment that is broken.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Head => "session id",
            Self::State => "sealed state",
        }
    }

    /// The byte of which the first bit is flipped.
    pub(crate) fn byte(self) -> usize {
        match self {
            Self::Head => 9,
            Self::State => 45,
        }
    }
}

/// The token with one bit flipped. Twice gives the token back.
pub(crate) fn flip_bit(token: &str, part: Part) -> Option<String> {
    Claims::parse(token).ok()?;
    // Four characters are three bytes, so the character at 12 holds the first bits of byte 9, the one at 60 of byte 45.
    let at = part.byte() / 3 * 4;
    let old = token.get(at..=at)?;
    let new = char::from(ALPHABET[usize::from(digit(*old.as_bytes().first()?)? ^ 0b10_0000)]);
    Some(format!("{}{new}{}", &token[..at], &token[at + 1..]))
}

/// The bytes of a token: base64url without padding.
fn decode(token: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(token.len() / 4 * 3 + 2);
    for group in token.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &character in group {
            bits = bits << 6 | u32::from(digit(character)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    let place = ALPHABET.iter().position(|&other| other == character)?;
    u8::try_from(place).ok()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
