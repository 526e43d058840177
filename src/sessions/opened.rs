//! Opened sessions are kept for a while: a returning visitor sends the same cookie again, and a sealed token never
//! changes.
//!
//! Only the work that depends on nothing but the token is saved: decoding, the check, decrypting, deserialising. All
//! that can change is judged anew on each request.

use std::cell::RefCell;
use std::mem;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use zeroize::Zeroizing;

use crate::aead;
use crate::ids::SessionId;
use crate::session::Content;
use crate::token::Activity;
use crate::token::chunks::Chunks;
use crate::token::envelope::{BODY, CHUNKED_HEAD, Frame, Head};

/// An entry that no request used for this many seconds goes.
const UNUSED: u64 = 60;
/// Most shards. A sweep goes through one of them for each second that passes.
const MOST_SHARDS: usize = 64;
/// The smallest cache: room for a few entries of any session in one cookie.
pub(crate) const SMALLEST: usize = 64 * 1024;
/// A shard of a larger cache has at least this size, so that all of them fill alike.
const SHARD: usize = 256 * 1024;

/// The opened sessions of one ring.
pub(crate) struct OpenedCache<T> {
    /// A session is in the shard of its id, under the mark of its token.
    shards: Box<[Shard<T>]>,
    /// The second up to which shards were swept.
    swept: AtomicU64,
    /// How often something was forgotten.
    forgotten: AtomicU64,
}

/// How often a cache had forgotten something when an opening began.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Count(u64);

type Shard<T> = Cache<Mark, Arc<Kept<T>>, ByBytes, DefaultHashBuilder, DropUnlocked>;

/// Characters of a token that spell a part of its check: 96 bits that only holders of this very token know. So whoever
/// knows less, such as the session id, cannot tell by a time whether the session is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mark([u8; 16]);

impl Mark {
    const AT: usize = 40;

    fn of(text: &[u8]) -> Option<Self> {
        text.get(Self::AT..)?.first_chunk().copied().map(Self)
    }
}

// The first and the last character are of the check alone, in one cookie and in several.
const _: () = assert!(Mark::AT * 3 / 4 >= CHUNKED_HEAD && (Mark::AT + 16).div_ceil(4) * 3 <= BODY);

/// A session as it was opened from one token.
pub(crate) struct Kept<T> {
    /// The text of the token, and then the value that it is bound to.
    credential: Zeroizing<Box<[u8]>>,
    /// The characters of the first cookie, and of all.
    first_length: usize,
    text_length: usize,
    pub(crate) head: Head,
    pub(crate) frame: Frame,
    pub(crate) content: Arc<Content<T>>,
    /// The activity token that was verified last.
    activity: Mutex<Option<VerifiedActivity>>,
    /// The second of the last request with this token.
    used: AtomicU64,
    bytes: u64,
}

/// The text of a verified activity token, bound to the same value as the session token, and what it says.
type VerifiedActivity = (Zeroizing<Box<[u8]>>, Activity);

/// An entry that a request holds. It may be the last holder, if the entry went meanwhile: see [`drop_each`].
pub(crate) struct Held<T>(Option<Arc<Kept<T>>>);

impl<T> Deref for Held<T> {
    type Target = Kept<T>;

    fn deref(&self) -> &Kept<T> {
        self.0.as_ref().expect("dropping alone takes it")
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        drop_each(self.0.take());
    }
}

