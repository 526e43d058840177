//! Reports when many cookies are refused: a bad deploy shows in the log, and made-up cookies cannot fill it.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Reason;
use crate::ids::KeyId;
use crate::session::event::Event;

/// Counts the requests whose cookies were looked at, minute by minute, on the clock that the caller gives.
pub(crate) struct Alarm {
    /// The minute that is counted.
    minute: AtomicU64,
    /// How many there were in it.
    total: AtomicU64,
    /// The refused ones, by reason.
    refused: Mutex<Vec<Refused>>,
}

/// The requests that were refused for one reason.
struct Refused {
    reason: Reason,
    count: u64,
    key_ids: Commonest,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self {
            minute: AtomicU64::new(0),
            total: AtomicU64::new(0),
            refused: Mutex::default(),
        }
    }

    /// Counts one request; if it was refused, with the reason and the key that it named. The first request after a
    /// minute returns the events of that minute.
    pub(crate) fn looked(&self, refused: Option<(Reason, Option<KeyId>)>, now: u64) -> Vec<Event> {
        let minute = now / MINUTE;
        let counted = self.minute.load(Ordering::Acquire);
        // A request that began in the minute before counts in this one.
        let news = if counted == minute || counted == minute + 1 {
            Vec::new()
        } else {
            self.begin(minute)
        };
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Some((reason, key_id)) = refused {
            self.count(reason, key_id);
        }
        news
    }

    fn count(&self, reason: Reason, key_id: Option<KeyId>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let index = refused.iter().position(|of| of.reason == reason).unwrap_or_else(|| {
            refused.push(Refused {
                reason,
                count: 0,
                key_ids: Commonest::default(),
            });
            refused.len() - 1
        });
        let of = &mut refused[index];
        of.count += 1;
        key_id.into_iter().for_each(|id| of.key_ids.count(id));
    }

    /// Begins another minute, and judges the one that was counted until now.
    fn begin(&self, minute: u64) -> Vec<Event> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if self.minute.load(Ordering::Acquire) == minute {
            // Another thread was faster.
            return Vec::new();
        }
        let total = self.total.swap(0, Ordering::Relaxed);
        // A thread that sees the new minute counts after the total was taken.
        self.minute.store(minute, Ordering::Release);
        let many = refused
            .drain(..)
            .filter(|of| of.count >= FEWEST && of.count.saturating_mul(PART) >= total);
        let told = many.map(|of| Event::ManyRejected {
            reason: of.reason,
            count: of.count,
            total,
            key_ids: of.key_ids.first_three(),
        });
        told.collect()
    }
}

/// The commonest key ids of a minute, in bounded memory (Misra and Gries): with up to [`PLACES`](Self::PLACES)
/// different ids the counts are exact. With more ids, every id that makes up more than a seventeenth of all is among
/// these.
#[derive(Default)]
struct Commonest(Vec<(KeyId, u64)>);

impl Commonest {
    const PLACES: usize = 16;

    fn count(&mut self, id: KeyId) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == id) {
            *count += 1;
        } else if self.0.len() < Self::PLACES {
            self.0.push((id, 1));
        } else {
            self.0.iter_mut().for_each(|(_, count)| *count -= 1);
            self.0.retain(|&(_, count)| count > 0);
        }
    }

    fn first_three(mut self) -> Vec<KeyId> {
        self.0.sort_by_key(|&(_, count)| Reverse(count));
        self.0.iter().take(3).map(|&(id, _)| id).collect()
    }
}

/// In seconds.
const MINUTE: u64 = 60;
/// Fewer than this many in a minute are not reported.
const FEWEST: u64 = 20;
/// Less than one in this many is not reported either.
const PART: u64 = 5;

#[cfg(test)]
mod tests;
