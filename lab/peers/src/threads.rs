//! Two threads on one `Sessions`, against one thread and against two processes.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use sealed_session::{RequestFields, Sessions};
use time::OffsetDateTime;

use crate::contestants::sessions;
use crate::measure::median;
use crate::payload::{Visit, visit};

/// The argument that makes this program one of the two processes.
pub const CHILD: &str = "--child";

const ROUND: Duration = Duration::from_millis(100);
const SIZE: usize = 250;

/// How many sessions open within one round.
fn opened(sessions: &Sessions<Visit>, cookie: &'static str, now: OffsetDateTime) -> f64 {
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < ROUND {
        for _ in 0..64 {
            let session = sessions.load_at(RequestFields::from_cookies([black_box(cookie)]), now);
            assert!(session.get().is_some());
            count += 1;
        }
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn prepared() -> (Sessions<Visit>, &'static str, OffsetDateTime) {
    let (sessions, now) = (sessions(1, true), OffsetDateTime::now_utc());
    let cookie = sessions.cookie_for_at(visit(SIZE), now).expect("it fits").leak();
    (sessions, cookie, now)
}

/// Runs a round for every line of its input.
pub fn child() {
    let (sessions, cookie, now) = prepared();
    for _ in std::io::stdin().lines() {
        println!("{}", opened(&sessions, cookie, now));
        std::io::stdout().flush().expect("the parent reads");
    }
}

pub fn print(rounds: usize) {
    let (sessions, cookie, now) = prepared();
    let together = |threads: usize| {
        let barrier = Barrier::new(threads);
        thread::scope(|scope| {
            let run = |_| {
                scope.spawn(|| {
                    barrier.wait();
                    opened(&sessions, cookie, now)
                })
            };
            let threads: Vec<_> = (0..threads).map(run).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum::<f64>()
        })
    };
    let mut children = [(); 2].map(|()| spawn());
    let (mut by_one, mut by_processes, mut processes_by_one) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let one = together(1);
        let two = together(2);
        for child in &mut children {
            let input = child.stdin.as_mut().expect("piped");
            writeln!(input, "go").expect("the child reads");
        }
        let processes: f64 = children.iter_mut().map(answer).sum();
        by_one.push(two / one);
        by_processes.push(two / processes);
        processes_by_one.push(processes / one);
    }
    for mut child in children {
        drop(child.stdin.take());
        child.wait().expect("the child ends with its input");
    }
    let (by_one, by_processes) = (median(by_one), median(by_processes));
    // Two processes share only the machine, so their ratio is the most that two threads can reach.
    let scaled = 2.0 * by_processes;
    let verdict = if scaled >= 1.9 { "met" } else { "**missed**" };
    println!(
        "- two threads on one `Sessions` open {by_one:.2} times what one does, two processes {:.2} times; with the \
         processes as 2, two threads reach {scaled:.2} of at least 1.9, {verdict} ({SIZE} bytes with activity token)",
        median(processes_by_one)
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
