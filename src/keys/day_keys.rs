//! The keys for one UTC day, one cookie name and one audience, and a cache of them.

use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::aead::Prk;
use crate::keys::key::Key;
use crate::keys::ring::KeyAt;
use crate::time::DAY;

/// The two keys for tokens that expire on one day.
pub(crate) struct DayKeys {
    /// Authenticates heads and commits to the key.
    pub(crate) check: Prk,
    /// Yields the key of each single token.
    pub(crate) seal: Prk,
}

/// `lp(name) || lp(audience)`: the cookie name and audience for which a token is valid.
#[derive(Clone)]
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
/// Readers share no lock and write nothing, so that threads do not wait for each other. Tokens ask only for days on
/// which an unexpired token may expire: at most 402 per key, a kilobyte each. Past days stay until the ring is
/// replaced.
pub(crate) struct DayKeyCache {
    place: Place,
    /// One entry for each key of the ring.
    keys: Box<[Lazy<Days>]>,
}

type Lazy<T> = OnceLock<Box<T>>;
/// All days on which a token of 32 bits can expire, by pages.
type Days = [Lazy<Page>; LAST_DAY as usize / PAGE + 1];
type Page = [Lazy<DayKeys>; PAGE];
const PAGE: usize = 256;

fn empty<T, const N: usize>() -> Box<[Lazy<T>; N]> {
    Box::new([const { OnceLock::new() }; N])
}

impl DayKeyCache {
    /// A cache for a ring of `keys` keys.
    pub(crate) fn new(place: Place, keys: usize) -> Self {
        Self {
            place,
            keys: (0..keys).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The day keys of a token that expires at `expires` and was sealed with `key`, a key of this cache's ring.
    pub(crate) fn get(&self, KeyAt { index, key }: KeyAt<'_>, expires: u32) -> &DayKeys {
        let day = day_of(expires);
        let page = day as usize / PAGE;
        let pages = self.keys[index].get_or_init(empty);
        let days = pages[page].get_or_init(empty);
        days[day as usize % PAGE].get_or_init(|| Box::new(self.derive(key, day)))
    }

    fn derive(&self, key: &Key, day: u32) -> DayKeys {
        let raw = self.derive_raw(key, day);
        DayKeys {
            check: Prk::new(&raw.check),
            seal: Prk::new(&raw.seal),
        }
    }

    /// The bytes of a day's keys, for an edge, which has no root.
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

/// The UTC day of an expiry, which chooses the keys.
pub(crate) const fn day_of(expires: u32) -> u32 {
    // day = floor(expires / 86400)
    expires / SECONDS_OF_DAY
}

#[expect(clippy::cast_possible_truncation, reason = "86400 fits in 32 bits")]
const SECONDS_OF_DAY: u32 = DAY as u32;

/// The last UTC day on which a token of 32 bits can expire.
pub(crate) const LAST_DAY: u32 = day_of(u32::MAX);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ptr;

    use super::*;

    #[test]
    fn a_place_is_at_most_255_bytes_each() {
        let (fits, long) = ("x".repeat(255), "x".repeat(256));
        assert!(Place::new(&fits, &fits).is_some());
        assert!(Place::new(&long, "").is_none());
        assert!(Place::new("", &long).is_none());
    }

    #[test]
    fn every_day_has_its_own_keys_and_keeps_them() {
        let keys: Vec<Key> = (0..2).map(|_| Key::generate().unwrap()).collect();
        let cache = DayKeyCache::new(Place::new("id", "").unwrap(), 2);
        let mut seen = HashSet::new();
        for (index, key) in keys.iter().enumerate() {
            let at = KeyAt { index, key };
            for day in [0, 1, 255, 256, 20_000, LAST_DAY - 1, LAST_DAY] {
                let first = cache.get(at, day * SECONDS_OF_DAY);
                assert!(ptr::eq(
                    first,
                    cache.get(at, (day * SECONDS_OF_DAY).saturating_add(SECONDS_OF_DAY - 1))
                ));
                assert_eq!(
                    first.check.expand::<32>(&[b"head"]),
                    Prk::new(&cache.derive_raw(key, day).check).expand::<32>(&[b"head"])
                );
                assert!(seen.insert(*first.check.expand::<32>(&[b"head"])));
            }
        }
        assert!(size_of::<DayKeys>() <= 1024, "{}", size_of::<DayKeys>());
    }
}
