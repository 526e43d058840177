//! What the tests of several packages share: times, keys, hex, the vectors, an observer, the cookies that a browser keeps,
//! directories, and a client for HTTP.

pub mod device;
mod directory;
#[cfg(feature = "http")]
pub mod http;
pub mod redis;

pub use self::directory::Directory;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};

use sealed_session::headers::Patch;
use sealed_session::testing::Browser;
use sealed_session::{Event, Key, KeyRing};
use serde_json::Value;
use time::OffsetDateTime;

/// A time in 2027, in the middle of a UTC day.
pub const START: u64 = 1_800_010_000;
/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// So many seconds after `START`.
pub fn after(seconds: u64) -> OffsetDateTime {
    at(START + seconds)
}

/// So many seconds after 1970.
pub fn at(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).expect("tests stay in this era");
    OffsetDateTime::from_unix_timestamp(seconds).expect("tests stay in this era")
}

/// One of 256 keys: a number always gives the same one.
pub fn key(number: u8) -> Key {
    let mut secret = [0; 32];
    for (index, byte) in (0..).zip(&mut secret) {
        *byte = number.wrapping_mul(31).wrapping_add(index * 7);
    }
    Key::from_raw_secret(&secret).expect("32 distinct bytes")
}

/// The ring of key 1.
pub fn ring() -> KeyRing {
    KeyRing::new(key(1))
}

/// Collects events for an observer, all but the first one, which names the ring in use at the start.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Event>>>);

impl Seen {
    pub fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let events = Arc::clone(&self.0);
        let started = AtomicBool::new(false);
        move |event| {
            if !started.swap(true, Ordering::SeqCst) {
                assert_eq!(event.name(), "KeysInUse", "it is the first");
                return;
            }
            if UNSEEN.get() {
                return;
            }
            events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event.clone());
        }
    }

    /// The events since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

thread_local! {
    static UNSEEN: Cell<bool> = const { Cell::new(false) };
}

/// Does something on this thread whose events no `Seen` gets.
pub fn unseen<R>(act: impl FnOnce() -> R) -> R {
    UNSEEN.set(true);
    let result = act();
    UNSEEN.set(false);
    result
}

/// The `Cookie` field that a browser with these cookies sends after a response with this patch.
#[track_caller]
pub fn answered(cookies: &str, patch: &Patch) -> String {
    let mut browser = Browser::new();
    browser.put(cookies);
    keep(&mut browser, patch.set_cookies());
    browser.cookie_field()
}

/// Gives the browser these `Set-Cookie` lines.
#[track_caller]
pub fn keep<'a>(browser: &mut Browser, lines: impl IntoIterator<Item = &'a str>) {
    for line in lines {
        browser.set_cookie(line).expect("a browser keeps it");
    }
}

/// Bytes from hexadecimal digits.
#[track_caller]
pub fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "two digits make a byte: {digits}");
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The vectors of format v1, or those of the file that the environment variable `VECTORS` names.
pub fn vectors() -> Value {
    vectors_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/v1.json"), "VECTORS")
}

fn vectors_in(own: &str, variable: &str) -> Value {
    let path = env::var(variable).unwrap_or_else(|_| own.to_owned());
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The vectors of device binding: the project's own, or those in the file that `NEXT_VECTORS` names.
#[must_use]
pub fn next_vectors() -> Value {
    vectors_in(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/next.json"),
        "NEXT_VECTORS",
    )
}

/// The rows of one part of the vectors. An empty part is a broken file, not a passed test.
#[track_caller]
pub fn rows<'a>(file: &'a Value, part: &str) -> &'a [Value] {
    let rows = file[part].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!rows.is_empty(), "no rows under {part}");
    rows
}

/// A field of a row that has to be a text.
#[track_caller]
pub fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    let text = row[field].as_str();
    text.unwrap_or_else(|| panic!("no text {field} in {row}"))
}

/// A field of a row that has to be a number.
#[track_caller]
pub fn number(row: &Value, field: &str) -> u64 {
    let number = row[field].as_u64();
    number.unwrap_or_else(|| panic!("no number {field} in {row}"))
}

/// A field of a row that has to be a list of texts.
#[track_caller]
pub fn texts<'a>(row: &'a Value, field: &str) -> Vec<&'a str> {
    let list = row[field]
        .as_array()
        .map(|list| list.iter().map(Value::as_str).collect());
    list.flatten().unwrap_or_else(|| panic!("no texts {field} in {row}"))
}
