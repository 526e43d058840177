//! Lists that share a real Redis, in one process: what one revokes, all refuse, whatever happens to Redis.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod confirming;
mod garbage;
mod joining;
mod kinds;
mod losses;
mod starting;
mod tail;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealed_session::revocation::{Revocation, RevocationList};
use sealed_session::{Event, SessionId};
use sealed_session_redis::{Builder, RedisRevocations, Start};
use testkit::redis::RedisServer;
use time::OffsetDateTime;

const MINUTE: Duration = Duration::from_secs(60);

const SET: &str = "sealed-session:{shop}:revoked";
const NEWS: &str = "sealed-session:{shop}:news";

fn builder(redis: &RedisServer) -> Builder {
    RedisRevocations::builder(redis::Client::open(redis.address()).unwrap(), "shop")
}

#[track_caller]
fn started(builder: Builder) -> RedisRevocations {
    let list = builder.start(Start::WaitAtMost(MINUTE)).unwrap();
    assert!(list.health().joined, "{list:?}");
    list
}

#[track_caller]
fn join(redis: &RedisServer) -> RedisRevocations {
    started(builder(redis))
}

/// The events that an observer heard.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let heard = self.clone();
        move |event| heard.0.lock().unwrap().push(event.clone())
    }

    /// The names of all events so far.
    fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(Event::name).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.names().contains(&name)
    }
}

/// Sends commands to Redis, all at once.
fn send(redis: &RedisServer, pipeline: &redis::Pipeline) {
    let client = redis::Client::open(redis.address()).unwrap();
    pipeline.exec(&mut client.get_connection().unwrap()).unwrap();
}

fn id(number: u64) -> SessionId {
    SessionId::from_bytes(member(number))
}

/// Spread over all ids, as drawn ones are: the list gives each first byte its share of the room.
fn member(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn revoke(list: &RedisRevocations, number: u64) {
    let now = OffsetDateTime::now_utc();
    let until = now + time::Duration::hours(1);
    list.revoke_at(Revocation { id: id(number), until }, now);
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + MINUTE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn all_refuse(lists: &[&RedisRevocations], number: u64) {
    eventually(&format!("all refuse it: {lists:?}"), || {
        lists.iter().all(|list| list.is_revoked(id(number)))
    });
}

#[test]
fn what_one_revokes_all_refuse_and_so_does_a_server_that_joins_later() {
    let redis = RedisServer::start(&[]);
    let (one, other) = (join(&redis), join(&redis));
    revoke(&one, 1);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&one, &other], 1);
    let late = join(&redis);
    assert!(late.is_revoked(id(1)) && !late.is_revoked(id(2)));
    let cut_off = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    late.raise_cut_off(cut_off);
    eventually("the cut-off reaches all", || {
        [&one, &other].iter().all(|list| list.cut_off() == Some(cut_off))
    });
    assert_eq!(join(&redis).cut_off(), Some(cut_off));
    assert_eq!(late.health().unconfirmed, 0);
}

#[test]
fn an_empty_restart_loses_nothing_that_a_running_server_knows() {
    let mut redis = RedisServer::start(&[]);
    let (one, other) = (join(&redis), join(&redis));
    (0..2500).for_each(|number| revoke(&one, number));
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 2499);
    redis.kill();
    revoke(&other, 9999);
    redis.start_again();
    other.flush(MINUTE).unwrap();
    all_refuse(&[&one], 9999);
    eventually("it is written again", || {
        redis.cli(&["ZCARD", "sealed-session:{shop}:revoked"]) == "2502"
    });
    let late = join(&redis);
    assert!((0..2500).all(|number| late.is_revoked(id(number))) && late.is_revoked(id(9999)));
}
