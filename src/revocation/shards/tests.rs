//! Tests of `shards.rs`: a run against a linear search and a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn entry((number, until): (u64, u32)) -> Entry {
    let id = SessionId(number.to_be_bytes());
    Entry { id, until }
}

fn run_of(numbers: &[u64]) -> Run {
    let mut run = Run::default();
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    run.join(numbers.iter().map(|&number| entry((number, 1))), 0);
    assert_eq!(run.entries.len(), numbers.len());
    run
}

/// Ids with one first byte, as they come by chance and as somebody might choose them to lead a guess astray.
fn numbers() -> impl Strategy<Value = Vec<u64>> {
    let random = prop::collection::vec(any::<u64>(), 0..200);
    let begin_alike = (any::<u64>(), prop::collection::vec(any::<u16>(), 0..200))
        .prop_map(|(all, last)| last.into_iter().map(|last| all << 16 | u64::from(last)).collect());
    let dense = (0..=LAST, 0..200u64).prop_map(|(from, count)| (from..from + count).collect());
    let low = prop::collection::vec(0..1u64 << 12, 0..200);
    let growing = (any::<bool>(), 0..56u32).prop_map(|(from_above, most)| {
        let gaps = (0..most).map(|bit| 1 << bit);
        gaps.map(|gap| if from_above { LAST - gap } else { gap }).collect()
    });
    let two_heaps = (any::<u64>(), any::<u64>(), 0..100u64, 0..100u64)
        .prop_map(|(one, other, few, many)| (0..few).map(|n| one ^ n).chain((0..many).map(|n| other ^ n)).collect());
    let all = prop_oneof![random, begin_alike, dense, low, growing, two_heaps];
    all.prop_map(|numbers: Vec<u64>| numbers.into_iter().map(|number| FIRST | number & LAST).collect())
}

const FIRST: u64 = 0xab << 56;

/// The last number after the first byte.
const LAST: u64 = u64::MAX >> 8;

/// The entries with these numbers, which end together.
fn ending(until: u32, numbers: std::ops::Range<u64>) -> std::vec::IntoIter<Entry> {
    numbers
        .map(|number| entry((number, until)))
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn entries_that_have_ended_go_when_the_sixteenth_comes() {
    let mut run = Run::default();
    run.join(ending(1, 0..15), 0);
    assert_eq!(run.entries.len(), 15);
    run.join(ending(9, 15..16), 5);
    assert_eq!(run.entries.len(), 1);
    // Then at a quarter more than were left.
    run.join(ending(9, 16..80), 5);
    run.prune(5);
    assert_eq!((run.entries.len(), run.prune_at), (65, 81));
}

#[test]
fn memory_grows_by_an_eighth_more_than_is_needed_and_is_given_back_when_half_is_empty() {
    let mut run = Run::default();
    run.join(ending(9, 0..80), 0);
    run.join(ending(9, 80..81), 0);
    let capacity = run.entries.capacity();
    assert!((91..=120).contains(&capacity), "{capacity}");
    run.join(ending(9, 81..capacity as u64), 0);
    assert_eq!(run.entries.capacity(), capacity, "it had the room");

    run.join(ending(1, 1000..2000), 0);
    run.prune(5);
    let (length, capacity) = (run.entries.len(), run.entries.capacity());
    assert!(
        (length + length / 8..=2 * length).contains(&capacity),
        "{length} of {capacity}"
    );
    let mut entries = Vec::with_capacity(128);
    entries.extend(ending(9, 0..64));
    let mut half = Run { entries, prune_at: 0 };
    half.prune(5);
    assert!(half.entries.capacity() >= 128);
}

#[test]
fn the_entries_that_end_first_make_room_and_of_those_that_end_together_as_many_as_are_needed() {
    let mut run = Run::default();
    run.join(ending(1, 0..3), 0);
    run.join(ending(5, 3..141), 0);
    // 1 and a 16th of 140.
    assert_eq!(run.make_room(140), 9);
    assert_eq!(run.entries.len(), 132);
    assert!(run.entries.iter().all(|entry| entry.until == 5));
    assert_eq!(run.make_room(132), 0);
}

#[test]
fn a_guess_is_right_where_ids_are_spread_evenly() {
    let numbers: Vec<u64> = (0..1000).map(|at| FIRST + at * (LAST / 1000)).collect();
    let run = run_of(&numbers);
    for (at, &number) in numbers.iter().enumerate() {
        let guess = run.guess(entry((number, 0)).id);
        assert!(guess.abs_diff(at) <= 1, "{guess} for {at}");
    }
}

proptest! {
    /// Every id that is there, its neighbours and any other id: from the guess, and from every other place.
    #[test]
    fn a_lookup_finds_what_a_linear_search_finds(present in numbers(), other in any::<u64>(), from in 0..=200usize) {
        let run = run_of(&present);
        let neighbours = present.iter().flat_map(|&number| [number, number.saturating_sub(1), number.saturating_add(1)]);
        for number in neighbours.chain([0, FIRST, FIRST | LAST, u64::MAX, other, FIRST | other & LAST]) {
            let id = entry((number, 0)).id;
            let before = run.entries.iter().filter(|entry| entry.id < id).count();
            let expected = if present.contains(&number) { Ok(before) } else { Err(before) };
            prop_assert_eq!(run.find(id), expected);
            prop_assert_eq!(run.find_near(from.min(run.entries.len()), id), expected);
        }
    }

    /// Whatever is joined to whatever: the later end of each id stays, in order, and what changed is told once.
    #[test]
    fn a_join_is_that_of_a_map(
        batches in prop::collection::vec((numbers(), prop::collection::vec(1..100u32, 200), 0..50u64), 1..5),
    ) {
        let (mut run, mut model, mut latest) = (Run::default(), BTreeMap::new(), 0);
        for (numbers, ends, now) in batches {
            latest = latest.max(now);
            let batch: BTreeMap<u64, u32> = numbers.into_iter().zip(ends).collect();
            let alive = |&(_, until): &(u64, u32)| u64::from(until) > latest;
            model = model.into_iter().filter(alive).collect();
            let mut expected = Vec::new();
            for (number, until) in batch.clone().into_iter().filter(alive) {
                if model.get(&number).is_none_or(|&known| known < until) {
                    model.insert(number, until);
                    expected.push(entry((number, until)));
                }
            }
            let news = run.join(batch.into_iter().map(entry).collect::<Vec<_>>().into_iter(), latest);
            prop_assert_eq!(news, expected);
            prop_assert!(run.entries.is_sorted_by(|one, next| one.id < next.id));
            let kept = run.entries.iter().copied().filter(|entry| u64::from(entry.until) > latest);
            prop_assert_eq!(kept.collect::<Vec<_>>(), model.clone().into_iter().map(entry).collect::<Vec<_>>());
        }
    }
}
