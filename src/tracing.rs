//! Feature `tracing`: an observer that writes every event to the log.

use ::tracing::{Level, event};

use crate::session::event::{Event, Observer};

/// Writes every [`Event`] to `tracing`, with ids and reasons and never with session data.
///
/// Target `sealed_session`. Errors are revocations that will be lost, warnings are what an operator should look at, rejections
/// are information, the rest is for debugging.
///
/// ```
/// use sealed_session::{Key, KeyRing, Sessions, TracingObserver};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).observer(TracingObserver).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn event(&self, event: &Event) {
        match event {
            Event::Rejected { reason, id } => {
                event!(target: "sealed_session", Level::INFO, ?event, id = ?id, "session rejected: {reason}");
            }
            Event::CutOffRaised { .. } | Event::KeysReplaced | Event::Revoked { .. } => {
                event!(target: "sealed_session", Level::INFO, ?event);
            }
            Event::RevocationsFull { .. } | Event::RevocationFileNotWritten { .. } => {
                event!(target: "sealed_session", Level::ERROR, ?event);
            }
            Event::Started { .. }
            | Event::Updated { .. }
            | Event::Cycled { .. }
            | Event::Renewed { .. }
            | Event::Cleared { .. } => event!(target: "sealed_session", Level::DEBUG, ?event),
            _ => event!(target: "sealed_session", Level::WARN, ?event),
        }
    }
}
