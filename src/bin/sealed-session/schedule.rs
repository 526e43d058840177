//! Until when a key seals, and from when on nothing under it is alive.

use std::time::Duration;

use clap::Args;
use sealed_session::{KeyId, KeyRing, Role};
use time::OffsetDateTime;

use crate::values::{self, LEEWAY, after};

/// How long tokens live, and how long a deploy takes.
#[derive(Args, Clone, Copy)]
pub(crate) struct Timing {
    /// The longest absolute timeout of every application that uses the ring, remembered sessions and `Sealer` values included.
    /// The default is the longest that any token can live
    #[arg(long, value_name = "DURATION", default_value = "400d", value_parser = values::lifetime)]
    pub(crate) longest: Duration,
    /// Within which time after a key is to seal every server does so, the wait for the deploy included
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = values::duration)]
    pub(crate) deploy: Duration,
    /// Since when no server seals any more with the keys that are only `open`: the ring does not say so itself
    #[arg(long, value_name = "INSTANT", value_parser = values::instant)]
    pub(crate) sealed_until: Option<OffsetDateTime>,
}

/// Until when a ring seals with one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// No other key takes over.
    WithoutEnd,
    /// Another one takes over at this instant.
    Until(OffsetDateTime),
    /// It only opens: it has not sealed yet, or the ring does not say since when it seals no more.
    Unknown,
}

/// From when on a key seals; `None` if it only opens.
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
    /// When the last server whose ring ends sealing at `until` has done so, by the slowest clock.
    pub(crate) fn last_sealed(&self, until: OffsetDateTime) -> OffsetDateTime {
        after(after(until, self.deploy), LEEWAY)
    }

    /// The same, if the operator says since when no server seals with an open key.
    pub(crate) fn last_sealed_as_stated(&self) -> Option<OffsetDateTime> {
        self.sealed_until.map(|until| after(until, LEEWAY))
    }

    /// When the last token is over that was sealed at `last`.
    pub(crate) fn may_go(&self, last: OffsetDateTime) -> OffsetDateTime {
        after(last, self.longest)
    }
}
