//! Compares crates that could keep opened sessions: times, threads and memory. The library took quick_cache.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use mini_moka::sync::ConcurrentCacheExt as _;
use sealed_session_peers::counting::{self, Counting};
use sealed_session_peers::measure::{Effort, Operation, interleave, median, operation, prepared, ratio};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Key = [u8; 8];
/// As long as a session of 250 bytes with its text and data.
type Value = Arc<[u8; BYTES]>;

const BYTES: usize = 1200;
const ENTRIES: usize = 4096;
const CAPACITY: u64 = (ENTRIES * BYTES) as u64;
const UNUSED: Duration = Duration::from_secs(60);

trait Keeps: Send + Sync + 'static {
    fn kept(&self, key: &Key) -> Option<Value>;
    fn keep(&self, key: Key, value: Value);
    /// Does now what the cache does later.
    fn settle(&self) {}
    fn entries(&self) -> u64;
}

#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<Key, Value> for Weight {
    fn weight(&self, _: &Key, _: &Value) -> u64 {
        BYTES as u64
    }
}

impl Keeps for quick_cache::sync::Cache<Key, Value, Weight> {
    fn kept(&self, key: &Key) -> Option<Value> {
        self.get(key)
    }

    fn keep(&self, key: Key, value: Value) {
        self.insert(key, value);
    }

    fn entries(&self) -> u64 {
        self.len() as u64
    }
}

impl Keeps for moka::sync::Cache<Key, Value> {
    fn kept(&self, key: &Key) -> Option<Value> {
        self.get(key)
    }

    fn keep(&self, key: Key, value: Value) {
        self.insert(key, value);
    }

    fn settle(&self) {
        self.run_pending_tasks();
    }

    fn entries(&self) -> u64 {
        self.entry_count()
    }
}

impl Keeps for mini_moka::sync::Cache<Key, Value> {
    fn kept(&self, key: &Key) -> Option<Value> {
        self.get(key)
    }

    fn keep(&self, key: Key, value: Value) {
        self.insert(key, value);
    }

    fn settle(&self) {
        self.sync();
    }

    fn entries(&self) -> u64 {
        self.entry_count()
    }
}

fn quick() -> Arc<dyn Keeps> {
    Arc::new(quick_cache::sync::Cache::with_weighter(ENTRIES, CAPACITY, Weight))
}

fn moka_of(unused: Option<Duration>) -> Arc<dyn Keeps> {
    let builder = moka::sync::Cache::builder().max_capacity(CAPACITY);
    let builder = builder.weigher(|_: &Key, _: &Value| BYTES as u32);
    let builder = unused
        .into_iter()
        .fold(builder, |builder, after| builder.time_to_idle(after));
    Arc::new(builder.build())
}

fn mini_moka() -> Arc<dyn Keeps> {
    let builder = mini_moka::sync::Cache::builder().max_capacity(CAPACITY);
    Arc::new(builder.weigher(|_: &Key, _: &Value| BYTES as u32).build())
}

