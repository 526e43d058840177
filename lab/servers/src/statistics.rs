//! The arithmetic: figures of one slice, and medians of ratios within a round.

/// What the load and the server's process took in one slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    pub per_second: f64,
    /// Microseconds of processor time of the server for one request.
    pub cpu: f64,
    /// The same for Redis, if the server uses it.
    pub redis_cpu: f64,
    /// Microseconds.
    pub p99: f64,
    /// How much of one core the server used.
    pub busy: f64,
}

/// The mean of the two in the middle if their number is even. There must be at least one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// The median over all rounds of how many times as good `ours` was as `other` in the same round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    pub per_second: f64,
    /// Requests for the same processor time.
    pub cpu: f64,
}

pub fn ratio(ours: &[Slice], other: &[Slice]) -> Ratio {
    let pairs = || ours.iter().zip(other);
    Ratio {
        per_second: median(pairs().map(|(ours, other)| ours.per_second / other.per_second)),
        cpu: median(pairs().map(|(ours, other)| other.cpu / ours.cpu)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(per_second: f64, cpu: f64) -> Slice {
        Slice {
            per_second,
            cpu,
            redis_cpu: 0.0,
            p99: 1.0,
            busy: 1.0,
        }
    }

    #[test]
    fn a_median_is_the_middle_value_or_the_mean_of_the_two_in_the_middle() {
        assert_eq!(median([5.0]), 5.0);
        assert_eq!(median([9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median([9.0, 1.0, 4.0, 6.0]), 5.0);
    }

    #[test]
    fn ratios_are_taken_within_a_round_before_the_median() {
        // The machine is three times as slow in the second round, and something disturbs `other` in the third.
        let ours = [slice(200.0, 5.0), slice(66.0, 15.0), slice(200.0, 5.0)];
        let other = [slice(100.0, 10.0), slice(33.0, 30.0), slice(10.0, 100.0)];
        let ratio = ratio(&ours, &other);
        assert_eq!((ratio.per_second, ratio.cpu), (2.0, 2.0));
    }

    #[test]
    fn less_processor_time_is_a_ratio_above_one() {
        let ratio = ratio(&[slice(100.0, 5.0)], &[slice(100.0, 10.0)]);
        assert_eq!((ratio.per_second, ratio.cpu), (1.0, 2.0));
    }
}
