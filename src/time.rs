//! Unix seconds and `time::OffsetDateTime`, and the one place that reads the clock.
//!
//! Inside, a time is a `u64` of Unix seconds: 32 bits on the wire, 64 in every sum, so that no sum can overflow.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How far apart two honest clocks may be, in seconds.
pub(crate) const LEEWAY: u64 = 5 * 60;

/// No token lives longer than this, in seconds: browsers cap cookies at 400 days (RFC 6265bis, section 5.5).
pub(crate) const LONGEST_LIFE: u64 = 400 * DAY;

/// A UTC day in seconds.
pub(crate) const DAY: u64 = 86_400;

/// WebAssembly without a system: there, `SystemTime::now` panics.
const NO_SYSTEM: bool = cfg!(all(target_family = "wasm", target_os = "unknown"));

/// Whether there is a clock to read.
pub(crate) const HAS_CLOCK: bool = !NO_SYSTEM || cfg!(feature = "wasm_js");

/// The system's clock, or with feature `wasm_js` that of JavaScript, in Unix seconds; a clock before 1970 and one that is
/// [not there](HAS_CLOCK) read as 0.
pub(crate) fn now() -> u64 {
    if !HAS_CLOCK {
        return 0;
    }
    if NO_SYSTEM {
        // `time` asks JavaScript, by the feature that `wasm_js` switches on.
        return to_seconds(OffsetDateTime::now_utc());
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A time in Unix seconds, rounded down; a time before 1970 reads as 0.
pub(crate) fn to_seconds(instant: OffsetDateTime) -> u64 {
    u64::try_from(instant.unix_timestamp()).unwrap_or(0)
}

/// A time in Unix seconds, rounded up; a time before 1970 reads as 0.
pub(crate) fn to_seconds_rounded_up(instant: OffsetDateTime) -> u64 {
    u64::try_from(instant.unix_timestamp() + i64::from(instant.nanosecond() > 0)).unwrap_or(0)
}

/// Unix seconds as a time in UTC. After the year 9999 it is the last second of that year.
pub(crate) fn from_seconds(seconds: u64) -> OffsetDateTime {
    // A whole second: a ring would be written with the fraction, and refused when it is read again. The year 9999 is
    // the last even if another crate has switched on larger dates in `time`: RFC 3339 has no form for them.
    const LAST: i64 = 253_402_300_799;
    let seconds = i64::try_from(seconds).unwrap_or(LAST).min(LAST);
    OffsetDateTime::from_unix_timestamp(seconds).expect("every second from 1970 to the last one is representable")
}

/// Reads an RFC 3339 time of a whole second in 1970 or later.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    // The parser also accepts other characters for `T`, drops digits of a fraction, and reads a leap second as the
    // second before it. Other readers do not.
    if text.as_bytes().get(10) != Some(&b'T') || text.contains(['.', 'z']) || text.get(17..19) == Some("60") {
        return None;
    }
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(instant.unix_timestamp()).ok()
}

/// A time as RFC 3339 in UTC.
pub(crate) fn write_rfc3339(seconds: u64) -> String {
    from_seconds(seconds)
        .format(&Rfc3339)
        .expect("every year from 1970 to 9999 has an RFC 3339 form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_without_overflow() {
        assert_eq!(to_seconds(OffsetDateTime::UNIX_EPOCH - time::Duration::days(1)), 0);
        assert_eq!(to_seconds(from_seconds(u64::from(u32::MAX))), u64::from(u32::MAX));
        assert_eq!(from_seconds(u64::MAX).year(), 9999);
        let half = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1500);
        assert_eq!(to_seconds(half), 1);
        assert_eq!(to_seconds_rounded_up(half), 2);
        assert_eq!(to_seconds_rounded_up(from_seconds(7)), 7);
        let before = OffsetDateTime::UNIX_EPOCH - time::Duration::milliseconds(1500);
        assert_eq!((to_seconds(before), to_seconds_rounded_up(before)), (0, 0));
    }

    #[test]
    fn rfc_3339_is_read_in_any_offset_and_written_in_utc() {
        assert_eq!(parse_rfc3339("2026-12-01T00:00:00Z"), Some(1_796_083_200));
        assert_eq!(parse_rfc3339("2026-12-01T01:00:00+01:00"), Some(1_796_083_200));
        assert_eq!(write_rfc3339(1_796_083_200), "2026-12-01T00:00:00Z");
        for refused in [
            "tomorrow",
            "2026-12-01",
            "1969-12-31T23:59:59Z",
            "2026-12-01T00:00:00.5Z",
            "2026-12-01T00:00:00.0Z",
            "2026-12-01T00:00:00.0000000001Z",
            "2026-12-01 00:00:00Z",
            "2026-12-01_00:00:00Z",
            "2026-12-01t00:00:00Z",
            "2026-12-01T00:00:00z",
            "2016-12-31T23:59:60Z",
            "",
        ] {
            assert_eq!(parse_rfc3339(refused), None, "{refused}");
        }
        assert_eq!(write_rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn the_clock_is_past_the_day_this_was_written() {
        assert!(now() > 1_760_000_000);
    }
}
