//! Three servers, each with a Redis user of its own: a sign-out, a rotation of the ring, and an end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing};
use testkit::Directory;
use testkit::http::{Asks, Wire};
use testkit::redis::{RedisServer, signal};

#[tokio::test]
async fn a_sign_out_and_a_rotation_reach_all_servers_and_no_visitor_is_signed_out() {
    let redis = RedisServer::start(&[]);
    let place = Directory::new("fleet");
    let old = KeyRing::new(Key::generate().unwrap());
    // Only a notice makes the first two look at their ring files. The last one looks by itself.
    let mut servers = [("one", "86400"), ("two", "86400"), ("three", "1")]
        .map(|(name, interval)| Server::start(name, interval, &redis, &place, &old));

    let mut kept = Browser::new().over_http();
    kept.post(&servers[0].wire, "/sign-in").await;
    let mut ended = Browser::new().over_http();
    ended.post(&servers[1].wire, "/sign-in").await;
    let copied = copy(&ended);
    for server in &servers {
        assert!(knows(server, &kept).await && knows(server, &copied).await);
    }
    assert_eq!(ended.post(&servers[0].wire, "/sign-out").await.status, 200);
    for server in &servers {
        refuses_soon(server, &copied).await;
        assert!(knows(server, &kept).await);
        let health = kept.get(&server.wire, "/health").await.body;
        assert!(
            health.contains("joined: true") && health.contains("entries: 1"),
            "{health}"
        );
    }

    // A cut-off server goes on, and gets the new ring all the same.
    redis.cli(&["ACL", "SETUSER", "three", "off"]);
    redis.cli(&["CLIENT", "KILL", "USER", "three"]);
    let new = Key::generate().unwrap();
    let new_id = new.id();
    let added = parsed(&old).also_opening(new).unwrap();
    let promoted = added.promote(new_id, None).unwrap();
    for ring in [&added, &promoted] {
        for server in &servers {
            server.give(ring);
            assert!(knows(server, &kept).await, "the ring is on some servers");
        }
        redis.cli(&["XADD", "sealed-session:{fleet}:news", "*", "ring", "changed"]);
        let in_use = format!("key {} seals", ring.describe()[0].id);
        for server in &servers {
            server.prints(&in_use);
            assert!(knows(server, &kept).await);
        }
    }
    let mut later = Browser::new().over_http();
    later.post(&servers[0].wire, "/sign-in").await;
    for server in &servers {
        assert!(knows(server, &later).await, "sealed under the new key");
    }

    // Another sign-in revokes the session before it. Nothing awaits that, but the end of the server does.
    let before = copy(&later);
    later.post(&servers[0].wire, "/sign-in").await;
    signal("TERM", servers[0].process.id());
    let status = servers[0].process.wait().unwrap();
    assert!(status.success(), "{status}");
    refuses_soon(&servers[1], &before).await;
    assert!(knows(&servers[1], &later).await);
}

struct Server {
    process: Child,
    wire: Wire,
    printed: Receiver<String>,
    ring: PathBuf,
}

impl Server {
    fn start(name: &str, interval: &str, redis: &RedisServer, place: &Directory, ring: &KeyRing) -> Self {
        let rights = rights();
        let mut user = vec!["ACL", "SETUSER", name, "on", ">secret"];
        user.extend(rights.split(' '));
        assert_eq!(redis.cli(&user), "OK");
        let file = place.join(name);
        fs::write(&file, ring.write_with_secrets().expose()).expect("the directory of the test is writable");
        let mut server = Command::new(env!("CARGO_BIN_EXE_fleet"));
        server.env(
            "FLEET_REDIS",
            format!("redis://{name}:secret@127.0.0.1:{}", redis.port()),
        );
        server.env("FLEET_RING", &file).env("FLEET_INTERVAL", interval);
        let mut process = server.stdout(Stdio::piped()).spawn().expect("the example starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let (sender, printed) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let address = prints(&printed, "listening on http://");
        let address = address
            .trim_start_matches("listening on http://")
            .parse()
            .expect("an address");
        Self {
            process,
            wire: Wire::new(address),
            printed,
            ring: file,
        }
    }

    /// Writes beside the file and renames, as every deploy should.
    fn give(&self, ring: &KeyRing) {
        let beside = self.ring.with_extension("new");
        fs::write(&beside, ring.write_with_secrets().expose()).expect("the directory of the test is writable");
        fs::rename(&beside, &self.ring).expect("the directory of the test is writable");
    }

    #[track_caller]
    fn prints(&self, text: &str) {
        prints(&self.printed, text);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads up to a line with this text.
#[track_caller]
fn prints(lines: &Receiver<String>, text: &str) -> String {
    loop {
        match lines.recv_timeout(MINUTE) {
            Ok(line) if line.contains(text) => return line,
            Ok(_) => {}
            Err(error) => panic!("`{text}` was never printed: {error}"),
        }
    }
}

fn parsed(ring: &KeyRing) -> KeyRing {
    KeyRing::parse(ring.write_with_secrets().expose()).expect("it was written")
}

/// A browser with a copy of these cookies.
fn copy(browser: &Browser) -> Browser {
    let mut copy = browser.another();
    copy.put(&browser.cookie_field());
    copy
}

async fn knows(server: &Server, browser: &Browser) -> bool {
    match copy(browser).get(&server.wire, "/").await.body.as_str() {
        "Some(7)\n" => true,
        "None\n" => false,
        other => panic!("{other}"),
    }
}

async fn refuses_soon(server: &Server, browser: &Browser) {
    let deadline = Instant::now() + MINUTE;
    while knows(server, browser).await {
        assert!(Instant::now() < deadline, "the sign-out does not reach a server");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// What a server may do in Redis, and no more, as the README of sealed-session-redis has it.
fn rights() -> String {
    let mut lines = include_str!("../../../redis/README.md").lines();
    let user = lines.find_map(|line| line.strip_prefix("ACL SETUSER shop on >secret "));
    user.expect("the README has the rights").replace("{shop}", "{fleet}")
}
