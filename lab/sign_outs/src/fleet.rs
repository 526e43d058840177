//! The servers as the parent sees them, and what they and Redis use.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use sealed_session_redis::redis::{self, Client, Connection, cmd};

/// A child process. It ends with the value, and with its parent.
pub(crate) struct Server {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(address: &str, room: usize) -> Self {
        let program = std::env::current_exe().expect("a program has a path");
        let mut child = Command::new(program)
            .args(["--server", address, &room.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program that runs can be run");
        Self {
            orders: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        }
    }

    pub(crate) fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the server runs");
    }

    /// The numbers that it answers.
    pub(crate) fn hear(&mut self) -> Vec<u64> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the server writes text");
        assert!(!line.is_empty(), "a server ended");
        line.split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect()
    }

    /// Bytes in memory now, and at the most so far.
    pub(crate) fn memory(&self) -> [f64; 2] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs on Linux");
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect("Linux tells the memory");
            let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
            kibibytes * 1024.0
        })
    }

    /// CPU seconds of the thread that talks to Redis.
    pub(crate) fn exchange_cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server runs on Linux");
        tasks
            .filter_map(|task| {
                let path = task.ok()?.path();
                let name = fs::read_to_string(path.join("comm")).ok()?;
                let used = fs::read_to_string(path.join("schedstat")).ok()?;
                let nanoseconds: f64 = used.split_whitespace().next()?.parse().ok()?;
                name.starts_with("session-revocat").then_some(nanoseconds / 1e9)
            })
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Redis says of itself.
pub(crate) struct Gauge {
    connection: Connection,
    /// What a reading itself adds to the traffic, in bytes.
    own: f64,
}

#[derive(Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    bytes: f64,
    cpu: f64,
    commands: f64,
    pub(crate) memory: f64,
    pub(crate) peak: f64,
}

/// What Redis did between two readings.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) seconds: f64,
    /// In and out, without the readings.
    pub(crate) bytes: f64,
    pub(crate) cpu: f64,
    pub(crate) commands: f64,
}

impl Gauge {
    /// Made while nothing else talks to Redis.
    pub(crate) fn new(address: &str) -> redis::RedisResult<Self> {
        let connection = Client::open(address)?.get_connection()?;
        let mut gauge = Self { connection, own: 0.0 };
        let first = gauge.read()?;
        gauge.own = gauge.since(first)?.bytes;
        Ok(gauge)
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) fn read(&mut self) -> redis::RedisResult<Reading> {
        let at = Instant::now();
        let text: String = cmd("INFO")
            .arg(&["stats", "cpu", "memory"])
            .query(&mut self.connection)?;
        let values: HashMap<_, f64> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        let value = |name| *values.get(name).unwrap_or_else(|| panic!("INFO has {name}"));
        Ok(Reading {
            at,
            bytes: value("total_net_input_bytes") + value("total_net_output_bytes"),
            cpu: value("used_cpu_user") + value("used_cpu_sys"),
            commands: value("total_commands_processed"),
            memory: value("used_memory"),
            peak: value("used_memory_peak"),
        })
    }

    pub(crate) fn since(&mut self, earlier: Reading) -> redis::RedisResult<Work> {
        let now = self.read()?;
        Ok(Work {
            seconds: (now.at - earlier.at).as_secs_f64(),
            bytes: now.bytes - earlier.bytes - self.own,
            cpu: now.cpu - earlier.cpu,
            commands: now.commands - earlier.commands - 1.0,
        })
    }
}
