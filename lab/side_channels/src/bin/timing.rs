//! Does the time of a refusal depend on where a check or a tag is wrong, or on its value? After dudect (Reparaz, Balasch,
//! Verbauwhede: *Dude, is my code constant time?*, 2017): two classes of input in random order, Welch's t-test on their
//! times, with the slowest cut off at several percentiles, because interruptions are noise.
//!
//! `|t|` above 4.5 is a difference that chance does not explain, above 10 a certain one. Two rows are controls: the same
//! class twice must show no difference, and one comparison of 16 bytes that returns early, added to the same measured call,
//! must show one. All of it is reported and nothing asserted, because times depend on the machine. Usage:
//! `timing [measurements]`, 1000000 by default.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;
use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::sealer::OpenError;
use sealed_session::{Key, KeyRing, RequestFields, Sealer, Sessions};
use time::OffsetDateTime;

/// The places of a token's check and tag (SPEC.md).
const CHECK: usize = 29;
const CHECK_LEN: usize = 16;
const TAG_LEN: usize = 16;
/// Different inputs of one class.
const POOL: usize = 1024;

/// Chance explains smaller values.
const SUSPICIOUS: f64 = 4.5;
const CERTAIN: f64 = 10.0;

/// Every input of both classes, as the measured call gets it.
type Classes = [Vec<String>; 2];
/// A measurement: its name, its inputs, the call.
type Row<'a> = (&'a str, &'a Classes, &'a dyn Fn(&str));

/// The token with one bit of the byte `at` changed.
fn flipped(rng: &mut Rng, token: &[u8], at: usize) -> Vec<String> {
    let mut change = |_| {
        let mut token = token.to_vec();
        token[at] ^= 1 << rng.u8(..8);
        URL_SAFE_NO_PAD.encode(token)
    };
    (0..POOL).map(&mut change).collect()
}

/// The token with 16 random bytes from `start` on, the same for all of the pool or new ones for `each`.
fn random(rng: &mut Rng, token: &[u8], start: usize, each: bool) -> Vec<String> {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    let mut change = |_| {
        if each {
            rng.fill(&mut bytes);
        }
        let mut token = token.to_vec();
        token[start..start + 16].copy_from_slice(&bytes);
        URL_SAFE_NO_PAD.encode(token)
    };
    (0..POOL).map(&mut change).collect()
}

/// Nanoseconds of `operation` on inputs of both classes in random order.
fn measure(rng: &mut Rng, classes: &Classes, measurements: usize, operation: &dyn Fn(&str)) -> [Vec<f64>; 2] {
    let mut times = [Vec::with_capacity(measurements), Vec::with_capacity(measurements)];
    // Always the same place in memory, whatever the class.
    let mut input = String::with_capacity(classes[0][0].len());
    let warming = measurements / 20;
    for round in 0..measurements + warming {
        let class = usize::from(rng.bool());
        input.clear();
        input.push_str(&classes[class][rng.usize(..POOL)]);
        let start = Instant::now();
        operation(black_box(&input));
        let nanoseconds = start.elapsed().as_nanos() as f64;
        if round >= warming {
            times[class].push(nanoseconds);
        }
    }
    times
}

