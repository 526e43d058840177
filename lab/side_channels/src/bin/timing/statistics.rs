//! Times of two classes of input, and whether chance explains their difference.

use std::hint::black_box;
use std::time::Instant;

use fastrand::Rng;

/// Every input of both classes.
pub(crate) type Classes = [Vec<String>; 2];
/// Handles one input of a class, and returns the nanoseconds of the part that counts.
pub(crate) type Operation<'a> = &'a dyn Fn(usize, &str) -> f64;

/// Nanoseconds of `operation`. Its result is dropped after that.
pub(crate) fn timed<R>(operation: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    let result = operation();
    let nanoseconds = start.elapsed().as_nanos() as f64;
    drop(black_box(result));
    nanoseconds
}

/// The times of `operation` on inputs of both classes in random order.
pub(crate) fn measure(
    rng: &mut Rng,
    classes: &Classes,
    measurements: usize,
    operation: Operation<'_>,
) -> [Vec<f64>; 2] {
    let mut times = [Vec::with_capacity(measurements), Vec::with_capacity(measurements)];
    // Always the same place in memory, whatever the class.
    let (mut other, mut input) = (String::new(), String::new());
    let warming = measurements / 20;
    for round in 0..measurements + warming {
        let class = usize::from(rng.bool());
        // The inputs of both classes are as warm as each other.
        for (copy, pool) in [(&mut other, &classes[1 - class]), (&mut input, &classes[class])] {
            pool[rng.usize(..pool.len())].clone_into(copy);
        }
        let nanoseconds = operation(class, black_box(&input));
        if round >= warming {
            times[class].push(nanoseconds);
        }
    }
    times
}

/// Welch's t of all times, and the largest |t| over all croppings.
pub(crate) fn t_values(times: &[Vec<f64>; 2]) -> (f64, f64) {
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

pub(crate) fn medians(times: &[Vec<f64>; 2]) -> [f64; 2] {
    [0, 1].map(|class: usize| {
        let mut times = times[class].clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    })
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
        assert_eq!(medians(&times), [3.0, 5.0]);
    }

    #[test]
    fn both_classes_are_measured_after_the_warming_and_each_time_is_noted_in_its_class() {
        let classes = [vec!["0".to_owned()], vec!["1".to_owned()]];
        let operation = |class: usize, text: &str| {
            assert_eq!(text, class.to_string());
            class as f64
        };
        let times = measure(&mut Rng::with_seed(1), &classes, 1000, &operation);
        assert_eq!(times[0].len() + times[1].len(), 1000);
        for (class, times) in times.iter().enumerate() {
            assert!(!times.is_empty() && times.iter().all(|&time| time == class as f64));
        }
    }
}
