//! What requests, the writer and the reader share. Every lock is held for a few lines.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealed_session::Event;
use sealed_session::events::Observer;
use sealed_session::revocation::{Revocation, RevocationList, Revocations, write_list};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::Health;
use crate::clock::{Clock, MOST_APART, now, seconds};
use crate::connection::Redis;
use crate::guard::Guarded;
use crate::record::{NewsId, Record};

pub(crate) struct Shared {
    pub(crate) list: Revocations,
    pub(crate) redis: Redis,
    pub(crate) record: Record,
    /// How many replicas must have a revocation before it counts as confirmed.
    pub(crate) replicas: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// A copy of the progress, for waiting without a thread.
    pub(crate) progress: watch::Sender<Progress>,
    /// There is something to write, or the last handle was dropped.
    pub(crate) wake: Notify,
    pub(crate) ring_notice: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// Keeps the guard of the observer, of which the list has a weak pointer.
    observer: Mutex<Option<Arc<dyn Observer>>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) progress: Progress,
    /// How many revocations were made here since the start.
    made: u64,
    /// Revocations of this server that are not in Redis yet; `None` stands for a cut-off.
    unsent: VecDeque<Option<Revocation>>,
    /// Revocations that were in Redis, and may be lost there.
    again: VecDeque<Option<Revocation>>,
    /// There were too many to keep: the whole list has to be written.
    pub(crate) is_overflown: bool,
    /// Revocations of this server that are in Redis, with the news by which they are: written again if it loses them.
    recent: VecDeque<(NewsId, Option<Revocation>)>,
    /// There were too many of them.
    has_forgotten: bool,
    /// The last news that was read.
    pub(crate) position: Option<NewsId>,
    /// The place of the last look, or of the set: if it is still there, nothing that came later was trimmed unread.
    pub(crate) anchor: Option<NewsId>,
    /// The set was read, and nothing was lost since.
    pub(crate) has_read_set: bool,
    /// Redis lacks something that was not written again yet.
    pub(crate) is_lacking: bool,
    /// News that was in Redis at this time and is not read yet.
    behind: Option<(NewsId, Instant)>,
    clock: Option<Clock>,
    /// What keeps the two sides from their work.
    troubles: [Option<String>; 2],
    trouble_reported: Option<Instant>,
    contacts: [Option<Instant>; 2],
    pub(crate) is_stopped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The set was read, and the news after it.
    pub(crate) joined: bool,
    /// How many of the revocations that were made here are in Redis, and in as many replicas as asked for.
    pub(crate) confirmed: u64,
}

/// The two sides that talk to Redis.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Writer,
    Reader,
}

