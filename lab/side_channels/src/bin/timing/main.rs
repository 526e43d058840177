//! Does the time of a refusal depend on where a token is wrong, or on its value? After dudect (Reparaz, Balasch,
//! Verbauwhede: *Dude, is my code constant time?*, 2017): two classes of input in random order, Welch's t-test on their
//! times, with the slowest cut off at several percentiles, because interruptions are noise.
//!
//! `|t|` above 4.5 is a difference that chance does not explain, above 10 a certain one. Four rows are controls: the same
//! class twice must show no difference, and a comparison that returns early, added to the same measured call, must show
//! one. Rows *by design* say what a kept session shows. All of it is reported and nothing asserted, because times depend
//! on the machine. Usage: `timing [measurements]`, 1000000 by default.

mod kept;
mod statistics;
mod tokens;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;
use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::{Key, KeyRing, RequestFields, Sealer, Sessions};
use time::OffsetDateTime;

use self::statistics::{Classes, Operation, measure, medians, t_values, timed};
use self::tokens::{CHECK, CHECK_LEN, TAG_LEN, decoded, flipped, random};

/// Chance explains smaller values.
const SUSPICIOUS: f64 = 4.5;
const CERTAIN: f64 = 10.0;

/// The printed table, and what has to be said below it.
struct Table {
    rng: Rng,
    measurements: usize,
    suspicious: Vec<String>,
    controls_hold: bool,
}

impl Table {
    fn new(measurements: usize) -> Self {
        println!(
            "{measurements} measurements per row; medians of both classes in ns; t of all times, and the largest |t| of \
             them and of the fastest 99 to 50 %"
        );
        println!("{:<62} {:>6} {:>6} {:>9} {:>9}", "two classes", "", "", "t", "largest");
        Self {
            rng: Rng::new(),
            measurements,
            suspicious: Vec::new(),
            controls_hold: true,
        }
    }

    fn largest(&mut self, name: &str, classes: &Classes, operation: Operation<'_>) -> f64 {
        let times = measure(&mut self.rng, classes, self.measurements, operation);
        let (all, largest) = t_values(&times);
        let [a, b] = medians(&times);
        println!("{name:<62} {a:>6.0} {b:>6.0} {all:>9.2} {largest:>9.2}");
        largest
    }

    /// Two classes that nobody may tell apart.
    fn row(&mut self, name: &str, classes: &Classes, operation: Operation<'_>) {
        if self.largest(name, classes, operation) > SUSPICIOUS {
            self.suspicious.push(name.to_owned());
        }
    }

    /// Two classes of which one is faster, and may be.
    fn by_design(&mut self, name: &str, classes: &Classes, operation: Operation<'_>) {
        self.largest(&format!("by design: {name}"), classes, operation);
    }

    /// A control that must show no difference.
    fn quiet(&mut self, name: &str, classes: &Classes, operation: Operation<'_>) {
        self.controls_hold &= self.largest(name, classes, operation) <= CERTAIN;
    }

    /// A control that must show a difference.
    fn loud(&mut self, name: &str, classes: &Classes, operation: Operation<'_>) {
        self.controls_hold &= self.largest(name, classes, operation) >= CERTAIN;
    }

    fn close(&self) {
        for name in &self.suspicious {
            println!("above {SUSPICIOUS}: {name}");
        }
        if !self.controls_hold {
            println!(
                "the controls failed, so these figures mean nothing: the machine is too busy or the measurements are \
                 too few"
            );
        }
    }
}

fn main() {
    let measurements = std::env::args()
        .nth(1)
        .map_or(1_000_000, |text| text.parse().expect("usage: timing [measurements]"));
    let now = OffsetDateTime::now_utc();
    let ring = Arc::new(KeyRing::new(Key::generate().expect("the system has random bytes")));
    let mut table = Table::new(measurements);
    checks_and_tags(&mut table, &ring, now);
    kept::rows(&mut table, &ring, now);
    table.close();
}

