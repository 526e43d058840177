//! What several tests share: an instant to start from, keys, an ear for events, and what a browser keeps.
#![allow(dead_code, reason = "every test uses its own part of this")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealed_session::headers::Patch;
use sealed_session::testing::Browser;
use sealed_session::{Event, Key, KeyRing};
use time::OffsetDateTime;

/// An instant in 2027, in the middle of a UTC day.
pub(crate) const START: u64 = 1_800_010_000;
pub(crate) const DAY: u64 = 86_400;

/// `START` and so many seconds.
pub(crate) fn after(seconds: u64) -> OffsetDateTime {
    at(START + seconds)
}

pub(crate) fn at(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).expect("tests stay in this era");
    OffsetDateTime::from_unix_timestamp(seconds).expect("tests stay in this era")
}

/// One of 256 keys, always the same for a number.
pub(crate) fn key(number: u8) -> Key {
    let mut secret = [0; 32];
    for (index, byte) in (0..).zip(&mut secret) {
        *byte = number.wrapping_mul(31).wrapping_add(index * 7);
    }
    Key::from_raw_secret(&secret).expect("32 distinct bytes")
}

/// The ring of key 1.
pub(crate) fn ring() -> KeyRing {
    KeyRing::new(key(1))
}

/// An observer that keeps what it hears, but for the ring in use at the start.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Event>>>);

impl Seen {
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let events = Arc::clone(&self.0);
        let started = AtomicBool::new(false);
        move |event| {
            if !started.swap(true, Ordering::SeqCst) {
                assert_eq!(event.name(), "KeysInUse", "it is the first");
                return;
            }
            events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event.clone());
        }
    }

    /// What was heard since the last call.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The `Cookie` field of a browser that had these cookies and gets a response with this patch.
#[track_caller]
pub(crate) fn answered(cookies: &str, patch: &Patch) -> String {
    let mut browser = Browser::new();
    browser.put(cookies);
    keep(&mut browser, patch.set_cookies());
    browser.cookie_field()
}

/// The browser takes these `Set-Cookie` lines.
#[track_caller]
pub(crate) fn keep<'a>(browser: &mut Browser, lines: impl IntoIterator<Item = &'a str>) {
    for line in lines {
        browser.set_cookie(line).expect("a browser keeps it");
    }
}
