//! The cost of a large revocation list: memory, lookups, revocations, snapshots, merges, and its file.
//!
//!     cargo bench --bench revocation_cost              a million entries
//!     cargo bench --bench revocation_cost -- 10000     another number
//!     cargo bench --bench revocation_cost -- table     memory by sign-outs a day, as in docs/operating.md
//!
//! Times are processor times, in ticks of some milliseconds, so other processes disturb them little. Memory is the growth
//! of the process's resident set. (Both on Linux; elsewhere times are by the clock.)

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use sealed_session::SessionId;
use sealed_session::revocation::{Revocation, RevocationFile, RevocationList, Revocations};
use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => costs(1_000_000),
        ["table"] => table(),
        ["memory", count] => memory(count.parse()?),
        [count] => costs(count.parse()?),
        _ => Err("at most one argument: a number of entries, or `table`".into()),
    }
}

fn costs(count: u64) -> Result<(), Box<dyn Error>> {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000)?;
    let until = now + Duration::from_secs(12 * 3600 + 300);
    let until_then = |id| Revocation { id, until };
    let before = resident();

    let list = with_room(count);
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

    // Ids that all begin with the same byte: a server's random ids never do, but they must work too.
    let skewed = Revocations::new();
    let count = count.min(100_000);
    let revoking = Watch::start();
    let alike = |number: u64| SessionId::from_bytes((u64::from_be_bytes(id(number).to_bytes()) >> 8).to_be_bytes());
    (0..count).for_each(|number| skewed.revoke_at(until_then(alike(number)), now));
    println!("{count} ids with one first byte: {}", each(revoking.elapsed(), count));

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
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000)?;
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

/// Ids as evenly spread as random ones.
fn id(number: u64) -> SessionId {
    SessionId::from_bytes(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
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
