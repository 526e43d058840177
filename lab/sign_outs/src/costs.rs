//! What one command costs Redis while it has nothing else to do: for the calculations in `paper.rs`.

use std::error::Error;

use sealed_session::revocation::{Revocation, write_list};
use sealed_session_redis::redis::{Script, Value, cmd};
use time::OffsetDateTime;

use crate::fleet::{Gauge, Work};
use crate::{LIFE, id, set};

const PUTS: u64 = 3_000;
/// News that are read at once, and how often.
const READS: [(u64, u32); 2] = [(1, 3_000), (1_000, 300)];

/// Puts sign-outs one by one, and reads one or many.
pub(crate) fn print(gauge: &mut Gauge) -> Result<(), Box<dyn Error>> {
    println!("\n## One command at a time\n");
    println!("| | CPU of Redis | traffic |\n|---|---|---|");
    let stream = "sealed-session:{shop}:cost";
    let put = Script::new(include_str!("../../../redis/src/put.lua"));
    put.load(gauge.connection())?;
    let lists: Vec<_> = (0..PUTS)
        .map(|number| {
            let (id, until) = (id(1 << 20, number), OffsetDateTime::now_utc() + LIFE);
            write_list(None, [Revocation { id, until }])
        })
        .collect();
    let start = gauge.read()?;
    for list in lists {
        let mut put = put.key(set());
        put.key(stream)
            .arg(list)
            .arg(65_536)
            .arg(0)
            .invoke::<()>(gauge.connection())?;
    }
    row("put a sign-out", gauge.since(start)?, PUTS as f64);
    let mut works = Vec::new();
    for (news, times) in READS {
        let mut read = cmd("XREAD");
        read.arg("BLOCK")
            .arg(2000)
            .arg("COUNT")
            .arg(news)
            .arg("STREAMS")
            .arg(stream)
            .arg("0-0");
        let start = gauge.read()?;
        for _ in 0..times {
            read.query::<Value>(gauge.connection())?;
        }
        let work = gauge.since(start)?;
        row(&format!("read {news} sign-outs"), work, times.into());
        works.push([work.cpu, work.bytes].map(|used| used / f64::from(times)));
    }
    let [one, many] = works[..] else {
        unreachable!("there are two kinds of reads")
    };
    let [cpu, bytes] = [0, 1].map(|used| (many[used] - one[used]) / (READS[1].0 - READS[0].0) as f64);
    println!("| each of many | {:.2} µs | {bytes:.0} bytes |", cpu * 1e6);
    cmd("DEL").arg(stream).exec(gauge.connection())?;
    Ok(())
}

fn row(name: &str, work: Work, times: f64) {
    println!(
        "| {name} | {:.1} µs | {:.0} bytes |",
        work.cpu / times * 1e6,
        work.bytes / times
    );
}
