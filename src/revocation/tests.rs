//! The list against a model of it: a map from id to the end of its entry, and one cut-off.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn id(number: u64) -> SessionId {
    SessionId::from_bytes(number.to_be_bytes())
}

fn at(seconds: u64) -> OffsetDateTime {
    from_seconds(seconds)
}

fn revoke(list: &Revocations, number: u64, until: u64, now: u64) {
    revoke_id(list, id(number), until, now);
}

fn revoke_id(list: &Revocations, id: SessionId, until: u64, now: u64) {
    let until = at(until);
    list.revoke_at(Revocation { id, until }, at(now));
}

fn revoked(list: &Revocations, numbers: impl Iterator<Item = u64>, until: u64, now: u64) {
    numbers.for_each(|number| revoke(list, number, until, now));
}

fn merge(into: &Revocations, bytes: &[u8], now: u64) -> usize {
    into.merge_at(bytes, at(now)).unwrap()
}

#[test]
fn a_revoked_id_stays_revoked_until_its_end() {
    let list = Revocations::new();
    assert!(list.is_empty() && !list.is_revoked(id(1)));
    revoke(&list, 1, 100, 0);
    assert!(!list.is_empty());
    revoke(&list, 1, 50, 0);
    revoked(&list, 2..200, 200, 99);
    assert!(
        list.is_revoked(id(1)),
        "a later, shorter revocation does not shorten the first"
    );
    assert!(!list.is_revoked(id(500)));
    revoked(&list, 200..400, 300, 100);
    assert!(!list.is_revoked(id(1)), "its end has come, and so has its pruning");
}

#[test]
fn entries_that_outlived_every_session_go_by_themselves() {
    let list = Revocations::new();
    // One run of the 256: the others behave alike.
    for number in 0..100_000 {
        revoke(&list, number, number + 10, number);
    }
    assert!(list.len() < 20, "{}", list.len());
    assert!(list.is_revoked(id(99_999)));
    assert_eq!(list.snapshot_at(at(200_000)), Revocations::new().snapshot_at(at(0)));
    assert!(list.is_empty(), "a snapshot prunes");
}

#[test]
fn an_entry_that_has_ended_is_neither_sent_nor_merged() {
    let (one, other) = (Revocations::new(), Revocations::new());
    revoke(&one, 1, 100, 0);
    revoke(&one, 2, 200, 0);
    revoke(&one, 3, 50, 60);
    assert!(!one.is_revoked(id(3)));
    let early = one.snapshot_at(at(0));
    assert_eq!(merge(&other, &early, 100), 1);
    assert!(!other.is_revoked(id(1)) && other.is_revoked(id(2)));
    assert_eq!(one.snapshot_at(at(100)), other.snapshot_at(at(100)));
    let delta = one.delta_since_at(&mut RevocationCursor::default(), at(100)).unwrap();
    assert_eq!(delta, one.snapshot_at(at(100)));
}

#[test]
fn a_later_end_holds_wherever_it_comes_from() {
    let (one, other) = (Revocations::new(), Revocations::new());
    revoke(&one, 1, 100, 0);
    revoke(&other, 1, 200, 0);
    assert_eq!(merge(&one, &other.snapshot_at(at(0)), 0), 1);
    assert_eq!(merge(&other, &one.snapshot_at(at(0)), 0), 0);
    assert_eq!(one.snapshot_at(at(150)), other.snapshot_at(at(150)));
    assert_ne!(one.snapshot_at(at(150)), Revocations::new().snapshot_at(at(150)));
}

#[test]
fn an_end_beyond_32_bits_is_the_last_one() {
    let list = Revocations::new();
    revoke(&list, 1, 1 << 40, 0);
    list.raise_cut_off(at(1 << 40));
    assert_eq!(list.cut_off(), Some(at(u32::MAX.into())));
    let again = Revocations::new();
    assert_eq!(merge(&again, &list.snapshot_at(at(0)), u64::from(u32::MAX) - 1), 2);
    assert!(again.is_revoked(id(1)));
}