impl<T> OpenedCache<T> {
    /// Keeps entries of at most `bytes` bytes, by their estimate; 0 keeps none.
    pub(crate) fn new(bytes: usize) -> Self {
        let shards = bytes.min(1).max(bytes / SHARD).min(MOST_SHARDS);
        let shard = || {
            let mut options = OptionsBuilder::new();
            let bytes = bytes / shards;
            options.shards(1).weight_capacity(bytes as u64);
            // Of how many evicted entries a shard remembers the hash. These tell who comes back soon.
            options.estimated_items_capacity(bytes.div_ceil(1024));
            let options = options.build().expect("both capacities are set");
            Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DropUnlocked)
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            swept: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        }
    }

    pub(crate) fn count(&self) -> Count {
        Count(self.forgotten.load(Ordering::Acquire))
    }

    /// Ids are random, so that their last byte spreads them.
    fn shard(&self, id: SessionId) -> Option<&Shard<T>> {
        let [.., last] = id.to_bytes();
        self.shards.get(usize::from(last).checked_rem(self.shards.len())?)
    }

    /// What this very token opened to, with this `bind`, if a request used it within a minute. `chunks` finds the other
    /// cookies of the session, if the token may be kept.
    pub(crate) fn get<'t>(
        &self,
        id: SessionId,
        text: &[u8],
        chunks: impl FnOnce() -> Option<Chunks<'t>>,
        bind: &[u8],
        now: u64,
    ) -> Option<Held<T>> {
        let kept = Held(Some(self.shard(id)?.get(&Mark::of(text)?)?));
        if !kept.is_of(text, chunks, bind) {
            return None;
        }
        if kept.is_unused(now) {
            self.drop_entry(&kept);
            return None;
        }
        if kept.used.load(Ordering::Relaxed) != now {
            kept.used.store(now, Ordering::Relaxed);
        }
        Some(kept)
    }

    /// Keeps an entry, unless something was forgotten since its opening `began`: it may be of the same session.
    pub(crate) fn keep(&self, kept: Kept<T>, began: Count) {
        let id = kept.head.session_id;
        if let Some(shard) = self.shard(kept.head.session_id)
            && let Some(mark) = Mark::of(kept.text())
        {
            let mut evicted = Vec::new();
            shard.insert_with_lifecycle(mark, Arc::new(kept), &mut evicted);
            drop_each(evicted);
        }
        // Last: who forgets counts first, and then looks into the shard.
        if self.count() != began {
            self.forget(id);
        }
    }

    /// Whether anything is ever kept.
    pub(crate) fn is_on(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Drops this very entry, if it is still there.
    pub(crate) fn drop_entry(&self, kept: &Held<T>) {
        if let Some(shard) = self.shard(kept.head.session_id)
            && let Some(mark) = Mark::of(kept.text())
        {
            let is_this = |other: &Arc<Kept<T>>| ptr::eq(&raw const **other, &raw const **kept);
            drop_each(shard.remove_if(&mark, is_this).map(|(_, kept)| kept));
        }
    }

    /// Drops what every token of this session opened to.
    pub(crate) fn forget(&self, id: SessionId) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        if let Some(shard) = self.shard(id) {
            drop_if(shard, |kept| kept.head.session_id == id);
        }
    }

    pub(crate) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.shards.iter().for_each(|shard| drop_if(shard, |_| true));
    }

    /// Drops what no request used for a minute: of one shard for each second that passed since the last sweep. A
    /// request sweeps one shard at most, so that none is slow.
    pub(crate) fn sweep(&self, now: u64) {
        let shards = self.shards.len() as u64;
        let swept = self.swept.load(Ordering::Relaxed);
        if swept == now || shards == 0 {
            return;
        }
        let from = match now.checked_sub(swept) {
            // Whole rounds that were missed are left out. The next one begins where the last one stopped, so that
            // requests at even intervals pass over no shard.
            Some(missed) => swept + missed.saturating_sub(shards) / shards * shards,
            // A clock that was set back starts anew.
            None => now,
        };
        let to = now.min(from + 1);
        let is_mine = self
            .swept
            .compare_exchange(swept, to, Ordering::Relaxed, Ordering::Relaxed);
        if is_mine.is_ok() {
            let at = from % shards;
            drop_if(&self.shards[at as usize], |kept| kept.is_unused(now));
        }
    }
}

impl<T> Drop for OpenedCache<T> {
    fn drop(&mut self) {
        self.forget_all();
    }
}

