//! Two threads on one `Sessions` that keeps what it opened, against one thread and against two processes.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use sealed_session::{RequestFields, Sessions};
use time::OffsetDateTime;

use crate::contestants::sessions;
use crate::payload::{Visit, visit};
use crate::targets::verdict;
use sealed_session_peers::measure::median;

/// The argument that makes this program one of the two processes.
pub const CHILD: &str = "--child";

const ROUND: Duration = Duration::from_millis(100);
const SIZE: usize = 250;
/// The visitors of one thread.
const VISITORS: usize = 256;
const TARGET: f64 = 1.8;

struct Bench {
    sessions: Sessions<Visit>,
    now: OffsetDateTime,
    /// For each thread.
    visitors: [Vec<&'static str>; 2],
}

impl Bench {
    fn new() -> Self {
        let (sessions, now) = (sessions(1), OffsetDateTime::now_utc());
        let cookie = || -> &'static str { sessions.cookie_for_at(visit(SIZE), now).expect("it fits").leak() };
        let visitors = [(); 2].map(|()| (0..VISITORS).map(|_| cookie()).collect());
        Self {
            sessions,
            now,
            visitors,
        }
    }

    /// How many sessions open in a second of one round, these visitors in turns.
    fn opened(&self, visitors: &[&'static str]) -> f64 {
        let mut count = 0u32;
        let start = Instant::now();
        while start.elapsed() < ROUND {
            for cookie in visitors.iter().cycle().take(VISITORS) {
                let fields = RequestFields::from_cookies([*black_box(cookie)]);
                assert!(self.sessions.load_at(fields, self.now).get().is_some());
                count += 1;
            }
        }
        f64::from(count) / start.elapsed().as_secs_f64()
    }

    /// How many sessions open in a second, with a thread for each of these.
    fn together(&self, threads: &[&[&'static str]]) -> f64 {
        let barrier = Barrier::new(threads.len());
        thread::scope(|scope| {
            let run = |&visitors| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    self.opened(visitors)
                })
            };
            let threads: Vec<_> = threads.iter().map(run).collect();
            let rates = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            rates.sum()
        })
    }
}

/// Runs a round for every line of its input.
pub fn child() {
    let bench = Bench::new();
    for _ in std::io::stdin().lines() {
        println!("{}", bench.opened(&bench.visitors[0]));
        std::io::stdout().flush().expect("the parent reads");
    }
}

pub fn print(rounds: usize) {
    let bench = Bench::new();
    let [first, second] = bench.visitors.each_ref().map(Vec::as_slice);
    let same = &first[..1];
    let mut children = [(); 2].map(|()| spawn());
    let (mut by_many, mut by_same, mut by_processes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let one = bench.together(&[first]);
        by_many.push(bench.together(&[first, second]) / one);
        for child in &mut children {
            let input = child.stdin.as_mut().expect("piped");
            writeln!(input, "go").expect("the child reads");
        }
        by_processes.push(children.iter_mut().map(answer).sum::<f64>() / one);
        let one = bench.together(&[same]);
        by_same.push(bench.together(&[same, same]) / one);
    }
    for mut child in children {
        drop(child.stdin.take());
        child.wait().expect("the child ends with its input");
    }
    println!(
        "\nTwo threads on one `Sessions`, {SIZE} bytes, seen before: how many times as many sessions they open as one thread\n\
         does. Two processes share nothing but the machine, so they show what it can do.\n\n\
         | {VISITORS} visitors for each thread | the same visitor on both | two processes |\n|---|---|---|\n\
         | {} | {:.2} | {:.2} |",
        verdict(median(by_many), TARGET),
        median(by_same),
        median(by_processes)
    );
}

fn spawn() -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .arg(CHILD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts again")
}

fn answer(child: &mut Child) -> f64 {
    let mut line = String::new();
    // One line per round, so the buffer is empty.
    BufReader::new(child.stdout.as_mut().expect("piped"))
        .read_line(&mut line)
        .expect("the child writes");
    line.trim().parse().expect("a number")
}