#[test]
fn a_delta_has_what_is_new() {
    let (one, other, mut cursor) = (Revocations::new(), Revocations::new(), RevocationCursor::default());
    assert_eq!(one.delta_since_at(&mut cursor, at(0)), None);
    revoke(&one, 1, 100, 0);
    let first = one.delta_since_at(&mut cursor, at(0)).unwrap();
    assert_eq!(merge(&other, &first, 0), 1);
    revoke(&one, 1, 100, 0);
    assert_eq!(one.delta_since_at(&mut cursor, at(0)), None, "known already");

    revoke(&other, 2, 100, 0);
    other.raise_cut_off(at(40));
    let theirs = other.delta_since_at(&mut RevocationCursor::default(), at(0)).unwrap();
    assert_eq!(merge(&one, &theirs, 0), 2);
    assert_eq!(one.cut_off(), Some(at(40)));
    let merged = one.delta_since_at(&mut cursor, at(0)).unwrap();
    assert_eq!((merged.len(), cursor), (17 + 12, one.cursor()));

    one.raise_cut_off(at(50));
    let cut = one.delta_since_at(&mut cursor, at(0)).unwrap();
    assert_eq!(
        (cut.len(), merge(&other, &cut, 0), other.cut_off()),
        (17, 1, Some(at(50)))
    );
}

#[test]
fn a_list_is_written_from_entries_in_any_order_and_read_back() {
    let entry = |number, until| Revocation {
        id: id(number),
        until: at(until),
    };
    let list = Revocations::new();
    for (number, until) in [(3, 30), (1, 10), (3, 20)] {
        revoke(&list, number, until, 0);
    }
    list.raise_cut_off(at(5));
    let bytes = write_list(Some(at(5)), [entry(3, 20), entry(1, 10), entry(3, 30)]);
    assert_eq!(bytes, list.snapshot_at(at(0)));
    let (cut_off, entries) = read_list(&bytes).unwrap();
    assert_eq!(
        (cut_off, entries.collect::<Vec<_>>()),
        (Some(at(5)), vec![entry(1, 10), entry(3, 30)])
    );
    // Rounded up, and into 32 bits.
    let late = Revocation {
        id: id(1),
        until: at(10) + Duration::from_nanos(1),
    };
    for (given, written) in [(late, 11), (entry(1, 1 << 40), u32::MAX.into())] {
        let bytes = write_list(None, [given]);
        let (cut_off, entries) = read_list(&bytes).unwrap();
        assert_eq!((cut_off, entries.collect::<Vec<_>>()), (None, vec![entry(1, written)]));
    }
    assert_eq!(read_list(&bytes[1..]).err(), Some(RevocationsError::NotAList));
}

#[test]
fn a_cursor_that_is_too_old_or_foreign_gets_the_whole_list() {
    let list = Revocations::new();
    let mut behind = RevocationCursor::default();
    revoked(&list, 0..LONGEST_LOG as u64, 100, 0);
    assert_eq!(list.log(|log| log.dropped), 0);
    revoke(&list, 1 << 60, 100, 0);
    assert_eq!(list.log(|log| log.changes.len()), LONGEST_LOG, "the log is bounded");
    let whole = list.snapshot_at(at(0));
    assert_eq!(list.delta_since_at(&mut behind, at(0)).as_ref(), Some(&whole));
    assert_eq!(behind, list.cursor());
    let mut foreign = RevocationCursor(u64::MAX);
    assert_eq!(list.delta_since_at(&mut foreign, at(0)).as_ref(), Some(&whole));
    assert_eq!(foreign, list.cursor());
}

#[test]
fn a_list_that_is_refused_changes_nothing() {
    let (list, other) = (Revocations::new(), Revocations::new());
    revoke(&other, 1, 100, 0);
    other.raise_cut_off(at(5));
    let mut bytes = other.snapshot_at(at(0));
    bytes.push(0);
    assert_eq!(list.merge_at(&bytes, at(0)), Err(RevocationsError::Length));
    assert_eq!(
        (list.len(), list.cut_off(), list.cursor()),
        (0, None, RevocationCursor(0))
    );
}

// ---- the bound

/// An observer that keeps what it hears. The list holds it weakly.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Observer for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    fn by(list: &Revocations) -> (Arc<Self>, Arc<dyn Observer>) {
        let heard = Arc::<Self>::default();
        let observer: Arc<dyn Observer> = heard.clone();
        list.report_to(&observer);
        (heard, observer)
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn ids_as_the_crate_draws_them_fill_the_room_and_no_more() {
    let list = Revocations::bounded(20_000);
    let (heard, _observer) = Heard::by(&list);
    let random = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    revoked(&list, (0..16_000).map(random), 100, 0);
    let nearly = Event::RevocationsNearlyFull {
        entries: 16_000,
        most: 20_000,
    };
    assert_eq!(heard.take(), [nearly]);
    revoked(&list, (16_000..20_000).map(random), 100, 0);
    assert_eq!((list.len(), heard.take()), (20_000, vec![]));
    revoked(&list, (20_000..40_000).map(random), 100, 0);
    assert!((18_000..28_417).contains(&list.len()), "{}", list.len());
    let dropped = heard.take().into_iter().map(|event| match event {
        Event::RevocationsFull { dropped, most: 20_000 } => dropped,
        other => panic!("{other:?}"),
    });
    assert_eq!(dropped.sum::<usize>(), 40_000 - list.len());
    // Servers that have more room still get the dropped entries.
    assert_eq!(list.log(|log| log.end()), 40_000);

    // Merging a list that is larger than the room is one event.
    let larger = Revocations::new();
    revoked(&larger, (0..40_000).map(random), 100, 0);
    let list = Revocations::bounded(20_000);
    let (heard, _observer) = Heard::by(&list);
    assert_eq!(merge(&list, &larger.snapshot_at(at(0)), 0), 40_000);
    assert!((18_000..28_417).contains(&list.len()), "{}", list.len());
    assert!(matches!(
        heard.take()[..],
        [Event::RevocationsNearlyFull { .. }, Event::RevocationsFull { .. }]
    ));
}

