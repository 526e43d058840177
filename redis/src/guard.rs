//! Calls of what belongs to the application: its panics stop nothing here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;

use sealed_session::Event;
use sealed_session::events::Observer;

/// An observer whose panics stop nothing.
pub(crate) struct Guarded(pub(crate) Weak<dyn Observer>);

impl Observer for Guarded {
    fn event(&self, event: &Event) {
        if let Some(observer) = self.0.upgrade() {
            guarded(|| observer.event(event));
        }
    }
}

/// Calls what belongs to the application. If it panics, that is printed as for any thread, and the exchange goes on.
pub(crate) fn guarded(call: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(call));
}
