//! The tables.

use std::collections::{BTreeMap, HashMap};

use crate::SIZES;
use crate::contestants::{self as all, Contestant, What};
use crate::measure::{Effort, Operation, interleave, median, operation, ratio};
use crate::payload::visit;

type Make = fn(usize) -> Contestant;

struct Level {
    title: &'static str,
    note: &'static str,
    ours: Make,
    peers: &'static [Make],
}

const LEVELS: [Level; 4] = [
    Level {
        title: "Typed JSON, from the Cookie header to the data and from the data to `Set-Cookie`",
        note: "These are the calls of an application. `PrivateJar` and biscotti parse the header too; `Sessions` also reads back the data that it seals. All of them own the data that they seal, and drop it.",
        ours: all::ours_request,
        peers: &[all::private_jar_request, all::biscotti_request],
    },
    Level {
        title: "Typed JSON, token to data and back",
        note: "Without a cookie around it. Garbage is text with the alphabet and length of the peer's token: pasetors stops at its prefix; biscotti, fernet and JWT stop at spelling or header.",
        ours: all::ours_typed,
        peers: &[
            all::private_jar_typed,
            all::biscotti_typed,
            all::actix_typed,
            all::branca_typed,
            all::paseto_typed,
            all::jsonwebtoken_typed,
            #[cfg(feature = "josekit")]
            all::josekit_typed,
            all::fernet_typed,
            all::floor_typed,
        ],
    },
    Level {
        title: "Bytes only, token to bytes and back",
        note: "The same bytes, nothing serialised. jsonwebtoken and actix-session take no bytes.",
        ours: all::ours_bytes,
        peers: &[
            all::private_jar_bytes,
            all::biscotti_bytes,
            all::branca_bytes,
            all::paseto_bytes,
            #[cfg(feature = "josekit")]
            all::josekit_bytes,
            all::fernet_bytes,
            all::floor_bytes,
            all::primitives,
        ],
    },
    Level {
        title: "Typed JSON, whole requests through a tower layer",
        note: "seshcookie has no other public way in. Both read the real clock; the request is made outside the measured time.",
        ours: all::ours_layer,
        peers: &[all::seshcookie_layer],
    },
];

/// One comparison: nanoseconds, and the peer's time divided by ours.
pub struct Cell {
    ours: f64,
    peer: f64,
    ratio: f64,
    /// Ours without the operating system's random call, where there is one.
    without_random: Option<(f64, f64)>,
}

/// By level, size, peer and operation.
pub type Table = BTreeMap<(usize, usize), Vec<(&'static str, &'static str, HashMap<What, Cell>)>>;

const OPERATIONS: [What; 9] = [
    What::Untouched,
    What::Seal,
    What::SealWithActivity,
    What::Open,
    What::OpenWithActivity,
    What::FlippedBit,
    What::UnknownKey,
    What::Expired,
    What::Garbage,
];

/// The random call of one of our seals: 8 bytes of id and 12 of salt at once.
fn random() -> Operation {
    operation(|| {
        let mut bytes = [0u8; 20];
        getrandom::fill(&mut bytes).is_ok() && std::hint::black_box(bytes) != [0; 20]
    })
}

/// The extra work of format v1 for a salt from a user-space generator: an HMAC over 32 random bytes and the frame.
fn derived_salt(size: usize) -> Operation {
    use hkdf::hmac::{Hmac, KeyInit, Mac};
    let state = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&[7; 32]).expect("any length");
    let input = vec![7; b"salt".len() + 32 + 9 + size + 1];
    operation(move || {
        let mut hmac = state.clone();
        hmac.update(std::hint::black_box(&input));
        hmac.finalize().into_bytes()[..12] != [0; 12]
    })
}

/// The operation of a peer that ours is compared with: its own, or the nearest that its API can do.
fn counterpart(peer: &Contestant, what: What) -> Option<&Operation> {
    let nearest = match what {
        // No peer has an activity token: ours is compared with the peer's plain operation.
        What::SealWithActivity => What::Seal,
        What::OpenWithActivity => What::Open,
        other => other,
    };
    peer.operations.get(&nearest)
}

pub fn levels(effort: Effort, only: &str) -> Table {
    let mut table = Table::new();
    for (index, level) in LEVELS.iter().enumerate() {
        for size in SIZES {
            let ours = (level.ours)(size);
            for peer in level.peers {
                let peer = peer(size);
                if !peer.name.contains(only) {
                    continue;
                }
                eprintln!("{size} bytes, {} against {}", ours.name, peer.name);
                let mut cells = HashMap::new();
                for what in OPERATIONS {
                    let (Some(mine), Some(theirs)) = (ours.operations.get(&what), counterpart(&peer, what)) else {
                        continue;
                    };
                    cells.insert(what, compare(mine, theirs, what, effort));
                }
                // `PrivateJar` cannot expire: the target uses its rejection of an unknown key instead.
                if let (Some(mine), Some(theirs), None) = (
                    ours.operations.get(&What::Expired),
                    peer.operations.get(&What::UnknownKey),
                    peer.operations.get(&What::Expired),
                ) && peer.name.contains("PrivateJar")
                {
                    cells.insert(What::Expired, compare(mine, theirs, What::Expired, effort));
                }
                table
                    .entry((index, size))
                    .or_default()
                    .push((ours.name, peer.name, cells));
            }
        }
    }
    table
}