#[test]
fn a_list_without_room_keeps_nothing_and_says_so() {
    let list = Revocations::bounded(0);
    let (heard, _observer) = Heard::by(&list);
    revoke(&list, 1, 100, 0);
    assert!(list.is_empty() && !list.is_revoked(id(1)));
    let expected = [
        Event::RevocationsNearlyFull { entries: 0, most: 0 },
        Event::RevocationsFull { dropped: 1, most: 0 },
    ];
    assert_eq!(heard.take(), expected);
}

#[test]
fn what_has_expired_makes_room_before_anything_else() {
    let list = Revocations::bounded(256 * 100);
    let (heard, _observer) = Heard::by(&list);
    // One run, with room for 140.
    revoked(&list, 0..139, 50, 0);
    revoked(&list, 139..140, 100, 0);
    revoked(&list, 140..279, 80, 50);
    assert!(list.is_revoked(id(139)) && list.is_revoked(id(278)));
    assert_eq!((list.len(), heard.take()), (140, vec![]));
    revoke(&list, 279, 80, 50);
    let full = Event::RevocationsFull {
        dropped: 9,
        most: 25_600,
    };
    assert_eq!((list.len(), heard.take()), (132, vec![full]));
    assert!(list.is_revoked(id(139)), "it ends last");
}

#[test]
fn ids_that_begin_alike_push_out_each_other_alone() {
    let list = Revocations::bounded(256 * 100);
    revoke(&list, 1 << 60, 2, 0);
    revoked(&list, 0..100_000, 1000, 0);
    assert!(list.is_revoked(id(1 << 60)));
    assert!(list.len() <= 141);
    // Also in a merge: the list takes the entries for which it has room.
    let hostile = Revocations::new();
    revoked(&hostile, (0..10_000).map(|number| number << 40), u32::MAX.into(), 0);
    merge(&list, &hostile.snapshot_at(at(0)), 0);
    assert!(list.is_revoked(id(1 << 60)) && list.len() <= 256 * 140);
}

#[test]
fn nearly_full_is_said_again_only_after_it_was_better() {
    let list = Revocations::bounded(1000);
    let (heard, _observer) = Heard::by(&list);
    // Four to a run.
    let spread = |numbers: std::ops::Range<u64>| numbers.map(|number| (number << 56) | number);
    revoked(&list, spread(0..749), 200, 0);
    revoked(&list, spread(749..850), 100, 0);
    assert_eq!(heard.take().len(), 1);
    // With a quarter of the room free it is not better yet.
    _ = list.snapshot_at(at(100));
    assert_eq!(list.len(), 749);
    revoked(&list, spread(850..901), 300, 100);
    assert_eq!((list.len(), heard.take()), (800, vec![]));
    _ = list.snapshot_at(at(200));
    assert_eq!(list.len(), 51);
    revoked(&list, spread(901..950), 300, 200);
    assert_eq!(heard.take(), []);
    revoked(&list, spread(950..1750), 300, 200);
    assert!(matches!(
        heard.take()[..],
        [Event::RevocationsNearlyFull {
            entries: 800,
            most: 1000
        }]
    ));
}

#[test]
fn sixteen_events_wait_for_the_first_observer() {
    let list = Revocations::new();
    let raised = |to| Event::CutOffRaised { to };
    (0..20).for_each(|to| list.report(raised(to)));
    let (heard, _observer) = Heard::by(&list);
    assert_eq!(heard.take(), (0..16).map(raised).collect::<Vec<_>>());
    list.report(raised(20));
    assert_eq!(heard.take(), [raised(20)]);
    let (next, _observer) = Heard::by(&list);
    assert_eq!(next.take(), [], "they were told");
}

