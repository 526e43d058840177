//! When the ring file is looked at: at intervals, and at once after a notice.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use sealed_session::keys::KeyReloader;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Follows the file for ever. Without notices, `reloader.every(interval)` does the same in one line.
pub(crate) fn follow<T: Serialize + DeserializeOwned + Send + Sync + 'static>(
    mut reloader: KeyReloader<T>,
    changed: &Receiver<()>,
    interval: Duration,
) {
    loop {
        // What a look comes to is an event.
        let _ = match changed.recv_timeout(interval) {
            // Who sends a notice has written the file: no second look is needed.
            Ok(()) => reloader.reload_now(),
            Err(RecvTimeoutError::Timeout) => reloader.poll(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}
