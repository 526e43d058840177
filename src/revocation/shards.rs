//! Revoked ids in 256 sorted runs, one per first byte of the id. Ids are random, so a lookup guesses the place in a run
//! and searches from there; no choice of ids makes it slower than two bisections. Runs are written, pruned and bounded
//! one at a time, so no reader waits for the whole list, and an entry can push out only entries with the same first
//! byte.

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

    /// Joins entries in ascending order of different ids that all begin with this byte. Of two ends for one id the
    /// later one holds, and entries that have ended at `now` are left out. If the run is full, the entries that end
    /// first are dropped, be they old or new.
    ///
    /// `note` gets the news before any other thread finds them here.
    pub(crate) fn join(
        &self,
        first: u8,
        entries: impl ExactSizeIterator<Item = Entry>,
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
        self.find_near(self.guess(id), id)
    }

    /// Where the id is if ids are spread evenly, corrected by the entry there: its neighbours are as far from such a
    /// place as it is.
    fn guess(&self, id: SessionId) -> usize {
        let length = self.entries.len();
        let even = |id: SessionId| {
            let after_first_byte = u64::from_be_bytes(id.0) << 8;
            ((u128::from(after_first_byte) * length as u128) >> 64) as usize
        };
        let first = even(id);
        let there = self.entries.get(first).map_or(0, |entry| even(entry.id));
        (2 * first).saturating_sub(there).min(length)
    }

    /// As `binary_search`, but in doubling steps from a guess until the id is passed: where guesses are good, few cache
    /// lines are read, and where they are bad, about twice as many as without.
    fn find_near(&self, guess: usize, id: SessionId) -> Result<usize, usize> {
        let entries = &self.entries;
        let passed = |at: usize| entries.get(at).is_none_or(|entry| entry.id > id);
        let (mut low, mut high, mut step) = (guess, guess, 4);
        if passed(guess) {
            while low > 0 && passed(low) {
                high = low;
                low = low.saturating_sub(step);
                step *= 2;
            }
        } else {
            while !passed(high) {
                low = high;
                high = (high + step).min(entries.len());
                step *= 2;
            }
        }
        let found = entries[low..high].binary_search_by_key(&id, |entry| entry.id);
        found.map(|at| low + at).map_err(|at| low + at)
    }

    fn join(&mut self, entries: impl ExactSizeIterator<Item = Entry>, now: u64) -> Vec<Entry> {
        if self.entries.len() + entries.len() >= self.prune_at.max(SMALLEST_PRUNING) {
            self.prune(now);
        }
        let mut entries = entries.filter(|entry| u64::from(entry.until) > now).peekable();
        let mut at = entries.peek().map_or(0, |first| self.guess(first.id));
        let (mut news, mut added) = (Vec::new(), Vec::new());
        for entry in entries {
            let found = self.find_near(at, entry.id);
            at = found.unwrap_or_else(|at| at);
            match found {
                Ok(at) if self.entries[at].until >= entry.until => continue,
                Ok(at) => self.entries[at] = entry,
                Err(at) => added.push((at, entry)),
            }
            news.push(entry);
        }
        self.add(&added);
        news
    }

    /// Inserts each entry before the one that has this place now. The places must ascend.
    fn add(&mut self, added: &[(usize, Entry)]) {
        let mut end = self.entries.len();
        if self.entries.capacity() - end < added.len() {
            // An eighth to spare instead of doubling: here, memory matters more than copying.
            self.entries.reserve_exact(added.len() + end / 8);
        }
        self.entries.extend(added.iter().map(|(_, entry)| entry));
        // From the end, so that each entry that is there moves once.
        for (before, &(at, entry)) in added.iter().enumerate().rev() {
            self.entries.copy_within(at..end, at + before + 1);
            self.entries[at + before] = entry;
            end = at;
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

#[cfg(test)]
mod tests;