fn compare(ours: &Operation, peer: &Operation, what: What, effort: Effort) -> Cell {
    if !what.is_seal() {
        let [ours, peer] = interleave([ours, peer], effort).map(|series| series.batches);
        return Cell {
            ratio: ratio(&peer, &ours),
            ours: median(ours),
            peer: median(peer),
            without_random: None,
        };
    }
    let [ours, random, peer] = interleave([ours, &random(), peer], effort).map(|series| series.batches);
    let rest = without(&ours, &random);
    Cell {
        ratio: ratio(&peer, &ours),
        without_random: Some((ratio(&peer, &rest), median(rest))),
        ours: median(ours),
        peer: median(peer),
    }
}

fn time(nanoseconds: f64) -> String {
    if nanoseconds < 10_000.0 {
        format!("{nanoseconds:.0} ns")
    } else {
        format!("{:.1} µs", nanoseconds / 1000.0)
    }
}

/// The targets: operation, and the ratio to reach at each size.
const TARGETS: [(&str, What, [f64; 4]); 7] = [
    ("seal", What::Seal, [1.0, 1.2, 1.35, 1.5]),
    ("open a session token", What::Open, [1.0, 1.1, 1.2, 1.15]),
    (
        "open a session with its activity token",
        What::OpenWithActivity,
        [0.9, 1.05, 1.15, 1.1],
    ),
    (
        "reject, a bit of the body flipped",
        What::FlippedBit,
        [1.0, 1.2, 1.9, 2.4],
    ),
    ("reject, unknown key", What::UnknownKey, [5.0; 4]),
    (
        "reject, expired (against `PrivateJar`'s unknown key: it has no expiry)",
        What::Expired,
        [5.0; 4],
    ),
    ("reject, garbage", What::Garbage, [5.0; 4]),
];

fn judged(ratio: f64, target: f64) -> String {
    let verdict = if ratio >= target { "met" } else { "**missed**" };
    format!("{ratio:.2} of {target} {verdict}")
}

pub fn print_targets(table: &Table) {
    println!("## The targets: typed JSON against cookie `PrivateJar` + serde_json\n");
    println!(
        "The peer's time divided by ours: above 1, sealed-session is faster. *requests* go from the Cookie header to the"
    );
    println!(
        "data and back through `Sessions`; *tokens* are `Sealer` + serde_json against `PrivateJar::decrypt` and `add`, without"
    );
    println!("a header. *Without random* subtracts the time of the operating system's random calls.\n");
    println!(
        "| operation | level | {} |",
        SIZES.map(|size| format!("{size} B")).join(" | ")
    );
    println!("|---|---|{}", "---|".repeat(SIZES.len()));
    for (name, what, targets) in TARGETS {
        for (level, level_name) in [(0, "requests"), (1, "tokens")] {
            let cell = |size| {
                let rows = table.get(&(level, size))?;
                let (_, _, cells) = rows.iter().find(|(_, peer, _)| peer.contains("PrivateJar"))?;
                cells.get(&what)
            };
            let row = |read: &dyn Fn(&Cell) -> Option<f64>| -> Option<String> {
                let cells = SIZES
                    .iter()
                    .zip(targets)
                    .map(|(&size, target)| Some(judged(read(cell(size)?)?, target)));
                Some(cells.collect::<Option<Vec<_>>>()?.join(" | "))
            };
            if let Some(cells) = row(&|cell| Some(cell.ratio)) {
                println!("| {name} | {level_name} | {cells} |");
            }
            if let Some(cells) = row(&|cell| cell.without_random.map(|(ratio, _)| ratio)) {
                println!("| {name}, without random | {level_name} | {cells} |");
            }
        }
    }
    println!(
        "\nBytes only, our time divided by that of the bare primitives of format v1 (two expands, key set-up, GCM, base64url): at most 1.25.\n"
    );
    println!("| operation | {} |", SIZES.map(|size| format!("{size} B")).join(" | "));
    println!("|---|{}", "---|".repeat(SIZES.len()));
    for (name, what) in [("seal, without random", What::Seal), ("open", What::Open)] {
        let cells = SIZES.map(|size| {
            let rows = table.get(&(2, size))?;
            let (_, _, cells) = rows.iter().find(|(_, peer, _)| peer.contains("primitives"))?;
            let cell = cells.get(&what)?;
            let ratio = 1.0 / cell.without_random.map_or(cell.ratio, |(ratio, _)| ratio);
            let verdict = if ratio <= 1.25 { "met" } else { "**missed**" };
            Some(format!("{ratio:.2} of 1.25 {verdict}"))
        });
        println!(
            "| {name} | {} |",
            cells.map(|cell| cell.unwrap_or("-".into())).join(" | ")
        );
    }
}

