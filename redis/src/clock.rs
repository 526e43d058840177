//! The clock of Redis, as this server knows it.

use std::time::Instant;

use time::OffsetDateTime;

/// The clock of Redis when it was read, and the reading of a clock that never jumps.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) redis: u64,
    pub(crate) read: Instant,
    /// By how many seconds this server's clock was ahead.
    pub(crate) ahead: i64,
    /// When a difference was reported last.
    pub(crate) reported: Option<Instant>,
}

impl Clock {
    /// The time of Redis now.
    pub(crate) fn time(&self) -> Option<OffsetDateTime> {
        let seconds = self.redis.saturating_add(self.read.elapsed().as_secs());
        OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()
    }
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) fn seconds(seconds: u64) -> time::Duration {
    time::Duration::seconds(seconds.try_into().unwrap_or(i64::MAX))
}

/// How many seconds clocks may be apart (SPEC.md, *Time*).
pub(crate) const MOST_APART: u64 = 300;
