//! The cost of a large revocation list: memory, lookups, revocations, snapshots, merges, and its file.
//!
//!     cargo bench --bench revocation_cost              a million entries
//!     cargo bench --bench revocation_cost -- 10000     another number
//!     cargo bench --bench revocation_cost -- table     memory by sign-outs a day, as in docs/operating.md
//!     cargo bench --bench revocation_cost -- blocking  how long a write may block a reader, at 5 million entries
//!
//! Times are processor times, in ticks of some milliseconds, so other processes disturb them little. Memory is the growth
//! of the process's resident set. (Both on Linux; elsewhere times are by the clock.)

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealed_session::SessionId;
use sealed_session::revocation::{Revocation, RevocationFile, RevocationList, Revocations, write_list};
use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => costs(1_000_000),
        ["table"] => table(),
        ["blocking"] => blocking(5_000_000),
        ["memory", count] => memory(count.parse()?),
        [count] => costs(count.parse()?),
        _ => Err("at most one argument: a number of entries, `table` or `blocking`".into()),
    }
}

fn costs(count: u64) -> Result<(), Box<dyn Error>> {
    let now = NOW;
    let until = now + Duration::from_secs(12 * 3600 + 300);
    let until_then = |id| Revocation { id, until };
    let before = resident();

    let list = with_room(count + PAGES * PAGE);
    let revoking = Watch::start();
    (0..count).for_each(|number| list.revoke_at(until_then(id(number)), now));
    let revoked = revoking.elapsed();
    println!("{} entries, one by one: {}", list.len(), each(revoked, count));
    println!("memory: {} (the log for deltas included)", growth(before, count));

    // Every id once, in an order that the processor cannot predict, and as many that are not in the list.
    for (what, first) in [("lookup of a revoked id", 0), ("lookup of another id", count)] {
        let order: Vec<SessionId> = (0..count).map(|step| id(first + step * 7919 % count)).collect();
        let looking = Watch::start();
        let found = order.iter().filter(|&&id| list.is_revoked(black_box(id))).count();
        println!("{what}: {} ({found} found)", each(looking.elapsed(), count));
    }

    let taking = Watch::start();
    let snapshot = list.snapshot_at(now);
    println!("snapshot: {} bytes in {:.1?}", snapshot.len(), taking.elapsed());
    let other = with_room(count);
    for what in ["merged into an empty list", "merged again"] {
        let merging = Watch::start();
        let news = other.merge_at(&snapshot, now)?;
        println!("{what}: {news} new in {:.1?}", merging.elapsed());
    }
    let mut cursor = list.cursor();
    list.revoke_at(until_then(id(2 * count)), now);
    let delta = list.delta_since_at(&mut cursor, now).unwrap_or_default();
    println!(
        "delta of one: {} bytes, {} new",
        delta.len(),
        other.merge_at(&delta, now)?
    );

    // Entries as they come from a store, in any order.
    let pages: Vec<Vec<Revocation>> = (0..PAGES)
        .map(|page| {
            let first = 2 * count + 1 + page * PAGE;
            (first..first + PAGE).map(|number| until_then(id(number))).collect()
        })
        .collect();
    let writing = Watch::start();
    let pages: Vec<Vec<u8>> = pages.into_iter().map(|page| write_list(None, page)).collect();
    println!(
        "{PAGES} pages of {PAGE} entries, written: {}",
        each(writing.elapsed(), PAGES * PAGE)
    );
    for what in ["merged", "merged again"] {
        let merging = Watch::start();
        for page in &pages {
            list.merge_at(page, now)?;
        }
        println!("the same, {what}: {}", each(merging.elapsed(), PAGES * PAGE));
    }
    drop(pages);

    // Ids that all begin with the same byte: a server's random ids never do, but they must work too.
    let skewed = Revocations::new();
    let count = count.min(100_000);
    let revoking = Watch::start();
    (0..count).for_each(|number| skewed.revoke_at(until_then(one_first_byte(number)), now));
    println!("{count} ids with one first byte: {}", each(revoking.elapsed(), count));
    // Ids that are far from where random ones would be.
    let low = Revocations::bounded(256 * count as usize);
    let number = |number: u64| SessionId::from_bytes(number.to_be_bytes());
    low.merge_at(&write_list(None, (0..count).map(|step| until_then(number(step)))), now)?;
    let looking = Watch::start();
    let found = (0..count)
        .filter(|step| low.is_revoked(number(black_box(step * 7919 % count))))
        .count();
    println!(
        "lookup among the {count} lowest ids: {} ({found} found)",
        each(looking.elapsed(), count)
    );

    // This waits for the disk, so it is by the clock.
    let path = env::temp_dir().join(format!("revocation-cost-{}", std::process::id()));
    let starting = Instant::now();
    let file = RevocationFile::open(&path, list)?;
    println!("writing the file: {:.1?}", starting.elapsed());
    let revoking = Instant::now();
    (0..200).for_each(|number| file.revoke_at(until_then(id(u64::MAX - number)), now));
    println!("a sign-out to the disk: {:.1?}", revoking.elapsed() / 200);
    drop(file);
    fs::remove_file(&path)?;
    fs::remove_file(path.with_extension("lock"))?;
    Ok(())
}

