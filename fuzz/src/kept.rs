//! Tells whether the crate had kept a session: it then opens without being deserialised.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize};

thread_local! {
    static DESERIALISED: Cell<u64> = const { Cell::new(0) };
}

/// Session data of which each thread counts how often they are deserialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counted<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DESERIALISED.set(DESERIALISED.get() + 1);
        T::deserialize(deserializer).map(Self)
    }
}

/// How many sessions a target opened, and how many of these were kept ones.
#[derive(Default)]
pub struct Tally {
    opened: AtomicU64,
    kept: AtomicU64,
}

impl Tally {
    pub const fn new() -> Self {
        Self {
            opened: AtomicU64::new(0),
            kept: AtomicU64::new(0),
        }
    }

    /// Whether `open`, which tells if a session opened, found a kept one.
    pub fn is_kept(&self, open: impl FnOnce() -> bool) -> bool {
        let before = DESERIALISED.get();
        let is_open = open();
        let is_kept = is_open && DESERIALISED.get() == before;
        self.opened.fetch_add(is_open.into(), Ordering::Relaxed);
        self.kept.fetch_add(is_kept.into(), Ordering::Relaxed);
        is_kept
    }

    /// How many opened, and how many of them were kept.
    pub fn counts(&self) -> (u64, u64) {
        (self.opened.load(Ordering::Relaxed), self.kept.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deserialised_was_not_kept() {
        let tally = Tally::new();
        assert!(!tally.is_kept(|| serde_json::from_str::<Counted<u8>>("7").is_ok_and(|data| data.0 == 7)));
        assert!(tally.is_kept(|| true));
        assert!(!tally.is_kept(|| false));
        assert_eq!(tally.counts(), (2, 1));
        assert_eq!(serde_json::to_string(&Counted(7)).expect("a number"), "7");
    }
}
