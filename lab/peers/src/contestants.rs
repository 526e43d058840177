//! Every contestant's operations, each as its documentation shows it.
//!
//! Where an API leaves a choice, the peer gets the faster way: keys and contexts are made once, tokens are not copied.

mod actix;
mod biscotti_jar;
mod branca_token;
mod cookie_jar;
#[cfg(feature = "josekit")]
mod encrypted_jwt;
mod fernet_token;
mod floor;
mod layers;
mod ours;
mod paseto_token;

mod signed_jwt;

pub use actix::*;
pub use biscotti_jar::*;
pub use branca_token::*;
pub use cookie_jar::*;
#[cfg(feature = "josekit")]
pub use encrypted_jwt::*;
pub use fernet_token::*;
pub use floor::*;
pub use layers::*;
pub use ours::*;
pub use paseto_token::*;

pub use signed_jwt::*;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Sealer, SessionState, Sessions};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::payload::{Visit, visit};
use sealed_session_peers::measure::{Operation, fresh, operation, prepared};

/// The operations that are compared, in the order of the columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum What {
    Untouched,
    Seal,
    SealWithActivity,
    Open,
    OpenSeen,
    OpenFirst,
    OpenUncached,
    FlippedBit,
    UnknownKey,
    Expired,
    Garbage,
}

impl What {
    pub const ALL: [Self; 11] = [
        Self::Untouched,
        Self::Seal,
        Self::SealWithActivity,
        Self::Open,
        Self::OpenSeen,
        Self::OpenFirst,
        Self::OpenUncached,
        Self::FlippedBit,
        Self::UnknownKey,
        Self::Expired,
        Self::Garbage,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Seal => "seal",
            Self::SealWithActivity => "seal, with activity token",
            Self::Open => "open",
            Self::OpenSeen => "open, seen before",
            Self::OpenFirst => "open, first time",
            Self::OpenUncached => "open, cache off",
            Self::FlippedBit => "reject: bit flipped",
            Self::UnknownKey => "reject: unknown key",
            Self::Expired => "reject: expired",
            Self::Garbage => "reject: garbage",
        }
    }

    pub fn is_seal(self) -> bool {
        matches!(self, Self::Seal | Self::SealWithActivity)
    }

    /// The peer's operation that ours is compared with, if the peer has not the same one.
    pub fn nearest(self) -> Option<Self> {
        match self {
            // No peer has an activity token or keeps what it opened.
            Self::SealWithActivity => Some(Self::Seal),
            Self::OpenSeen => Some(Self::Open),
            Self::OpenFirst => Some(Self::Open),
            Self::OpenUncached => Some(Self::OpenFirst),
            // `PrivateJar` and biscotti have no expiry.
            Self::Expired => Some(Self::UnknownKey),
            _ => None,
        }
    }
}

pub struct Contestant {
    pub name: &'static str,
    /// Without the operations that its public API cannot do.
    pub operations: HashMap<What, Operation>,
}

impl Contestant {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            operations: HashMap::new(),
        }
    }

    fn with(mut self, what: What, operation: Operation) -> Self {
        // Once, to check that it succeeds.
        operation(1);
        self.operations.insert(what, operation);
        self
    }

    /// Sealing, opening and rejecting text.
    fn text<S: Fn() -> String + 'static, O: Fn(&'static str) -> bool + 'static>(
        name: &'static str,
        seal: S,
        foreign: String,
        open: O,
    ) -> Self {
        let token: &'static str = seal().leak();
        let open = Rc::new(open);
        let opens = |what: &'static str| {
            let open = Rc::clone(&open);
            operation(move || open(what))
        };
        let (works, flipped) = (opens(token), opens_not(&open, flipped(token)));
        let (unknown, garbage) = (opens_not(&open, foreign), opens_not(&open, garbage(token.len())));
        Self::new(name)
            .with(What::Seal, operation(move || !seal().is_empty()))
            .with(What::Open, works)
            .with(What::FlippedBit, flipped)
            .with(What::UnknownKey, unknown)
            .with(What::Garbage, garbage)
    }
}

fn opens_not(open: &Rc<impl Fn(&'static str) -> bool + 'static>, text: String) -> Operation {
    let (open, text): (_, &'static str) = (Rc::clone(open), text.leak());
    operation(move || !open(text))
}

/// Takes these texts in turns, which stand for as many visitors.
fn in_turns(texts: Vec<String>) -> impl Fn() -> &'static str {
    let texts: Vec<&'static str> = texts.into_iter().map(|text| &*text.leak()).collect();
    let at = std::cell::Cell::new(0);
    move || {
        at.set((at.get() + 1) % texts.len());
        texts[at.get()]
    }
}

/// How many visitors a peer sees in turns where each of ours is new: their cookies take as much of the processor's caches.
const VISITORS: usize = 128;

/// One bit flipped in the middle of the sealed bytes (for every format here, three fifths of the text are within them).
fn flipped(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let at = bytes.len() * 3 / 5;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

/// Text with the alphabet and the length of the token that was not sealed.
fn garbage(length: usize) -> String {
    "q7Zk3xW".chars().cycle().take(length).collect()
}

fn flipped_cookie(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').expect("a cookie");
    format!("{name}={}", flipped(value))
}

fn garbage_cookie(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').expect("a cookie");
    format!("{name}={}", garbage(value.len()))
}

const DAY: Duration = Duration::from_secs(86_400);
const LIFE: u64 = 12 * 3600;

/// The time of this run, fixed once. Peers that have a clock read it themselves.
fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(OffsetDateTime::now_utc().unix_timestamp())
        .expect("the present can be represented")
}

fn json(size: usize) -> Vec<u8> {
    serde_json::to_vec(&visit(size)).expect("a visit serialises")
}

fn to_text(data: &Visit) -> String {
    serde_json::to_string(data).expect("a visit serialises")
}

fn reads(json: &[u8]) -> bool {
    std::str::from_utf8(json).is_ok_and(|text| serde_json::from_str::<Visit>(text).is_ok())
}

/// The random call of one of our seals: 8 bytes of id and 12 of salt at once.
pub fn random() -> Operation {
    operation(|| {
        let mut bytes = [0u8; 20];
        getrandom::fill(&mut bytes).is_ok() && std::hint::black_box(bytes) != [0; 20]
    })
}

/// What `Sessions` does to data that it sealed: it deserialises them again.
pub fn reading(size: usize) -> Operation {
    let json = json(size);
    operation(move || reads(std::hint::black_box(&json)))
}

pub fn secret(index: u8) -> [u8; 64] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ index.wrapping_mul(91).wrapping_add(129))
}

pub fn key(index: u8) -> Key {
    let secret: [u8; 32] = *secret(index).first_chunk().expect("32 of 64 bytes");
    Key::from_raw_secret(&secret).expect("32 different bytes")
}

pub const OURS: u8 = 1;
const STRANGER: u8 = 2;

/// Drives a future that never waits.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
