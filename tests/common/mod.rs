//! What several tests share: an instant to start from, keys, an ear for events, and a cookie jar.
#![allow(dead_code, reason = "every test uses its own part of this")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// The cookies of one browser for one host, which is as strict as browsers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Jar(Vec<Cookie>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    /// `None`: it goes when the browser is closed.
    until: Option<u64>,
}

impl Jar {
    /// Takes what the `Set-Cookie` lines of a response say at `now`.
    #[track_caller]
    pub(crate) fn apply<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>, now: u64) {
        for line in lines {
            let mut parts = line.split("; ");
            let pair = parts.next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.unwrap_or_else(|| panic!("no cookie pair: {line}"));
            let attributes: Vec<&str> = parts.collect();
            let is_host = name.starts_with("__Host-");
            let has = |attribute| attributes.contains(&attribute);
            assert!(
                !is_host || (has("Secure") && has("Path=/") && !line.contains("Domain=")),
                "a browser refuses {line}"
            );
            assert!(name.len() + value.len() <= 4096, "a browser drops {line}");
            let max_age = attributes
                .iter()
                .find_map(|attribute| attribute.strip_prefix("Max-Age="));
            let until = max_age.map(|seconds| now + seconds.parse::<u64>().expect("Max-Age is a number"));
            self.0.retain(|cookie| cookie.name != name);
            if until.is_none_or(|until| until > now) {
                self.0.push(Cookie {
                    name: name.into(),
                    value: value.into(),
                    until,
                });
            }
        }
    }

    /// The value of the `Cookie` field that the browser sends at `now`.
    pub(crate) fn header(&self, now: u64) -> String {
        let live = self
            .0
            .iter()
            .filter(|cookie| cookie.until.is_none_or(|until| until > now));
        let pairs: Vec<String> = live.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        pairs.join("; ")
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut cookies = self.0.iter();
        cookies
            .find(|cookie| cookie.name == name)
            .map(|cookie| cookie.value.as_str())
    }

    /// The browser is closed and opened again.
    pub(crate) fn restart(&mut self) {
        self.0.retain(|cookie| cookie.until.is_some());
    }
}
