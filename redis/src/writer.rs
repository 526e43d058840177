//! The side that puts this server's revocations into Redis, and looks whether Redis still has what it should have.

use std::error::Error;
use std::time::Duration;
use std::{fmt, mem};

use sealed_session::revocation::{Revocation, RevocationCursor, RevocationList as _, read_list, write_list};
use sealed_session::{Event, SessionId};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::now;
use crate::connection::Connection;
use crate::record::{Look, NewsId};
use crate::shared::{AT_ONCE, Shared, Side};

pub(crate) type Problem = Box<dyn Error + Send + Sync>;

/// What the writer remembers between two looks.
#[derive(Default)]
struct Memory {
    /// The name of the set.
    made: Option<String>,
    /// The last put wrote, on this connection.
    has_written: bool,
    /// The latest two places up to which Redis had everything, the older one first.
    safe: Option<[Safe; 2]>,
    /// The latest news of this server.
    put: Option<NewsId>,
    /// The news with which a whole list was put last.
    put_all: Option<NewsId>,
}

#[derive(Clone, Copy)]
struct Safe {
    news: NewsId,
    /// What the list had then.
    list: RevocationCursor,
    seen: Instant,
}

/// Ends when the last handle is dropped.
pub(crate) async fn run(shared: &Shared) {
    let mut memory = Memory::default();
    let mut connection = None;
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            () = shared.wake.notified() => {}
            () = sleep_until(next_look) => {}
        }
        let is_stopped = shared.state().is_stopped;
        let work = work(shared, &mut memory, &mut connection, &mut next_look);
        if is_stopped {
            // What fails now is lost; `flush` would have told.
            let _ = timeout(PATIENCE, work).await;
            return;
        }
        match work.await {
            Ok(()) => shared.worked(Side::Writer),
            Err(problem) => {
                shared.failed(Side::Writer, problem.to_string());
                // On this connection `WAIT` still counts from what was put.
                if !problem.is::<TooFewReplicas>() {
                    connection = None;
                }
                sleep(RETRY).await;
                next_look = Instant::now();
            }
        }
    }
}

async fn work(
    shared: &Shared,
    memory: &mut Memory,
    connection: &mut Option<Connection>,
    next_look: &mut Instant,
) -> Result<(), Problem> {
    let is_new = connection.is_none();
    let redis = match connection {
        Some(redis) => redis,
        None => {
            memory.has_written = false;
            connection.insert(answer(shared.redis.connect(PATIENCE, &shared.record.set)).await?)
        }
    };
    if is_new || Instant::now() >= *next_look {
        look(shared, memory, redis).await?;
        *next_look = Instant::now() + LOOK;
    }
    put_unsent(shared, memory, redis).await?;
    confirm(shared, memory, redis).await
}

async fn put_unsent(shared: &Shared, memory: &mut Memory, redis: &mut Connection) -> Result<(), Problem> {
    // What is made from here on is queued again.
    if mem::take(&mut shared.state().is_overflown) {
        let list = shared.list.snapshot_at(shared.careful(now()));
        let wrote = put_lacking(memory, shared, redis, list, false).await;
        if let Err(problem) = wrote {
            shared.state().is_overflown = true;
            return Err(problem);
        }
    }
    put_batches(shared, memory, redis).await?;
    Ok(())
}

async fn put(
    shared: &Shared,
    memory: &mut Memory,
    redis: &mut Connection,
    list: &[u8],
) -> Result<(usize, NewsId), Problem> {
    let (new, by, has_before) = answer(shared.record.put(redis, list, memory.put)).await?;
    if !has_before {
        // This is another Redis, or somebody trims the stream. The look asks only for the last put. What was put now
        // stays queued, and is put again after a pause and a look.
        memory.put = None;
        shared.lost();
        return Err("Redis has lost what was put before".into());
    }
    // If nothing was new, nothing was written; the stream may even be gone.
    memory.has_written = new > 0;
    memory.put = Some(by).filter(|by| *by > NewsId::default());
    Ok((new, by))
}

