//! Whatever somebody writes into Redis: nobody panics or stops, and nobody is signed in by it.

use super::*;

#[test]
fn news_of_any_bytes_is_refused_with_an_event_and_the_next_is_read() {
    let redis = RedisServer::start(&[]);
    let heard = Heard::default();
    let (one, other) = (started(builder(&redis).observer(heard.observer())), join(&redis));
    let (bytes, long) = (&b"\xff\0\xfe"[..], vec![b'x'; 1 << 20]);
    let list = |bytes: &[u8]| redis::cmd("XADD").arg(NEWS).arg("*").arg("list").arg(bytes).clone();
    let refused = [
        redis::cmd("XADD").arg(NEWS).arg("*").arg(bytes).arg(bytes).clone(),
        redis::cmd("XADD").arg(NEWS).arg("*").arg(&long).arg("").clone(),
        list(&long),
        list(b""),
        list(b"SSRL"),
        list(b"SSRL\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        list(b"SSRL\x02\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    let mut pipeline = redis::pipe();
    refused.iter().for_each(|news| {
        pipeline.add_command(news.clone());
    });
    send(&redis, &pipeline);
    revoke(&other, 1);
    all_refuse(&[&one], 1);
    assert_eq!(heard.names(), ["RevocationStoreRefused"; 7]);
    assert!(join(&redis).is_revoked(id(1)));
}

#[test]
fn a_set_of_garbage_is_read_past_and_only_ids_count() {
    let redis = RedisServer::start(&[]);
    let running = join(&redis);
    let mut add = redis::pipe();
    let mut put = |score: &str, member: &[u8]| {
        add.cmd("ZADD").arg(SET).arg(score).arg(member);
    };
    for number in 0..20_000u64 {
        put("4000000000", format!("x{number}").as_bytes());
    }
    put("+inf", b"cut-off:99999999999999999999999999");
    put("+inf", b"cut-off:-000000001");
    put("+inf", b"cut-off:5");
    put("+inf", b"made:");
    put("+inf", b"\xff\xfe");
    put("+inf", &vec![b'z'; 1 << 20]);
    put("4000000000", &vec![0; 1 << 20]);
    put("4000000000", b"");
    put("-inf", &member(1));
    put("-5", &member(2));
    put("0", &member(3));
    put("1e300", &member(4));
    put("4000000000.5", &member(5));
    // Nobody can hide an id from those who join.
    put("+inf", &member(6));
    send(&redis, &add);
    let late = join(&redis);
    assert_eq!(
        [1, 2, 3, 4, 5, 6].map(|number| late.is_revoked(id(number))),
        [false, false, false, true, true, true]
    );
    assert_eq!((late.health().entries, late.cut_off()), (3, None));
    // A cut-off passes between the ones that are none.
    let cut_off = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    late.raise_cut_off(cut_off);
    late.flush(MINUTE).unwrap();
    eventually("it is heard", || running.cut_off() == Some(cut_off));
    assert_eq!(join(&redis).cut_off(), Some(cut_off));
}

#[test]
fn a_cut_off_that_somebody_wrote_signs_out_and_never_in() {
    let redis = RedisServer::start(&[]);
    let running = join(&redis);
    redis.cli(&["ZADD", SET, "+inf", "cut-off:9999999999"]);
    let last = OffsetDateTime::from_unix_timestamp(u32::MAX.into()).unwrap();
    assert_eq!(join(&redis).cut_off(), Some(last));
    eventually("it is seen", || running.cut_off() == Some(last));
}

#[test]
fn too_much_that_is_kept_for_ever_is_an_error_and_not_in_memory() {
    let redis = RedisServer::start(&[]);
    let mut add = redis::cmd("ZADD");
    add.arg(SET);
    (0..1_001).for_each(|number| {
        add.arg("+inf").arg(format!("made:{number}"));
    });
    send(&redis, redis::pipe().add_command(add));
    let heard = Heard::default();
    let list = builder(&redis)
        .observer(heard.observer())
        .start(Start::ServeWithout)
        .unwrap();
    eventually("it says why", || {
        format!("{heard:?}").contains("find out who writes there")
    });
    redis.cli(&["DEL", SET]);
    eventually("it goes on", || list.health().joined);
}

#[test]
fn keys_of_another_type_are_an_error_until_somebody_removes_them() {
    for key in [SET, NEWS] {
        let redis = RedisServer::start(&[]);
        let heard = Heard::default();
        let (one, other) = (started(builder(&redis).observer(heard.observer())), join(&redis));
        revoke(&one, 1);
        all_refuse(&[&other], 1);
        redis.cli(&["SET", key, "nonsense"]);
        revoke(&one, 2);
        eventually("it says why", || format!("{heard:?}").contains("WRONGTYPE"));
        redis.cli(&["DEL", key]);
        one.flush(MINUTE).unwrap();
        all_refuse(&[&other], 2);
        let late = join(&redis);
        eventually("all is there", || late.is_revoked(id(1)) && late.is_revoked(id(2)));
    }
}

#[test]
fn a_stream_that_takes_no_more_news_is_an_error_and_hides_nothing_when_it_is_gone() {
    let redis = RedisServer::start(&[]);
    let heard = Heard::default();
    let (one, other) = (started(builder(&redis).observer(heard.observer())), join(&redis));
    let last = "18446744073709551615-18446744073709551615";
    redis.cli(&["XADD", NEWS, last, "ring", "changed"]);
    // The set takes it, and the stream does not.
    revoke(&one, 1);
    eventually("it says why", || heard.has("RevocationStoreLost"));
    eventually("it goes on saying so", || {
        let refused = one.flush(Duration::from_millis(10)).unwrap_err();
        refused.error.is_some_and(|error| error.contains("takes no more news"))
    });
    redis.cli(&["DEL", NEWS]);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 1);
}
