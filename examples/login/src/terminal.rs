//! The terminal's lines: the events of sessions, with the precise reasons that a visitor is not told.

use std::io::{self, Write};

use sealed_session::events::Level;
use sealed_session::{Event, Reason, SessionId};
use time::OffsetDateTime;

/// A word for an event, and a text that says what happened. Ids may be logged; session data is in no event.
pub(crate) fn describe(event: &Event) -> (&'static str, String) {
    match event {
        Event::Started { id } => ("started", format!("session {id}")),
        Event::Updated { id } => ("updated", format!("session {id}: new bytes in the cookie, same id")),
        Event::Touched { id } => ("touched", format!("session {id}: a new activity cookie only")),
        Event::Ended { id: Some(id) } => ("ended", format!("session {id}")),
        Event::Ended { id: None } => ("ended", "the cookies are removed; there was no session".to_owned()),
        Event::Rejected { reason, id, .. } => ("rejected", rejection(*reason, *id)),
        Event::Revoked { id } => ("revoked", format!("session {id}: copies of its cookie no longer open")),
        Event::CutOffRaised { to } => {
            let instant = OffsetDateTime::from_unix_timestamp(i64::try_from(*to).unwrap_or(i64::MAX));
            let instant = instant.map_or_else(|_| to.to_string(), date_time);
            ("cut-off", format!("sessions that started before {instant} have ended"))
        }
        Event::KeysInUse { .. } => ("keys", event.to_string()),
        Event::DevelopmentCookie => (
            "cookie",
            "plain http: a development cookie without Secure and without the __Host- prefix, for this machine only"
                .to_owned(),
        ),
        other => {
            let word = match other.level() >= Level::Warn {
                true => "warning",
                false => "event",
            };
            (word, format!("{}: {other}", other.name()))
        }
    }
}

fn rejection(reason: Reason, id: Option<SessionId>) -> String {
    let of = id.map_or(String::new(), |id| format!("session {id}: "));
    format!("{of}{reason} ({})", reason.name())
}

/// Prints what happened, with the time of day in UTC.
pub(crate) fn say(what: &str, text: &str) {
    line(&format!("{}  {what:<9} {text}", time_of_day(OffsetDateTime::now_utc())));
}

/// Prints a line. The reader may have gone (`| head`), and the program goes on.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `2026-12-01 08:30:00 UTC`
pub(crate) fn date_time(instant: OffsetDateTime) -> String {
    let (month, day) = (u8::from(instant.month()), instant.day());
    format!("{}-{month:02}-{day:02} {} UTC", instant.year(), time_of_day(instant))
}

/// `08:30:00`
pub(crate) fn time_of_day(instant: OffsetDateTime) -> String {
    let (hour, minute, second) = instant.to_hms();
    format!("{hour:02}:{minute:02}:{second:02}")
}