#[test]
fn a_full_list_stays_bounded_and_counts_right_under_threads() {
    let list = Revocations::bounded(10_000);
    let larger = Revocations::new();
    let random = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    revoked(&larger, (0..20_000).map(random), 100, 0);
    let snapshot = larger.snapshot_at(at(0));
    std::thread::scope(|scope| {
        for thread in 1..5 {
            let (list, snapshot) = (&list, &snapshot);
            scope.spawn(move || {
                merge(list, snapshot, 0);
                revoked(list, (thread * 20_000..(thread + 1) * 20_000).map(random), 100, 0);
            });
        }
    });
    assert!(list.len() <= 10_000 + 256 * 4 * 6 + 256, "{}", list.len());
    assert_eq!(list.snapshot_at(at(0)).len(), 17 + 12 * list.len());
}

#[test]
fn a_cut_off_that_is_merged_is_an_event_and_one_from_here_is_not() {
    let (list, other) = (Revocations::new(), Revocations::new());
    other.raise_cut_off(at(50));
    let bytes = other.snapshot_at(at(0));
    // The event waits until there is an observer.
    merge(&list, &bytes, 0);
    merge(&list, &bytes, 0);
    let (heard, observer) = Heard::by(&list);
    assert_eq!(heard.take(), [Event::CutOffRaised { to: 50 }]);
    other.raise_cut_off(at(60));
    merge(&list, &other.snapshot_at(at(0)), 0);
    assert_eq!(heard.take(), [Event::CutOffRaised { to: 60 }]);
    list.raise_cut_off(at(70));
    assert_eq!(heard.take(), [], "`Sessions` tells that");
    // Dropped sessions hear nothing more, and keep nothing alive.
    drop(observer);
    assert_eq!(Arc::strong_count(&heard), 1);
}

