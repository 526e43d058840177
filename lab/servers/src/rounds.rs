//! The measurement: in each round every variant gets the load for a short time, in rotated order.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::Result;
use crate::processes::{LOAD_CORE, Process, on_core};
use crate::servers::{self, Server};
use crate::statistics::Slice;
use crate::variants::{self, Variant};
use crate::visitors::{Client, Visitor};

#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// How long the load lasts. wrk takes whole seconds.
    pub seconds: u32,
    pub visitors: u64,
}

/// Connections of the load, all kept alive.
pub const CONNECTIONS: u32 = 32;

/// The slices of each variant, in the order of [`variants::ALL`]: one for each round.
pub fn run(effort: Effort) -> Result<Vec<Vec<Slice>>> {
    let scratch = tempfile::tempdir()?;
    let redis = Process::redis()?;
    let start = |server| Ok((server, Process::server(server, &redis)?));
    let servers = servers::ALL.into_iter().map(start).collect::<Result<Vec<_>>>()?;
    let process_of = |server: Server| {
        let found = servers.iter().find(|(other, _)| *other == server);
        found.map(|(_, process)| process).ok_or("all servers are started")
    };

    let mut slices = vec![Vec::new(); variants::ALL.len()];
    for round in 0..effort.rounds {
        eprintln!("round {} of {}", round + 1, effort.rounds);
        // New sessions in each round: so no activity cookie is due while they are read.
        let mut visitors = Vec::new();
        for (server, process) in servers.iter().filter(|(server, _)| server.cookies_of() == *server) {
            let client = Client::new(*server, process.address);
            let signed_in = (0..effort.visitors).map(|number| client.sign_in(number));
            let signed_in = signed_in.collect::<Result<Vec<_>>>()?;
            fs::write(cookie_file(&scratch, *server), lines(&signed_in))?;
            visitors.push((*server, signed_in));
        }
        for turn in 0..variants::ALL.len() {
            let index = (turn + round) % variants::ALL.len();
            let variant = variants::ALL[index];
            let process = process_of(variant.server)?;
            let client = Client::new(variant.server, process.address);
            let of = |(server, _): &&(Server, _)| *server == variant.server.cookies_of();
            let (_, visitors) = visitors.iter().find(of).ok_or("the visitors signed in")?;
            let check = || visitors.iter().try_for_each(|visitor| client.check(variant, visitor));
            client.check_guest(variant)?;
            // So the visitors of the load are known to the server, as those who come back are.
            check()?;
            slices[index].push(slice(variant, process, &redis, effort, &scratch)?);
            check()?;
        }
    }
    Ok(slices)
}

fn cookie_file(scratch: &TempDir, server: Server) -> PathBuf {
    scratch.path().join(server.argument())
}

fn lines(visitors: &[Visitor]) -> String {
    visitors
        .iter()
        .map(|visitor| format!("{}\n", visitor.cookies))
        .collect()
}

/// The load of wrk on one variant. An answer that is no success is an error.
fn slice(variant: Variant, process: &Process, redis: &Process, effort: Effort, scratch: &TempDir) -> Result<Slice> {
    let (method, path) = variant.target();
    let mut wrk = on_core(LOAD_CORE, "wrk");
    wrk.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()]);
    wrk.args(["--duration", &format!("{}s", effort.seconds), "--timeout", "10s"]);
    wrk.args(["--script", concat!(env!("CARGO_MANIFEST_DIR"), "/load.lua")]);
    wrk.arg(format!("http://{}", process.address))
        .env("METHOD", method)
        .env("TARGET", path);
    wrk.env("COOKIES", cookie_file(scratch, variant.server.cookies_of()));

    let (cpu, redis_cpu) = (process.cpu()?, redis.cpu()?);
    let output = wrk.output()?;
    let (cpu, redis_cpu) = (process.cpu()? - cpu, redis.cpu()? - redis_cpu);

    let text = String::from_utf8_lossy(&output.stdout);
    let wrong = || {
        format!(
            "{variant:?}: wrk failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    };
    let result = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .ok_or_else(wrong)?;
    let numbers = result
        .split(' ')
        .map(str::parse)
        .collect::<std::result::Result<Vec<f64>, _>>()?;
    let [requests, errors, microseconds, p99] = numbers[..] else {
        return Err(wrong().into());
    };
    if errors != 0.0 || requests == 0.0 {
        return Err(format!("{variant:?}: {requests} requests, {errors} of them errors").into());
    }
    Ok(Slice {
        per_second: requests * 1e6 / microseconds,
        cpu: cpu / requests,
        redis_cpu: redis_cpu / requests,
        p99,
        busy: cpu / microseconds,
    })
}
