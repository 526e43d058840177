//! Revoked ids in 256 sorted runs, one per first byte of the id. A lookup bisects a run, so no choice of ids makes it
//! slow. Runs are written, pruned and bounded one at a time, so no reader waits for the whole list, and an entry can
//! push out only entries with the same first byte.

use std::array;
use std::cmp::Ordering::{Equal, Less};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::ids::SessionId;
use crate::revocation::snapshot::{Entry, Writer};

pub(crate) struct Shards {
    runs: Box<[RwLock<Run>; 256]>,
    /// The number of entries for which a run has room.
    most_of_run: usize,
    /// The number of entries in all runs.
    len: AtomicUsize,
}

/// The result of joining entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// The number of entries that were news.
    pub(crate) news: usize,
    /// The number of entries, new or old, that were dropped to make room.
    pub(crate) dropped: usize,
}

/// Entries by ascending id, each id once.
#[derive(Default)]
struct Run {
    entries: Vec<Entry>,
    /// At this number of entries, the next pruning pays for itself.
    prune_at: usize,
}

impl Shards {
    /// Shards with room for `most` entries with random ids: a run may have 4 standard deviations more than a 256th of
    /// them.
    pub(crate) fn new(most: usize) -> Self {
        let share = most.div_ceil(256);
        Self {
            runs: Box::new(array::from_fn(|_| RwLock::default())),
            most_of_run: share + 4 * share.isqrt(),
            len: AtomicUsize::new(0),
        }
    }

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        let run = self.runs[usize::from(id.0[0])].read();
        run.unwrap_or_else(PoisonError::into_inner).find(id).is_ok()
    }

    /// Joins entries with different ids that all begin with this byte. Of two ends for one id the later one holds, and
    /// entries that have ended at `now` are left out. If the run is full, the entries that end first are dropped, be
    /// they old or new.
    ///
    /// `note` gets the news before any other thread finds them here.
    pub(crate) fn join(
        &self,
        first: u8,
        entries: impl Iterator<Item = Entry>,
        now: u64,
        note: impl FnOnce(&[Entry]),
    ) -> Joined {
        self.change(usize::from(first), |run| {
            let news = run.join(entries, now);
            note(&news);
            if run.entries.len() > self.most_of_run {
                run.prune(now);
            }
            Joined {
                news: news.len(),
                dropped: run.make_room(self.most_of_run),
            }
        })
    }

    /// Drops entries that have ended, and writes the others.
    pub(crate) fn write(&self, writer: &mut Writer, now: u64) {
        for run in 0..self.runs.len() {
            self.change(run, |run| {
                run.prune(now);
                run.entries.iter().for_each(|&entry| writer.push(entry));
            });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    fn change<R>(&self, run: usize, act: impl FnOnce(&mut Run) -> R) -> R {
        let mut run = self.runs[run].write().unwrap_or_else(PoisonError::into_inner);
        let before = run.entries.len();
        let result = act(&mut run);
        // Adds the difference, which may be negative: both operations wrap.
        self.len
            .fetch_add(run.entries.len().wrapping_sub(before), Ordering::Relaxed);
        result
    }
}

impl Run {
    fn find(&self, id: SessionId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id)
    }

    fn join(&mut self, entries: impl Iterator<Item = Entry>, now: u64) -> Vec<Entry> {
        let mut news = Vec::new();
        let mut added = Vec::new();
        for entry in entries.filter(|entry| u64::from(entry.until) > now) {
            match self.find(entry.id) {
                Ok(at) if self.entries[at].until >= entry.until => continue,
                Ok(at) => self.entries[at] = entry,
                Err(_) => added.push(entry),
            }
            news.push(entry);
        }
        if self.entries.len() + added.len() >= self.prune_at.max(SMALLEST_PRUNING) {
            self.prune(now);
        }
        self.add(&added);
        news
    }

    fn add(&mut self, added: &[Entry]) {
        if self.entries.capacity() - self.entries.len() < added.len() {
            // An eighth to spare instead of doubling: here, memory matters more than copying.
            self.entries.reserve_exact(added.len() + self.entries.len() / 8);
        }
        if let &[entry] = added {
            let at = self.find(entry.id).unwrap_or_else(|at| at);
            self.entries.insert(at, entry);
        } else if !added.is_empty() {
            self.entries.extend_from_slice(added);
            // A stable sort merges two sorted runs in linear time, however many entries are added.
            self.entries.sort_by_key(|entry| entry.id);
        }
    }

    /// If there are more than `most` entries, drops those that end first, and a 16th more, so that there is room for
    /// many later entries.
    fn make_room(&mut self, most: usize) -> usize {
        if self.entries.len() <= most {
            return 0;
        }
        let excess = self.entries.len() - (most - most / 16);
        let mut ends: Vec<u32> = self.entries.iter().map(|entry| entry.until).collect();
        let (earlier, &mut last, _) = ends.select_nth_unstable(excess - 1);
        let mut at_last = excess - earlier.iter().filter(|&&end| end < last).count();
        self.entries.retain(|entry| match entry.until.cmp(&last) {
            Less => false,
            Equal if at_last > 0 => {
                at_last -= 1;
                false
            }
            _ => true,
        });
        excess
    }

    fn prune(&mut self, now: u64) {
        self.entries.retain(|entry| u64::from(entry.until) > now);
        let length = self.entries.len();
        // A quarter more: each entry is read about five times over all prunings.
        self.prune_at = length + length / 4;
        if self.entries.capacity() > 2 * length {
            self.entries.shrink_to(length + length / 8);
        }
    }
}

const SMALLEST_PRUNING: usize = 16;
