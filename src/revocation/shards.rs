//! Revoked ids in 256 sorted runs, one per first byte of the id: looked up by bisection, so no choice of ids makes a lookup
//! slow; written and pruned one run at a time, so that no reader waits for the whole list.

use std::array;
use std::sync::{PoisonError, RwLock};

use crate::ids::SessionId;
use crate::revocation::snapshot::{Entry, Writer};

pub(crate) struct Shards {
    runs: Box<[RwLock<Run>; 256]>,
}

/// Entries by ascending id, each id once.
#[derive(Default)]
struct Run {
    entries: Vec<Entry>,
    /// At this many entries the next pruning pays for itself.
    prune_at: usize,
}

impl Shards {
    pub(crate) fn contains(&self, id: SessionId) -> bool {
        let run = self.runs[usize::from(id.0[0])].read();
        run.unwrap_or_else(PoisonError::into_inner).find(id).is_ok()
    }

    /// Joins entries with different ids, all beginning with this byte: of two instants for one id the later one holds, and
    /// what is over at `now` is passed over. Returns what was news.
    pub(crate) fn join(&self, first: u8, entries: impl Iterator<Item = Entry>, now: u64) -> Vec<Entry> {
        let run = self.runs[usize::from(first)].write();
        run.unwrap_or_else(PoisonError::into_inner).join(entries, now)
    }

    /// Drops what is over and writes the rest.
    pub(crate) fn write(&self, writer: &mut Writer, now: u64) {
        for run in self.runs.iter() {
            let mut run = run.write().unwrap_or_else(PoisonError::into_inner);
            run.prune(now);
            run.entries.iter().for_each(|&entry| writer.push(entry));
        }
    }

    pub(crate) fn len(&self) -> usize {
        let lengths = self
            .runs
            .iter()
            .map(|run| run.read().unwrap_or_else(PoisonError::into_inner).entries.len());
        lengths.sum()
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self {
            runs: Box::new(array::from_fn(|_| RwLock::default())),
        }
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
