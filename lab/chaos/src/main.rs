//! Kills servers, Redis and the network between them at random moments, and checks that no session is lost. README.md
//! says what is checked.
//!
//!     chaos [--long [MINUTES]] [SCENARIO…]

mod clock;
mod fleet;
mod http;
mod ledger;
mod proxy;
mod random;
mod redis;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, panic};

use crate::ledger::Counts;
use crate::random::Random;
use crate::scenarios::SCENARIOS;

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    let is_long = words.first().is_some_and(|word| word == "--long");
    let mut minutes = 0;
    if is_long {
        words.remove(0);
        minutes = words.first().and_then(|word| word.parse().ok()).unwrap_or(10);
        words.retain(|word| word.parse::<u64>().is_err());
    }
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|(name, _)| words.is_empty() || words.iter().any(|word| word == name))
        .collect();
    let is_known = |word: &String| SCENARIOS.iter().any(|(name, _)| word == name);
    if !words.iter().all(is_known) {
        let names: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "usage: chaos [--long [MINUTES]] [SCENARIO…]\nscenarios: {}",
            names.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let given: Option<u64> = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let first = given.unwrap_or_else(|| u64::from(time::OffsetDateTime::now_utc().microsecond()));
    let mut totals: BTreeMap<&str, (usize, Counts)> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    let began = Instant::now();
    'all: for seed in first.. {
        for (name, run) in &chosen {
            // Each runs at least once.
            if seed > first && began.elapsed() >= Duration::from_secs(60 * minutes) {
                break 'all;
            }
            println!("{name}, SEED={seed}");
            let done = panic::catch_unwind(|| run(name, &mut Random(seed)));
            let (runs, total) = totals.entry(name).or_default();
            *runs += 1;
            match done {
                Ok((counts, failures)) => {
                    println!("    {}", counts.row());
                    total.add(&counts);
                    failures
                        .into_iter()
                        .for_each(|failure| _ = failed.insert(format!("{name}, SEED={seed}: {failure}")));
                }
                Err(_) => _ = failed.insert(format!("{name}, SEED={seed}: panicked")),
            }
        }
    }
    let header = [
        "scenario",
        "runs",
        "kills",
        "sessions",
        "checks",
        "sign-outs",
        "confirmed",
        "lost",
        "slowest s",
    ];
    println!("\n| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for (name, (runs, total)) in &totals {
        println!("| {name} | {runs} | {} |", total.row());
    }
    for failure in &failed {
        println!("FAILED  {failure}");
    }
    println!("{} failures in {} s", failed.len(), began.elapsed().as_secs());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
