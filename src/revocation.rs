//! What is revoked: a small trait, and the list in memory that prunes itself and travels between servers.

pub(crate) mod file;
pub(crate) mod shards;
pub(crate) mod snapshot;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use time::OffsetDateTime;

pub use crate::error::{RevocationFileError, RevocationsError};
use crate::ids::SessionId;
pub use crate::revocation::file::RevocationFile;
use crate::revocation::shards::{Joined, Shards};
use crate::revocation::snapshot::{Entry, Snapshot, Writer};
use crate::session::event::{Event, Observer};
use crate::time::{from_seconds, to_seconds, to_seconds_rounded_up};

/// What is revoked: session ids, and everything that started before the cut-off.
///
/// [`Revocations`] is the one to use, or a [`RevocationFile`], which survives a restart; implement the trait over a store of your
/// own. All methods but the last are called while a request is served: answer from memory, and fetch or publish elsewhere.
///
/// Only ids of genuine tokens are asked for: what anybody makes up is refused before.
#[doc(alias("denylist", "blocklist", "blacklist"))]
pub trait RevocationList: Send + Sync {
    /// Whether sessions of this id are to be refused.
    fn is_revoked(&self, id: SessionId) -> bool;

    /// Refuses sessions of this id from `now` on.
    #[doc(alias("revoke", "invalidate", "denylist"))]
    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime);

    /// The cut-off that this list knows: sessions that started before it are refused. Default: none.
    fn cut_off(&self) -> Option<OffsetDateTime> {
        None
    }

    /// The cut-off was raised on this server; it holds here whether the list keeps it or not. Default: nothing is kept.
    #[doc(alias("revoke_all", "reject_started_before"))]
    fn raise_cut_off(&self, instant: OffsetDateTime) {
        let _ = instant;
    }

    /// [`build`](crate::Builder::build) calls it with the observer of the sessions, if there is one: tell it what happens to the
    /// list itself. Keep it weakly, since it may hold the list. Default: nothing is told.
    fn report_to(&self, observer: &Arc<dyn Observer>) {
        let _ = observer;
    }
}

impl<L: RevocationList + ?Sized> RevocationList for Box<L> {
    fn is_revoked(&self, id: SessionId) -> bool {
        (**self).is_revoked(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        (**self).revoke_at(revoked, now);
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        (**self).cut_off()
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        (**self).raise_cut_off(instant);
    }

    fn report_to(&self, observer: &Arc<dyn Observer>) {
        (**self).report_to(observer);
    }
}

/// A session that is revoked, and for how long that must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The session.
    pub id: SessionId,
    /// After this no session of the id can be valid any more, and the entry may be dropped.
    pub until: OffsetDateTime,
}

/// Revoked session ids and the cut-off, in memory: small, fast to ask, and the same on every server that has merged the
/// same bytes, in whatever order and however often.
///
/// Clones are handles to one list: give one to [`revocation_list`](crate::Builder::revocation_list) and keep another
/// to send and receive. An entry goes by itself when no session can have its id any more: with a later revocation, merge or
/// snapshot, and without a thread.
///
/// An entry is 12 bytes as bytes, and 12 to 20 in memory: a million take 19 MB, and a snapshot of them 12 MB. A lookup bisects a
/// sorted run of a 256th of the entries under a read lock; a merge works in 256 steps between which readers go on.
/// `cargo bench --bench revocation_cost` of the repository prints what this costs.
///
/// [`snapshot_at`](Self::snapshot_at) is the whole list as bytes, for a server that starts, a file that survives a restart, or an
/// edge. [`delta_since_at`](Self::delta_since_at) is what came since the last time, for the others. The bytes are **not
/// authenticated**: who can write to the channel that carries them can sign everybody out, and nobody in.
///
/// ```
/// use sealed_session::revocation::{RevocationCursor, Revocations};
/// use sealed_session::{Key, KeyRing, RequestFields, Sessions};
/// # use time::OffsetDateTime;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
/// # let now = OffsetDateTime::now_utc();
/// let (here, there) = (Revocations::new(), Revocations::new());
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?)).revocation_list(here.clone()).build()?;
/// let session = sessions.load(RequestFields::from_cookies([sessions.cookie_for_at(Login { user: 7 }, now)?]));
///
/// // Somebody signs out; another server is told.
/// let mut sent = RevocationCursor::default();
/// session.id().map(|id| sessions.revoke(id));
/// let delta = here.delta_since_at(&mut sent, now).expect("there is news");
/// assert_eq!(there.merge_at(&delta, now)?, 1);
/// assert!(here.delta_since_at(&mut sent, now).is_none());
///
/// // After a restart, or to repair whatever got lost:
/// let again = Revocations::new();
/// again.merge_at(&there.snapshot_at(now), now)?;
/// assert_eq!(again.snapshot_at(now), here.snapshot_at(now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
}

