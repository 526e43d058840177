//! Revocation: a small trait, and a list in memory that prunes itself and travels between servers.

pub(crate) mod file;
pub(crate) mod shards;
pub(crate) mod snapshot;

use std::collections::VecDeque;
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

/// A list of revoked sessions: their ids, and a cut-off that revokes every session that started before it.
///
/// Use [`Revocations`], a [`RevocationFile`], which survives a restart, also for several processes on one host, or the
/// crate `sealed-session-redis`, which many servers share. Implement the trait for a store of your own.
/// All methods but the last are called while a request is served: answer from memory, and fetch or publish elsewhere.
///
/// [`is_revoked`](Self::is_revoked) is asked only for ids of genuine tokens: a made-up token is refused earlier.
#[doc(alias("denylist", "blocklist", "blacklist"))]
pub trait RevocationList: Send + Sync {
    /// Whether sessions with this id must be refused.
    fn is_revoked(&self, id: SessionId) -> bool;

    /// Refuses sessions with this id from `now` on.
    #[doc(alias("revoke", "invalidate", "denylist"))]
    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime);

    /// The cut-off of this list: sessions that started before it are refused. Default: no cut-off.
    fn cut_off(&self) -> Option<OffsetDateTime> {
        None
    }

    /// The cut-off was raised on this server. It holds here whether the list keeps it or not. Default: it is not kept.
    #[doc(alias("revoke_all", "reject_started_before"))]
    fn raise_cut_off(&self, instant: OffsetDateTime) {
        let _ = instant;
    }

    /// [`build`](crate::Builder::build) calls this with the observer of the sessions, if there is one: report to it
    /// events of the list itself. Keep the observer as a `Weak`, since it may hold the list. Default: nothing is
    /// reported.
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

/// A revoked session, and for how long its id must be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The session.
    pub id: SessionId,
    /// After this time, no session with the id can be valid, and the entry may be dropped.
    pub until: OffsetDateTime,
}

impl From<Revocation> for Entry {
    fn from(Revocation { id, until }: Revocation) -> Self {
        let until = seconds_on_the_wire(to_seconds_rounded_up(until));
        Self { id, until }
    }
}

/// Revoked session ids and the cut-off, in memory. The list is small and fast to query, and it is the same on every
/// server that has merged the same bytes, in any order and any number of times.
///
/// Clones are handles to one list: give one to [`revocation_list`](crate::Builder::revocation_list) and keep another
/// to send and receive. When no session can have an id any more, its entry is dropped at a later revocation, merge or
/// snapshot. No thread is needed.
///
/// An entry takes 12 bytes in a snapshot, and 12 to 20 in memory: a million entries take 19 MB, and a snapshot of them
/// 12 MB. A lookup searches a sorted run of a 256th of the entries under a read lock. A merge works in 256 steps, and
/// readers continue between them. `cargo bench --bench revocation_cost` in the repository prints the cost.
///
/// [`snapshot_at`](Self::snapshot_at) is the whole list as bytes, for a server that starts, a file that survives a
/// restart, or an edge. [`delta_since_at`](Self::delta_since_at) is the news since the last call, for running servers.
/// The bytes are **not authenticated**: an attacker who can write to their channel can sign everyone out, and no one
/// in.
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
/// // A visitor signs out; another server learns of it.
/// let mut sent = RevocationCursor::default();
/// session.id().map(|id| sessions.revoke(id));
/// let delta = here.delta_since_at(&mut sent, now).expect("there is news");
/// assert_eq!(there.merge_at(&delta, now)?, 1);
/// assert!(here.delta_since_at(&mut sent, now).is_none());
///
/// // After a restart, or to repair losses:
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
    /// The number of ids for which there is room.
    most: usize,
    cut_off: AtomicU32,
    log: Mutex<Log>,
    is_nearly_full: AtomicBool,
    reports: Mutex<Reports>,
}

/// The observer of the list, and the events from before there was an observer.
#[derive(Default)]
struct Reports {
    /// Weak, since an observer may hold the list.
    observer: Option<Weak<dyn Observer>>,
    waiting: Vec<Event>,
}

/// The latest changes in their order, for deltas.
#[derive(Default)]
struct Log {
    /// The number of changes that were dropped from the front.
    dropped: u64,
    changes: VecDeque<Change>,
}

/// `None`: the cut-off was raised.
type Change = Option<Entry>;

/// How far a reader has followed one [`Revocations`] in this process. The default is the beginning of the list.
///
/// A cursor has no meaning for another list, or for the list of the same server after a restart: begin with a new
/// cursor there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationCursor(u64);

