//! Times and durations. `lab/model/` compiles this file too.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How much two honest clocks may differ (SPEC.md).
pub(crate) const LEEWAY: Duration = Duration::from_secs(5 * 60);

/// `instant` + `span`, at the end of time at most.
pub(crate) fn after(instant: OffsetDateTime, span: Duration) -> OffsetDateTime {
    let span = time::Duration::try_from(span).unwrap_or(time::Duration::MAX);
    instant.saturating_add(span)
}

/// `instant` - `span`, 1970 at least.
pub(crate) fn before(instant: OffsetDateTime, span: Duration) -> OffsetDateTime {
    let span = time::Duration::try_from(span).unwrap_or(time::Duration::MAX);
    instant.saturating_sub(span).max(OffsetDateTime::UNIX_EPOCH)
}

/// RFC 3339 in UTC.
pub(crate) fn written(instant: OffsetDateTime) -> String {
    instant
        .format(&Rfc3339)
        .unwrap_or_else(|_| instant.unix_timestamp().to_string())
}
