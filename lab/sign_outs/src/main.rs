//! What shared sign-outs cost with many entries and several servers (README.md).

mod costs;
mod fleet;
mod paper;
mod server;

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sealed_session::SessionId;
use sealed_session_redis::redis::{cmd, pipe};
use testkit::redis::RedisServer;

use crate::fleet::{Gauge, Server, Work};
use crate::server::{Schedule, unix_nanoseconds};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How much is measured.
struct Scale {
    entries: u64,
    /// Seconds without sign-outs.
    idle: u64,
    /// Sign-outs a second, and for how many seconds.
    rates: &'static [(u64, u64)],
    /// Seconds of sign-outs while a server joins, and while an emptied Redis is filled again.
    busy: u64,
}

const LONG: Scale = Scale {
    entries: 5_000_000,
    idle: 30,
    rates: &[(120, 60), (10, 40), (1, 60), (1200, 20)],
    busy: 30,
};
const QUICK: Scale = Scale {
    entries: 20_000,
    idle: 1,
    rates: &[(120, 1)],
    busy: 1,
};
const SERVERS: u64 = 8;
const BUSY: u64 = 120;
const AUDIENCE: &str = "shop";
/// How long a session lives after it was signed out.
const LIFE: Duration = Duration::from_secs(12 * 3600);

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--server", address, room] => {
            server::run(address, room.parse()?);
            Ok(())
        }
        ["--paper"] => {
            paper::print();
            Ok(())
        }
        ["--quick"] => measure(&QUICK),
        [] => measure(&LONG),
        [entries] => measure(&Scale {
            entries: entries.parse()?,
            ..LONG
        }),
        _ => Err("one argument at most: --quick, --paper, or a number of entries".into()),
    }
}

/// The parts of one measurement.
struct Lab {
    redis: RedisServer,
    gauge: Gauge,
    servers: Vec<Server>,
    entries: f64,
    series: u64,
}

fn measure(scale: &Scale) -> Result<()> {
    let redis = RedisServer::start(&[]);
    let gauge = Gauge::new(&redis.address())?;
    let mut lab = Lab {
        redis,
        gauge,
        servers: Vec::new(),
        entries: scale.entries as f64,
        series: 0,
    };
    let filled_until = lab.fill(scale.entries)?;
    costs::print(&mut lab.gauge)?;
    lab.join_all()?;
    let idle = lab.idle(scale.idle)?;
    lab.rates(scale.rates, idle)?;
    lab.join_another(scale.busy)?;
    lab.empty(scale.busy, filled_until)
}

impl Lab {
    /// Returns the Unix second at which the last entry ends.
    fn fill(&mut self, entries: u64) -> Result<u64> {
        println!("## Redis with {entries} entries\n");
        let (before, now) = (self.gauge.read()?, unix_nanoseconds() / 1_000_000_000);
        let numbers: Vec<_> = (0..entries).collect();
        for part in numbers.chunks(100_000) {
            let mut commands = pipe();
            for part in part.chunks(1_000) {
                let add = commands.cmd("ZADD").arg(set());
                for &number in part {
                    let until = now + 600 + number * (LIFE.as_secs() - 600) / entries;
                    add.arg(until).arg(&id(0, number).to_bytes());
                }
                add.ignore();
            }
            commands.exec(self.gauge.connection())?;
        }
        let after = self.gauge.read()?;
        println!(
            "| | |\n|---|---|\n| memory of Redis, an entry | {:.0} bytes |",
            (after.memory - before.memory) / self.entries
        );
        Ok(now + LIFE.as_secs())
    }

    fn start_server(&self) -> Server {
        // A fifth to spare, so that the list is not nearly full.
        Server::start(&self.redis.address(), (self.entries * 1.2) as usize + 100_000)
    }

    /// The first server alone, then the others at once.
    fn join_all(&mut self) -> Result<()> {
        println!("\n## Joining\n");
        println!(
            "| | seconds | memory, bytes an entry | at its peak | traffic, bytes an entry | CPU seconds of Redis |"
        );
        println!("|---|---|---|---|---|---|");
        let first = self.start_server();
        self.join("one server, alone", vec![first])?;
        let others = (1..SERVERS).map(|_| self.start_server()).collect();
        self.join("seven at once", others)
    }