fn caches() -> [(&'static str, Arc<dyn Keeps>); 4] {
    [
        ("quick_cache", quick()),
        ("moka `sync`", moka_of(None)),
        ("moka `sync`, `time_to_idle`", moka_of(Some(UNUSED))),
        ("mini-moka `sync`", mini_moka()),
    ]
}

/// Session ids are random, and so are these, from the finaliser of splitmix64.
fn key(index: u64) -> Key {
    let mixed = (index ^ (index >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).to_be_bytes()
}

fn value() -> Value {
    Arc::new([7; BYTES])
}

fn counter(from: u64) -> impl Fn() -> u64 {
    let next = Cell::new(from);
    move || next.replace(next.get() + 1)
}

/// Keys that the cache holds, in turns.
const VISITORS: u64 = 512;

fn filled(cache: &Arc<dyn Keeps>) -> Arc<dyn Keeps> {
    for index in 1..=VISITORS {
        cache.keep(key(index), value());
    }
    cache.settle();
    Arc::clone(cache)
}

fn hits(cache: &Arc<dyn Keeps>) -> Operation {
    let (cache, next) = (filled(cache), counter(0));
    operation(move || cache.kept(&key(1 + next() % VISITORS)).is_some())
}

fn misses(cache: &Arc<dyn Keeps>) -> Operation {
    let (cache, next) = (filled(cache), counter(1 << 40));
    operation(move || cache.kept(&key(next())).is_none())
}

/// Each takes the place of another. A cache may also refuse it.
fn inserts(cache: &Arc<dyn Keeps>) -> Operation {
    let (cache, next) = (Arc::clone(cache), counter(1 << 50));
    for index in 0..2 * ENTRIES as u64 {
        cache.keep(key((1 << 49) + index), value());
    }
    prepared(
        move || (key(next()), value()),
        move |(key, value)| {
            cache.keep(key, value);
            true
        },
    )
}

/// Bytes for each entry of a full cache, beside the value and its counters.
fn memory(make: impl Fn() -> Arc<dyn Keeps>) -> f64 {
    let before = counting::bytes();
    let cache = make();
    for index in 0..ENTRIES as u64 {
        cache.keep(key(index), value());
        cache.settle();
    }
    let entries = cache.entries() as f64;
    let of_value = (size_of::<Key>() + BYTES + 2 * size_of::<usize>()) as f64;
    (counting::bytes() - before) as f64 / entries - of_value
}

/// How many times as much two threads find as one does.
fn scales(cache: &Arc<dyn Keeps>, rounds: usize, same: bool) -> f64 {
    const ROUND: Duration = Duration::from_millis(50);
    let cache = filled(cache);
    let found = |thread: u64| {
        let (mut count, start) = (0u64, Instant::now());
        while start.elapsed() < ROUND {
            for index in 0..256 {
                let index = if same { 1 } else { 1 + thread * 256 + index };
                assert!(black_box(cache.kept(&key(index))).is_some());
            }
            count += 256;
        }
        count as f64 / start.elapsed().as_secs_f64()
    };
    let together = |threads: u64| -> f64 {
        let barrier = Barrier::new(threads as usize);
        thread::scope(|scope| {
            let run = |thread| {
                let (barrier, found) = (&barrier, &found);
                scope.spawn(move || {
                    barrier.wait();
                    found(thread)
                })
            };
            let threads: Vec<_> = (0..threads).map(run).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        })
    };
    median((0..rounds).map(|_| {
        let one = together(1);
        together(2) / one
    }))
}

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (pairs, rounds) = if is_quick { (15, 3) } else { (151, 15) };
    let effort = Effort {
        batch: Duration::from_micros(250),
        pairs,
    };
    // The programs above take their times with the usual allocator; here it counts, for all alike.
    let measure = |of: fn(&Arc<dyn Keeps>) -> Operation| {
        let caches = caches();
        let operations = caches.each_ref().map(|(_, cache)| of(cache));
        let series = interleave(operations.each_ref(), effort);
        let first = series[0].clone();
        series.map(|times| {
            let by_first = ratio(&times, &first);
            format!("{:.0} ns ({by_first:.1})", median(times))
        })
    };
    let (hit, miss, insert) = (measure(hits), measure(misses), measure(inserts));
    let memory = [
        memory(quick),
        memory(|| moka_of(None)),
        memory(|| moka_of(Some(UNUSED))),
        memory(mini_moka),
    ];
    println!(
        "\n## Caches for opened sessions\n\n\
         Keys of 8 bytes, values in an `Arc` weighed as {BYTES} bytes, room for {ENTRIES} of them; in brackets by quick_cache. An\n\
         insert takes the place of another entry. Memory is that of a full cache for each entry, beside key and value.\n\n\
         | crate | hit | miss | insert | memory | two threads, {VISITORS} keys | two threads, one key |\n|---|---|---|---|---|---|---|"
    );
    for (index, (name, cache)) in caches().iter().enumerate() {
        println!(
            "| {name} | {} | {} | {} | {:.0} bytes | {:.2} | {:.2} |",
            hit[index],
            miss[index],
            insert[index],
            memory[index],
            scales(cache, rounds, false),
            scales(cache, rounds, true)
        );
    }
}
