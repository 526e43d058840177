//! One server: a process of its own, which does what the lines of its standard input say.

use std::io::stdin;
use std::process;
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sealed_session::SessionId;
use sealed_session::revocation::{Revocation, RevocationList};
use sealed_session_redis::redis::Client;
use sealed_session_redis::{RedisRevocations, Start};
use time::OffsetDateTime;

use crate::{AUDIENCE, LIFE, id};

/// Sign-outs on a schedule, the same for all servers: each makes its share and watches for the others'.
pub(crate) struct Schedule {
    /// Unix nanoseconds.
    pub(crate) start: u64,
    pub(crate) a_second: u64,
    pub(crate) count: u64,
    pub(crate) servers: u64,
    /// Tells the ids of this schedule from those of others.
    pub(crate) series: u64,
}

impl Schedule {
    pub(crate) fn line(&self, server: u64) -> String {
        let Self {
            start,
            a_second,
            count,
            servers,
            series,
        } = self;
        format!("sign-outs {server} {start} {a_second} {count} {servers} {series}")
    }

    /// When each sign-out is due: independent of each other, as those of visitors are (a Poisson process).
    fn due(&self) -> Vec<u64> {
        let mean = 1e9 / self.a_second as f64;
        let times = (0..self.count).scan(self.start as f64, |due, number| {
            let random = u64::from_be_bytes(self.id(number).to_bytes()) as f64 / u64::MAX as f64;
            // Logarithms of random numbers have the mean -1.
            *due -= random.max(f64::MIN_POSITIVE).ln() * mean;
            Some(*due as u64)
        });
        times.collect()
    }

    fn id(&self, number: u64) -> SessionId {
        id(self.series, number)
    }
}

/// Serves until standard input ends: then the parent has ended, and this process ends in whatever it does.
pub(crate) fn run(address: &str, room: usize) {
    let client = Client::open(address).expect("the parent gives an address");
    let builder = RedisRevocations::builder(client, AUDIENCE).room(room);
    let (mut builder, mut list) = (Some(builder), None);
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || {
        stdin()
            .lines()
            .map_while(Result::ok)
            .all(|line| sender.send(line).is_ok());
        process::exit(0);
    });
    for line in orders {
        let (order, numbers) = line.split_once(' ').unwrap_or((&line, ""));
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        match (order, &numbers[..]) {
            ("join", []) => {
                let began = Instant::now();
                let builder = builder.take().expect("a server joins once");
                list = Some(builder.start(Start::Wait).expect("the audience is good"));
                println!("{}", began.elapsed().as_micros());
            }
            ("entries", []) => println!("{}", joined(&list).health().entries),
            ("sign-outs", &[server, start, a_second, count, servers, series]) => {
                let schedule = Schedule {
                    start,
                    a_second,
                    count,
                    servers,
                    series,
                };
                let delays: Vec<_> = follow(joined(&list), &schedule, server)
                    .iter()
                    .map(u64::to_string)
                    .collect();
                println!("{}", delays.join(" "));
            }
            _ => panic!("no order: {line}"),
        }
    }
}

fn joined(list: &Option<RedisRevocations>) -> &RedisRevocations {
    list.as_ref().expect("a server joins first")
}

/// Makes the sign-outs of one server when they are due, late or not, and returns after how many microseconds those of
/// the others were refused here. Those that are not refused within two minutes after the last one are left out.
fn follow(list: &RedisRevocations, schedule: &Schedule, server: u64) -> Vec<u64> {
    let due = schedule.due();
    let end = due.last().map_or(0, |last| last + 120_000_000_000);
    let (mut numbers, mut waiting, mut delays) = ((0..).zip(&due).peekable(), Vec::new(), Vec::new());
    while (numbers.peek().is_some() || !waiting.is_empty()) && unix_nanoseconds() < end {
        while let Some((number, &due)) = numbers.next_if(|(_, due)| **due <= unix_nanoseconds()) {
            let id = schedule.id(number);
            if number % schedule.servers == server {
                let now = OffsetDateTime::now_utc();
                let until = now + LIFE;
                list.revoke_at(Revocation { id, until }, now);
            } else {
                waiting.push((id, due));
            }
        }
        waiting.retain(|&(id, due)| {
            let is_refused = list.is_revoked(id);
            if is_refused {
                delays.push(unix_nanoseconds().saturating_sub(due) / 1_000);
            }
            !is_refused
        });
        sleep(Duration::from_millis(1));
    }
    delays
}

pub(crate) fn unix_nanoseconds() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right");
    since.as_nanos().try_into().expect("until 2554")
}