    /// Times are those of the slowest, memory that of the largest.
    fn join(&mut self, name: &str, mut servers: Vec<Server>) -> Result<()> {
        // Started, and waiting for its orders.
        sleep(Duration::from_millis(300));
        let joining = servers.len() as f64;
        let before: Vec<_> = servers.iter().map(|server| server.memory()[0]).collect();
        let start = self.gauge.read()?;
        servers.iter_mut().for_each(|server| server.tell("join"));
        let slowest = servers
            .iter_mut()
            .flat_map(Server::hear)
            .max()
            .ok_or("a server answers")?;
        let work = self.gauge.since(start)?;
        let grown = servers
            .iter()
            .zip(before)
            .map(|(server, before)| server.memory().map(|bytes| bytes - before));
        let [now, peak] = grown.fold([0.0, 0.0], |[now, peak]: [f64; 2], grown| {
            [now.max(grown[0]), peak.max(grown[1])]
        });
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            slowest as f64 / 1e6,
            now / self.entries,
            peak / self.entries,
            work.bytes / self.entries / joining,
            work.cpu,
        );
        self.servers.append(&mut servers);
        Ok(())
    }

    fn idle(&mut self, seconds: u64) -> Result<Work> {
        sleep(Duration::from_secs(1));
        let start = self.gauge.read()?;
        sleep(Duration::from_secs(seconds));
        let work = self.gauge.since(start)?;
        println!("\n## {SERVERS} servers, nothing happens\n\n| | a second |\n|---|---|");
        let servers = SERVERS as f64;
        println!(
            "| traffic of a server | {:.0} bytes |",
            work.bytes / work.seconds / servers
        );
        println!(
            "| commands of a server | {:.1} |",
            work.commands / work.seconds / servers
        );
        println!("| CPU of Redis | {:.1} ms |", work.cpu / work.seconds * 1e3);
        Ok(work)
    }

    fn rates(&mut self, rates: &[(u64, u64)], idle: Work) -> Result<()> {
        println!("\n## {SERVERS} servers sign out\n");
        println!(
            "| sign-outs a second | delay p50 | p99 | max | traffic, bytes a sign-out and server | with idle traffic \
                  | commands a second | CPU of Redis | CPU of a server's exchange |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for &(a_second, seconds) in rates {
            let (start, before) = (self.gauge.read()?, self.exchange_cpu());
            self.sign_outs(a_second, seconds);
            let delays = self.delays(a_second * seconds)?;
            let work = self.gauge.since(start)?;
            let told = (a_second * seconds * SERVERS) as f64;
            let idle = idle.bytes / idle.seconds * work.seconds;
            println!(
                "| {a_second} | {delays} | {:.0} | {:.0} | {:.0} | {:.2} % | {:.2} % |",
                (work.bytes - idle) / told,
                work.bytes / told,
                work.commands / work.seconds,
                work.cpu / work.seconds * 100.0,
                (self.exchange_cpu() - before) / work.seconds / SERVERS as f64 * 100.0,
            );
        }
        let memory = self.servers.iter().map(|server| server.memory()[0]).fold(0.0, f64::max);
        println!("\nMemory of the largest server, as a whole: {:.1} MB.", memory / 1e6);
        Ok(())
    }

    fn exchange_cpu(&self) -> f64 {
        self.servers.iter().map(Server::exchange_cpu).sum()
    }

    /// One more server joins while the others sign out.
    fn join_another(&mut self, seconds: u64) -> Result<()> {
        println!("\n## Another server joins, with {BUSY} sign-outs a second\n");
        println!(
            "| | seconds | memory, bytes an entry | at its peak | traffic, bytes an entry | CPU seconds of Redis |"
        );
        println!("|---|---|---|---|---|---|");
        let ninth = self.start_server();
        self.sign_outs(BUSY, seconds);
        sleep(Duration::from_millis(500));
        self.join("a ninth", vec![ninth])?;
        self.servers.pop();
        println!(
            "\nDelay of sign-outs meanwhile (p50, p99, max): {}.",
            self.delays(BUSY * seconds)?
        );
        Ok(())
    }

    /// Redis loses everything, with sign-outs going on.
    fn empty(&mut self, seconds: u64, filled_until: u64) -> Result<()> {
        println!("\n## Redis is emptied, with {BUSY} sign-outs a second\n");
        let lasting = unix_nanoseconds() / 1_000_000_000 + 900;
        let count = cmd("ZCOUNT").arg(set()).arg(lasting).arg(filled_until).to_owned();
        let entries: u64 = count.query(self.gauge.connection())?;
        let start = self.gauge.read()?;
        self.sign_outs(BUSY, seconds);
        let began = Instant::now();
        cmd("FLUSHALL").arg("ASYNC").exec(self.gauge.connection())?;
        let mut whole = None;
        loop {
            let second = self.gauge.read()?;
            sleep(Duration::from_millis(500));
            let work = self.gauge.since(second)?;
            let is_quiet = work.bytes / work.seconds < QUIET;
            if whole.is_none() && count.query::<u64>(self.gauge.connection())? >= entries {
                whole = Some(began.elapsed());
            }
            match whole {
                Some(whole) if is_quiet => {
                    println!(
                        "| | |\n|---|---|\n| until everything was written again | {:.1} s |",
                        whole.as_secs_f64()
                    );
                    break;
                }
                _ if began.elapsed() > Duration::from_secs(600) => return Err("Redis was not filled again".into()),
                _ => {}
            }
        }
        let quiet = began.elapsed();
        let delays = self.delays(BUSY * seconds)?;
        let (work, peak) = (self.gauge.since(start)?, self.gauge.read()?.peak);
        println!("| until all servers were done | {:.1} s |", quiet.as_secs_f64());
        println!("| traffic | {:.0} MB |", work.bytes / 1e6);
        println!("| CPU of Redis | {:.1} s |", work.cpu);
        println!("| most memory of Redis, an entry | {:.0} bytes |", peak / self.entries);
        println!(
            "| delay of sign-outs meanwhile (p50, p99, max) | {} |",
            delays.replace('|', ",")
        );
        let memory = self.servers.iter().map(|server| server.memory()[1]).fold(0.0, f64::max);
        println!("| most memory of a server, as a whole | {:.1} MB |", memory / 1e6);
        Ok(())
    }

    /// Has the eight servers begin soon.
    fn sign_outs(&mut self, a_second: u64, seconds: u64) {
        self.series += 1;
        let schedule = Schedule {
            start: unix_nanoseconds() + 200_000_000,
            a_second,
            count: a_second * seconds,
            servers: SERVERS,
            series: self.series,
        };
        for (number, server) in (0..).zip(&mut self.servers) {
            server.tell(&schedule.line(number));
        }
    }

    /// Waits for the end of the sign-outs.
    fn delays(&mut self, count: u64) -> Result<String> {
        let mut delays: Vec<_> = self.servers.iter_mut().flat_map(Server::hear).collect();
        let missing = count * (SERVERS - 1) - delays.len() as u64;
        if missing > 0 {
            return Err(format!("{missing} times a server did not hear of a sign-out").into());
        }
        delays.sort_unstable();
        let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize] as f64 / 1e3;
        Ok(format!("{:.0} ms | {:.0} ms | {:.0} ms", at(0.5), at(0.99), at(1.0)))
    }
}

fn set() -> String {
    format!("sealed-session:{{{AUDIENCE}}}:revoked")
}

/// An id that looks as random as those of the crate (splitmix64, which is a bijection).
fn id(series: u64, number: u64) -> SessionId {
    let mut bits = (series << 40 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    SessionId::from_bytes((bits ^ bits >> 31).to_be_bytes())
}

/// Bytes a second: less than this is the usual traffic.
const QUIET: f64 = 500_000.0;
