//! Interleaved measurement: contestants run batch by batch, and only adjacent batches are compared.
//!
//! On a shared machine single benchmarks drift by half between runs. A disturbance affects two
//! adjacent batches about equally, so their ratio is steady when the times are not. The median drops the disturbances
//! that affected only one of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One operation: runs this many times and returns how long it took, without the preparation.
pub type Operation = Box<dyn Fn(usize) -> Duration>;

/// An operation without preparation. It must succeed: `true` every time.
pub fn operation(run: impl Fn() -> bool + 'static) -> Operation {
    prepared(|| (), move |()| run())
}

/// An operation on a value that is new each time. The value is made and dropped outside the measured time.
pub fn fresh<S: 'static>(prepare: impl Fn() -> S + 'static, run: impl Fn(&S) -> bool + 'static) -> Operation {
    Box::new(move |count| {
        let prepared: Vec<S> = (0..count).map(|_| prepare()).collect();
        let start = Instant::now();
        let mut as_expected = true;
        for input in &prepared {
            as_expected &= black_box(run(black_box(input)));
        }
        let elapsed = start.elapsed();
        assert!(as_expected, "an operation did not do what its name says");
        elapsed
    })
}

/// An operation that consumes a value, which is made outside the measured time.
pub fn prepared<S: 'static>(prepare: impl Fn() -> S + 'static, run: impl Fn(S) -> bool + 'static) -> Operation {
    Box::new(move |count| {
        let prepared: Vec<S> = (0..count).map(|_| prepare()).collect();
        let start = Instant::now();
        let mut as_expected = true;
        for input in prepared {
            as_expected &= black_box(run(black_box(input)));
        }
        let elapsed = start.elapsed();
        assert!(as_expected, "an operation did not do what its name says");
        elapsed
    })
}

/// How long and how often.
#[derive(Clone, Copy)]
pub struct Effort {
    pub batch: Duration,
    pub pairs: usize,
}

/// Runs the contestants in turns: A, B, …, A, B, … Returns the nanoseconds per operation of every batch of each.
pub fn interleave<const N: usize>(contestants: [&Operation; N], effort: Effort) -> [Vec<f64>; N] {
    // The number of operations that fill a batch; finding it also warms caches and day keys.
    let counts = contestants.map(|run| {
        let mut count = 1;
        loop {
            let elapsed = run(count);
            if elapsed >= effort.batch || count >= 1 << 20 {
                let count = count as f64 * effort.batch.as_secs_f64() / elapsed.as_secs_f64();
                return (count as usize).max(1);
            }
            count *= 2;
        }
    });
    let mut series = [const { Vec::new() }; N];
    for _ in 0..effort.pairs {
        for ((run, count), series) in contestants.iter().zip(counts).zip(&mut series) {
            series.push(run(count).as_secs_f64() * 1e9 / count as f64);
        }
    }
    series
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

/// A quarter of the values are smaller. Times that are added and subtracted need it: no disturbance is common to them.
pub fn lower_quartile(values: impl IntoIterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 4]
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median of the ratios of adjacent batches, `above / below`.
pub fn ratio(above: &[f64], below: &[f64]) -> f64 {
    median(above.iter().zip(below).map(|(above, below)| above / below))
}

/// The time of every batch minus that of its neighbour.
pub fn without(all: &[f64], part: &[f64]) -> Vec<f64> {
    all.iter().zip(part).map(|(all, part)| (all - part).max(1.0)).collect()
}