struct Shared {
    ids: Shards,
    /// How many ids it is meant to hold.
    most: usize,
    cut_off: AtomicU32,
    log: Mutex<Log>,
    is_nearly_full: AtomicBool,
    reports: Mutex<Reports>,
}

/// Who hears what happens to the list, and what happened before there was anybody.
#[derive(Default)]
struct Reports {
    /// Weak, since an observer may well hold the list.
    observer: Option<Weak<dyn Observer>>,
    waiting: Vec<Event>,
}

/// The latest changes in the order in which they were made, for deltas.
#[derive(Default)]
struct Log {
    /// How many changes were dropped from the front.
    dropped: u64,
    changes: VecDeque<Change>,
}

#[derive(Clone, Copy)]
struct Change {
    /// `None`: the cut-off was raised.
    entry: Option<Entry>,
    /// Made here, not merged.
    own: bool,
}

/// How far somebody has followed one [`Revocations`] in this process. The default is its beginning.
///
/// It means nothing to another list, nor to the same server's list after a restart: begin anew there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationCursor(u64);

impl Revocations {
    /// A list of nothing, with room for 4,194,304 ids: see [`bounded`](Self::bounded).
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(1 << 22)
    }

    /// A list with room for `most` ids, at some 20 bytes each: 4,194,304 are 80 MB, once they are there.
    ///
    /// When it is full, what has expired goes first, and then the entries that end first: copies of those sessions open again
    /// until they expire. At 80 % there is an [`Event::RevocationsNearlyFull`], and when entries go before their time an
    /// [`Event::RevocationsFull`]. docs/operating.md has a table of memory by sign-outs a day.
    ///
    /// The room is divided by the first byte of the ids, which the crate draws at random, and each part has a little to spare
    /// for what chance does: so there may be more ids than `most`, by 3 % at 4,194,304 and by 6 % at a million. Ids that begin
    /// alike push out each other alone.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                ids: Shards::new(most),
                most,
                cut_off: AtomicU32::default(),
                log: Mutex::default(),
                is_nearly_full: AtomicBool::default(),
                reports: Mutex::default(),
            }),
        }
    }

    /// The whole list as bytes (SPEC.md, *Revocation list*), without entries that are over at `now`. Lists of the same
    /// content have the same snapshot.
    #[must_use]
    pub fn snapshot_at(&self, now: OffsetDateTime) -> Vec<u8> {
        let mut writer = Writer::new(self.shared.cut_off.load(Ordering::Acquire), self.len());
        self.shared.ids.write(&mut writer, to_seconds(now));
        writer.finish()
    }

    /// What came to this list since `cursor`, from here or by merging, as bytes; `None` if nothing came. The cursor moves
    /// on: keep a copy of the old one until the bytes are delivered.
    ///
    /// If the cursor is more than 65,536 changes behind, it is a whole snapshot.
    #[must_use]
    pub fn delta_since_at(&self, cursor: &mut RevocationCursor, now: OffsetDateTime) -> Option<Vec<u8>> {
        self.changes_since(cursor, now, |_| true)
    }

    /// As [`delta_since_at`](Self::delta_since_at), but only of what was revoked on this list itself: for a channel on which
    /// every server hears every other, so that nobody repeats what all have heard.
    #[must_use]
    pub fn own_delta_since_at(&self, cursor: &mut RevocationCursor, now: OffsetDateTime) -> Option<Vec<u8>> {
        self.changes_since(cursor, now, |change| change.own)
    }

    /// Where the list stands now: what comes later is in the delta since. Take it *before* a snapshot that goes with it.
    #[must_use]
    pub fn cursor(&self) -> RevocationCursor {
        RevocationCursor(self.log(|log| log.end()))
    }

    /// Joins a snapshot or a delta, and says how much of it was news: entries, and 1 for the cut-off.
    ///
    /// Nothing is ever lost by it: the later cut-off and, for each id, the later end hold. So any order, any repetition and
    /// any mixture of snapshots and deltas come to the same list. Entries that are over at `now` are passed over.
    ///
    /// # Errors
    /// [`RevocationsError`] if the bytes are not exactly a list of version 1; then nothing was joined. Whatever they claim,
    /// no more is allocated than they are long.
    pub fn merge_at(&self, bytes: &[u8], now: OffsetDateTime) -> Result<usize, RevocationsError> {
        Ok(self.merge_all(&[Snapshot::parse(bytes)?], now))
    }

    /// As [`merge_at`](Self::merge_at), of what a [`RevocationFile`] holds, such as that of another server: a snapshot, and after
    /// it deltas. What is cut off after the first whole one, as by a `kill -9` while it was written, is left out.
    ///
    /// # Errors
    /// [`RevocationsError`] if any of it is something else; then nothing was joined.
    pub fn merge_file_at(&self, bytes: &[u8], now: OffsetDateTime) -> Result<usize, RevocationsError> {
        let (read, result) = Snapshot::parse_all(bytes);
        result?;
        Ok(self.merge_all(&read, now))
    }

    /// As [`merge_file_at`](Self::merge_file_at), but what stands before anything else is joined.
    pub(crate) fn merge_readable(&self, bytes: &[u8], now: OffsetDateTime) {
        let (read, _) = Snapshot::parse_all(bytes);
        self.merge_all(&read, now);
    }

    /// How many ids it holds, including those that are over and not dropped yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.ids.len()
    }

    /// Whether it holds no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge_all(&self, lists: &[Snapshot<'_>], now: OffsetDateTime) -> usize {
        let cut_off = lists.iter().map(|list| list.cut_off).max().unwrap_or(0);
        let is_raised = self.raise_to(cut_off, false);
        if is_raised {
            self.report(Event::CutOffRaised { to: cut_off.into() });
        }
        let (mut news, mut dropped) = (usize::from(is_raised), 0);
        for (first, entries) in lists.iter().flat_map(Snapshot::by_first_byte) {
            let joined = self.join(first, entries, to_seconds(now), false);
            news += joined.news;
            dropped += joined.dropped;
        }
        self.report_room(dropped);
        news
    }

    fn join(&self, first: u8, entries: impl Iterator<Item = Entry>, now: u64, own: bool) -> Joined {
        self.shared.ids.join(first, entries, now, |news| {
            self.log(|log| {
                let entries = news.iter().map(|&entry| Some(entry));
                entries.for_each(|entry| log.push(Change { entry, own }));
            });
        })
    }

    fn raise_to(&self, to: u32, own: bool) -> bool {
        self.log(|log| {
            let raised = self.shared.cut_off.fetch_max(to, Ordering::AcqRel) < to;
            if raised {
                log.push(Change { entry: None, own });
            }
            raised
        })
    }

    /// After a change that dropped so many entries before their time.
    fn report_room(&self, dropped: usize) {
        let (entries, most, nearly) = (self.len(), self.shared.most, &self.shared.is_nearly_full);
        if entries >= most - most / 5 {
            if !nearly.swap(true, Ordering::AcqRel) {
                self.report(Event::RevocationsNearlyFull { entries, most });
            }
        } else if entries < most - most / 4 && nearly.load(Ordering::Acquire) {
            nearly.store(false, Ordering::Release);
        }
        if dropped > 0 {
            self.report(Event::RevocationsFull { dropped, most });
        }
    }

    /// Called without any lock: the observer may look at the list.
    pub(crate) fn report(&self, event: Event) {
        let observer = self.reports(|reports| {
            let observer = reports.observer.as_ref().and_then(Weak::upgrade);
            if observer.is_none() && reports.waiting.len() < MOST_WAITING {
                reports.waiting.push(event.clone());
            }
            observer
        });
        if let Some(observer) = observer {
            observer.event(&event);
        }
    }

    fn reports<R>(&self, act: impl FnOnce(&mut Reports) -> R) -> R {
        act(&mut self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn changes_since(
        &self,
        cursor: &mut RevocationCursor,
        now: OffsetDateTime,
        wanted: impl Fn(&Change) -> bool,
    ) -> Option<Vec<u8>> {
        let from = cursor.0;
        let changes = self.log(|log| {
            cursor.0 = log.end();
            log.since(from)
                .map(|changes| changes.copied().filter(wanted).collect::<Vec<_>>())
        });
        let Some(changes) = changes else {
            return Some(self.snapshot_at(now));
        };
        if changes.is_empty() {
            return None;
        }
        let mut latest = BTreeMap::new();
        for entry in changes.iter().filter_map(|change| change.entry) {
            let until = latest.entry(entry.id).or_insert(entry.until);
            *until = entry.until.max(*until);
        }
        latest.retain(|_, until| u64::from(*until) > to_seconds(now));
        let mut writer = Writer::new(self.shared.cut_off.load(Ordering::Acquire), latest.len());
        latest
            .into_iter()
            .for_each(|(id, until)| writer.push(Entry { id, until }));
        Some(writer.finish())
    }

    fn log<R>(&self, act: impl FnOnce(&mut Log) -> R) -> R {
        act(&mut self.shared.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RevocationList for Revocations {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.shared.ids.contains(id)
    }

    fn revoke_at(&self, Revocation { id, until }: Revocation, now: OffsetDateTime) {
        let until = seconds_on_the_wire(to_seconds_rounded_up(until));
        let joined = self.join(id.0[0], [Entry { id, until }].into_iter(), to_seconds(now), true);
        self.report_room(joined.dropped);
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        match self.shared.cut_off.load(Ordering::Acquire) {
            0 => None,
            seconds => Some(from_seconds(seconds.into())),
        }
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        self.raise_to(seconds_on_the_wire(to_seconds_rounded_up(instant)), true);
    }

    fn report_to(&self, observer: &Arc<dyn Observer>) {
        let waiting = self.reports(|reports| {
            reports.observer = Some(Arc::downgrade(observer));
            std::mem::take(&mut reports.waiting)
        });
        waiting.iter().for_each(|event| observer.event(event));
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    fn end(&self) -> u64 {
        self.dropped + self.changes.len() as u64
    }

    fn push(&mut self, change: Change) {
        if self.changes.len() == LONGEST_LOG {
            self.changes.pop_front();
            self.dropped += 1;
        }
        self.changes.push_back(change);
    }

    /// The changes from number `from` on, if all of them are still there.
    fn since(&self, from: u64) -> Option<impl Iterator<Item = &Change>> {
        let skipped = usize::try_from(from.checked_sub(self.dropped)?).ok()?;
        (skipped <= self.changes.len()).then(|| self.changes.range(skipped..))
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocations({})", self.len())
    }
}

/// No token lives beyond what 32 bits hold, so an entry or a cut-off need not either.
fn seconds_on_the_wire(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

const LONGEST_LOG: usize = 65_536;

/// Events that are kept for the first observer.
const MOST_WAITING: usize = 16;

#[cfg(test)]
#[path = "revocation/tests.rs"]
mod tests;
