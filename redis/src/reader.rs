//! The side that reads the revocations of the other servers.

use std::mem;
use std::sync::PoisonError;
use std::time::Duration;

use sealed_session::Event;
use sealed_session::revocation::{Revocation, write_list};
use tokio::time::{sleep, timeout};

use crate::clock::{MOST_APART, now};
use crate::connection::Connection;
use crate::guard::guarded;
use crate::record::{NEWS_AT_ONCE, News, NewsId};
use crate::shared::{Shared, Side};
use crate::writer::{PATIENCE, Problem, RETRY, SILENT, answer, merge_cut_off};

/// Reads for ever.
pub(crate) async fn run(shared: &Shared) {
    loop {
        let Err(problem) = follow(shared).await;
        shared.failed(Side::Reader, problem.to_string());
        sleep(RETRY).await;
    }
}

async fn follow(shared: &Shared) -> Result<std::convert::Infallible, Problem> {
    let patience = BLOCK + PATIENCE;
    let mut redis = answer(shared.redis.connect(patience, &shared.record.set)).await?;
    let (mut is_behind, mut is_new) = (true, true);
    loop {
        // If something is lost while the set is read, it is read again.
        if !mem::replace(&mut shared.state().has_read_set, true) {
            is_behind = true;
            let read = read_set(shared, &mut redis).await;
            shared.state().has_read_set &= read.is_ok();
            read?;
            if !shared.state().has_read_set {
                continue;
            }
        }
        let Some(position) = shared.state().position else {
            continue;
        };
        let wait = (!is_behind).then_some(BLOCK);
        let news = timeout(patience, shared.record.news(&mut redis, position, wait)).await;
        let news = news.map_err(|_| SILENT)??;
        let found = news.len();
        // This may be another Redis than before. Only if it has the news from which this was read, nothing is missing.
        // On one connection the next look notices it.
        if found > 0 && (mem::take(&mut is_new) || redis.changes_unseen()) {
            let has_position = answer(shared.record.has(&mut redis, position)).await?;
            if !has_position {
                shared.lost();
                // Somebody may trim the stream all the time.
                sleep(RETRY).await;
                continue;
            }
        }
        is_behind = is_behind && found >= NEWS_AT_ONCE;
        for (id, news) in news {
            take(shared, id, news);
        }
        if !is_behind {
            shared.joined();
        }
        shared.worked(Side::Reader);
        if (1..NEWS_AT_ONCE).contains(&found) {
            // What comes within this time comes in one answer. If there is more already, it is read at once.
            sleep(GATHER).await;
        }
    }
}

/// Reads the set in parts, and then the news from where the stream stood before.
async fn read_set(shared: &Shared, redis: &mut Connection) -> Result<(), Problem> {
    let found = answer(shared.record.look(redis, &[], now())).await?;
    let ahead = shared.clock_is(found.time);
    if ahead < 0 && ahead.unsigned_abs() > MOST_APART && !shared.state().progress.joined {
        // Redis has dropped what has ended, and for this clock some of it has not. A server that runs has it in memory.
        return Err(format!(
            "this server's clock is {} s behind that of Redis; set it",
            ahead.unsigned_abs()
        )
        .into());
    }
    merge_cut_off(shared, &found);
    let (mut from, mut read) = (0, Vec::new());
    loop {
        let (members, revocations) = answer(shared.record.part(redis, from, PART)).await?;
        read.extend(revocations);
        let is_last = members < PART;
        if is_last || read.len() >= MERGED_AT_ONCE {
            merge(shared, &read);
            read.clear();
        }
        if is_last {
            break;
        }
        // A member that goes meanwhile moves the others up.
        from += PART - OVERLAP;
    }
    shared.read_set_before(found.latest);
    Ok(())
}

fn merge(shared: &Shared, read: &[Revocation]) {
    let list = write_list(None, read.iter().copied());
    let merged = shared.list.merge_at(&list, shared.careful(now()));
    debug_assert!(merged.is_ok(), "it was written just now");
}

fn take(shared: &Shared, id: NewsId, news: News) {
    match news {
        News::List(list) => {
            if let Err(error) = shared.list.merge_at(&list, shared.careful(now())) {
                refuse(shared, id, &error.to_string());
            }
        }
        News::RingChanged => {
            let notice = shared
                .ring_notice
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            notice.iter().for_each(|notice| guarded(|| notice()));
        }
        News::Made => {}
        News::Unknown => refuse(shared, id, "neither a list nor a notice"),
    }
    shared.read(id);
}

fn refuse(shared: &Shared, id: NewsId, error: &str) {
    let error = format!("{} of {}: {error}", id, shared.record.stream);
    shared.list.report(Event::RevocationStoreRefused { error });
}

/// How long Redis keeps a reader waiting for news.
const BLOCK: Duration = Duration::from_secs(2);
/// The pause after news. A question and its answer cost twice as many bytes as a piece of news in it.
const GATHER: Duration = Duration::from_millis(150);
/// How many members of the set are read at once.
const PART: usize = 10_000;
const OVERLAP: usize = 16;
/// How many entries are merged at once.
const MERGED_AT_ONCE: usize = 262_144;
