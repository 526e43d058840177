//! Tells when many cookies are refused: a bad deploy shows in the log, and made-up cookies cannot fill it.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Reason;
use crate::ids::KeyId;
use crate::session::event::Event;

/// Counts what was looked at in one minute after the other, on the clock that the caller gives.
pub(crate) struct Alarm {
    /// The minute that is counted.
    minute: AtomicU64,
    /// How many were looked at in it.
    total: AtomicU64,
    /// What was refused in it.
    refused: Mutex<Vec<Refused>>,
}

/// What was refused for one reason.
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

    /// Counts one look, with the reason and the key that was named if it was refused. Returns what is to be told of the
    /// minute before, if this is the first look after it.
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
        // Whoever sees the new minute counts after the total was taken.
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

/// The commonest key ids of a minute, in bounded memory (Misra and Gries): with up to [`PLACES`](Self::PLACES) different
/// ids the counts are exact, and whatever else comes, an id with more than a seventeenth of them is among these.
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
/// Fewer than this many in a minute are no news.
const FEWEST: u64 = 20;
/// Nor is less than this part of what was looked at.
const PART: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: Reason = Reason::UnknownKey;

    fn key(number: u32) -> KeyId {
        KeyId(number.to_be_bytes())
    }

    /// So many looks in the minute 100, refused or not, and what the next minute's first look tells.
    #[track_caller]
    fn told(refused: u64, good: u64) -> Option<(u64, u64)> {
        let alarm = Alarm::new();
        for look in 0..refused {
            assert_eq!(alarm.looked(Some((UNKNOWN, Some(key(1)))), 6000 + look % 60), []);
        }
        for look in 0..good {
            assert_eq!(alarm.looked(None, 6000 + look % 60), []);
        }
        let news = alarm.looked(None, 6060);
        assert_eq!(alarm.looked(None, 6120), [], "and nothing twice");
        match &news[..] {
            [] => None,
            [
                Event::ManyRejected {
                    reason: UNKNOWN,
                    count,
                    total,
                    key_ids,
                },
            ] if *key_ids == [key(1)] => Some((*count, *total)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn twenty_and_a_fifth_in_a_minute_are_many() {
        assert_eq!(told(20, 0), Some((20, 20)));
        assert_eq!(told(19, 0), None);
        assert_eq!(told(20, 80), Some((20, 100)));
        assert_eq!(told(20, 81), None);
        assert_eq!(told(999, 4000), None);
        assert_eq!(told(1000, 4000), Some((1000, 5000)));
        assert_eq!(told(0, 5000), None);
    }

    #[test]
    fn each_reason_counts_by_itself_and_is_told_once_a_minute() {
        let alarm = Alarm::new();
        let mut told = Vec::new();
        for second in 6000..6180 {
            for _ in 0..2 {
                told.extend(alarm.looked(Some((UNKNOWN, None)), second));
            }
            told.extend(alarm.looked(Some((Reason::Idle, None)), second));
            told.extend(alarm.looked(Some((Reason::Malformed, None)), second / 10 * 10));
        }
        told.extend(alarm.looked(None, 6180));
        let of_a_minute = [(UNKNOWN, 120), (Reason::Idle, 60), (Reason::Malformed, 60)];
        let expected = of_a_minute.map(|(reason, count)| Event::ManyRejected {
            reason,
            count,
            total: 240,
            key_ids: vec![],
        });
        assert_eq!(told, [expected.clone(), expected.clone(), expected].concat());
    }

    #[test]
    fn the_three_commonest_keys_are_named_whatever_a_stranger_makes_up() {
        let alarm = Alarm::new();
        let mut made_up = 1000;
        for (number, count) in [(3, 60), (1, 150), (4, 20), (2, 100)] {
            for _ in 0..count {
                alarm.looked(Some((UNKNOWN, Some(key(number)))), 6000);
                made_up += 1;
                alarm.looked(Some((UNKNOWN, Some(key(made_up)))), 6000);
            }
            assert!(alarm.refused.lock().unwrap()[0].key_ids.0.len() <= Commonest::PLACES);
        }
        let news = alarm.looked(None, 6060);
        let [Event::ManyRejected { count, key_ids, .. }] = &news[..] else {
            panic!("{news:?}");
        };
        assert_eq!((*count, &key_ids[..]), (660, &[key(1), key(2), key(3)][..]));
    }

    #[test]
    fn a_clock_that_goes_back_begins_another_minute() {
        let alarm = Alarm::new();
        for _ in 0..20 {
            alarm.looked(Some((UNKNOWN, None)), 6000);
        }
        assert_eq!(alarm.looked(None, 60).len(), 1);
        assert_eq!(alarm.looked(None, 6000), []);
    }

    #[test]
    fn a_request_that_began_in_the_minute_before_counts_in_this_one() {
        let alarm = Alarm::new();
        for second in [6060, 6059].repeat(10) {
            assert_eq!(alarm.looked(Some((UNKNOWN, None)), second), []);
        }
        assert_eq!(alarm.looked(None, 6120).len(), 1);
    }

    #[test]
    fn threads_count_together() {
        let alarm = Alarm::new();
        alarm.looked(None, 6000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..300).for_each(|_| drop(alarm.looked(Some((UNKNOWN, Some(key(1)))), 6030))));
            }
        });
        let expected = Event::ManyRejected {
            reason: UNKNOWN,
            count: 1200,
            total: 1201,
            key_ids: vec![key(1)],
        };
        assert_eq!(alarm.looked(None, 6060), [expected]);
    }
}
