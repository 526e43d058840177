//! When a server that starts may serve, and what the observer hears until then and later.

use std::sync::mpsc;
use std::thread;

use sealed_session::{KeyRing, Sessions};
use sealed_session_redis::StartError;

use super::*;

const LOST: &str = "RevocationStoreLost";
const RECOVERED: &str = "RevocationStoreRecovered";
const NOT_READ: &str = "RevocationStoreNotRead";

#[test]
fn a_server_that_waits_starts_when_redis_is_there_and_has_the_revocations() {
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let list = join(&redis);
    revoke(&list, 1);
    list.flush(MINUTE).unwrap();
    drop(list);
    redis.kill();
    let heard = Heard::default();
    let waits = builder(&redis).observer(heard.observer());
    let (sender, started) = mpsc::channel();
    thread::spawn(move || sender.send(waits.start(Start::Wait).unwrap()));
    eventually("it says why it waits", || heard.has(LOST));
    assert!(started.try_recv().is_err(), "it waits");
    redis.start_again();
    let list = started.recv_timeout(MINUTE).unwrap();
    assert!(list.is_revoked(id(1)));
    eventually("it has recovered", || heard.has(RECOVERED));
    assert_eq!(heard.names(), [LOST, RECOVERED]);
}

#[test]
fn a_server_that_serves_without_says_so_and_reads_the_revocations_later() {
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let list = join(&redis);
    revoke(&list, 1);
    list.flush(MINUTE).unwrap();
    redis.kill();
    let (at_once, in_a_moment) = (Heard::default(), Heard::default());
    let lists = [
        (Start::ServeWithout, &at_once),
        (Start::WaitAtMost(Duration::from_millis(50)), &in_a_moment),
    ]
    .map(|(start, heard)| builder(&redis).observer(heard.observer()).start(start).unwrap());
    for (list, heard) in lists.iter().zip([&at_once, &in_a_moment]) {
        assert!(!list.health().joined && !list.is_revoked(id(1)));
        eventually("it says why", || heard.has(LOST));
    }
    redis.start_again();
    all_refuse(&[&lists[0], &lists[1]], 1);
    for heard in [&at_once, &in_a_moment] {
        eventually("it has recovered", || heard.has(RECOVERED));
    }
    // Whoever asked to serve at once knows it.
    assert_eq!(at_once.names(), [LOST, RECOVERED]);
    let mut names = in_a_moment.names();
    names.sort_unstable();
    assert_eq!(names, [LOST, NOT_READ, RECOVERED]);
    assert!(lists.iter().all(|list| list.health().joined));
}

#[test]
fn the_observer_of_the_sessions_hears_the_rest_and_each_loss_once() {
    let mut redis = RedisServer::start(&[]);
    let (before, after) = (Heard::default(), Heard::default());
    let list = started(builder(&redis).observer(before.observer()));
    let _sessions = Sessions::<()>::builder(KeyRing::new(testkit::key(1)))
        .observer(after.observer())
        .revocation_list(list.clone())
        .build()
        .unwrap();
    for times in 1..=2 {
        redis.kill();
        let count = |name| after.names().iter().filter(|other| **other == name).count();
        eventually("it is lost", || count(LOST) == times);
        redis.start_again();
        eventually("it is back", || count(RECOVERED) == times);
        assert_eq!(count(LOST), times);
    }
    assert_eq!(before.names(), Vec::<&str>::new());
}

#[test]
fn an_audience_that_cannot_name_keys_is_refused() {
    for audience in ["", "{", "shop}", "a{b}c"] {
        let client = redis::Client::open("redis://127.0.0.1:1").unwrap();
        let started = RedisRevocations::builder(client, audience).start(Start::ServeWithout);
        assert!(matches!(started, Err(StartError::Audience)), "{audience}");
    }
}

#[test]
fn no_password_shows_in_errors_and_events() {
    let redis = RedisServer::start(&["--requirepass", "right"]);
    for address in ["redis://:open-sesame@127.0.0.1", "redis://me:open-sesame@127.0.0.1"] {
        for port in [redis.port(), testkit::redis::free_port()] {
            let client = redis::Client::open(format!("{address}:{port}")).unwrap();
            let heard = Heard::default();
            let list = RedisRevocations::builder(client, "shop").observer(heard.observer());
            let list = list.start(Start::ServeWithout).unwrap();
            eventually("it fails", || heard.has(LOST));
            revoke(&list, 1);
            let refused = list.flush(Duration::from_millis(10)).unwrap_err();
            let told = format!("{list:?} {heard:?} {refused} {refused:?}");
            assert!(!told.contains("sesame"), "{told}");
        }
    }
}

#[test]
fn an_observer_and_a_notice_that_panic_stop_nothing() {
    let mut redis = RedisServer::start(&[]);
    let list = started(builder(&redis).observer(|event: &Event| panic!("heard {}", event.name())));
    let other = join(&redis);
    let notices = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&notices);
    list.on_ring_notice(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        panic!("the ring is broken");
    });
    redis.cli(&["XADD", NEWS, "*", "nonsense", "1"]);
    redis.cli(&["XADD", NEWS, "*", "ring", "changed"]);
    redis.cli(&["XADD", NEWS, "*", "list", "nonsense"]);
    other.raise_cut_off(OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap());
    revoke(&other, 1);
    all_refuse(&[&list], 1);
    assert!(list.cut_off().is_some());
    assert_eq!(
        notices.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "not again and again"
    );
    redis.kill();
    revoke(&list, 2);
    redis.start_again();
    all_refuse(&[&other], 2);
}

#[test]
fn a_ring_notice_is_one_call_on_every_server() {
    let redis = RedisServer::start(&[]);
    let (sender, called) = mpsc::channel();
    let lists = [1, 2].map(|server| {
        let (list, sender) = (join(&redis), sender.clone());
        list.on_ring_notice(move || sender.send(server).unwrap());
        list
    });
    redis.cli(&["XADD", NEWS, "*", "ring", "changed"]);
    let mut servers = [
        called.recv_timeout(MINUTE).unwrap(),
        called.recv_timeout(MINUTE).unwrap(),
    ];
    servers.sort_unstable();
    assert_eq!(servers, [1, 2]);
    drop(lists);
}

#[test]
fn a_list_that_is_dropped_ends_its_connections_also_with_sessions_that_follow_their_ring() {
    let redis = RedisServer::start(&[]);
    let connections = || redis.cli(&["CLIENT", "LIST"]).lines().count();
    let alone = connections();
    let list = join(&redis);
    let ring = KeyRing::new(sealed_session::Key::generate().unwrap());
    let written = ring.write_with_secrets();
    let sessions = Sessions::<u64>::builder(ring)
        .revocation_list(list.clone())
        .build()
        .unwrap();
    let source = move || KeyRing::parse(written.expose());
    let following = sessions.reload_from(source).every(Duration::from_secs(3600)).unwrap();
    list.on_ring_notice(following.notice());
    assert!(connections() > alone);
    drop((list, sessions));
    drop(following);
    eventually("the connections end", || connections() == alone);
}
