//! The terminal's lines: the events of sessions, with the precise reasons that a visitor is not told.

use std::io::{self, Write};

use sealed_session::events::Level;
use sealed_session::{Event, Reason, SessionId};
use time::OffsetDateTime;

/// Prints an event. Ids may be logged; session data is in no event.
pub(crate) fn print_event(event: &Event) {
    match event {
        Event::Started { id } => say("started", &format!("session {id}")),
        Event::Updated { id } => say("updated", &format!("session {id}: new bytes in the cookie, same id")),
        Event::Touched { id } => say("touched", &format!("session {id}: a new activity cookie only")),
        Event::Ended { id: Some(id) } => say("ended", &format!("session {id}")),
        Event::Ended { id: None } => say("ended", "the cookies are removed; there was no session"),
        Event::Rejected { reason, id, .. } => say("rejected", &rejection(*reason, *id)),
        Event::Revoked { id } => say("revoked", &format!("session {id}: copies of its cookie no longer open")),
        Event::CutOffRaised { to } => {
            let instant = OffsetDateTime::from_unix_timestamp(i64::try_from(*to).unwrap_or(i64::MAX));
            let instant = instant.map_or_else(|_| to.to_string(), date_time);
            say("cut-off", &format!("sessions that started before {instant} have ended"));
        }
        Event::KeysInUse { .. } => say("keys", &event.to_string()),
        Event::DevelopmentCookie => say(
            "cookie",
            "plain http: a development cookie without Secure and without the __Host- prefix, for this machine only",
        ),
        other => {
            let what = if other.level() >= Level::Warn {
                "warning"
            } else {
                "event"
            };
            say(what, &format!("{}: {other}", other.name()));
        }
    }
}

fn rejection(reason: Reason, id: Option<SessionId>) -> String {
    let of = id.map_or(String::new(), |id| format!("session {id}: "));
    format!("{of}{reason} ({})", reason.name())
}

/// Prints what happened, with the time of day in UTC.
pub(crate) fn say(what: &str, text: &str) {
    let now = OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    line(&format!("{hour:02}:{minute:02}:{second:02}  {what:<9} {text}"));
}

/// Prints a line. The reader may have gone (`| head`), and the program goes on.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `2026-12-01 08:30:00 UTC`
pub(crate) fn date_time(instant: OffsetDateTime) -> String {
    let (hour, minute, second) = instant.to_hms();
    let month = u8::from(instant.month());
    format!(
        "{}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC",
        instant.year(),
        instant.day()
    )
}