/// An action of one of three servers.
#[derive(Clone, Debug)]
enum Act {
    Revoke {
        server: usize,
        id: u8,
        valid_for: u8,
    },
    CutOff {
        server: usize,
        to: u8,
    },
    /// One sends its snapshot, as a letter.
    Snapshot {
        server: usize,
    },
    /// One sends its next delta as a letter.
    Delta {
        server: usize,
    },
    /// One of the letters arrives: late, twice or never, by chance.
    Deliver {
        letter: usize,
        server: usize,
    },
    Wait {
        seconds: u8,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let server = 0..3usize;
    prop_oneof![
        4 => (server.clone(), 0..12u8, any::<u8>()).prop_map(|(server, id, valid_for)| Act::Revoke { server, id, valid_for }),
        1 => (server.clone(), any::<u8>()).prop_map(|(server, to)| Act::CutOff { server, to }),
        1 => server.clone().prop_map(|server| Act::Snapshot { server }),
        3 => server.clone().prop_map(|server| Act::Delta { server }),
        4 => (any::<usize>(), server).prop_map(|(letter, server)| Act::Deliver { letter, server }),
        1 => any::<u8>().prop_map(|seconds| Act::Wait { seconds }),
    ]
}

/// Ids that share runs, and ids that do not.
fn spread(number: u8) -> SessionId {
    id(u64::from(number) << if number.is_multiple_of(2) { 0 } else { 56 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any interleaving of writes, snapshots and deltas, with letters lost, repeated and out of order, leads to one
    /// list on all servers as soon as snapshots have gone round. It is the list of everything that was revoked.
    #[test]
    fn any_interleaving_comes_to_the_same_list(acts in prop::collection::vec(act(), 0..80)) {
        let servers = [(); 3].map(|()| Revocations::new());
        let mut cursors = [RevocationCursor::default(); 3];
        let mut post: Vec<Vec<u8>> = Vec::new();
        let (mut model, mut cut_off, mut now) = (BTreeMap::new(), 0, 1000);
        for act in acts {
            match act {
                Act::Revoke { server, id, valid_for } => {
                    let until = now + u64::from(valid_for);
                    revoke_id(&servers[server], spread(id), until, now);
                    let entry = model.entry(spread(id)).or_insert(until);
                    *entry = until.max(*entry);
                }
                Act::CutOff { server, to } => {
                    servers[server].raise_cut_off(at(to.into()));
                    cut_off = cut_off.max(u32::from(to));
                }
                Act::Snapshot { server } => post.push(servers[server].snapshot_at(at(now))),
                Act::Delta { server } => post.extend(servers[server].delta_since_at(&mut cursors[server], at(now))),
                Act::Deliver { letter, server } if !post.is_empty() => {
                    merge(&servers[server], &post[letter % post.len()], now);
                }
                Act::Deliver { .. } => {}
                Act::Wait { seconds } => now += u64::from(seconds),
            }
        }
        for from in &servers {
            let snapshot = from.snapshot_at(at(now));
            servers.iter().for_each(|to| { merge(to, &snapshot, now); });
        }
        // The first servers do not have the last news of the last servers yet.
        let last = servers[2].snapshot_at(at(now));
        let mut expected = Writer::new(cut_off, model.len());
        for (&id, &until) in model.iter().filter(|&(_, &until)| until > now) {
            expected.push(Entry { id, until: until as u32 });
            prop_assert!(servers[2].is_revoked(id));
        }
        prop_assert_eq!(&expected.finish(), &last);
        for server in &servers[..2] {
            merge(server, &last, now);
            prop_assert_eq!(&server.snapshot_at(at(now)), &last);
            prop_assert_eq!(merge(server, &last, now), 0, "merging twice is merging once");
        }
    }

    /// Whatever comes, the entries that end last stay, as many as a run keeps when it makes room. All others go first.
    #[test]
    fn the_entries_that_end_first_make_room(ends in prop::collection::vec(1..500u64, 1..600)) {
        let list = Revocations::bounded(256 * 100);
        for (number, &end) in (0..).zip(&ends) {
            revoke(&list, number, end, 0);
            prop_assert!(list.len() <= 140);
        }
        let mut last: Vec<_> = ends.iter().zip(0..).collect();
        last.sort_unstable_by(|one, other| other.cmp(one));
        let least = last.get(131).map_or(0, |(end, _)| **end);
        for (&end, number) in last {
            prop_assert!(list.is_revoked(id(number)) || end <= least, "{number} ends at {end}");
        }
    }

    /// All deltas, each delivered once and in any order, are as good as a snapshot.
    #[test]
    fn deltas_alone_are_enough_if_none_is_lost(
        ids in prop::collection::vec((0..40u8, 1..100u64), 0..60),
        every in 1..7usize,
        reverse in any::<bool>(),
    ) {
        let (one, other, mut cursor) = (Revocations::new(), Revocations::new(), RevocationCursor::default());
        let mut post = Vec::new();
        for (index, (number, until)) in ids.into_iter().enumerate() {
            revoke_id(&one, spread(number), until, 0);
            if index % every == 0 {
                post.extend(one.delta_since_at(&mut cursor, at(0)));
            }
        }
        post.extend(one.delta_since_at(&mut cursor, at(0)));
        if reverse {
            post.reverse();
        }
        post.iter().for_each(|delta| { merge(&other, delta, 0); });
        prop_assert_eq!(one.snapshot_at(at(0)), other.snapshot_at(at(0)));
    }

    /// No bytes make the list panic, and it takes what a model of the format reads.
    #[test]
    fn arbitrary_bytes_are_refused_or_read_exactly(
        head in prop_oneof![8 => Just(&b"SSRL\x01"[..]), 1 => Just(&b"SSRL"[..]), 1 => Just(&b""[..])],
        mut entries in prop::collection::vec(any::<[u8; 12]>(), 0..6),
        sorted in any::<bool>(),
        claim in prop_oneof![3 => Just(None), 1 => any::<u64>().prop_map(Some)],
        tail in prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(any::<u8>(), 0..14)],
    ) {
        if sorted {
            entries.sort_unstable();
        }
        let count = claim.unwrap_or(entries.len() as u64).to_be_bytes();
        let bytes = [head, &[0, 0, 0, 9], &count, entries.as_flattened(), &tail].concat();
        let list = Revocations::new();
        let taken = list.merge_at(&bytes, at(0)).is_ok();
        let ascend = entries.windows(2).all(|pair| pair[0][..8] < pair[1][..8]);
        if tail.is_empty() {
            prop_assert_eq!(taken, head.len() == 5 && ascend && claim.is_none_or(|claim| claim == entries.len() as u64));
        }
        if taken {
            prop_assert_eq!(list.snapshot_at(at(0)), bytes);
        }
    }
}

#[test]
fn the_thread_that_follows_a_directory_ends_with_the_last_handle() {
    let directory = testkit::Directory::new("thread");
    let list = Revocations::new();
    let file = RevocationFile::in_directory(&*directory, list.clone()).unwrap();
    let other = file.clone();
    drop(file);
    assert_eq!(
        Arc::strong_count(&list.shared),
        3,
        "of this test, the handle and the thread"
    );
    drop(other);
    while Arc::strong_count(&list.shared) > 1 {
        std::thread::yield_now();
    }
}
