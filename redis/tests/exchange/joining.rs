//! A server that starts reads the whole set, whatever its size, and all that happens meanwhile.

use super::*;

/// Puts entries into the set that end after so many seconds.
fn fill(redis: &RedisServer, numbers: std::ops::Range<u64>, seconds: i64) {
    let until = OffsetDateTime::now_utc().unix_timestamp() + seconds;
    let numbers: Vec<_> = numbers.collect();
    for part in numbers.chunks(10_000) {
        let mut add = redis::cmd("ZADD");
        add.arg(SET);
        part.iter().for_each(|number| {
            add.arg(until).arg(&member(*number));
        });
        send(redis, redis::pipe().add_command(add));
    }
}

#[test]
fn sets_of_any_size_are_read_to_the_last_entry() {
    let redis = RedisServer::start(&[]);
    let mut filled = 0;
    for size in [0, 1, 9_998, 9_999, 10_000, 25_000, 65_000] {
        fill(&redis, filled..size, 3600);
        filled = size;
        let list = join(&redis);
        assert_eq!(list.health().entries as u64, size);
        assert!((0..size).all(|number| list.is_revoked(id(number))));
    }
}

#[test]
fn what_is_added_raised_and_pruned_while_the_set_is_read_is_not_missed() {
    let redis = RedisServer::start(&[]);
    let other = join(&redis);
    fill(&redis, 0..2_000, -100);
    fill(&redis, 2_000..60_000, 3600);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let mut added = 100_000;
    std::thread::scope(|scope| {
        let joined = scope.spawn(|| {
            let lists: Vec<_> = (0..5).map(|_| join(&redis)).collect();
            is_over.store(true, std::sync::atomic::Ordering::SeqCst);
            lists
        });
        while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
            // One that is new, and one that moves from the middle to the front.
            revoke(&other, added);
            revoke(&other, added - 100_000 + 30_000);
            added += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        let lists = joined.join().unwrap();
        for list in &lists {
            assert!((2_000..60_000).all(|number| list.is_revoked(id(number))));
            eventually("what was added is known", || {
                (100_000..added).all(|number| list.is_revoked(id(number)))
            });
        }
    });
}

#[test]
fn what_has_ended_is_pruned_a_thousand_at_a_time_and_nothing_else() {
    let redis = RedisServer::start(&[]);
    fill(&redis, 0..1_500, -100);
    fill(&redis, 10_000..10_100, 3600);
    let one = join(&redis);
    eventually("it is pruned to the end", || redis.cli(&["ZCARD", SET]) == "101");
    let calls = redis.cli(&["INFO", "commandstats"]);
    assert!(calls.contains("cmdstat_zremrangebyrank:calls=2,"), "{calls}");
    assert_eq!(one.health().entries, 100);
    assert!((10_000..10_100).all(|number| one.is_revoked(id(number))));
}