impl Shared {
    pub(crate) fn new(list: Revocations, redis: Redis, record: Record, replicas: usize) -> Self {
        Self {
            list,
            redis,
            record,
            replicas,
            state: Mutex::default(),
            changed: Condvar::new(),
            progress: watch::Sender::default(),
            wake: Notify::new(),
            ring_notice: Mutex::default(),
            observer: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_done`, for at most `limit`. Returns whether it is done.
    pub(crate) fn wait(&self, limit: Option<Duration>, is_done: impl Fn(&State) -> bool) -> bool {
        let state = self.state();
        let go_on = |state: &mut State| !is_done(state);
        match limit {
            None => drop(self.changed.wait_while(state, go_on)),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(state, limit, go_on);
                return !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
            }
        }
        true
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        self.progress
            .send_if_modified(|told| mem::replace(told, state.progress) != state.progress);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn report_to(&self, observer: &Arc<dyn Observer>) {
        let guarded: Arc<dyn Observer> = Arc::new(Guarded(Arc::downgrade(observer)));
        self.list.report_to(&guarded);
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(guarded);
    }

    // ---- Revocations of this server

    /// A revocation, or a raised cut-off, was made here.
    pub(crate) fn made(&self, revoked: Option<Revocation>) {
        let mut state = self.state();
        state.made += 1;
        if state.unsent.len() == MOST_UNSENT {
            state.unsent.clear();
            state.is_overflown = true;
        }
        state.unsent.push_back(revoked);
        drop(state);
        self.wake.notify_one();
    }

    /// How many were made here.
    pub(crate) fn made_so_far(&self) -> u64 {
        self.state().made
    }

    /// The next revocations to put, and the list that they make.
    pub(crate) fn batch(&self) -> Option<Batch> {
        let state = self.state();
        let is_again = !state.again.is_empty();
        let queue = if is_again { &state.again } else { &state.unsent };
        let revoked: Vec<_> = queue.iter().take(AT_ONCE).copied().collect();
        drop(state);
        let list = write_list(self.list.cut_off(), revoked.iter().flatten().copied());
        (!revoked.is_empty()).then_some(Batch {
            revoked,
            is_again,
            list,
        })
    }

    /// A batch is in Redis, at the latest with this news.
    pub(crate) fn put(&self, batch: Batch, by: NewsId) {
        let mut state = self.state();
        let queue = if batch.is_again {
            &mut state.again
        } else {
            &mut state.unsent
        };
        // An overflow may have cleared the queue meanwhile; then the whole list is written soon.
        queue.drain(..batch.revoked.len().min(queue.len()));
        state
            .recent
            .extend(batch.revoked.into_iter().map(|revoked| (by, revoked)));
        if state.recent.len() > MOST_UNSENT {
            // They are not read back: after a loss, the whole list is written.
            state.recent.clear();
            state.has_forgotten = true;
        }
    }

    /// Whether what was put lately was more than can be kept.
    pub(crate) fn take_forgotten(&self) -> bool {
        mem::take(&mut self.state().has_forgotten)
    }

    /// How many of the revocations that were made here were put, whether replicas have them or not.
    pub(crate) fn put_so_far(&self) -> u64 {
        let state = self.state();
        match state.is_overflown {
            true => state.progress.confirmed,
            false => state.made - state.unsent.len() as u64,
        }
    }

    pub(crate) fn confirm(&self, put: u64) {
        self.change(|state| state.progress.confirmed = put);
    }

    /// The stream has everything up to this news: what was put before it need not be put again.
    pub(crate) fn has(&self, news: NewsId) {
        let mut state = self.state();
        while state.recent.front().is_some_and(|(by, _)| *by <= news) {
            state.recent.pop_front();
        }
    }

    /// Redis has lost something: what was put lately is put again, and the set is read again.
    pub(crate) fn lost(&self) {
        let state = &mut *self.state();
        state.again.extend(state.recent.drain(..).map(|(_, revoked)| revoked));
        (state.position, state.anchor) = (None, None);
        (state.has_read_set, state.is_lacking) = (false, true);
    }

    // ---- News of the others

    /// Everything up to this news is in the list.
    pub(crate) fn read(&self, news: NewsId) {
        let mut state = self.state();
        state.position = state.position.max(Some(news));
        if state.behind.is_some_and(|(id, _)| state.position >= Some(id)) {
            state.behind = None;
        }
    }

    /// The set is in the list, and this was the latest news before it was read.
    pub(crate) fn read_set_before(&self, news: NewsId) {
        let mut state = self.state();
        (state.position, state.anchor) = (Some(news), Some(news));
        state.behind = state.behind.filter(|(id, _)| *id > news);
    }

    /// A look saw that this place is there, and the anchor before it.
    pub(crate) fn anchor_at(&self, news: NewsId) {
        let mut state = self.state();
        // Something may have been lost since.
        state.anchor = state.anchor.map(|_| news);
    }

    /// A look saw that this is the latest news.
    pub(crate) fn latest_is(&self, news: NewsId) {
        let mut state = self.state();
        // Before the set is read, that is not joined, and no lag.
        if state.behind.is_none() && state.position.is_some_and(|position| position < news) {
            state.behind = Some((news, Instant::now()));
        }
    }

    pub(crate) fn joined(&self) {
        if !self.state().progress.joined {
            self.change(|state| state.progress.joined = true);
        }
    }

    // ---- Contact and clocks

    pub(crate) fn worked(&self, side: Side) {
        let mut state = self.state();
        state.contacts[side as usize] = Some(Instant::now());
        state.troubles[side as usize] = None;
        let is_well = state.troubles.iter().all(Option::is_none);
        let recovered = is_well && state.trouble_reported.take().is_some();
        drop(state);
        if recovered {
            self.list.report(Event::RevocationStoreRecovered);
        }
    }

    pub(crate) fn failed(&self, side: Side, error: String) {
        let mut is_reported = false;
        self.change(|state| {
            is_reported = state.trouble_reported.is_none_or(|at| at.elapsed() >= REPEATED);
            if is_reported {
                state.trouble_reported = Some(Instant::now());
            }
            state.troubles[side as usize] = Some(error.clone());
        });
        if is_reported {
            self.list.report(Event::RevocationStoreLost { error });
        }
    }

    /// The clock of Redis was read. Returns by how many seconds this server's clock is ahead.
    pub(crate) fn clock_is(&self, redis: u64) -> i64 {
        let ahead = now().unix_timestamp().saturating_sub_unsigned(redis);
        let mut state = self.state();
        let read = Instant::now();
        let mut reported = state.clock.and_then(|clock| clock.reported);
        let is_off = ahead.unsigned_abs() > MOST_APART;
        let told = is_off && reported.is_none_or(|at| read - at >= REPEATED);
        match (is_off, told) {
            (false, _) => reported = None,
            (true, true) => reported = Some(read),
            (true, false) => {}
        }
        let is_first = state.clock.is_none();
        state.clock = Some(Clock {
            redis,
            read,
            ahead,
            reported,
        });
        let early = if is_first {
            seconds(ahead.min(0).unsigned_abs())
        } else {
            time::Duration::ZERO
        };
        let mut corrected = Vec::new();
        if early.is_positive() {
            // What was revoked here before the clock was known.
            for revoked in state.unsent.iter_mut().flatten() {
                revoked.until = revoked.until.saturating_add(early);
                corrected.push(*revoked);
            }
        }
        drop(state);
        for revoked in corrected {
            self.list.revoke_at(revoked, self.careful(now()));
        }
        if told {
            self.list.report(Event::RevocationStoreClock { ahead });
        }
        ahead
    }

    /// The time of Redis, by a clock that never jumps.
    fn redis_time(&self) -> Option<OffsetDateTime> {
        self.state().clock?.time()
    }

    /// The earlier of this time and the time of Redis: by it, entries are dropped. If this server's clock is ahead for
    /// a while, it must not forget what it needs when the clock is right again.
    pub(crate) fn careful(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.redis_time().map_or(now, |redis| redis.min(now))
    }

    /// A server whose clock is slow makes ends that are too early for the others.
    pub(crate) fn corrected(&self, revoked: Revocation, now: OffsetDateTime) -> Revocation {
        let slow = self.redis_time().map_or(time::Duration::ZERO, |redis| redis - now);
        let until = revoked.until.saturating_add(slow.max(time::Duration::ZERO));
        Revocation { until, ..revoked }
    }

    pub(crate) fn health(&self) -> Health {
        let (entries, state) = (self.list.len(), self.state());
        let [writer, reader] = state.contacts;
        Health {
            joined: state.progress.joined,
            // Of the two sides, the one that was in touch longer ago.
            last_contact: writer.zip(reader).map(|(one, other)| one.min(other).elapsed()),
            lag: state.behind.map_or(Duration::ZERO, |(_, since)| since.elapsed()),
            entries,
            unconfirmed: usize::try_from(state.made - state.progress.confirmed).unwrap_or(usize::MAX),
            clock_ahead: state.clock.map(|clock| clock.ahead),
        }
    }
}

impl State {
    pub(crate) fn trouble(&self) -> Option<&String> {
        self.troubles.iter().flatten().next()
    }
}

/// Revocations that are put together.
pub(crate) struct Batch {
    revoked: Vec<Option<Revocation>>,
    pub(crate) is_again: bool,
    pub(crate) list: Vec<u8>,
}

/// How many revocations are kept for a Redis that is away, in entries of 32 bytes. If there are more, the whole list is
/// written when it is back.
const MOST_UNSENT: usize = 65_536;
/// How many revocations are put at once.
pub(crate) const AT_ONCE: usize = 1_000;
/// A failure that lasts is reported again after this time.
const REPEATED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
