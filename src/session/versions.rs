//! What was done to a session during one request: an append-only chain of versions.
//!
//! A version is never changed once it is there, so it can be lent without a lock; a write appends one, and finishing the
//! session closes the chain.

use std::sync::OnceLock;

use crate::session::content::Current;

/// One state of the session in this request, and the one that a write put behind it.
pub(super) struct Version<T> {
    pub(super) current: Current<T>,
    pub(super) done: Done,
    pub(super) next: OnceLock<Next<T>>,
}

pub(super) enum Next<T> {
    Version(Box<Version<T>>),
    /// The header block is sent: nothing follows.
    Closed,
}

/// What was done to the session so far; of several changes the one that matters most to the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) change: Change,
    /// `renew` was called.
    pub(crate) renew: bool,
    /// `clear` was called, whatever came after it.
    pub(crate) cleared: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    #[default]
    None,
    Written,
    Cycled,
    Started,
    Cleared,
}

/// How a request left its session.
pub(crate) enum Ending<'a, T> {
    Untouched,
    Touched {
        first: &'a Current<T>,
        last: &'a Current<T>,
        done: Done,
    },
}

impl Done {
    pub(super) fn and(self, change: Change) -> Self {
        Self {
            change: self.change.max(change),
            ..self
        }
    }
}

impl<T> Version<T> {
    pub(super) fn new(current: Current<T>, done: Done) -> Self {
        Self {
            current,
            done,
            next: OnceLock::new(),
        }
    }

    pub(super) fn last(&self) -> &Self {
        let mut version = self;
        while let Some(Next::Version(next)) = version.next.get() {
            version = next;
        }
        version
    }
}

impl<T> Drop for Version<T> {
    /// One version after the other: the compiler's own drop would recurse once per write.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(Next::Version(mut version)) = next {
            next = version.next.take();
        }
    }
}
