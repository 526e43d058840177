//! Comparisons with all peers, and their tables.

use std::collections::{BTreeMap, HashMap};

use crate::SIZES;
use crate::contestants::{self as all, Contestant, What};
use sealed_session_peers::measure::{Effort, Operation, interleave, median, ratio, without};

type Make = fn(usize) -> Contestant;

struct Level {
    title: &'static str,
    note: &'static str,
    sizes: &'static [usize],
    ours: Make,
    peers: &'static [Make],
}

/// The level of the targets: it comes first.
pub const REQUESTS: usize = 0;

const LEVELS: [Level; 3] = [
    Level {
        title: "Typed JSON, from the Cookie header to the data and from the data to `Set-Cookie`",
        note: "These are the calls of an application. `PrivateJar` and biscotti parse the header too. `Sessions` opens with\n\
               the activity cookie, and reads back the data that it seals. All of them own the data that they seal, and\n\
               drop it.",
        sizes: &SIZES,
        ours: all::ours_request,
        peers: &[all::private_jar_request, all::biscotti_request],
    },
    Level {
        title: "Typed JSON, token to data and back",
        note: "Without a cookie around it, and nothing is kept. Garbage is text with the alphabet and length of the peer's\n\
               token: pasetors stops at its prefix; biscotti, fernet and JWT stop at spelling or header.",
        sizes: &SIZES,
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
        title: "Typed JSON, whole requests through a tower layer",
        note: "seshcookie has no other public way in. Both read the real clock; the request is made outside the measured time.",
        sizes: &[250],
        ours: all::ours_layer,
        peers: &[all::seshcookie_layer],
    },
];

/// One comparison: nanoseconds, and the peer's time divided by ours.
#[derive(Clone, Copy)]
pub struct Cell {
    pub ours: f64,
    pub peer: f64,
    pub ratio: f64,
}

impl Cell {
    fn new(ours: &[f64], peer: &[f64]) -> Self {
        Self {
            ratio: ratio(peer, ours),
            ours: median(ours.iter().copied()),
            peer: median(peer.iter().copied()),
        }
    }
}

/// The comparisons of one operation.
pub struct Compared {
    pub whole: Cell,
    /// Ours without the operating system's random call, where there is one.
    pub without_random: Option<Cell>,
    /// Ours without that call and without reading back the data.
    pub without_reading: Option<Cell>,
}

pub struct Row {
    ours: &'static str,
    pub peer: &'static str,
    pub compared: HashMap<What, Compared>,
}

/// By level and size.
pub type Table = BTreeMap<(usize, usize), Vec<Row>>;

/// The operation of a peer that ours is compared with: its own, or the nearest that its API can do.
fn counterpart(peer: &Contestant, what: What) -> Option<&Operation> {
    let own = peer.operations.get(&what);
    own.or_else(|| counterpart(peer, what.nearest()?))
}

pub fn levels(effort: Effort, only: &str) -> Table {
    let mut table = Table::new();
    for (index, level) in LEVELS.iter().enumerate() {
        for &size in level.sizes {
            let ours = (level.ours)(size);
            for peer in level.peers {
                let peer = peer(size);
                if !peer.name.contains(only) {
                    continue;
                }
                eprintln!("{size} bytes, {} against {}", ours.name, peer.name);
                let mut compared = HashMap::new();
                for what in What::ALL {
                    if let (Some(mine), Some(theirs)) = (ours.operations.get(&what), counterpart(&peer, what)) {
                        compared.insert(what, compare(mine, theirs, what, size, effort));
                    }
                }
                table.entry((index, size)).or_default().push(Row {
                    ours: ours.name,
                    peer: peer.name,
                    compared,
                });
            }
        }
    }
    table
}

fn compare(ours: &Operation, peer: &Operation, what: What, size: usize, effort: Effort) -> Compared {
    if !what.is_seal() {
        let [ours, peer] = interleave([ours, peer], effort);
        return Compared {
            whole: Cell::new(&ours, &peer),
            without_random: None,
            without_reading: None,
        };
    }
    let [ours, random, reading, peer] = interleave([ours, &all::random(), &all::reading(size), peer], effort);
    let sealed = without(&ours, &random);
    Compared {
        whole: Cell::new(&ours, &peer),
        without_random: Some(Cell::new(&sealed, &peer)),
        without_reading: Some(Cell::new(&without(&sealed, &reading), &peer)),
    }
}

pub fn time(nanoseconds: f64) -> String {
    if nanoseconds < 10_000.0 {
        format!("{nanoseconds:.0} ns")
    } else {
        format!("{:.1} µs", nanoseconds / 1000.0)
    }
}

pub fn print(table: &Table) {
    println!(
        "\n## All peers\n\n\
         Median time, and in brackets the peer's time divided by ours (median of the ratios of adjacent batches; above 1,\n\
         sealed-session is faster). `-`: the peer's public API cannot do it. A peer without expiry is compared by its\n\
         rejection of an unknown key. No peer keeps what it opened, and none but seshcookie notes activity: ours with an\n\
         activity token stands against their plain operation."
    );
    for (&(level, size), rows) in table {
        let Level { title, note, sizes, .. } = LEVELS[level];
        if size == sizes[0] {
            println!("\n### {title}\n\n{note}");
        }
        print_rows(size, rows);
    }
}

fn print_rows(size: usize, rows: &[Row]) {
    let is_there = |what: &What| rows.iter().any(|row| row.compared.contains_key(what));
    let columns: Vec<What> = What::ALL.into_iter().filter(is_there).collect();
    let mut head = vec![format!("{size} B")];
    for what in &columns {
        head.push(what.name().to_owned());
        if what.is_seal() {
            head.push("ours without random".to_owned());
        }
    }
    println!("\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    let mut line = vec![format!("**{}**", rows[0].ours)];
    for what in &columns {
        let of = |read: fn(&Compared) -> Option<Cell>| {
            let cells = rows.iter().filter_map(|row| read(row.compared.get(what)?));
            time(median(cells.map(|cell| cell.ours)))
        };
        line.push(of(|compared| Some(compared.whole)));
        if what.is_seal() {
            line.push(of(|compared| compared.without_random));
        }
    }
    println!("| {} |", line.join(" | "));
    for row in rows {
        let mut line = vec![row.peer.to_owned()];
        for what in &columns {
            let compared = row.compared.get(what);
            let whole = compared.map(|it| format!("{} ({:.2})", time(it.whole.peer), it.whole.ratio));
            line.push(whole.unwrap_or("-".to_owned()));
            if what.is_seal() {
                let cell = compared.and_then(|it| it.without_random);
                line.push(cell.map_or("-".to_owned(), |cell| format!("({:.2})", cell.ratio)));
            }
        }
        println!("| {} |", line.join(" | "));
    }
}