/// Returns how many were new that Redis had before.
async fn put_batches(shared: &Shared, memory: &mut Memory, redis: &mut Connection) -> Result<usize, Problem> {
    let mut again = 0;
    while let Some(batch) = shared.batch() {
        let (new, by) = put(shared, memory, redis, &batch.list).await?;
        again += if batch.is_again { new } else { 0 };
        shared.put(batch, by);
    }
    Ok(again)
}

/// What was put is confirmed when enough replicas have it.
async fn confirm(shared: &Shared, memory: &mut Memory, redis: &mut Connection) -> Result<(), Problem> {
    let (put, replicas) = (shared.put_so_far(), shared.replicas);
    if put == shared.state().progress.confirmed {
        return Ok(());
    }
    if replicas > 0 {
        // `WAIT` counts from the last write on its connection, and all may have been put on another one.
        let writes = !memory.has_written || redis.changes_unseen();
        let found = answer(shared.record.replicated(redis, writes, replicas, PATIENCE / 2)).await?;
        memory.has_written = true;
        if redis.changes_unseen()
            && let Some(put) = memory.put
            && !answer(shared.record.has(redis, put)).await?
        {
            shared.lost();
            return Err("Redis has lost what was put last".into());
        }
        if found < replicas {
            return Err(TooFewReplicas { found, replicas }.into());
        }
    }
    shared.confirm(put);
    Ok(())
}

#[derive(Debug)]
struct TooFewReplicas {
    found: usize,
    replicas: usize,
}

impl fmt::Display for TooFewReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, replicas } = self;
        write!(f, "{found} of {replicas} replicas have the latest revocations")
    }
}

impl Error for TooFewReplicas {}

/// Puts what Redis lacks of a list of any length, in parts, and leaves Redis time for others. Returns how many entries
/// were new.
///
/// Meanwhile it puts what is made on this server, and confirms it, if `confirms` says so.
async fn put_lacking(
    memory: &mut Memory,
    shared: &Shared,
    redis: &mut Connection,
    list: Vec<u8>,
    mut confirms: bool,
) -> Result<usize, Problem> {
    // None of the list is in a queue. Until it is read back, no place is safe.
    memory.safe = None;
    let (cut_off, entries) = read_list(&list)?;
    // Those that end last are put first. In the set, what ends at the same time is in one place: it is found and added
    // several times as fast as in the order of ids.
    let entries = entries.map(|entry| (entry.until.unix_timestamp() as u32, entry.id));
    let mut entries: Vec<(u32, SessionId)> = entries.collect();
    drop(list);
    entries.sort_unstable();
    let mut new = 0;
    let mut lacking = write_list(cut_off, []);
    loop {
        let began = Instant::now();
        let (some, by) = put(shared, memory, redis, &lacking).await?;
        memory.put_all = Some(by);
        new += some + put_batches(shared, memory, redis).await?;
        // Missing replicas are no reason to leave Redis without the rest: it is tried again afterwards.
        confirms = confirms && confirm(shared, memory, redis).await.is_ok();
        let Some(&(last, _)) = entries.last() else {
            return Ok(new);
        };
        sleep(began.elapsed()).await;
        let part = entries.split_off(entries.len().saturating_sub(AT_ONCE));
        // Another server may have put them a moment ago, and Redis reads ten times as fast as it writes.
        let found = answer(shared.record.ending(redis, part[0].0, last, 2 * AT_ONCE)).await?;
        let has =
            |(until, id): &(u32, SessionId)| found.get(&id.to_bytes()[..]).is_some_and(|end| *end >= (*until).into());
        lacking = write_list(
            None,
            part.into_iter().filter(|entry| !has(entry)).filter_map(revocation),
        );
    }
}

fn revocation((until, id): (u32, SessionId)) -> Option<Revocation> {
    let until = OffsetDateTime::from_unix_timestamp(until.into()).ok()?;
    Some(Revocation { id, until })
}

