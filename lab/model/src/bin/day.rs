//! Prints what keeping opened sessions gives, and takes, by visitors, servers and cache size.
//!
//!     cargo run --release -p model --bin day               two minutes of processor time
//!     cargo run --release -p model --bin day -- --quick    a few seconds: shorter windows, and at most 1,000 visitors

use std::fs;
use std::sync::Mutex;
use std::thread;

use model::day::{Data, PAYLOAD, Tally, Traffic, ring, server};
use model::server::at;
use sealed_session::RequestFields;

const MIB: usize = 1024 * 1024;
/// Sizes of the cache, the default one among them.
const CACHES: [usize; 4] = [MIB / 2, 2 * MIB, 8 * MIB, 32 * MIB];
/// Servers, and whether a visitor stays at one.
const FLEETS: [(u32, bool); 5] = [(1, false), (4, false), (4, true), (40, false), (40, true)];

/// Visitors, servers, and whether a visitor stays at one.
type Row = (u32, u32, bool);

fn main() {
    let is_quick = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [option] if option == "--quick" => true,
        _ => panic!("the only argument is --quick"),
    };
    let (numbers, requests): (&[u32], _) = if is_quick {
        (&[10, 1_000], 40_000)
    } else {
        (&[10, 1_000, 100_000], 400_000)
    };
    let per_entry = measured();
    let fleets = numbers
        .iter()
        .flat_map(|&visitors| FLEETS.map(|(servers, sticky)| (visitors, servers, sticky)));
    let rows: Vec<Row> = fleets.collect();
    let jobs: Vec<Traffic> = rows
        .iter()
        .flat_map(|&(visitors, servers, sticky)| {
            CACHES.map(|cache| Traffic {
                visitors,
                servers,
                sticky,
                cache,
            })
        })
        .collect();
    let tallies = all(&jobs, requests);

    println!("Session data of {PAYLOAD} bytes. Requests that find their session kept, by the size of the cache:\n");
    table(&rows, &tallies, |tally| format!("{:.0} %", tally.hit_rate()));
    println!("\nEntries of a server at half of the peak, and at most; the same in MB:\n");
    table(&rows, &tallies, |tally| {
        let memory = per_entry.map_or_else(String::new, |bytes| {
            let megabytes = |entries: f64| entries * bytes / 1e6;
            let most = megabytes(tally.peak as f64);
            format!("; {:.1}, {most:.1} MB", megabytes(tally.typical))
        });
        format!("{:.0}, {}{memory}", tally.typical, tally.peak)
    });
}

fn table(rows: &[Row], tallies: &[Tally], cell: impl Fn(&Tally) -> String) {
    println!("| visitors at the peak | servers | 0.5 MiB | 2 MiB | 8 MiB | 32 MiB |\n|---|---|---|---|---|---|");
    for (&(visitors, servers, sticky), tallies) in rows.iter().zip(tallies.chunks(CACHES.len())) {
        let balancing = match (servers, sticky) {
            (1, _) => "",
            (_, true) => ", sticky",
            (_, false) => ", random",
        };
        let cells: Vec<String> = tallies.iter().map(&cell).collect();
        println!("| {visitors} | {servers}{balancing} | {} |", cells.join(" | "));
    }
}

/// Runs them on all processors, the longest first.
fn all(jobs: &[Traffic], requests: u32) -> Vec<Tally> {
    let left = Mutex::new((0..jobs.len()).collect::<Vec<_>>());
    let tallies = Mutex::new(vec![Tally::default(); jobs.len()]);
    let work = || {
        while let Some(job) = { left.lock().expect("no job panics").pop() } {
            let tally = jobs[job].day(requests, u64::from(jobs[job].visitors));
            tallies.lock().expect("no job panics")[job] = tally;
        }
    };
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    tallies.into_inner().expect("no job panics")
}

/// Bytes by which the process grows for each entry, the cache's own tables included.
fn measured() -> Option<f64> {
    const ENTRIES: u32 = 20_000;
    let sessions = server(&ring(), 64 * MIB);
    let visit = || {
        let cookie = sessions.cookie_for_at(Data::new(), at(0)).expect("a small session");
        let session = sessions.load_at(RequestFields::from_cookies([cookie]), at(0));
        assert!(session.get().is_some());
    };
    (0..100).for_each(|_| visit());
    let before = resident()?;
    (0..ENTRIES).for_each(|_| visit());
    Some(resident()?.saturating_sub(before) as f64 / f64::from(ENTRIES))
}

/// The resident set in bytes.
fn resident() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}
