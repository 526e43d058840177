//! Compares whole HTTP servers with and without sessions. `lab/servers/run` calls it.
//!
//!     sealed-session-servers                      the comparison, as Markdown (some minutes)
//!     sealed-session-servers --quick              one round, to see that everything works
//!     sealed-session-servers --chart PATH         and draws a chart
//!     sealed-session-servers serve NAME REDIS     one server; the comparison starts these

mod chart;
mod processes;
mod report;
mod rounds;
mod servers;
mod site;
mod statistics;
mod variants;
mod visitors;

use std::{env, error, fs, result};

use report::Results;
use rounds::Effort;

type Result<T, E = Box<dyn error::Error>> = result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", name, redis] = arguments[..] {
        return servers::serve(name, redis);
    }
    let (mut effort, mut chart) = (FULL, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--quick" => effort = QUICK,
            "--chart" => chart = Some(*rest.next().ok_or("--chart needs a path")?),
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    let results = Results {
        slices: rounds::run(effort)?,
    };
    report::print(&results, effort);
    if let Some(path) = chart {
        fs::write(path, chart::draw(&results))?;
    }
    Ok(())
}

const FULL: Effort = Effort {
    rounds: 15,
    seconds: 1,
    visitors: 250,
};

const QUICK: Effort = Effort {
    rounds: 1,
    seconds: 1,
    visitors: 100,
};