pub fn print_levels(table: &Table) {
    for (&(level, size), rows) in table {
        let Level { title, note, .. } = LEVELS[level];
        if size == SIZES[0] {
            println!(
                "\n## {title}\n\n{note} Median time, and in brackets the peer's time divided by ours (median of the ratios of"
            );
            println!("adjacent batches; above 1, sealed-session is faster). `-`: the peer's public API cannot do it.");
        }
        let columns: Vec<What> = OPERATIONS
            .into_iter()
            .filter(|what| rows.iter().any(|(_, _, cells)| cells.contains_key(what)))
            .collect();
        let mut head = vec![format!("{size} B")];
        for what in &columns {
            head.push(what.name().to_owned());
            if what.is_seal() {
                head.push(format!("{}, ours without random", what.name()));
            }
        }
        println!("\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
        let mut line = vec![format!("**{}**", rows[0].0)];
        for what in &columns {
            let of = |read: &dyn Fn(&Cell) -> Option<f64>| {
                let times: Vec<f64> = rows.iter().filter_map(|(_, _, cells)| read(cells.get(what)?)).collect();
                time(median(times))
            };
            line.push(of(&|cell| Some(cell.ours)));
            if what.is_seal() {
                line.push(of(&|cell| cell.without_random.map(|(_, time)| time)));
            }
        }
        println!("| {} |", line.join(" | "));
        for (_, peer, cells) in rows {
            let mut line = vec![(*peer).to_owned()];
            for what in &columns {
                let stands_in = *what == What::Expired && peer.contains("PrivateJar");
                let Some(cell) = cells.get(what).filter(|_| !stands_in) else {
                    line.push("-".to_owned());
                    if what.is_seal() {
                        line.push("-".to_owned());
                    }
                    continue;
                };
                line.push(format!("{} ({:.2})", time(cell.peer), cell.ratio));
                if let Some((ratio, _)) = cell.without_random {
                    line.push(format!("({ratio:.2})"));
                }
            }
            println!("| {} |", line.join(" | "));
        }
    }
}

/// Rings, and the random call.
pub fn print_further(effort: Effort) {
    use sealed_session::{KeyRing, Sealer};
    use time::OffsetDateTime;

    println!("\n## Further figures\n");
    let now = OffsetDateTime::now_utc();
    let sealer = |ring: KeyRing| {
        Sealer::new(ring, "bench")
            .expect("a configuration")
            .with_audience("bench")
            .expect("a configuration")
    };
    let alone = || KeyRing::new(all::key(63));
    let crowd = || {
        (1..64).fold(KeyRing::new(all::key(0)), |ring, index| {
            ring.also_opening(all::key(index)).expect("another key")
        })
    };
    for size in SIZES {
        let json = serde_json::to_vec(&visit(size)).expect("a visit serialises");
        let token: &'static str = sealer(alone())
            .seal_at(&json, std::time::Duration::from_secs(3600), now)
            .expect("it fits")
            .leak();
        let opens = |sealer: Sealer| operation(move || sealer.open_at(token, b"", now).is_ok());
        let [one, last] = interleave([&opens(sealer(alone())), &opens(sealer(crowd()))], effort);
        let ratio = ratio(&last.batches, &one.batches);
        let verdict = if ratio <= 1.02 { "met" } else { "**missed**" };
        println!(
            "- opening {size} bytes under the last of 64 keys, divided by under the only key: {ratio:.3} of at most 1.02, {verdict}"
        );
    }
    let derived = SIZES.map(|size| {
        let [call, derived] = interleave([&random(), &derived_salt(size)], effort);
        (size, median(call.batches), median(derived.batches))
    });
    let call = median(derived.iter().map(|&(_, call, _)| call));
    let derived: Vec<String> = derived
        .iter()
        .map(|&(size, _, derived)| format!("{} for {size} bytes", time(derived)))
        .collect();
    println!(
        "- the operating system's random call, one per seal: {}; a salt from a user-space generator, without the generator: {}",
        time(call),
        derived.join(", ")
    );
}

/// The time of every batch minus that of its neighbour.
fn without(all: &[f64], part: &[f64]) -> Vec<f64> {
    all.iter().zip(part).map(|(all, part)| (all - part).max(1.0)).collect()
}
