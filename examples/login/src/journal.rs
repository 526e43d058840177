//! What the operator of this server sees of the sessions' events: the last ones, and how many there were of each kind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use sealed_session::Event;
use sealed_session::events::Level;
use time::OffsetDateTime;

use crate::terminal;

/// Events since the start of this process. No event has a cookie or session data in it.
pub(crate) struct Journal(Mutex<Events>);

pub(crate) struct Events {
    pub(crate) since: OffsetDateTime,
    /// The newest first.
    pub(crate) last: VecDeque<Line>,
    /// By the event's name, and the reason if it has one.
    pub(crate) counts: BTreeMap<(&'static str, Option<&'static str>), u64>,
}

pub(crate) struct Line {
    pub(crate) time: OffsetDateTime,
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// How many events are kept.
const KEPT: usize = 30;

impl Journal {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Events {
            since: OffsetDateTime::now_utc(),
            last: VecDeque::with_capacity(KEPT),
            counts: BTreeMap::new(),
        }))
    }

    /// Prints an event, keeps it and counts it.
    pub(crate) fn note(&self, event: &Event) {
        let (word, text) = terminal::describe(event);
        terminal::say(word, &text);
        let reason = match event {
            Event::Rejected { reason, .. } | Event::ManyRejected { reason, .. } => Some(reason.name()),
            _ => None,
        };
        self.with(|events| {
            *events.counts.entry((event.name(), reason)).or_default() += 1;
            events.last.truncate(KEPT - 1);
            events.last.push_front(Line {
                time: OffsetDateTime::now_utc(),
                level: event.level(),
                name: event.name(),
                text,
            });
        });
    }

    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Events) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
