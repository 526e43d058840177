//! Redis comes back with an older copy of its data, as after a failover to a replica that lagged: the latest revocations
//! are gone, and the set, its name and older news are still there.

use std::thread::sleep;

use super::*;

/// Goes back to the last `SAVE`. News comes at once, so that readers go on from there.
fn go_back(redis: &mut RedisServer) {
    redis.kill();
    redis.start_again();
    for _ in 0..20 {
        redis.cli(&["XADD", NEWS, "*", "ring", "changed"]);
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_running_server_read_is_written_again_although_later_news_came() {
    let mut redis = RedisServer::start(&[]);
    let (one, other) = (join(&redis), join(&redis));
    revoke(&one, 1);
    all_refuse(&[&other], 1);
    redis.cli(&["SAVE"]);
    revoke(&one, 2);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 2);
    drop(one);
    go_back(&mut redis);
    eventually("a later server knows it", || join(&redis).is_revoked(id(2)));
    assert!(join(&redis).is_revoked(id(1)));
}

#[test]
fn what_a_running_server_put_is_written_again_although_later_news_came() {
    let mut redis = RedisServer::start(&[]);
    let one = join(&redis);
    revoke(&one, 1);
    one.flush(MINUTE).unwrap();
    redis.cli(&["SAVE"]);
    revoke(&one, 2);
    one.flush(MINUTE).unwrap();
    go_back(&mut redis);
    eventually("a later server knows it", || join(&redis).is_revoked(id(2)));
}

#[test]
fn missing_replicas_cause_no_news() {
    let redis = RedisServer::start(&[]);
    let list = started(builder(&redis).replicas(1));
    revoke(&list, 1);
    let unconfirmed = list.flush(Duration::from_secs(8)).unwrap_err();
    assert_eq!(unconfirmed.unconfirmed, 1);
    // The stream was made, the revocation was put, and each connection has a write; a slow machine may have lost one.
    let news: u32 = redis.cli(&["XLEN", NEWS]).parse().unwrap();
    assert!(news <= 4, "{news}");
}
