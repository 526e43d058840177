//! What a large revocation list costs: memory, lookups, revocations, snapshots and merges.
//!
//!     cargo run --release --example revocation_cost              a million entries
//!     cargo run --release --example revocation_cost -- 10000     another number
//!
//! Times are of the processor, in its ticks of some milliseconds, so that other processes disturb them little; memory is the
//! growth of the process's resident set (both on Linux; elsewhere times are by the clock).

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use sealed_session::{RevocationList, Revocations, SessionId};
use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000)?;
    let until = now + Duration::from_secs(12 * 3600 + 300);
    let before = resident();

    let list = Revocations::new();
    let revoking = Watch::start();
    (0..count).for_each(|number| list.revoke(id(number), until, now));
    let revoked = revoking.elapsed();
    println!("{} entries, one by one: {}", list.len(), each(revoked, count));
    println!("memory: {} (the log for deltas included)", growth(before, count));

    // Every id once, in an order that no cache foresees, and as many that are not in the list.
    for (what, first) in [("lookup of a revoked id", 0), ("lookup of another id", count)] {
        let order: Vec<SessionId> = (0..count).map(|step| id(first + step * 7919 % count)).collect();
        let looking = Watch::start();
        let found = order.iter().filter(|&&id| list.is_revoked(black_box(id))).count();
        println!("{what}: {} ({found} found)", each(looking.elapsed(), count));
    }

    let taking = Watch::start();
    let snapshot = list.snapshot(now);
    println!("snapshot: {} bytes in {:.1?}", snapshot.len(), taking.elapsed());
    let other = Revocations::new();
    for what in ["merged into an empty list", "merged again"] {
        let merging = Watch::start();
        let news = other.merge(&snapshot, now)?;
        println!("{what}: {news} new in {:.1?}", merging.elapsed());
    }
    let mut cursor = list.cursor();
    list.revoke(id(2 * count), until, now);
    let delta = list.delta_since(&mut cursor, now).unwrap_or_default();
    println!("delta of one: {} bytes, {} new", delta.len(), other.merge(&delta, now)?);

    // Ids that all begin with the same byte: what the server draws at random never looks so, but nothing breaks.
    let skewed = Revocations::new();
    let count = count.min(100_000);
    let revoking = Watch::start();
    let alike = |number: u64| SessionId::from_bytes((u64::from_be_bytes(id(number).to_bytes()) >> 8).to_be_bytes());
    (0..count).for_each(|number| skewed.revoke(alike(number), until, now));
    println!("{count} ids with one first byte: {}", each(revoking.elapsed(), count));
    Ok(())
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
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
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
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    }
}
