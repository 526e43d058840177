//! The keys of one UTC day, one cookie name and one audience, and their cache.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::ids::KeyId;
use crate::key::Key;
use crate::time::DAY;
use crate::token::aead::Prk;

/// The two keys of a day on which tokens expire.
pub(crate) struct DayKeys {
    /// Authenticates heads and commits to the key.
    pub(crate) check: Prk,
    /// Yields the key of each single token.
    pub(crate) seal: Prk,
}

/// `lp(name) || lp(audience)`: where a token is valid.
pub(crate) struct Place(Vec<u8>);

impl Place {
    /// `None` if either is longer than 255 bytes.
    pub(crate) fn new(name: &str, audience: &str) -> Option<Self> {
        let mut place = Vec::with_capacity(2 + name.len() + audience.len());
        for part in [name, audience] {
            place.push(u8::try_from(part.len()).ok()?);
            place.extend_from_slice(part.as_bytes());
        }
        Some(Self(place))
    }
}

/// The day keys of one place, derived when they are first needed.
///
/// Tokens ask only for days on which an unexpired token may expire: at most 402 per key. A full cache drops the days that
/// are over, and beyond its bound keys are derived without being kept.
pub(crate) struct DayKeyCache {
    place: Place,
    days: RwLock<HashMap<Slot, Arc<DayKeys>>>,
}

/// Key id and UTC day.
type Slot = (KeyId, u32);

impl DayKeyCache {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            days: RwLock::default(),
        }
    }

    /// The keys under which a token that expires at `expires` was sealed with `key`.
    pub(crate) fn get(&self, key: &Key, expires: u32, now: u64) -> Arc<DayKeys> {
        let day = day_of(expires);
        let slot = (key.id(), day);
        // A panic cannot leave the map half changed, so a poisoned lock is as good as another.
        if let Some(keys) = self.days.read().unwrap_or_else(PoisonError::into_inner).get(&slot) {
            return Arc::clone(keys);
        }
        let keys = Arc::new(self.derive(key, day));
        let mut days = self.days.write().unwrap_or_else(PoisonError::into_inner);
        if days.len() >= LARGEST_CACHE {
            days.retain(|&(_, day), _| u64::from(day) >= now / DAY);
        }
        if days.len() < LARGEST_CACHE {
            days.insert(slot, Arc::clone(&keys));
        }
        keys
    }

    fn derive(&self, key: &Key, day: u32) -> DayKeys {
        let raw = self.derive_raw(key, day);
        DayKeys {
            check: Prk::new(&raw.check),
            seal: Prk::new(&raw.seal),
        }
    }

    /// The bytes of a day's keys, for an edge that holds no root.
    pub(crate) fn derive_raw(&self, key: &Key, day: u32) -> RawDayKeys {
        // check key = Expand(root, "check key" || u32 day || place, 32)
        // seal key  = Expand(root, "seal key"  || u32 day || place, 32)
        let expand = |label: &[u8]| key.root().expand(&[label, &day.to_be_bytes(), &self.place.0]);
        RawDayKeys {
            check: expand(b"check key"),
            seal: expand(b"seal key"),
        }
    }
}

/// The keys of a day as bytes.
pub(crate) struct RawDayKeys {
    pub(crate) check: Zeroizing<[u8; 32]>,
    pub(crate) seal: Zeroizing<[u8; 32]>,
}

/// The UTC day of an expiry: it chooses the keys.
pub(crate) fn day_of(expires: u32) -> u32 {
    // day = floor(expires / 86400)
    expires / SECONDS_OF_DAY
}

#[expect(clippy::cast_possible_truncation, reason = "86400 fits in 32 bits")]
const SECONDS_OF_DAY: u32 = DAY as u32;

/// Most days kept per place: two keys of a ring with every day of 400.
const LARGEST_CACHE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_at_most_255_bytes_each() {
        let (fits, long) = ("x".repeat(255), "x".repeat(256));
        assert!(Place::new(&fits, &fits).is_some());
        assert!(Place::new(&long, "").is_none());
        assert!(Place::new("", &long).is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_days_that_are_over() {
        let key = Key::generate().unwrap();
        let cache = DayKeyCache::new(Place::new("id", "").unwrap());
        for day in 0..2000 {
            cache.get(&key, day * SECONDS_OF_DAY, 0);
        }
        assert_eq!(cache.days.read().unwrap().len(), LARGEST_CACHE);
        cache.get(&key, 3000 * SECONDS_OF_DAY, 3000 * DAY);
        assert_eq!(cache.days.read().unwrap().len(), 1);
    }
}
