//! `confirmed` and `flush` say yes only if it is in Redis, and in replicas if there must be some.

use super::*;

fn is_in(redis: &RedisServer, number: u64) -> bool {
    let client = redis::Client::open(redis.address()).unwrap();
    let mut score = redis::cmd("ZSCORE");
    score.arg(SET).arg(&member(number));
    let found: Option<f64> = score.query(&mut client.get_connection().unwrap()).unwrap();
    found.is_some()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn what_is_confirmed_is_in_redis_and_what_is_not_is_told() {
    let redis = RedisServer::start(&[]);
    let list = join(&redis);
    for number in 0..50 {
        revoke(&list, number);
        match number % 2 {
            0 => list.flush(MINUTE).unwrap(),
            _ => block_on(list.confirmed(MINUTE)).unwrap(),
        }
        assert!(is_in(&redis, number));
    }
    redis.pause();
    revoke(&list, 100);
    let refused = list.flush(Duration::from_millis(50)).unwrap_err();
    assert_eq!(refused.unconfirmed, 1);
    assert_eq!(
        block_on(list.confirmed(Duration::from_millis(50)))
            .unwrap_err()
            .unconfirmed,
        1
    );
    eventually("the reason is known", || {
        list.flush(Duration::ZERO).is_err_and(|error| error.error.is_some())
    });
    redis.go_on();
    list.flush(MINUTE).unwrap();
    assert!(is_in(&redis, 100));
    // Also a time that no clock reaches.
    list.flush(Duration::MAX).unwrap();
    block_on(list.confirmed(Duration::MAX)).unwrap();
}

#[test]
fn what_is_left_when_the_last_handle_is_dropped_is_put() {
    let redis = RedisServer::start(&[]);
    let (list, other) = (join(&redis), join(&redis));
    (0..100).for_each(|number| revoke(&list, number));
    drop(list);
    all_refuse(&[&other], 99);
}

#[test]
fn more_sign_outs_than_the_queue_holds_reach_redis_and_the_other_servers() {
    let mut redis = RedisServer::start(&[]);
    let (one, other) = (join(&redis), join(&redis));
    redis.kill();
    (0..70_000).for_each(|number| revoke(&one, number));
    assert_eq!(one.health().unconfirmed, 70_000);
    assert_eq!(one.flush(Duration::from_millis(10)).unwrap_err().unconfirmed, 70_000);
    redis.start_again();
    one.flush(MINUTE).unwrap();
    assert_eq!(redis.cli(&["ZCARD", SET]), "70001");
    assert!((0..70_000).step_by(997).all(|number| is_in(&redis, number)));
    eventually("the other server hears of all", || other.health().entries == 70_000);
}

#[test]
fn a_replica_that_is_asked_for_must_have_it_too() {
    let master = RedisServer::start(&[]);
    let port = master.port().to_string();
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    eventually("the replica is in step", || {
        replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let (one, other) = (
        started(builder(&master).replicas(1)),
        started(builder(&master).replicas(1)),
    );
    revoke(&one, 1);
    one.flush(MINUTE).unwrap();
    assert!(is_in(&replica, 1));
    replica.pause();
    revoke(&one, 2);
    assert!(one.flush(Duration::from_millis(100)).is_err());
    all_refuse(&[&other], 2);
    // The set has it already, so this server writes nothing; still its replica must have it.
    revoke(&other, 2);
    eventually("it is in the master, and not confirmed", || {
        let refused = other.flush(Duration::from_millis(100)).unwrap_err();
        refused
            .error
            .is_some_and(|error| error == "0 of 1 replicas have the latest revocations")
    });
    replica.go_on();
    one.flush(MINUTE).unwrap();
    other.flush(MINUTE).unwrap();
    eventually("the replica has it", || is_in(&replica, 2));
}
