//! Three servers of the demo by one command, which share sign-outs through Redis.
#![cfg(all(unix, feature = "redis"))]

mod demo;

use std::io::Read;
use std::process::{ChildStderr, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use demo::{Browser, RingFile, Server, command};
use testkit::Directory;
use testkit::redis::{RedisServer, is_installed, signal};

#[test]
fn a_sign_out_on_one_is_in_redis_before_it_is_answered_and_holds_on_all() {
    if !is_installed() {
        return;
    }
    let redis = RedisServer::start(&[]);
    let mut several = Several::start("redis", &["--redis", &redis.address()]);
    let mut ada = several.browser(0);
    ada.sign_in("Ada");
    let mut copy = several.browser(0);
    copy.cookies = ada.cookies.clone();
    for server in 0..3 {
        several.visit(server, &mut copy).greets("Ada");
    }
    let revoked = || redis.cli(&["ZCARD", "sealed-session:{login-demo}:revoked"]);
    assert_eq!(revoked(), "1", "the name of the set, and no session");
    ada.post("/sign-out", "").is_sent_home();
    assert_eq!(revoked(), "2");
    for server in 0..3 {
        several.refuses_soon(server, &mut copy);
    }

    // Redis does not answer: no sign-out is confirmed, and it holds here all the same.
    ada.sign_in("Ada");
    copy.cookies = ada.cookies.clone();
    redis.pause();
    let answer = ada.post("/sign-out", "");
    assert_eq!(answer.status, 500);
    answer.shows("signed out here, but the other servers could not be told");
    several.visit(0, &mut copy).is_signed_out();
    several.visit(1, &mut copy).greets("Ada");
    redis.go_on();
    for server in 0..3 {
        several.refuses_soon(server, &mut copy);
    }

    // A sign-out everywhere ends a session that started elsewhere.
    let (mut ada, mut hers) = (several.browser(1), several.browser(2));
    ada.sign_in("Ada");
    hers.sign_in("Ada");
    ada.post("/sign-out-everywhere", "").is_sent_home();
    for server in 0..3 {
        several.refuses_soon(server, &mut hers);
    }

    several.kill(2);
    ada.sign_in("Ada");
    several.visit(0, &mut ada).greets("Ada");

    several.end("INT");
    assert_eq!(redis.cli(&["PING"]), "PONG", "it is not theirs to end");
}

#[test]
fn with_a_redis_of_its_own_ctrl_c_and_kill_9_end_everything() {
    if !is_installed() {
        return;
    }
    for name in ["INT", "KILL"] {
        let mut several = Several::start(name, &["--redis"]);
        let mut ada = several.browser(0);
        ada.sign_in("Ada");
        let mut copy = several.browser(1);
        copy.cookies = ada.cookies.clone();
        copy.get("/").greets("Ada");
        ada.post("/sign-out", "").is_sent_home();
        several.refuses_soon(1, &mut copy);
        several.end(name);
    }
}

#[test]
fn without_redis_server_it_says_what_to_install() {
    if !is_installed() {
        return;
    }
    let output = command(&RingFile::new()).arg("--redis").env("PATH", "").output();
    let output = output.expect("the example starts");
    assert!(!output.status.success());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("apt-get install redis-server"), "{printed}");
}

struct Several {
    program: Server,
    /// Of the program and of everything that it started.
    errors: Option<ChildStderr>,
    /// Addresses and processes.
    servers: Vec<(String, u32)>,
    _temporary: Directory,
}

impl Several {
    fn start(test: &str, arguments: &[&str]) -> Self {
        let temporary = Directory::new(test);
        let mut command = command(&RingFile(temporary.join("ring.txt")));
        command
            .env("TMPDIR", &*temporary)
            .args(arguments)
            .stderr(Stdio::piped());
        let mut program = Server::spawn(&mut command);
        let errors = program.child.stderr.take();
        program.logs("Three servers run:");
        let server = |name: &str| {
            let line = program.logs(&format!("  {name}"));
            let mut words = line.split_whitespace().skip(1);
            let address = words.next().and_then(|word| word.strip_prefix("http://"));
            let process = words.nth(1).and_then(|word| word.parse().ok());
            address
                .map(str::to_owned)
                .zip(process)
                .expect("an address and a process")
        };
        let servers = ["one", "two", "three"].map(server).to_vec();
        Self {
            program,
            errors,
            servers,
            _temporary: temporary,
        }
    }

    fn browser(&self, server: usize) -> Browser {
        Browser::at(&self.servers[server].0)
    }

    /// Browsers send a cookie to all ports of a host.
    fn visit(&self, server: usize, browser: &mut Browser) -> demo::Response {
        browser.address.clone_from(&self.servers[server].0);
        browser.get("/")
    }

    #[track_caller]
    fn refuses_soon(&self, server: usize, browser: &mut Browser) {
        let deadline = Instant::now() + MINUTE;
        while !self.visit(server, browser).body.contains("remembers no one") {
            assert!(
                Instant::now() < deadline,
                "server {server} does not hear of the sign-out"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9` of one server.
    fn kill(&self, server: usize) {
        signal("KILL", self.servers[server].1);
        self.program.logs("the others go on");
    }

    /// Ends the program, and waits until nothing that it started runs any more.
    #[track_caller]
    fn end(&mut self, name: &str) {
        signal(name, self.program.child.id());
        let mut errors = self.errors.take().expect("it runs");
        let (sender, ended) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            // All of them have this pipe, and the last one that ends closes it.
            let read = errors.read_to_string(&mut text);
            sender.send(read.map(|_| text))
        });
        let text = ended.recv_timeout(MINUTE).expect("all end").expect("UTF-8");
        let status = self.program.child.wait().expect("it is a child of this process");
        assert_eq!(status.success(), name != "KILL", "{text}");
    }
}

const MINUTE: Duration = Duration::from_secs(60);
