//! The targets: every cell of the table, and whether it is met.

use crate::SIZES;
use crate::contestants::What;
use crate::report::{Cell, Compared, REQUESTS, Table};

struct Target {
    name: &'static str,
    what: What,
    read: fn(&Compared) -> Option<Cell>,
    /// The ratio to reach at each size. Rows without one are there for comparison.
    ratios: Option<[f64; 4]>,
}

const fn row(name: &'static str, what: What, ratios: Option<[f64; 4]>) -> Target {
    let read = |compared: &Compared| Some(compared.whole);
    Target {
        name,
        what,
        read,
        ratios,
    }
}

const TARGETS: [Target; 11] = [
    row("open, seen before", What::OpenSeen, Some([4.0, 7.0, 13.0, 18.0])),
    row("open, first time", What::OpenFirst, Some([0.55, 0.8, 1.1, 1.25])),
    row("open with `opened_cache(0)`", What::OpenUncached, None),
    Target {
        read: |compared| compared.without_random,
        ..row(
            "seal, without the system's random call",
            What::Seal,
            Some([0.5, 0.65, 0.7, 0.7]),
        )
    },
    Target {
        read: |compared| compared.without_reading,
        ..row(
            "the same, without reading back",
            What::Seal,
            Some([0.6, 0.85, 1.05, 1.15]),
        )
    },
    row("seal, all of it", What::Seal, None),
    row("seal, all of it, and the activity cookie", What::SealWithActivity, None),
    row("reject, unknown key", What::UnknownKey, Some([5.0, 5.0, 5.0, 7.0])),
    row("reject, expired", What::Expired, Some([5.0, 5.0, 5.0, 7.0])),
    row("reject, garbage", What::Garbage, Some([5.0, 5.0, 5.0, 7.0])),
    row("reject, a bit flipped", What::FlippedBit, None),
];

pub fn verdict(reached: f64, target: f64) -> String {
    let verdict = if reached >= target { "met" } else { "**missed**" };
    format!("{reached:.2} of {target} {verdict}")
}

pub fn print(table: &Table) {
    let sizes = SIZES.map(|size| format!("{size} B")).join(" | ");
    println!(
        "## Targets: `Sessions` against cookie `PrivateJar` + serde_json\n\n\
         Typed JSON, from the Cookie header to the data and from the data to `Set-Cookie`; opening always with the activity\n\
         cookie. A cell has the peer's time divided by ours (above 1, sealed-session is faster), the target, and the two\n\
         times in ns.\n\n\
         - *Seen before*: the same cookies again. *First time*: a token that this `Sessions` never saw, so the entry in its\n  \
           cache, and the eviction of another, is paid.\n\
         - *Without the random call*, *without reading back*: the time of `getrandom` for 20 bytes, and of deserialising and\n  \
           dropping the same payload, measured in turns with the seal and subtracted. `Sessions` always does both.\n\
         - `PrivateJar` has no expiry: an expired session stands against its rejection of an unknown key.\n"
    );
    println!("| operation | {sizes} |\n|---|{}", "---|".repeat(SIZES.len()));
    for target in &TARGETS {
        let mut cells = Vec::new();
        for (index, &size) in SIZES.iter().enumerate() {
            let rows = table.get(&(REQUESTS, size)).map_or(&[][..], Vec::as_slice);
            let peer = rows.iter().find(|row| row.peer.contains("PrivateJar"));
            let compared = peer.and_then(|row| row.compared.get(&target.what));
            let Some(Cell { ours, peer, ratio }) = compared.and_then(target.read) else {
                continue;
            };
            let reached = target
                .ratios
                .map_or(format!("{ratio:.2}"), |ratios| verdict(ratio, ratios[index]));
            cells.push(format!("{reached} ({peer:.0} : {ours:.0})"));
        }
        if !cells.is_empty() {
            println!("| {} | {} |", target.name, cells.join(" | "));
        }
    }
}
