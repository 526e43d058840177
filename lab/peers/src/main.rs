//! Prints how sealed-session compares with its peers, as Markdown. `lab/peers/run` calls it.
//!
//!     sealed-session-peers                    everything (some minutes)
//!     sealed-session-peers --quick            a tenth of the batches: to see that it works
//!     sealed-session-peers --only PrivateJar  ours against the peers of that name
//!     sealed-session-peers --floors NAME      the primitives alone, for a build with another `aes` of that name

mod contestants;
mod floors;

#[path = "../../../benches/payload.rs"]
mod payload;
mod report;
mod targets;
mod threads;

use std::time::Duration;

use sealed_session_peers::measure::Effort;

/// The largest represents "3 KiB": a cookie holds at most 2995 bytes of payload.
pub const SIZES: [usize; 4] = [60, 250, 1024, 2980];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == threads::CHILD) {
        threads::child();
        return;
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_quick = has("--quick");
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let effort = Effort {
        batch: Duration::from_micros(250),
        pairs: if is_quick { 15 } else { 151 },
    };
    if let Some(variant) = value("--floors") {
        floors::print(effort, Some(variant));
        return;
    }
    let table = report::levels(effort, value("--only").unwrap_or_default());
    targets::print(&table);
    threads::print(if is_quick { 3 } else { 15 });
    floors::print(effort, None);
    report::print(&table);
}