/// Looks whether Redis has what it had, and writes again what it has lost.
async fn look(shared: &Shared, memory: &mut Memory, redis: &mut Connection) -> Result<(), Problem> {
    // The cursor first: what comes between the two is then after both.
    let cursor = shared.list.cursor();
    let (position, anchor) = {
        let state = shared.state();
        (state.position, state.anchor)
    };
    let older = memory.safe.map(|[older, _]| older);
    let known = [position, memory.put, anchor, older.map(|older| older.news)];
    let found = answer(shared.record.look(redis, &known, now())).await?;
    shared.clock_is(found.time);
    shared.latest_is(found.latest);
    merge_cut_off(shared, &found);
    let is_same_set = memory.made.as_ref().is_none_or(|made| found.made.contains(made));
    let is_gone = |which: usize| known[which].is_some() && !found.has[which];
    // If the anchor is gone and the last place is not, there is a gap between them.
    if !is_same_set || is_gone(0) || is_gone(1) || is_gone(2) {
        shared.lost();
    }
    if mem::take(&mut shared.state().is_lacking) {
        // What came after the safe place is enough.
        let safe = older.filter(|_| is_same_set && found.has[3]);
        if let Err(problem) = restore(shared, memory, redis, safe).await {
            shared.state().is_lacking = true;
            return Err(problem);
        }
        if !is_same_set || memory.made.is_none() {
            memory.made = found.made.into_iter().max();
        }
        return Ok(());
    }
    memory.made = memory.made.take().or(found.made.into_iter().max());
    if shared.take_forgotten() {
        // No place is safe before this is read back.
        (memory.safe, memory.put_all) = (None, memory.put);
    }
    if let Some(news) = position {
        shared.anchor_at(news);
        // What is read back needs no look: if the stream is trimmed, it goes first.
        memory.put = memory.put.filter(|put| *put > news);
        memory.put_all = memory.put_all.filter(|put| *put > news);
    }
    if let Some(news) = position.filter(|_| memory.put_all.is_none()) {
        let safe = Safe {
            news,
            list: cursor,
            seen: Instant::now(),
        };
        let [older, newer] = memory.safe.unwrap_or([safe; 2]);
        let is_recent = newer.seen.elapsed() < SAFE;
        let [older, newer] = if is_recent { [older, newer] } else { [newer, safe] };
        // What was put after the older place is kept: the list may have had it before that.
        shared.has(older.news);
        memory.safe = Some([older, newer]);
    }
    Ok(())
}

/// Writes again what Redis has lost: what this server knows, or what it learned since the safe place.
async fn restore(
    shared: &Shared,
    memory: &mut Memory,
    redis: &mut Connection,
    safe: Option<Safe>,
) -> Result<(), Problem> {
    let now = shared.careful(now());
    memory.put = None;
    let lost = match safe {
        Some(mut safe) => shared.list.delta_since_at(&mut safe.list, now),
        None => Some(shared.list.snapshot_at(now)),
    };
    if let Some(list) = lost {
        let entries = put_lacking(memory, shared, redis, list, true).await?;
        if entries > 0 {
            shared.list.report(Event::RevocationStoreRestored { entries });
        }
    }
    Ok(())
}

/// A raised cut-off is in the news too; this is for servers that missed it.
pub(crate) fn merge_cut_off(shared: &Shared, found: &Look) {
    let instant = found
        .cut_off
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds as i64).ok());
    if instant > shared.list.cut_off() {
        let merged = shared.list.merge_at(&write_list(instant, []), now());
        debug_assert!(merged.is_ok(), "it was written just now");
    }
}

/// An answer of Redis, or the error that it takes too long. The client has a limit of its own, but not for all steps.
pub(crate) async fn answer<T>(asked: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Problem> {
    Ok(timeout(PATIENCE, asked).await.map_err(|_| SILENT)??)
}

pub(crate) const SILENT: &str = "Redis does not answer within 2 seconds";
/// How long Redis may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after a failure.
pub(crate) const RETRY: Duration = Duration::from_millis(500);
/// From one safe place to the next.
const SAFE: Duration = Duration::from_secs(30);
/// From one look to the next: so long it may take until a loss is noticed.
const LOOK: Duration = Duration::from_secs(5);
