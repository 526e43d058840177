//! Revoked ids in 256 sorted runs, one per first byte of the id: looked up by bisection, so no choice of ids makes a lookup
//! slow; written, pruned and bounded one run at a time, so that no reader waits for the whole list, and entries that begin alike
//! can push out only each other.

use std::array;
use std::cmp::Ordering::{Equal, Less};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::ids::SessionId;
use crate::revocation::snapshot::{Entry, Writer};

pub(crate) struct Shards {
    runs: Box<[RwLock<Run>; 256]>,
    /// How many entries a run has room for.
    most_of_run: usize,
    /// The entries of all runs.
    len: AtomicUsize,
}

/// What joining did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// How many entries were news.
    pub(crate) news: usize,
    /// How many of these and the older ones made room.
    pub(crate) dropped: usize,
}

/// Entries by ascending id, each id once.
#[derive(Default)]
struct Run {
    entries: Vec<Entry>,
    /// At this many entries the next pruning pays for itself.
    prune_at: usize,
}

impl Shards {
    /// With room for `most` entries, if they begin as evenly as random ones do: a run may have 4 standard deviations more than
    /// its 256th.
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

    /// Joins entries with different ids, all beginning with this byte: of two instants for one id the later one holds, and
    /// what is over at `now` is passed over. If the run is full, the entries that end first make room, be they old or new.
    ///
    /// `note` gets what was news before anybody else finds it here.
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

    /// Drops what is over and writes the rest.
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
        // Adds the difference: both wrap.
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
            // An eighth to spare instead of the double: memory matters more here than the copying.
            self.entries.reserve_exact(added.len() + self.entries.len() / 8);
        }
        if let &[entry] = added {
            let at = self.find(entry.id).unwrap_or_else(|at| at);
            self.entries.insert(at, entry);
        } else if !added.is_empty() {
            self.entries.extend_from_slice(added);
            // A stable sort merges two runs in linear time, however many are added.
            self.entries.sort_by_key(|entry| entry.id);
        }
    }

    /// If there are more than `most`, drops those that end first, and a 16th more, so that the next ones have room for long.
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
        // A quarter more: each entry is looked at about five times over all prunings.
        self.prune_at = length + length / 4;
        if self.entries.capacity() > 2 * length {
            self.entries.shrink_to(length + length / 8);
        }
    }
}

const SMALLEST_PRUNING: usize = 16;
