//! The heap that opened sessions take while they are kept, with an allocator of its own that counts bytes.
//!
//!     cargo run --release --manifest-path lab/peers/Cargo.toml --no-default-features --bin kept

#[path = "../../../../benches/payload.rs"]
mod payload;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use payload::visit;
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, SessionData, Sessions};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// Counts what glibc's allocator takes from the heap: 8 bytes more, in steps of 16, at least 32.
struct Counting;

static HEAP: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn grow(size: usize) {
    let heap = HEAP.fetch_add(chunk(size), Ordering::Relaxed) + chunk(size);
    PEAK.fetch_max(heap, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP.fetch_sub(chunk(layout.size()), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn heap() -> usize {
    HEAP.load(Ordering::Relaxed)
}

/// Session data that are counted while they are in memory.
#[derive(Serialize)]
#[serde(transparent)]
struct Counted<T>(T);

static KEPT: AtomicUsize = AtomicUsize::new(0);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let data = T::deserialize(deserializer)?;
        KEPT.fetch_add(1, Ordering::Relaxed);
        Ok(Self(data))
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

const MIB: usize = 1024 * 1024;
const SECONDS: fn(i64) -> OffsetDateTime =
    |seconds| OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).expect("a time");

/// Sessions of one kind of data, which many visitors have alike.
struct Visitors<T: SessionData> {
    sessions: Sessions<Counted<T>>,
    json: String,
}

impl<T: SessionData> Visitors<T> {
    fn new(data: &T, cache: usize) -> Self {
        let key = Key::generate().expect("random bytes");
        let lifetime = Lifetime::absolute(Duration::from_secs(3600)).without_idle();
        let builder = Sessions::builder(KeyRing::new(key)).lifetime(lifetime);
        let visitors = Self {
            sessions: builder.opened_cache(cache).build().expect("a configuration"),
            json: serde_json::to_string(data).expect("it serialises"),
        };
        // What is made once.
        visitors.come_at(SECONDS(-1000));
        visitors
    }

    /// A new visitor comes once, and is kept. Returns the length of the token.
    fn come_at(&self, now: OffsetDateTime) -> usize {
        let data = serde_json::from_str(&self.json).expect("JSON of this type");
        let cookie = self.sessions.cookie_for_at(data, now).expect("it fits");
        let length = cookie.split_once('=').map_or(0, |(_, token)| token.len());
        let session = self.sessions.load_at(RequestFields::from_cookies([cookie]), now);
        assert!(session.get().is_some());
        length
    }

    /// Bytes of the data, on the heap and by themselves.
    fn data_bytes(&self) -> usize {
        let before = heap();
        let data: Counted<T> = serde_json::from_str(&self.json).expect("JSON of this type");
        heap() - before + size_of_val(&data)
    }
}

/// Heap of an entry beside text, payload and data: on average, and the most while the tables grow.
fn entry(size: usize) {
    let visitors = Visitors::new(&visit(size), 1024 * MIB);
    let (before, data) = (heap(), visitors.data_bytes());
    let (mut text, mut sum, mut most) = (0, 0.0, 0.0f64);
    const STEPS: usize = 200;
    for step in 1..=STEPS {
        (0..100).for_each(|_| text = visitors.come_at(SECONDS(0)));
        if step > STEPS / 20 {
            let entry = (heap() - before) as f64 / (step * 100) as f64;
            sum += entry;
            most = most.max(entry);
        }
    }
    let mean = sum / (STEPS - STEPS / 20) as f64;
    let rest = (text + size + data) as f64;
    println!(
        "| {size} | {text} | {data} | {mean:.0} | {:.0} | {:.0} |",
        mean - rest,
        most - rest
    );
}

/// A cache of 8 MiB is filled twice over. Its heap, against the bytes that it was given.
fn full<T: SessionData>(name: &str, data: &T) {
    let visitors = Visitors::new(data, 8 * MIB);
    let (before, kept) = (heap(), KEPT.load(Ordering::Relaxed));
    PEAK.store(before, Ordering::Relaxed);
    (0..40_000).for_each(|_| _ = visitors.come_at(SECONDS(0)));
    let entries = KEPT.load(Ordering::Relaxed) - kept;
    let (payload, data) = (visitors.json.len(), visitors.data_bytes());
    println!(
        "| {name} | {payload} | {:.1} | {entries} | {:.0} | {:.1} | {:.1} |",
        (data - size_of::<T>()) as f64 / payload as f64,
        (8 * MIB) as f64 / entries as f64,
        (heap() - before) as f64 / MIB as f64,
        (PEAK.load(Ordering::Relaxed) - before) as f64 / MIB as f64,
    );
}

/// What stays when all entries went.
fn empty(cache: usize) {
    let before = heap();
    let visitors = Visitors::new(&visit(250), cache);
    let new = heap() - before;
    (0..40_000).for_each(|_| _ = visitors.come_at(SECONDS(0)));
    let full = heap() - before;
    // Requests without a session sweep too, one shard a second.
    for second in 1..=200 {
        let session = visitors.sessions.load_at(RequestFields::default(), SECONDS(second));
        assert!(session.get().is_none());
    }
    let kibibytes = |bytes: usize| bytes as f64 / 1024.0;
    println!(
        "| {} | {:.1} | {:.0} | {:.0} |",
        cache as f64 / MIB as f64,
        kibibytes(new),
        kibibytes(full),
        kibibytes(heap() - before)
    );
}

/// A session with more on the heap than its JSON tells.
#[derive(Serialize, Deserialize)]
struct Defaults {
    #[serde(default = "zeros", skip_serializing_if = "is_zeros")]
    scratch: Vec<u8>,
}

fn zeros() -> Vec<u8> {
    vec![0; 4096]
}

fn is_zeros(scratch: &[u8]) -> bool {
    scratch == zeros()
}

fn main() {
    println!("## An entry\n\n| payload | text | data | heap | beside these | at most |\n|---|---|---|---|---|---|");
    [60, 250, 1024, 2980].into_iter().for_each(entry);

    println!("\n## A full cache of 8 MiB\n");
    println!("| data | payload | heap of data per byte | entries | estimate | heap MiB | peak MiB |");
    println!("|---|---|---|---|---|---|---|");
    [60, 250, 1024, 2980]
        .into_iter()
        .for_each(|size| full("a shop's visit", &visit(size)));
    let word = |index: usize| format!("word {index:03}");
    let ids = |count: u64| {
        (0..count)
            .map(|index| 1_000_000_000 + index * 7919)
            .collect::<Vec<u64>>()
    };
    let map = |count: usize| {
        (0..count)
            .map(|index| (word(index), word(index * 7)))
            .collect::<BTreeMap<_, _>>()
    };
    full("`u64`", &7u64);
    full("`String`", &"a sentence ".repeat(90));
    full("`Vec<String>`", &(0..90).map(word).collect::<Vec<_>>());
    full("`Vec<u64>`", &ids(90));
    full("`Vec<u8>`", &(0..=255).collect::<Vec<u8>>());
    full("`BTreeMap<String, String>`, 3", &map(3));
    full("`BTreeMap<String, String>`, 40", &map(40));
    full(
        "`Value` of a shop's visit",
        &serde_json::to_value(visit(1024)).expect("JSON"),
    );
    full("`Value`, small numbers", &Value::from(vec![1; 500]));
    full("`Vec<String>`, one letter each", &vec!["a".to_owned(); 250]);
    full("`Vec<Vec<()>>`", &vec![Vec::<()>::new(); 330]);
    full("a default of 4 KiB", &Defaults { scratch: zeros() });

    println!("\n## Without entries\n\n| cache MiB | new KiB | full KiB | after all went KiB |\n|---|---|---|---|");
    [0, MIB / 2, 8 * MIB, 32 * MIB].into_iter().for_each(empty);
}
