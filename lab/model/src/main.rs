//! Prints the results of the model: the documented procedures, the shortcuts, and a year.

use std::thread;
use std::time::Instant;

use model::explore::explore;
use model::procedure::{Procedure, THREE, TWO};
use model::rotation::{Property, Rotation};
use model::trace;
use model::year::Year;

/// How many minutes of a rotation are explored, with two and with three servers.
const TWO_FOR: u32 = 60;
const THREE_FOR: u32 = 50;
const SESSIONS: u32 = 1_000_000;

fn main() {
    // A smaller year, if asked for.
    let sessions = std::env::args().nth(1).map_or(SESSIONS, |number| {
        number.parse().expect("the only argument is a number of sessions")
    });
    let mut is_good = true;
    println!("== documented procedures: every order of deploys, visits and time");
    thread::scope(|scope| {
        let explore_all = |clocks, minutes| {
            let run = move |procedure| scope.spawn(move || documented(procedure, minutes));
            Procedure::documented(clocks).map(run)
        };
        for run in [explore_all(TWO, TWO_FOR), explore_all(THREE, THREE_FOR)]
            .into_iter()
            .flatten()
        {
            let (text, holds) = run.join().expect("no exploration panics");
            print!("{text}");
            is_good &= holds;
        }
    });
    println!("\n== shortcuts, each with the shortest way to a failure");
    for procedure in Procedure::shortcuts() {
        is_good &= shortcut(procedure);
    }
    println!("\n== a year");
    is_good &= year(sessions);
    if !is_good {
        println!("\nFAILED");
        std::process::exit(1);
    }
}

fn documented(procedure: Procedure, minutes: u32) -> (String, bool) {
    let start = Instant::now();
    let mut model = Rotation::new(procedure, minutes * 60);
    let explored = explore(&mut model, None);
    let (requests, replaced) = model.fleet.answered();
    let mut text = format!(
        "{}; {} servers, {minutes} minutes\n  {} states, {} actions, up to {} deep\n  {requests} different requests to \
         real servers, {replaced} calls of replace_keys\n  {:.0} seconds\n",
        model.procedure.name,
        model.procedure.clocks[0].len(),
        explored.states,
        explored.actions,
        explored.depth,
        start.elapsed().as_secs_f64()
    );
    let mut is_good = explored.is_complete;
    for property in model.properties() {
        let (name, is_so, word) = match property {
            Property::Always(name, _) => (name, !explored.failed.contains_key(name), "always"),
            Property::Sometimes(name, _) => (name, explored.reached.contains_key(name), "reached"),
        };
        let verdict = if is_so { "ok" } else { "FAILED" };
        text += &format!("  {verdict}, {word}: {name}\n");
        if let Some(path) = explored.failed.get(name) {
            text += &trace::write(&model, path);
        }
        is_good &= is_so;
    }
    (text, is_good)
}

fn shortcut(procedure: Procedure) -> bool {
    let breaks = procedure.breaks.expect("a shortcut breaks a property");
    let mut model = Rotation::new(procedure, TWO_FOR * 60);
    let explored = explore(&mut model, Some(breaks));
    println!("{}: after {} states", model.procedure.name, explored.states);
    match explored.failed.get(breaks) {
        Some(path) => print!("{}", trace::write(&model, path)),
        None => println!("  FAILED: the shortcut broke nothing"),
    }
    explored.failed.contains_key(breaks)
}

fn year(sessions: u32) -> bool {
    let start = Instant::now();
    let threads = thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(1));
    let year = Year::documented(sessions, threads);
    let schedule = year.schedule();
    let tally = year.run(&schedule);
    let largest = schedule
        .rings
        .iter()
        .map(|ring| ring.describe().len())
        .max()
        .unwrap_or_default();
    let rows: [(&str, u64); 19] = [
        ("servers", year.clocks.len() as u64),
        (
            "seconds between the slowest and the fastest clock",
            year.clocks.iter().copied().max().unwrap_or_default().into(),
        ),
        ("secrets that took over", schedule.rotations as u64),
        ("secrets retired", schedule.retired as u64),
        ("secrets in the largest ring", largest as u64),
        ("restarts with the ring of the step before", schedule.fell_back as u64),
        ("sessions started", tally.started),
        ("requests after that", tally.requests),
        (
            "  of these under a secret that no longer sealed",
            tally.under_other_secret,
        ),
        ("  that wrote", tally.writes),
        ("  that only renewed", tally.renewals),
        ("ended: idle timeout", tally.idle),
        ("ended: absolute timeout", tally.absolute),
        ("  of both where the granularity of renewals leaves it open", tally.open),
        ("ended: signed out", tally.signed_out),
        ("alive at the end", tally.alive),
        ("sealed again by a read (must be 0)", tally.resealed),
        ("accepted after their end (must be 0)", tally.outlived),
        ("unwanted logouts (must be 0)", tally.unwanted),
    ];
    println!("{:>12.0}  seconds on {threads} threads", start.elapsed().as_secs_f64());
    for (name, value) in rows {
        println!("{value:>12}  {name}");
    }
    if let Some(example) = &tally.example {
        println!("the first unwanted logout: {example}");
    }
    tally.unwanted + tally.outlived + tally.resealed == 0
}
