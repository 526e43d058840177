//! Times, durations and ids as people write them.

use std::time::Duration;

use sealed_session::KeyRing;
use sealed_session::keys::KeyId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::Failure;

/// An RFC 3339 time in whole seconds.
pub(crate) fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .filter(|instant| instant.unix_timestamp() > 0 && instant.nanosecond() == 0)
        .map(|instant| instant.to_offset(time::UtcOffset::UTC))
        .ok_or_else(|| "write a time after 1970 as 2026-12-01T00:00:00Z, in whole seconds".into())
}

/// `90s`, `30m`, `12h`, `400d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    text.chars()
        .next_back()
        .and_then(seconds)
        .and_then(|unit| {
            text[..text.len() - 1]
                .parse::<u32>()
                .ok()
                .map(|count| u64::from(count) * unit)
        })
        .map(Duration::from_secs)
        .ok_or_else(|| "write a duration as 90s, 30m, 12h or 400d".into())
}

/// A lifetime of sessions: 1 second to 400 days, as the crate demands.
pub(crate) fn lifetime(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(400 * 86_400);
    duration(text)
        .ok()
        .filter(|lifetime| (Duration::from_secs(1)..=longest).contains(lifetime))
        .ok_or_else(|| "write a lifetime of at least 1s and at most 400d, such as 12h".into())
}

/// `none`, or a duration.
pub(crate) fn idle(text: &str) -> Result<Idle, String> {
    match text {
        "none" => Ok(Idle::None),
        text => duration(text).map(Idle::After),
    }
}

/// An idle timeout.
#[derive(Clone, Copy)]
pub(crate) enum Idle {
    None,
    After(Duration),
}

/// The 8 hexadecimal digits of a key id.
pub(crate) fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse()
        .map_err(|error| format!("{error}; `sealed-session ring show FILE` lists them"))
}

/// Checks that the ring has a key of this id.
pub(crate) fn find(ring: &KeyRing, id: KeyId) -> Result<(), Failure> {
    let ids: Vec<KeyId> = ring.describe().iter().map(|key| key.id).collect();
    if ids.contains(&id) {
        return Ok(());
    }
    let ids: Vec<String> = ids.iter().map(KeyId::to_string).collect();
    Err(Failure::refused(format_args!(
        "the ring has no key {id}; it has {}",
        ids.join(", ")
    )))
}

/// Cuts off the fraction of a second.
pub(crate) fn whole_second(instant: OffsetDateTime) -> OffsetDateTime {
    unix(instant.unix_timestamp())
}

/// Unix seconds as a time; a value out of range becomes 1970.
pub(crate) fn unix(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `in 12 hours`, `3 days ago`, `now`: the largest unit of which there are at least two.
pub(crate) fn relative(instant: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (instant - now).whole_seconds();
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds")];
    let distance = seconds.unsigned_abs();
    let (size, name) = units
        .into_iter()
        .find(|(size, _)| distance >= 2 * size)
        .unwrap_or((1, "seconds"));
    match seconds {
        0 => "now".into(),
        1.. => format!("in {} {name}", distance / size),
        _ => format!("{} {name} ago", distance / size),
    }
}