fn main() {
    let measurements = std::env::args()
        .nth(1)
        .map_or(1_000_000, |text| text.parse().expect("usage: timing [measurements]"));
    let now = OffsetDateTime::now_utc();
    let ring = Arc::new(KeyRing::new(Key::generate().expect("the system has random bytes")));
    let sealer = Sealer::new(Arc::clone(&ring), "timing").expect("a short purpose");
    let text = sealer
        .seal_at(&[b'x'; 100], Duration::from_secs(3600), now)
        .expect("a short value");
    let token = URL_SAFE_NO_PAD.decode(text).expect("a token");
    let tag = token.len() - TAG_LEN;
    let open = |text: &str| _ = black_box(sealer.open_at(text, b"", now));

    // A head-only reader at the edge compares the same check.
    let sessions = Sessions::<String>::builder(ring).build().expect("the defaults");
    let cookies = sessions.cookie_for_at("x".repeat(98), now).expect("a short session");
    let keys = sessions.edge_keys_at(1, EdgeRights::Check, now);
    let checker = Checker::from_edge_keys(keys.expose()).expect("keys as exported");
    let (session, activity) = cookies.split_once("; ").expect("two cookies");
    let session = session.strip_prefix("__Host-id=").expect("the default name");
    let edge_token = URL_SAFE_NO_PAD.decode(session).expect("a token");
    let check = |text: &str| {
        let fields = RequestFields::from_cookies([format!("__Host-id={text}; {activity}")]);
        _ = black_box(checker.check_at(&fields, now));
    };

    // The time that a comparison with an early return would add.
    let right: [u8; 16] = token[CHECK..CHECK + CHECK_LEN].try_into().expect("16 bytes");
    let leaky = |text: &str| {
        let refused: Result<_, OpenError> = sealer.open_at(text, b"", now);
        let decoded = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        black_box(equal_or_early(&decoded[CHECK..CHECK + CHECK_LEN], &right));
        drop(black_box(refused));
    };

    let rng = &mut Rng::new();
    let (check_end, tag_end) = (CHECK + CHECK_LEN - 1, tag + TAG_LEN - 1);
    let same = [flipped(rng, &token, CHECK), flipped(rng, &token, CHECK)];
    let checks = [flipped(rng, &token, CHECK), flipped(rng, &token, check_end)];
    let random_checks = [random(rng, &token, CHECK, false), random(rng, &token, CHECK, true)];
    let tags = [flipped(rng, &token, tag), flipped(rng, &token, tag_end)];
    let random_tags = [random(rng, &token, tag, false), random(rng, &token, tag, true)];
    let edge_checks = [flipped(rng, &edge_token, CHECK), flipped(rng, &edge_token, check_end)];

    println!(
        "{measurements} measurements per row; t of all times, and the largest |t| of them and of the fastest 99 to 50 %"
    );
    println!("{:<58} {:>9} {:>9} {:>9}", "two classes", "median", "t", "largest");
    let mut row = |name: &str, classes: &Classes, operation: &dyn Fn(&str)| {
        let times = measure(rng, classes, measurements, operation);
        let (all, largest) = t_values(&times);
        println!("{name:<58} {:>6} ns {all:>9.2} {largest:>9.2}", median(&times) as u64);
        largest
    };
    let quiet = row("control: the same class twice", &same, &open);
    let loud = row("control: early return, first or last byte wrong", &checks, &leaky);
    let rows: [Row<'_>; 5] = [
        ("open: check wrong in its first or its last byte", &checks, &open),
        ("open: check fixed or random, both wrong", &random_checks, &open),
        ("open: tag wrong in its first or its last byte", &tags, &open),
        ("open: tag fixed or random, both wrong", &random_tags, &open),
        (
            "Checker: check wrong in its first or its last byte",
            &edge_checks,
            &check,
        ),
    ];
    let suspicious = rows.map(|(name, classes, operation)| (name, row(name, classes, operation)));
    for (name, _) in suspicious.iter().filter(|(_, largest)| *largest > SUSPICIOUS) {
        println!("above {SUSPICIOUS}: {name}");
    }
    if quiet > CERTAIN || loud < CERTAIN {
        println!(
            "the controls failed, so these figures mean nothing: the machine is too busy or the measurements are too few"
        );
    }
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

/// Welch's t of all times, and the largest |t| over all croppings.
fn t_values(times: &[Vec<f64>; 2]) -> (f64, f64) {
    let mut pooled: Vec<f64> = times.iter().flatten().copied().collect();
    pooled.sort_by(f64::total_cmp);
    let all = welch(times, f64::INFINITY);
    let cropped = [0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5].map(|share| {
        let longest = pooled[((pooled.len() - 1) as f64 * share) as usize];
        welch(times, longest)
    });
    let largest = cropped.iter().fold(all.abs(), |largest, t| largest.max(t.abs()));
    (all, largest)
}

/// Welch's t of the times up to `longest`.
fn welch(times: &[Vec<f64>; 2], longest: f64) -> f64 {
    let [(mean_a, error_a), (mean_b, error_b)] = [0, 1].map(|class: usize| {
        let kept: Vec<f64> = times[class].iter().copied().filter(|&time| time <= longest).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    let error = (error_a + error_b).sqrt();
    if error > 0.0 { (mean_a - mean_b) / error } else { 0.0 }
}

fn median(times: &[Vec<f64>; 2]) -> f64 {
    let mut pooled: Vec<f64> = times.iter().flatten().copied().collect();
    pooled.sort_by(f64::total_cmp);
    pooled[pooled.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_is_the_textbook_value() {
        // Means 3 and 5, variances 2.5 and 2.5, five each: t = -2 / sqrt(0.5 + 0.5).
        let times = [vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![3.0, 4.0, 5.0, 6.0, 7.0]];
        assert!((welch(&times, f64::INFINITY) + 2.0).abs() < 1e-12);
        // Up to 5: means 3 and 4, variances 2.5 and 1, five and three.
        assert!((welch(&times, 5.0) + 1.0 / (0.5f64 + 1.0 / 3.0).sqrt()).abs() < 1e-12);
    }
}
