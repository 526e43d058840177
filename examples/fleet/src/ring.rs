//! When the server looks at the ring file: at intervals, and at once after a notice.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use sealed_session::keys::KeyReloader;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Follows the file and never returns. Without notices, `reloader.every(interval)` does the same in one line.
pub(crate) fn follow<T: Serialize + DeserializeOwned + Send + Sync + 'static>(
    mut reloader: KeyReloader<T>,
    changed: &Receiver<()>,
    interval: Duration,
) {
    loop {
        // An event reports the result of a look.
        let _ = match changed.recv_timeout(interval) {
            // The sender of a notice has written the file, so no second look is needed.
            Ok(()) => reloader.reload_now(),
            Err(RecvTimeoutError::Timeout) => reloader.poll(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}
