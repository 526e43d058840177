//! The side that puts this server's revocations into Redis, and looks whether Redis still has what it should have.

use std::error::Error;
use std::mem;
use std::time::Duration;

use sealed_session::revocation::{Revocation, RevocationCursor, RevocationList as _, read_list, write_list};
use sealed_session::{Event, SessionId};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::connection::Connection;
use crate::record::{Look, NewsId, Record};
use crate::shared::{AT_ONCE, Shared, Side, now};

pub(crate) type Problem = Box<dyn Error + Send + Sync>;

/// What the writer remembers between two looks.
#[derive(Default)]
struct Memory {
    /// The name of the set.
    made: Option<String>,
    /// The latest two places up to which Redis had everything, the older one first.
    safe: Option<[Safe; 2]>,
    /// Redis lacks something that was not written again yet.
    is_lacking: bool,
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
                connection = None;
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
        None => connection.insert(timeout(PATIENCE, shared.redis.connect(PATIENCE)).await??),
    };
    if is_new || Instant::now() >= *next_look {
        look(shared, memory, redis, is_new).await?;
        *next_look = Instant::now() + LOOK;
    }
    put_unsent(shared, redis).await?;
    confirm(shared, redis, is_new).await
}

async fn put_unsent(shared: &Shared, redis: &mut Connection) -> Result<(), Problem> {
    // What is made from here on is queued again.
    if mem::take(&mut shared.state().is_overflown) {
        let wrote = put_lacking(shared, redis, shared.list.snapshot_at(shared.careful(now())), None).await;
        if let Err(problem) = wrote {
            shared.state().is_overflown = true;
            return Err(problem);
        }
    }
    put_batches(shared, redis).await
}

async fn put_batches(shared: &Shared, redis: &mut Connection) -> Result<(), Problem> {
    while let Some(batch) = shared.batch() {
        let (_, by) = answer(shared.record.put(redis, &batch.list, false)).await?;
        shared.put(batch, by);
    }
    Ok(())
}

/// What was put is confirmed when enough replicas have it.
async fn confirm(shared: &Shared, redis: &mut Connection, is_new: bool) -> Result<(), Problem> {
    let (put, replicas) = (shared.put_so_far(), shared.replicas);
    if put == shared.state().progress.confirmed {
        return Ok(());
    }
    if replicas > 0 {
        if is_new {
            // `WAIT` counts from the last write on this connection, and all of it may have been put on another one.
            answer(shared.record.put(redis, &write_list(None, []), true)).await?;
        }
        let found = answer(Record::replicated(redis, replicas, PATIENCE / 2)).await?;
        if found < replicas {
            return Err(format!("{found} of {replicas} replicas have the latest revocations").into());
        }
    }
    shared.confirm(put);
    Ok(())
}

/// Puts what Redis lacks of a list of any length, in parts, and leaves Redis time for others. Returns how many entries
/// were new.
///
/// Meanwhile it puts what is made on this server. That is confirmed if `confirms` says whether the connection is new.
async fn put_lacking(
    shared: &Shared,
    redis: &mut Connection,
    list: Vec<u8>,
    mut confirms: Option<bool>,
) -> Result<usize, Problem> {
    let (cut_off, entries) = read_list(&list)?;
    // Those that end last are put first. In the set, what ends at the same time is in one place: it is found and added
    // several times as fast as in the order of ids.
    let entries = entries.map(|entry| (entry.until.unix_timestamp() as u32, entry.id));
    let mut entries: Vec<(u32, SessionId)> = entries.collect();
    drop(list);
    entries.sort_unstable();
    let (mut new, _) = answer(shared.record.put(redis, &write_list(cut_off, []), false)).await?;
    while let Some(&(last, _)) = entries.last() {
        let began = Instant::now();
        let part = entries.split_off(entries.len().saturating_sub(AT_ONCE));
        // Another server may have put them a moment ago, and Redis reads ten times as fast as it writes.
        let has = answer(shared.record.ending(redis, part[0].0, last, 2 * AT_ONCE)).await?;
        let lacking = part.into_iter().filter(|(_, id)| !has.contains(&id.to_bytes()[..]));
        let lacking = write_list(None, lacking.filter_map(revocation));
        new += answer(shared.record.put(redis, &lacking, false)).await?.0;
        put_batches(shared, redis).await?;
        if let Some(is_new) = confirms
            && confirm(shared, redis, is_new).await.is_err()
        {
            // It is tried again afterwards: missing replicas are no reason to leave Redis without the rest.
            confirms = None;
        }
        sleep(began.elapsed()).await;
    }
    Ok(new)
}

fn revocation((until, id): (u32, SessionId)) -> Option<Revocation> {
    let until = OffsetDateTime::from_unix_timestamp(until.into()).ok()?;
    Some(Revocation { id, until })
}

/// Looks whether Redis has what it had, and writes again what it has lost.
async fn look(shared: &Shared, memory: &mut Memory, redis: &mut Connection, is_new: bool) -> Result<(), Problem> {
    // The cursor first: what comes between the two is then after both.
    let cursor = shared.list.cursor();
    let position = shared.state().position;
    let older = memory.safe.map(|[older, _]| older);
    let known = [position, older.map(|older| older.news)];
    let found = answer(shared.record.look(redis, known, now())).await?;
    shared.clock_is(found.time);
    shared.latest_is(found.latest);
    merge_cut_off(shared, &found);
    let is_same_set = memory.made.as_ref().is_none_or(|made| found.made.contains(made));
    if !is_same_set || position.is_some() && !found.has[0] {
        shared.lost();
        memory.is_lacking = true;
    }
    if memory.is_lacking {
        let lost = match older {
            // What came after the safe place is enough.
            Some(mut older) if is_same_set && found.has[1] => {
                shared.list.delta_since_at(&mut older.list, shared.careful(now()))
            }
            _ => Some(shared.list.snapshot_at(shared.careful(now()))),
        };
        let entries = match lost {
            Some(list) => put_lacking(shared, redis, list, Some(is_new)).await?,
            None => 0,
        };
        if entries > 0 {
            shared.list.report(Event::RevocationStoreRestored { entries });
        }
        (memory.is_lacking, memory.safe) = (false, None);
        if !is_same_set || memory.made.is_none() {
            memory.made = found.made.into_iter().max();
        }
        return Ok(());
    }
    memory.made = memory.made.take().or(found.made.into_iter().max());
    if let Some(news) = position {
        shared.has(news);
        let safe = Safe {
            news,
            list: cursor,
            seen: Instant::now(),
        };
        let [older, newer] = memory.safe.unwrap_or([safe; 2]);
        memory.safe = Some(if newer.seen.elapsed() < SAFE {
            [older, newer]
        } else {
            [newer, safe]
        });
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
    Ok(timeout(PATIENCE, asked).await.map_err(|_| "Redis does not answer")??)
}

/// How long Redis may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after a failure.
pub(crate) const RETRY: Duration = Duration::from_millis(500);
/// From one safe place to the next.
const SAFE: Duration = Duration::from_secs(30);
/// From one look to the next: so long it may take until a loss is noticed.
const LOOK: Duration = Duration::from_secs(5);