/// The check and the tag, without kept sessions.
fn checks_and_tags(table: &mut Table, ring: &Arc<KeyRing>, now: OffsetDateTime) {
    let sealer = Sealer::new(Arc::clone(ring), "timing").expect("a short purpose");
    let text = sealer
        .seal_at(&[b'x'; 100], Duration::from_secs(3600), now)
        .expect("a short value");
    let token = decoded(&text);
    let tag = token.len() - TAG_LEN;
    let open = |_: usize, text: &str| timed(|| sealer.open_at(text, b"", now));

    // A head-only reader at the edge compares the same check.
    let sessions = Sessions::<String>::builder(Arc::clone(ring))
        .build()
        .expect("the defaults");
    let cookies = sessions.cookie_for_at("x".repeat(98), now).expect("a short session");
    let keys = sessions.edge_keys_at(1, EdgeRights::Check, now);
    let checker = Checker::from_edge_keys(keys.expose()).expect("keys as exported");
    let (session, activity) = cookies.split_once("; ").expect("two cookies");
    let edge_token = decoded(session.strip_prefix("__Host-id=").expect("the default name"));
    let check = |_: usize, text: &str| {
        let fields = RequestFields::from_cookies([format!("__Host-id={text}; {activity}")]);
        timed(|| _ = black_box(checker.check_at(&fields, now)))
    };

    // The time that a comparison with an early return would add.
    let right: [u8; 16] = token[CHECK..CHECK + CHECK_LEN].try_into().expect("16 bytes");
    let leaky = |_: usize, text: &str| {
        timed(|| {
            let refused = sealer.open_at(text, b"", now);
            let decoded = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
            black_box(equal_or_early(&decoded[CHECK..CHECK + CHECK_LEN], &right));
            refused
        })
    };

    let rng = &mut table.rng;
    let (check_end, tag_end) = (CHECK + CHECK_LEN - 1, tag + TAG_LEN - 1);
    let same = [flipped(rng, &token, CHECK), flipped(rng, &token, CHECK)];
    let checks = [flipped(rng, &token, CHECK), flipped(rng, &token, check_end)];
    let random_checks = [random(rng, &token, CHECK, false), random(rng, &token, CHECK, true)];
    let tags = [flipped(rng, &token, tag), flipped(rng, &token, tag_end)];
    let random_tags = [random(rng, &token, tag, false), random(rng, &token, tag, true)];
    let edge_checks = [flipped(rng, &edge_token, CHECK), flipped(rng, &edge_token, check_end)];

    table.quiet("control: the same class twice", &same, &open);
    table.loud("control: early return, first or last byte wrong", &checks, &leaky);
    table.row("open: check wrong in its first or its last byte", &checks, &open);
    table.row("open: check fixed or random, both wrong", &random_checks, &open);
    table.row("open: tag wrong in its first or its last byte", &tags, &open);
    table.row("open: tag fixed or random, both wrong", &random_tags, &open);
    table.row(
        "Checker: check wrong in its first or its last byte",
        &edge_checks,
        &check,
    );
}

/// The mistake to avoid: it returns at the first difference.
#[inline(never)]
fn equal_or_early(left: &[u8], right: &[u8; 16]) -> bool {
    for (left, right) in left.iter().zip(right) {
        if black_box(left) != black_box(right) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(1000);
        table.rng = Rng::with_seed(1);
        table
    }

    /// A class for each number of nanoseconds, with a little noise.
    fn classes(a: u32, b: u32) -> Classes {
        [a, b].map(|time| (0..10).map(|noise| (time + noise).to_string()).collect())
    }

    const READ: Operation<'static> = &|_, text| text.parse().expect("a number");

    #[test]
    fn a_difference_is_named_unless_it_is_by_design() {
        let mut table = table();
        table.row("equal", &classes(100, 100), READ);
        table.row("differs", &classes(100, 105), READ);
        table.by_design("differs too", &classes(100, 105), READ);
        assert_eq!(table.suspicious, ["differs"]);
    }

    #[test]
    fn the_controls_hold_only_if_one_is_quiet_and_the_other_loud() {
        for (quiet, loud, holds) in [(100, 105, true), (105, 105, false), (100, 100, false)] {
            let mut table = table();
            table.quiet("quiet", &classes(100, quiet), READ);
            table.loud("loud", &classes(100, loud), READ);
            assert_eq!(table.controls_hold, holds, "{quiet} {loud}");
        }
    }

    #[test]
    fn every_row_opens_and_refuses_as_it_says() {
        // Few measurements show no times, but the rows assert what opens and what does not.
        let ring = Arc::new(KeyRing::new(Key::generate().expect("the system has random bytes")));
        kept::rows(&mut Table::new(20), &ring, OffsetDateTime::now_utc());
    }
}
