//! Feature `tracing`: an observer that writes every event to the log.

use ::tracing::field;
use ::tracing::{Level as Severity, enabled, event};

use crate::session::event::{Event, Level, Observer};

/// Writes every [`Event`] to `tracing`, with ids and reasons and never with session data.
///
/// The target is `sealed_session`, the level is the event's own [level](Event::level). The field `event` has the name
/// of the event, and every [field](Event::fields) of it is a field: a log can count by `event` and `reason`. The
/// message is the sentence.
///
/// ```
/// use sealed_session::events::TracingObserver;
/// use sealed_session::{Key, KeyRing, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).observer(TracingObserver).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

/// The fields of a `tracing` event are fixed in the source, so this one has the fields of all events. Fields without a
/// value are not written.
macro_rules! log {
    ($level:expr, $event:ident, numbers: $($number:ident)*, texts: $($text:ident)*) => {
        if enabled!(target: "sealed_session", $level) {
            $(let mut $number = None::<i64>;)*
            $(let mut $text = None::<String>;)*
            $event.fields(&mut |name, value| match name {
                $(stringify!($number) => $number = value.to_string().parse().ok(),)*
                $(stringify!($text) => $text = Some(value.to_string()),)*
                // The test below finds a field that is missing here.
                _ => {}
            });
            event!(
                target: "sealed_session",
                $level,
                event = field::display($event.name()),
                $($text = $text.map(field::display),)*
                $($number = $number,)*
                "{}",
                $event
            );
        }
    };
    ($level:expr, $event:ident) => {
        log!(
            $level,
            $event,
            numbers: count total chunk chunks size limit bytes status to entries most dropped ahead,
            texts: step reason option id previous key_id key_ids in_use seals opens path kind error
        )
    };
}

impl Observer for TracingObserver {
    fn event(&self, event: &Event) {
        match event.level() {
            Level::Debug => log!(Severity::DEBUG, event),
            Level::Info => log!(Severity::INFO, event),
            Level::Warn => log!(Severity::WARN, event),
            Level::Error => log!(Severity::ERROR, event),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::session::event::tests::one_of_each;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// The lines that `TracingObserver` writes for this event at this level and above.
        fn of(event: &Event, level: Severity) -> String {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(level)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish();
            ::tracing::subscriber::with_default(subscriber, || TracingObserver.event(event));
            let bytes = log.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap()
        }
    }

    #[test]
    fn every_field_of_every_event_is_a_field_of_the_log_at_its_level() {
        for event in one_of_each() {
            let line = Log::of(&event, Severity::DEBUG);
            let level = event.level().to_string().to_uppercase();
            assert!(line.contains(&format!("{level} sealed_session: {event}")), "{line}");
            assert!(
                line.contains(&format!(" event={} ", event.name()))
                    || line.ends_with(&format!(" event={}\n", event.name())),
                "{line}"
            );
            let mut written = 1;
            event.fields(&mut |name, value| {
                assert!(line.contains(&format!(" {name}={value}")), "{name}: {line}");
                written += 1;
            });
            assert_eq!(line.matches('=').count(), written, "nothing else: {line}");
            assert_eq!(
                Log::of(&event, Severity::INFO).is_empty(),
                event.level() == Level::Debug,
                "{line}"
            );
        }
    }
}