impl<T> Kept<T> {
    pub(crate) fn new(
        text: &[u8],
        chunks: Option<&Chunks<'_>>,
        bind: &[u8],
        (head, frame): (Head, Frame),
        content: Arc<Content<T>>,
        now: u64,
    ) -> Self {
        let others = chunks.map(Chunks::concat).unwrap_or_default();
        let credential: Box<[u8]> = [text, &others, bind].concat().into();
        let payload = content.payload();
        // The buffer of the payload, and data that take twice as much as it: see docs/operating.md.
        let bytes = ENTRY + size_of::<T>() + credential.len() + payload.capacity() + 2 * payload.as_bytes().len();
        drop(payload);
        Self {
            credential: Zeroizing::new(credential),
            first_length: text.len(),
            text_length: text.len() + others.len(),
            head,
            frame,
            content,
            activity: Mutex::new(None),
            used: AtomicU64::new(now),
            bytes: bytes as u64,
        }
    }

    fn text(&self) -> &[u8] {
        self.credential.split_at(self.text_length).0
    }

    /// The time that it takes depends on the lengths alone. Chunks are not looked for if the first cookie differs.
    fn is_of<'t>(&self, text: &[u8], chunks: impl FnOnce() -> Option<Chunks<'t>>, bind: &[u8]) -> bool {
        let (kept_text, kept_bind) = self.credential.split_at(self.text_length);
        let (first, others) = kept_text.split_at(self.first_length);
        let is_equal = aead::equal(first, text) & aead::equal(kept_bind, bind);
        is_equal && (others.is_empty() || chunks().is_some_and(|chunks| chunks.are(others)))
    }

    /// By a clock that was set back, too.
    fn is_unused(&self, now: u64) -> bool {
        now.abs_diff(self.used.load(Ordering::Relaxed)) >= UNUSED
    }

    /// What this activity token says, if it is the one that was verified last.
    pub(crate) fn activity(&self, text: &[u8]) -> Option<Activity> {
        let last = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_text, activity) = last.as_ref()?;
        aead::equal(last_text, text).then_some(*activity)
    }

    /// Remembers a verified activity token of this session.
    pub(crate) fn set_activity(&self, text: &[u8], activity: Activity) {
        let text = Zeroizing::new(text.into());
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = Some((text, activity));
    }
}

/// An estimate of the bytes of an entry beside text, payload and data: of the cache, of its parts, and of the allocator.
/// `lab/peers/src/bin/kept.rs` measures at most 418 with the buffer's room, which counts by itself, and in a full cache
/// the hashes of evicted entries.
const ENTRY: usize = 448;

/// Removes the entries that `is_to_go` names. They are dropped once the shard is unlocked, since data may do anything
/// when they are dropped.
fn drop_if<T>(shard: &Shard<T>, is_to_go: impl Fn(&Kept<T>) -> bool) {
    let gone = RefCell::new(Vec::new());
    shard.retain(|_, kept| {
        let goes = is_to_go(kept);
        if goes {
            gone.borrow_mut().push(Arc::clone(kept));
        }
        !goes
    });
    drop_each(gone.into_inner());
}

/// Drops entries of any visitors. Data that panic when they are dropped fail no other visitor's request, and two of
/// them do not end the process.
fn drop_each<T>(entries: impl IntoIterator<Item = Arc<Kept<T>>>) {
    for kept in entries {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(kept))) {
            // It may panic when it is dropped, too.
            mem::forget(panic);
        }
    }
}

/// Entries weigh what they take.
#[derive(Clone)]
struct ByBytes;

impl<T> Weighter<Mark, Arc<Kept<T>>> for ByBytes {
    fn weight(&self, _mark: &Mark, kept: &Arc<Kept<T>>) -> u64 {
        kept.bytes
    }
}

/// Evicted entries are handed out, and dropped when the shard is unlocked.
#[derive(Clone)]
struct DropUnlocked;

impl<T> Lifecycle<Mark, Arc<Kept<T>>> for DropUnlocked {
    type RequestState = Vec<Arc<Kept<T>>>;

    fn on_evict(&self, evicted: &mut Self::RequestState, _mark: Mark, kept: Arc<Kept<T>>) {
        evicted.push(kept);
    }
}

#[cfg(test)]
mod tests;
