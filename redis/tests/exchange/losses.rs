//! Redis loses something, or a server misses something: what a running server knows comes back, on all servers.

use super::*;

const RESTORED: &str = "RevocationStoreRestored";

/// Two servers of which the first has revoked 0 to 2499, and both know it.
fn two(redis: &RedisServer) -> (RedisRevocations, RedisRevocations, Heard) {
    let heard = Heard::default();
    let (one, other) = (
        started(builder(redis).observer(heard.observer())),
        started(builder(redis).observer(heard.observer())),
    );
    (0..2500).for_each(|number| revoke(&one, number));
    one.flush(MINUTE).unwrap();
    knows_all(&other);
    (one, other, heard)
}

#[track_caller]
fn knows_all(list: &RedisRevocations) {
    eventually(&format!("all of it is known: {list:?}"), || {
        (0..2500).all(|number| list.is_revoked(id(number)))
    });
}

#[track_caller]
fn set_has(redis: &RedisServer, members: usize) {
    eventually("the set is written again", || {
        redis.cli(&["ZCARD", SET]) == members.to_string()
    });
}

/// How many revocations the servers say that they wrote again.
fn restored(heard: &Heard) -> usize {
    let entries = |event: &Event| match event {
        Event::RevocationStoreRestored { entries } => *entries,
        _ => 0,
    };
    heard.0.lock().unwrap().iter().map(entries).sum()
}

#[test]
fn a_set_that_is_evicted_is_written_again_and_a_server_that_joined_between_hears_it() {
    let redis = RedisServer::start(&[]);
    let (_one, _other, heard) = two(&redis);
    redis.cli(&["DEL", SET]);
    let late = join(&redis);
    knows_all(&late);
    set_has(&redis, 2501);
    eventually("it is told", || restored(&heard) == 2500);
    knows_all(&join(&redis));
}

#[test]
fn a_stream_that_is_evicted_is_noticed_and_the_set_is_read_again() {
    let redis = RedisServer::start(&[]);
    let (one, other, heard) = two(&redis);
    // News that nobody will hear: it is in the set alone.
    let until = (OffsetDateTime::now_utc() + time::Duration::hours(1)).unix_timestamp();
    let mut both = redis::pipe();
    both.cmd("ZADD").arg(SET).arg(until).arg(&member(7_777_777));
    both.cmd("DEL").arg(NEWS);
    send(&redis, &both);
    all_refuse(&[&one, &other], 7_777_777);
    assert!(!heard.has(RESTORED), "the set had lost nothing");
    revoke(&one, 7_777_778);
    all_refuse(&[&other], 7_777_778);
}

#[test]
fn news_after_a_gap_does_not_hide_the_gap() {
    let redis = RedisServer::start(&[]);
    let (one, other, _) = two(&redis);
    let until = (OffsetDateTime::now_utc() + time::Duration::hours(1)).unix_timestamp();
    let mut all = redis::pipe();
    all.atomic();
    // As if more news had come than the stream keeps while the servers did not read: the last one is all that is left.
    for number in 0..20u64 {
        let id = member(7_000_000 + number);
        all.cmd("ZADD").arg(SET).arg(until).arg(&id);
        all.cmd("XADD")
            .arg(NEWS)
            .arg("MAXLEN")
            .arg(1)
            .arg("*")
            .arg("ring")
            .arg("changed");
    }
    send(&redis, &all);
    all_refuse(&[&one, &other], 7_000_000);
    all_refuse(&[&one, &other], 7_000_019);
}

#[test]
fn a_server_that_slept_through_more_news_than_the_stream_keeps_catches_up() {
    let redis = RedisServer::start(&[]);
    let (one, other, _) = two(&redis);
    // Every connection of the two is cut, and the stream is past what they read before they are back.
    let until = (OffsetDateTime::now_utc() + time::Duration::hours(1)).unix_timestamp();
    let mut all = redis::pipe();
    all.cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes");
    all.cmd("ZADD").arg(SET).arg(until).arg(&member(7_777_777));
    for _ in 0..70_000 {
        all.cmd("XADD")
            .arg(NEWS)
            .arg("MAXLEN")
            .arg(65_536)
            .arg("*")
            .arg("ring")
            .arg("changed");
    }
    send(&redis, &all);
    all_refuse(&[&one, &other], 7_777_777);
}

#[test]
fn after_flushall_everything_comes_back_and_is_counted_once() {
    let redis = RedisServer::start(&[]);
    let (_one, _other, heard) = two(&redis);
    redis.cli(&["FLUSHALL"]);
    let late = join(&redis);
    set_has(&redis, 2501);
    knows_all(&late);
    eventually("it is told", || restored(&heard) == 2500);
}

#[test]
fn an_old_snapshot_that_is_restored_is_brought_up_to_date() {
    let mut redis = RedisServer::start(&[]);
    let (one, other, heard) = two(&redis);
    redis.cli(&["SAVE"]);
    (3000..3100).for_each(|number| revoke(&one, number));
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 3099);
    redis.kill();
    redis.start_again();
    set_has(&redis, 2601);
    assert!(join(&redis).is_revoked(id(3000)));
    eventually("it is told", || restored(&heard) >= 1);
}

#[test]
fn a_failover_that_loses_only_what_was_just_put_is_noticed() {
    let redis = RedisServer::start(&[]);
    redis.cli(&["ACL", "SETUSER", "shop", "on", "nopass", "~*", "+@all"]);
    let client = redis::Client::open(format!("redis://shop:any@127.0.0.1:{}", redis.port())).unwrap();
    let heard = Heard::default();
    let list = started(RedisRevocations::builder(client, "shop").observer(heard.observer()));
    // The server does not read back what it puts.
    redis.cli(&["ACL", "SETUSER", "shop", "-xread"]);
    eventually("it cannot read", || {
        format!("{heard:?}").contains("NOPERM") || heard.has("RevocationStoreLost")
    });
    revoke(&list, 5000);
    list.flush(MINUTE).unwrap();
    // The new master has the news before, and lacks the last one with its entry.
    let last = redis.cli(&["XREVRANGE", NEWS, "+", "-", "COUNT", "1"]);
    let mut lost = redis::pipe();
    lost.atomic();
    lost.cmd("XDEL").arg(NEWS).arg(last.lines().next().unwrap());
    lost.cmd("ZREM").arg(SET).arg(&member(5000));
    send(&redis, &lost);
    set_has(&redis, 2);
}

#[test]
fn a_stream_that_is_gone_while_nothing_new_is_put_stops_nothing() {
    let redis = RedisServer::start(&[]);
    let (one, other) = (join(&redis), join(&redis));
    revoke(&one, 1);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 1);
    redis.cli(&["DEL", NEWS]);
    // The set has it already, so there is no news.
    for _ in 0..3 {
        revoke(&one, 1);
        one.flush(MINUTE).unwrap();
    }
    revoke(&one, 2);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 2);
}