/// The most entries, if every visitor signs out right after the sign-in, and their memory.
fn table() -> Result<(), Box<dyn Error>> {
    println!("| sign-outs a day | absolute timeout | entries at most | memory |\n|---|---|---|---|");
    for (per_day, shown) in [(1_000_000, "1 million"), (10_000_000, "10 million")] {
        for (seconds, timeout) in [(12 * 3600, "12 hours"), (90 * 86_400, "90 days")] {
            let entries: u64 = per_day * (seconds + 300) / 86_400;
            let memory = if entries < LARGEST_MEASURED {
                // In a process of its own, because a process may keep memory that it used once.
                let argument = entries.to_string();
                let output = Command::new(env::current_exe()?).args(["memory", &argument]).output()?;
                String::from_utf8(output.stdout)?.trim_end().to_owned()
            } else {
                format!("not measured; {:.0} GB at 15 bytes each", entries as f64 * 15.0 / 1e9)
            };
            println!(
                "| {shown} | {timeout} | {:.1} million | {memory} |",
                entries as f64 / 1e6
            );
        }
    }
    Ok(())
}

/// The memory of a list that has grown in fifty steps.
fn memory(count: u64) -> Result<(), Box<dyn Error>> {
    let before = resident();
    let list = with_room(count);
    let now = NOW;
    for step in 0..STEPS {
        let numbers = (step..count).step_by(STEPS as usize);
        let mut bytes = b"SSRL\x01\0\0\0\0".to_vec();
        bytes.extend((numbers.clone().count() as u64).to_be_bytes());
        // Evenly spread and ascending.
        let ids = numbers.map(|number| number * (u64::MAX / count));
        ids.for_each(|id| bytes.extend([&id.to_be_bytes()[..], &u32::MAX.to_be_bytes()].concat()));
        list.merge_at(&bytes, now)?;
    }
    assert_eq!(list.len() as u64, count, "it was given room");
    println!("{}", growth(before, count));
    Ok(())
}

/// How long a write blocks readers: for as long as it holds the lock of a part, which is the ids with one first byte.
///
/// First, writes into lists of one part each: a whole write takes at least as long as it holds the lock. Every write is
/// done five times, and the shortest time counts, because a writer that loses its processor is no fault of the list.
/// Then a reader beside a writer, who reads an untouched list in turn: it shows what the machine alone does.
fn blocking(count: u64) -> Result<(), Box<dyn Error>> {
    let mut writes: [Vec<Duration>; 3] = Default::default();
    for number in 0..PARTS {
        let mut shortest = writes_into_a_part(count, number)?;
        for _ in 1..REPETITIONS {
            let again = writes_into_a_part(count, number)?;
            for (shortest, again) in shortest.iter_mut().flatten().zip(again.into_iter().flatten()) {
                *shortest = again.min(*shortest);
            }
        }
        for (all, part) in writes.iter_mut().zip(shortest) {
            all.extend(part);
        }
    }
    println!("{PARTS} parts as {count} entries have them, the shortest of {REPETITIONS} repetitions of each write:");
    let kinds = [
        "a revocation",
        "a merge of a page's share",
        "a snapshot that prunes half",
    ];
    for (kind, times) in kinds.into_iter().zip(writes) {
        println!("{kind}: {}", spread(times));
    }

    let (written, untouched) = (
        Revocations::bounded(count as usize),
        Revocations::bounded(count as usize),
    );
    let all = write_list(None, (0..count).map(|number| ending(id(number), number)));
    written.merge_at(&all, NOW)?;
    untouched.merge_at(&all, NOW)?;
    drop(all);
    let pages: Vec<u64> = (0..PAGES).map(|page| 2 * count + page * PAGE).collect();
    let is_done = AtomicBool::new(false);
    let (beside, alone) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut times = (Vec::new(), Vec::new());
            for number in (0..2 * count).map(|step| step * 7919 % (2 * count)) {
                times.0.push(by_clock(|| _ = black_box(written.is_revoked(id(number)))));
                times
                    .1
                    .push(by_clock(|| _ = black_box(untouched.is_revoked(id(number)))));
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
            }
            times
        });
        for first in pages {
            let entries = (first..first + PAGE).map(|number| ending(id(number), number));
            let page = write_list(None, entries);
            _ = black_box(written.merge_at(&page, NOW));
            (0..10_000).for_each(|number| written.revoke_at(ending(id(first + 10 * count + number), number), NOW));
            _ = black_box(written.snapshot_at(NOW));
        }
        is_done.store(true, Ordering::Relaxed);
        reader.join().expect("it does not panic")
    });
    println!(
        "lookups beside {PAGES} merges of {PAGE} entries, as many snapshots, and {} revocations, by the clock:",
        PAGES * 10_000
    );
    println!("in this list: {}", spread(beside));
    println!("in another one: {}", spread(alone));
    Ok(())
}

