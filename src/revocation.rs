//! Which session ids are revoked: a small trait, and a list in memory that prunes itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use time::OffsetDateTime;

use crate::ids::SessionId;
use crate::time::to_seconds;

/// A list of revoked session ids.
///
/// Implement it over a store to share revocations between servers. Both methods are called while a request is served:
/// answer from memory, and fetch or publish elsewhere.
pub trait RevocationList: Send + Sync {
    /// Whether sessions of this id are to be refused.
    fn is_revoked(&self, id: SessionId) -> bool;

    /// Refuses sessions of this id from now on. After `until` no such session can be valid any more, and the entry may
    /// be dropped.
    fn revoke(&self, id: SessionId, until: OffsetDateTime, now: OffsetDateTime);
}

/// Revoked ids in this process's memory: lost at a restart, unknown to other servers.
///
/// Entries that have outlived every session are dropped by themselves, so the list stays as small as the number of
/// revocations within one absolute timeout.
#[derive(Default)]
pub struct RevokedIds {
    ids: RwLock<Ids>,
}

#[derive(Default)]
struct Ids {
    /// Id, and the Unix second after which its entry may go.
    until: HashMap<SessionId, u64>,
    /// At this many entries the next pruning pays for itself.
    prune_at: usize,
}

impl RevokedIds {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.read().unwrap_or_else(PoisonError::into_inner).until.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RevocationList for RevokedIds {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .until
            .contains_key(&id)
    }

    fn revoke(&self, id: SessionId, until: OffsetDateTime, now: OffsetDateTime) {
        let (until, now) = (to_seconds(until), to_seconds(now));
        let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        let entry = ids.until.entry(id).or_insert(until);
        *entry = until.max(*entry);
        if ids.until.len() >= ids.prune_at.max(SMALLEST_PRUNING) {
            ids.until.retain(|_, until| *until > now);
            ids.prune_at = ids.until.len() * 2;
        }
    }
}

impl fmt::Debug for RevokedIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevokedIds({})", self.len())
    }
}

const SMALLEST_PRUNING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::from_seconds;

    fn id(number: u64) -> SessionId {
        SessionId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn a_revoked_id_stays_revoked_until_its_instant() {
        let list = RevokedIds::new();
        assert!(list.is_empty() && !list.is_revoked(id(1)));
        list.revoke(id(1), from_seconds(100), from_seconds(0));
        list.revoke(id(1), from_seconds(50), from_seconds(0));
        for number in 2..200 {
            list.revoke(id(number), from_seconds(200), from_seconds(99));
        }
        assert!(
            list.is_revoked(id(1)),
            "a later, shorter revocation does not shorten the first"
        );
        assert!(!list.is_revoked(id(500)));
    }

    #[test]
    fn entries_that_outlived_every_session_go_by_themselves() {
        let list = RevokedIds::new();
        for number in 0..100_000 {
            list.revoke(id(number), from_seconds(number + 10), from_seconds(number));
        }
        assert!(list.len() < 200, "{}", list.len());
        assert!(list.is_revoked(id(99_999)));
    }
}
