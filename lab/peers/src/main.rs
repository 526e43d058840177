//! Prints how sealed-session compares with its peers, as Markdown. `lab/peers/run` calls it.
//!
//!     sealed-session-peers                    everything (some minutes)
//!     sealed-session-peers --quick            a tenth of the batches: to see that it works
//!     sealed-session-peers --only PrivateJar  ours against the peers of that name

mod contestants;
mod measure;
#[path = "../../../benches/payload.rs"]
mod payload;
mod report;
mod threads;

use std::time::Duration;

use measure::Effort;

/// The largest represents "3 KiB": a cookie holds at most 2995 bytes of payload.
pub const SIZES: [usize; 4] = [60, 250, 1024, 2980];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == threads::CHILD) {
        threads::child();
        return;
    }
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.and_then(|at| arguments.get(at + 1)).map_or("", String::as_str);
    let effort = Effort {
        batch: Duration::from_micros(250),
        pairs: if is_quick { 15 } else { 151 },
    };
    let table = report::levels(effort, only);
    report::print_targets(&table);
    report::print_levels(&table);
    report::print_further(effort);
    threads::print(if is_quick { 3 } else { 15 });
}