impl Revocations {
    /// An empty list with room for 4,194,304 ids: see [`bounded`](Self::bounded).
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(1 << 22)
    }

    /// An empty list with room for `most` ids, at some 20 bytes each: 4,194,304 ids take 80 MB, once they are there.
    ///
    /// When the list is full, it drops expired entries first, and then the entries that end first: copies of those
    /// sessions open again until they expire. At 80 % it reports an [`Event::RevocationsNearlyFull`], and when it drops
    /// entries early, an [`Event::RevocationsFull`]. docs/operating.md has a table of memory by sign-outs a day.
    ///
    /// The room is divided by the first byte of the ids. The crate draws ids at random, and each part has a little
    /// spare room, since chance does not divide them evenly. So the list may hold more ids than `most`: 3 % more at
    /// 4,194,304, and 6 % more at a million. An id can push out only ids with the same first byte.
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

    /// The whole list as bytes (SPEC.md, *Revocation list*), without entries that have ended at `now`. Lists with the
    /// same content have the same snapshot.
    #[must_use]
    pub fn snapshot_at(&self, now: OffsetDateTime) -> Vec<u8> {
        let mut writer = Writer::new(self.shared.cut_off.load(Ordering::Acquire), self.len());
        self.shared.ids.write(&mut writer, to_seconds(now));
        writer.finish()
    }

    /// The news of this list since `cursor` as bytes, revoked here or merged; `None` if there is no news. The cursor
    /// moves on: keep a copy of the old one until the bytes are delivered.
    ///
    /// If more than 65,536 changes came since the cursor, the bytes are a whole snapshot.
    #[must_use]
    pub fn delta_since_at(&self, cursor: &mut RevocationCursor, now: OffsetDateTime) -> Option<Vec<u8>> {
        let from = cursor.0;
        let changes = self.log(|log| {
            cursor.0 = log.end();
            log.since(from).map(|changes| changes.copied().collect::<Vec<_>>())
        });
        let Some(changes) = changes else {
            return Some(self.snapshot_at(now));
        };
        if changes.is_empty() {
            return None;
        }
        let mut entries: Vec<Entry> = changes.into_iter().flatten().collect();
        entries.retain(|entry| u64::from(entry.until) > to_seconds(now));
        Some(snapshot::of_entries(
            self.shared.cut_off.load(Ordering::Acquire),
            entries,
        ))
    }

    /// The present end of the list: a delta since this cursor has all later changes. If you also take a snapshot, take
    /// the cursor *before* it.
    #[must_use]
    pub fn cursor(&self) -> RevocationCursor {
        RevocationCursor(self.log(|log| log.end()))
    }

    /// Merges a snapshot or a delta, and returns how much of it was news: the number of entries, and 1 more for the
    /// cut-off.
    ///
    /// Merging never loses anything: the later cut-off holds and, for each id, the later end. So snapshots and deltas
    /// lead to the same list in any order, with any repetition and in any mixture. Entries that have ended at `now` are
    /// left out.
    ///
    /// # Errors
    /// [`RevocationsError`] if the bytes are not exactly a list of version 1; then nothing was merged. Whatever the
    /// bytes claim, no more memory is allocated than their length.
    pub fn merge_at(&self, bytes: &[u8], now: OffsetDateTime) -> Result<usize, RevocationsError> {
        Ok(self.merge_all(&[Snapshot::parse(bytes)?], now))
    }

    /// As [`merge_at`](Self::merge_at), but for the content of a [`RevocationFile`], such as that of another server: a
    /// snapshot, and deltas after it. If the last delta is cut off, as by a `kill -9` during a write, it is left out.
    ///
    /// # Errors
    /// [`RevocationsError`] if anything else is in the bytes; then nothing was merged.
    pub fn merge_file_at(&self, bytes: &[u8], now: OffsetDateTime) -> Result<usize, RevocationsError> {
        let (read, result) = Snapshot::parse_all(bytes, false);
        result?;
        Ok(self.merge_all(&read, now))
    }

    /// As [`merge_file_at`](Self::merge_file_at), but lists before any damage are merged, and the result is how many
    /// bytes they have. `follows`: the beginning of the file was merged earlier.
    pub(crate) fn merge_readable(
        &self,
        bytes: &[u8],
        follows: bool,
        now: OffsetDateTime,
    ) -> Result<usize, RevocationsError> {
        let (read, result) = Snapshot::parse_all(bytes, follows);
        self.merge_all(&read, now);
        result
    }

    /// The number of ids in the list, including ids that have ended and are not dropped yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.ids.len()
    }

    /// Whether the list has no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge_all(&self, lists: &[Snapshot<'_>], now: OffsetDateTime) -> usize {
        let cut_off = lists.iter().map(|list| list.cut_off).max().unwrap_or(0);
        let is_raised = self.raise_to(cut_off);
        if is_raised {
            self.report(Event::CutOffRaised { to: cut_off.into() });
        }
        let (mut news, mut dropped) = (usize::from(is_raised), 0);
        for (first, entries) in lists.iter().flat_map(Snapshot::by_first_byte) {
            let joined = self.join(first, entries, to_seconds(now));
            news += joined.news;
            dropped += joined.dropped;
        }
        self.report_room(dropped);
        news
    }

    fn join(&self, first: u8, entries: impl ExactSizeIterator<Item = Entry>, now: u64) -> Joined {
        self.shared.ids.join(first, entries, now, |news| {
            self.log(|log| news.iter().for_each(|&entry| log.push(Some(entry))));
        })
    }

    fn raise_to(&self, to: u32) -> bool {
        self.log(|log| {
            let raised = self.shared.cut_off.fetch_max(to, Ordering::AcqRel) < to;
            if raised {
                log.push(None);
            }
            raised
        })
    }

    /// Called after a change that dropped so many entries early.
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

    /// Reports an event to the observer of the sessions that use this list, or keeps it until there is one (at most 16
    /// events): for a store that fills the list.
    ///
    /// Call it without holding a lock that the observer may need.
    pub fn report(&self, event: Event) {
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

    fn log<R>(&self, act: impl FnOnce(&mut Log) -> R) -> R {
        act(&mut self.shared.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RevocationList for Revocations {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.shared.ids.contains(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        let joined = self.join(revoked.id.0[0], [revoked.into()].into_iter(), to_seconds(now));
        self.report_room(joined.dropped);
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        cut_off_from(self.shared.cut_off.load(Ordering::Acquire))
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        self.raise_to(seconds_on_the_wire(to_seconds_rounded_up(instant)));
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

    /// The changes from number `from` on, if the log still has all of them.
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

/// No token lives longer than 32 bits can say, so neither an entry nor a cut-off needs to.
fn seconds_on_the_wire(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// `0` is no cut-off.
fn cut_off_from(seconds: u32) -> Option<OffsetDateTime> {
    (seconds > 0).then(|| from_seconds(seconds.into()))
}

/// A revocation list as bytes, made of single entries in any order: for a store that keeps entries, such as a database.
///
/// If an id occurs twice, its later end holds. [`Revocations::merge_at`] and [`read_list`] read the bytes.
///
/// ```
/// use sealed_session::SessionId;
/// use sealed_session::revocation::{Revocation, RevocationList, Revocations, read_list, write_list};
/// # use time::{Duration, OffsetDateTime};
/// # let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
///
/// let revoked = Revocation { id: SessionId::from_bytes([7; 8]), until: now + Duration::hours(12) };
/// let bytes = write_list(None, [revoked]);
///
/// let list = Revocations::new();
/// assert_eq!(list.merge_at(&bytes, now)?, 1);
/// assert!(list.is_revoked(revoked.id));
/// let (cut_off, entries) = read_list(&bytes)?;
/// assert_eq!((cut_off, entries.collect::<Vec<_>>()), (None, vec![revoked]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn write_list(cut_off: Option<OffsetDateTime>, entries: impl IntoIterator<Item = Revocation>) -> Vec<u8> {
    let cut_off = cut_off.map_or(0, |instant| seconds_on_the_wire(to_seconds_rounded_up(instant)));
    snapshot::of_entries(cut_off, entries.into_iter().map(Entry::from).collect())
}

/// The cut-off and the entries of a revocation list, in ascending order of the ids.
///
/// # Errors
/// As [`Revocations::merge_at`].
pub fn read_list(bytes: &[u8]) -> Result<(Option<OffsetDateTime>, impl Iterator<Item = Revocation>), RevocationsError> {
    let list = Snapshot::parse(bytes)?;
    let entries = list.entries().map(|Entry { id, until }| Revocation {
        id,
        until: from_seconds(until.into()),
    });
    Ok((cut_off_from(list.cut_off), entries))
}

const LONGEST_LOG: usize = 65_536;

/// The number of events that are kept for the first observer.
const MOST_WAITING: usize = 16;

#[cfg(test)]
mod tests;