/// The times of single revocations, which fill the part until it makes room; of merges of what a page has for a part; and
/// of a snapshot six hours later, when half of the entries have ended.
fn writes_into_a_part(count: u64, part: u64) -> Result<[Vec<Duration>; 3], Box<dyn Error>> {
    let (first, all, share) = (part * count, count / 256, PAGE / 256);
    let alike = |number: u64| ending(one_first_byte(first + number), number);
    let list = Revocations::bounded(count as usize);
    list.merge_at(&write_list(None, (0..all).map(alike)), NOW)?;
    let revocations = (all..all + 1000).map(alike);
    let revocations = revocations
        .map(|revoked| by_clock(|| list.revoke_at(revoked, NOW)))
        .collect();
    let merges = [1, 2].map(|page| {
        let bytes = write_list(None, (page * count..page * count + share).map(alike));
        by_clock(|| _ = black_box(list.merge_at(&bytes, NOW)))
    });
    let later = NOW + Duration::from_secs(6 * 3600);
    let snapshot = by_clock(|| _ = black_box(list.snapshot_at(later)));
    Ok([revocations, merges.to_vec(), vec![snapshot]])
}

/// An entry that ends some time within the next twelve hours.
fn ending(id: SessionId, number: u64) -> Revocation {
    let until = NOW + Duration::from_secs(1 + number * 7919 % (12 * 3600));
    Revocation { id, until }
}

fn by_clock(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    let [half, most, longest] = [0.5, 0.9999, 1.0].map(at);
    format!(
        "median {half:.1?}, 99.99 % {most:.1?}, longest {longest:.1?} of {}",
        times.len()
    )
}

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::seconds(1_800_000_000));

const PARTS: u64 = 64;

const REPETITIONS: usize = 5;

/// Entries that a store gives at once, and how many times it does.
const PAGE: u64 = 262_144;
const PAGES: u64 = 4;

const STEPS: u64 = 50;

const LARGEST_MEASURED: u64 = 100_000_000;

/// A list with room for this many entries, and at least for the default number.
fn with_room(count: u64) -> Revocations {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    if most > 4_000_000 {
        Revocations::bounded(most)
    } else {
        Revocations::new()
    }
}

/// Ids that are spread as random ones are (SplitMix64), all different.
fn id(number: u64) -> SessionId {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    SessionId::from_bytes((mixed ^ (mixed >> 31)).to_be_bytes())
}

fn one_first_byte(number: u64) -> SessionId {
    SessionId::from_bytes((u64::from_be_bytes(id(number).to_bytes()) >> 8).to_be_bytes())
}

fn each(elapsed: Duration, count: u64) -> String {
    format!("{:.0} ns each", elapsed.as_nanos() as f64 / count.max(1) as f64)
}

fn growth(before: Option<u64>, count: u64) -> String {
    let Some((before, after)) = before.zip(resident()) else {
        return "not told by this system".to_owned();
    };
    let bytes = after.saturating_sub(before) as f64;
    format!(
        "{:.1} MB, {:.1} bytes per entry",
        bytes / 1e6,
        bytes / count.max(1) as f64
    )
}

/// The resident set in bytes.
fn resident() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

struct Watch {
    processor: Option<u64>,
    clock: Instant,
}

impl Watch {
    fn start() -> Self {
        Self {
            processor: Self::processor(),
            clock: Instant::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        let processor = self.processor.zip(Self::processor());
        processor.map_or_else(
            || self.clock.elapsed(),
            |(before, after)| Duration::from_nanos(after - before),
        )
    }

    /// Nanoseconds that this thread has run.
    fn processor() -> Option<u64> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    }
}
