use sealed_session::SessionId;
use sealed_session::revocation::read_list;

use super::*;

fn shared() -> Shared {
    let client = redis::Client::open("redis://127.0.0.1:1").unwrap();
    Shared::new(Revocations::new(), client.into(), Record::new("shop"), 0)
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn revocation(number: u64, until: OffsetDateTime) -> Revocation {
    let id = SessionId::from_bytes(number.to_be_bytes());
    Revocation { id, until }
}

#[test]
fn entries_are_dropped_by_the_earlier_of_the_two_clocks() {
    let shared = shared();
    assert_eq!(
        shared.careful(at(1_000)),
        at(1_000),
        "before the clock of Redis is known"
    );
    shared.clock_is(5_000_000_000);
    assert_eq!(shared.careful(at(1_000)), at(1_000));
    shared.clock_is(1_000);
    // The clock of Redis goes on while the test runs.
    assert!((at(1_000)..at(4_000)).contains(&shared.careful(at(9_000))));
    // Whatever stands for Redis: no time makes it panic.
    for redis in [0, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
        shared.clock_is(redis);
        assert!(shared.careful(at(9_000)) <= at(9_000));
    }
}

#[test]
fn a_slow_clock_makes_ends_that_are_right_by_redis_and_a_fast_one_makes_its_own() {
    let until = at(4_000_000_000);
    for (ahead, least, most) in [(0, 0, 2), (-1_000, 998, 1_002), (1_000, 0, 0)] {
        // The clock of Redis is known before the revocation, or only after it.
        for knows_before in [true, false] {
            let shared = shared();
            let read_clock = || shared.clock_is(now().unix_timestamp().saturating_sub(ahead) as u64);
            if knows_before {
                read_clock();
            }
            shared.made(Some(shared.corrected(revocation(1, until), now())));
            if !knows_before {
                read_clock();
            }
            let batch = shared.batch().unwrap();
            let (_, entries) = read_list(&batch.list).unwrap();
            let later = entries.map(|entry| (entry.until - until).whole_seconds());
            let later = later.collect::<Vec<_>>();
            assert!(
                matches!(later[..], [later] if (least..=most).contains(&later)),
                "{later:?}"
            );
        }
    }
}

#[test]
fn what_is_not_read_back_is_forgotten_when_it_is_too_much() {
    let shared = shared();
    for number in 0..2 * MOST_UNSENT as u64 {
        shared.made(Some(revocation(number, at(4_000_000_000))));
        if let Some(batch) = shared.batch() {
            shared.put(batch, NewsId::default());
        }
        assert!(shared.state().recent.len() <= MOST_UNSENT);
    }
    assert!(shared.take_forgotten() && !shared.take_forgotten());
}

#[test]
fn an_overflow_while_a_batch_is_put_confirms_nothing_too_early() {
    let shared = shared();
    let made =
        |count: usize| (0..count).for_each(|number| shared.made(Some(revocation(number as u64, at(4_000_000_000)))));
    made(MOST_UNSENT);
    let batch = shared.batch().unwrap();
    made(10);
    assert!(shared.state().is_overflown);
    shared.put(batch, NewsId::default());
    assert_eq!(shared.put_so_far(), 0);
    assert_eq!(shared.health().unconfirmed, MOST_UNSENT + 10);
    shared.state().is_overflown = false;
    assert_eq!(
        shared.put_so_far(),
        MOST_UNSENT as u64 + 10,
        "the whole list was written"
    );
}

#[test]
fn a_difference_of_the_clocks_is_told_once_until_it_was_well() {
    let shared = shared();
    let heard = Arc::new(Mutex::new(0));
    let count = Arc::clone(&heard);
    let observer: Arc<dyn Observer> = Arc::new(move |event: &Event| {
        assert_eq!(event.name(), "RevocationStoreClock");
        *count.lock().unwrap() += 1;
    });
    shared.report_to(&observer);
    let redis = now().unix_timestamp() as u64;
    for (clock, told) in [
        (redis, 0),
        (redis + 290, 0),
        (redis + 400, 1),
        (redis + 500, 1),
        (redis, 1),
        (redis - 400, 2),
    ] {
        shared.clock_is(clock);
        assert_eq!(*heard.lock().unwrap(), told, "{clock}");
    }
}
