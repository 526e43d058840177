//! When a key stops sealing, and when its last token has expired. `lab/model/` compiles this file too.

use std::time::Duration;

use sealed_session::KeyRing;
use sealed_session::keys::{KeyId, Role};
use time::OffsetDateTime;

use super::instants::{LEEWAY, after};

/// How much later than a key's `from` a rehearsal, and with it the deploy, may begin.
pub(crate) const HASTE: Duration = Duration::from_secs(5 * 60);

/// How much wrong clocks may prolong the life of tokens: a server's clock may be ahead of another's when it seals, and
/// the operator's may be fast when a key is removed and slow when the deploy began.
const CLOCKS: Duration = Duration::from_secs(2 * LEEWAY.as_secs());

/// How long tokens live, and how long a deploy takes.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) longest: Duration,
    pub(crate) deploy: Duration,
    /// When servers stopped sealing with the keys that are only `open`, if the operator says so.
    pub(crate) sealed_until: Option<OffsetDateTime>,
}

/// Until when a ring seals with one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// No other key takes over.
    WithoutEnd,
    /// Another one takes over at this time.
    Until(OffsetDateTime),
    /// It only opens: it has not sealed yet, or the ring does not say when it stopped.
    Unknown,
}

/// When a key begins to seal; `None` if it only opens.
pub(crate) fn seals_from(role: Role) -> Option<OffsetDateTime> {
    match role {
        Role::Seal => Some(OffsetDateTime::UNIX_EPOCH),
        Role::SealFrom(instant) => Some(instant),
        _ => None,
    }
}

/// Until when the ring seals with this key.
pub(crate) fn sealing(ring: &KeyRing, id: KeyId) -> Sealing {
    let keys = ring.describe();
    let Some(from) = keys
        .iter()
        .find(|key| key.id == id)
        .and_then(|key| seals_from(key.role))
    else {
        return Sealing::Unknown;
    };
    let later = keys
        .iter()
        .filter_map(|key| seals_from(key.role))
        .filter(|&other| other > from)
        .min();
    later.map_or(Sealing::WithoutEnd, Sealing::Until)
}

impl Timing {
    /// When the last token has expired under a key that seals until `until`, by a ring that passed its rehearsal.
    pub(crate) fn may_go(&self, until: OffsetDateTime) -> OffsetDateTime {
        self.over(after(after(until, HASTE), self.deploy))
    }

    /// The same for a key that is only `open`, if the operator says when servers stopped sealing with it.
    pub(crate) fn may_go_as_stated(&self) -> Option<OffsetDateTime> {
        self.sealed_until.map(|until| self.over(until))
    }

    /// When all tokens that were sealed until `last` have expired.
    fn over(&self, last: OffsetDateTime) -> OffsetDateTime {
        after(after(last, CLOCKS), self.longest)
    }
}
