//! Two processes of the login example behind one address. A visitor stays signed in whatever happens to them, and a
//! sign-out holds on both at once.

mod demo;

#[path = "demo/proxy.rs"]
mod proxy;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use demo::{Browser, RingFile, Server, command};
use proxy::Proxy;
use sealed_session::revocation::Revocations;
use sealed_session::{Key, KeyRing};
use time::OffsetDateTime;

#[test]
fn a_visitor_stays_signed_in_through_rotation_kill_and_restart_and_signs_out_everywhere_at_once() {
    let rings = Rotation::new();
    let mut fleet = Fleet::start(&rings.before);
    let proxy = fleet.proxy.clone();
    let grace = Traffic::start(&proxy);
    let mut ada = browser(&proxy);
    ada.sign_in("Ada");
    let id = ada.get("/").session_id();
    // Another browser of hers, and a copy of its cookies.
    let mut hers = browser(&proxy);
    hers.sign_in("Ada");
    let mut copy = browser(&proxy);
    copy.cookies = hers.cookies.clone();

    let everybody_is_in = |ada: &mut Browser, hers: &mut Browser, copy: &mut Browser| {
        grace.goes_on();
        // Twice each: in turns, so that both servers are asked.
        for _ in 0..2 {
            let page = ada.get("/");
            page.greets("Ada");
            assert_eq!(page.session_id(), id, "there was no new sign-in");
            for browser in [&mut *hers, &mut *copy] {
                browser.get("/").greets("Ada");
            }
        }
        // What one server writes, both read.
        ada.post("/basket", "item=honey&change=add").is_sent_home();
        for _ in 0..2 {
            ada.get("/").shows("{&quot;honey&quot;:1}");
        }
        ada.post("/basket", "item=honey&change=remove").is_sent_home();
    };

    // The rotation, server by server, with requests in every mixture of rings. In the middle of the second step one
    // process is killed, and starts again with the ring of the step before.
    everybody_is_in(&mut ada, &mut hers, &mut copy);
    for server in [0, 1] {
        fleet.give(server, &rings.added);
        everybody_is_in(&mut ada, &mut hers, &mut copy);
    }
    fleet.give(0, &rings.promoted);
    everybody_is_in(&mut ada, &mut hers, &mut copy);

    fleet.kill(1);
    let before = proxy.failures();
    everybody_is_in(&mut ada, &mut hers, &mut copy);
    assert!(
        proxy.failures() > before,
        "the address went on asking for the killed one"
    );
    fleet.restart(1);
    everybody_is_in(&mut ada, &mut hers, &mut copy);

    fleet.give(1, &rings.promoted);
    everybody_is_in(&mut ada, &mut hers, &mut copy);
    fleet.kill(0);
    everybody_is_in(&mut ada, &mut hers, &mut copy);
    fleet.restart(0);
    for server in [0, 1] {
        fleet.give(server, &rings.retired);
        everybody_is_in(&mut ada, &mut hers, &mut copy);
    }
    // A new token is sealed under the new key: the rotation is complete.
    ada.post("/basket", "item=tea&change=add").is_sent_home();
    ada.get("/operator").shows_key(&rings.new_id, "seals and opens", true);

    // A broken ring changes nothing.
    fleet.give_broken(0);
    grace.goes_on();
    for _ in 0..2 {
        ada.get("/").greets("Ada");
    }
    replace(&fleet.rings[0], &rings.retired);

    // Everywhere, at once.
    ada.post("/sign-out-everywhere", "").is_sent_home();
    assert_eq!(ada.cookies.cookie_field(), "");
    ada.get("/").is_signed_out();
    for browser in [&mut hers, &mut copy] {
        for server in [0, 1] {
            fleet.refuses_soon(server, browser);
        }
        // And from now on for good.
        for _ in 0..4 {
            browser.get("/").is_signed_out();
        }
    }
    // Neither server forgets it: each knows it from its first request on, although the other one is killed too.
    fleet.kill(0);
    for _ in 0..2 {
        hers.get("/").is_signed_out();
    }
    grace.goes_on();
    grace.pauses();
    fleet.kill(1);
    for server in [0, 1] {
        fleet.restart(server);
        for browser in [&mut hers, &mut copy] {
            browser
                .address
                .clone_from(&fleet.servers[server].as_ref().expect("it runs").address);
            browser.get("/").is_signed_out();
            browser.address.clone_from(&proxy.address);
        }
    }
    grace.resumes();
    grace.goes_on();

    // The name is not banned, and other visitors were never concerned.
    ada.sign_in("Ada");
    for _ in 0..2 {
        ada.get("/").greets("Ada");
    }
    for browser in [&mut hers, &mut copy] {
        browser.get("/").is_signed_out();
    }
    // A plain sign-out ends the copies of one session, on both servers.
    copy.cookies = ada.cookies.clone();
    hers.sign_in("Ada");
    ada.post("/sign-out", "").is_sent_home();
    for server in [0, 1] {
        fleet.refuses_soon(server, &mut copy);
    }
    for _ in 0..2 {
        hers.get("/").greets("Ada");
    }
    grace.stop();
}

#[test]
fn the_cut_off_reaches_both_servers_and_survives_them() {
    let rings = Rotation::new();
    let mut fleet = Fleet::start(&rings.before);
    let (mut ada, mut grace) = (browser(&fleet.proxy), browser(&fleet.proxy));
    ada.sign_in("Ada");
    grace.sign_in("Grace");
    ada.post("/sign-everybody-out", "").is_sent_to("/operator");
    for server in [0, 1] {
        fleet.refuses_soon(server, &mut ada);
        fleet.refuses_soon(server, &mut grace);
    }
    for server in [0, 1] {
        fleet.kill(server);
        fleet.restart(server);
    }
    for _ in 0..2 {
        ada.get("/").is_signed_out();
        grace.get("/").is_signed_out();
    }
    grace.sign_in("Grace");
    for _ in 0..2 {
        grace.get("/").greets("Grace");
    }
}

#[test]
fn servers_that_share_neither_make_nor_rotate_a_ring_by_themselves() {
    let rings = Rotation::new();
    let fleet = Fleet::start(&rings.before);
    let mut ada = browser(&fleet.proxy);
    ada.sign_in("Ada");
    let refused = ada.post("/rotate", "");
    assert_eq!(refused.status, 409);
    refused.shows("docs/operating.md");
    let page = ada.get("/");
    page.greets("Ada");
    let page = ada.get("/operator");
    page.shows("sealed-session ring");
    assert!(!page.body.contains("action=\"/rotate\""));

    let nothing = RingFile::new();
    let mut alone = command(&nothing);
    let output = alone.env("LOGIN_SHARED", &fleet.directory).output();
    let output = output.expect("the example starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(&nothing.0.display().to_string()));
    assert!(!nothing.0.exists());
}

/// Neither overwrites what the other one has written.
#[test]
fn each_server_keeps_a_file_of_its_own_and_both_add_to_that_of_the_users() {
    let rings = Rotation::new();
    let fleet = Fleet::start(&rings.before);
    for (server, name) in ["Ada", "Grace"].into_iter().enumerate() {
        let mut visitor = browser(&fleet.proxy);
        visitor.address.clone_from(&fleet.server(server).address);
        visitor.sign_in(name);
        visitor.post("/sign-out-everywhere", "").is_sent_home();
    }
    // Both servers run, and each has revoked one session.
    for name in ["1.revoked", "2.revoked"] {
        let file = fs::read(fleet.directory.join(name)).expect("the server has it");
        let list = Revocations::new();
        let entries = list.merge_file_at(&file, OffsetDateTime::now_utc());
        assert_eq!(entries, Ok(1), "{name}");
    }
    let users = fs::read_to_string(fleet.directory.join("users.json")).expect("both wrote it");
    assert!(users.contains("Ada") && users.contains("Grace"), "{users}");
}

/// The rings of a rotation, written.
struct Rotation {
    before: String,
    added: String,
    promoted: String,
    retired: String,
    new_id: String,
}

impl Rotation {
    fn new() -> Self {
        // No session lives under the oldest key, so it is the one to retire.
        let key = || Key::generate().expect("random bytes");
        let (oldest, new) = (key(), key());
        let (oldest_id, new_id) = (oldest.id(), new.id().to_string());
        let written = |ring: &KeyRing| ring.write_with_secrets().expose().to_owned();
        let parsed = |text: &str| KeyRing::parse(text).expect("it was written");
        let again = || Key::parse(new.write_with_secret().expose()).expect("it was written");

        let before = KeyRing::new(key()).also_opening(oldest).expect("another key");
        let before = written(&before);
        let added = parsed(&before).also_opening(again()).expect("another key");
        let promoted = added.promote(new.id(), None).expect("a key of the ring");
        let retired = parsed(&written(&promoted))
            .without(oldest_id)
            .expect("it does not seal");
        let [added, promoted, retired] = [added, promoted, retired].map(|ring| written(&ring));
        Self {
            before,
            added,
            promoted,
            retired,
            new_id,
        }
    }
}

/// Two processes, each with a ring file of its own, and a directory that they share.
struct Fleet {
    rings: [RingFile; 2],
    servers: [Option<Server>; 2],
    directory: PathBuf,
    proxy: Proxy,
}

impl Fleet {
    fn start(ring: &str) -> Self {
        let rings = [RingFile::new(), RingFile::new()];
        rings.iter().for_each(|file| replace(file, ring));
        let directory = rings[0].0.with_extension("shared");
        let servers = [0, 1].map(|server| run(&rings[server], &directory));
        let proxy = Proxy::start(servers.iter().map(|server| server.address.clone()).collect());
        Self {
            rings,
            servers: servers.map(Some),
            directory,
            proxy,
        }
    }

    /// Deploys a ring to one server and waits until it is in use there.
    #[track_caller]
    fn give(&self, server: usize, ring: &str) {
        replace(&self.rings[server], ring);
        let keys = KeyRing::parse(ring).expect("it was written").describe();
        let mut opens: Vec<String> = keys[1..].iter().map(|key| key.id.to_string()).collect();
        opens.sort();
        let opens = opens.join(",");
        self.server(server)
            .logs(&format!("key {} seals, these open too: {opens}", keys[0].id));
    }

    /// Deploys a file that is no ring.
    #[track_caller]
    fn give_broken(&self, server: usize) {
        replace(&self.rings[server], "seal sealed1_00000000_00ff00ff\n");
        self.server(server).logs("KeysReloadFailed");
    }

    /// `kill -9`
    fn kill(&mut self, server: usize) {
        let mut killed = self.servers[server].take().expect("it runs");
        killed.child.kill().expect("it is a child of this process");
        killed.child.wait().expect("it is a child of this process");
    }

    fn restart(&mut self, server: usize) {
        let started = run(&self.rings[server], &self.directory);
        self.proxy.moved(server, &started.address);
        self.servers[server] = Some(started);
    }

    fn server(&self, server: usize) -> &Server {
        self.servers[server].as_ref().expect("it runs")
    }

    /// One server, asked directly, no longer knows this browser. It may need some looks at the shared files.
    #[track_caller]
    fn refuses_soon(&self, server: usize, browser: &mut Browser) {
        let through = browser.address.clone();
        browser.address.clone_from(&self.server(server).address);
        eventually("the server refuses", || {
            browser.get("/").body.contains("remembers no one")
        });
        browser.get("/").is_signed_out();
        browser.address = through;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn run(ring: &RingFile, directory: &Path) -> Server {
    Server::run(command(ring).env("LOGIN_SHARED", directory))
}

/// Writes beside the file and renames, as every deploy should.
fn replace(file: &RingFile, text: &str) {
    let beside = file.0.with_extension("beside");
    fs::write(&beside, text).expect("the temporary directory is writable");
    fs::rename(&beside, &file.0).expect("the temporary directory is writable");
}

fn browser(proxy: &Proxy) -> Browser {
    Browser::at(&proxy.address)
}

/// A visitor who reads and writes all the time. Every answer is checked.
struct Traffic {
    done: Arc<AtomicUsize>,
    paused: Arc<AtomicBool>,
    resting: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Traffic {
    fn start(proxy: &Proxy) -> Self {
        let [paused, resting, over]: [Arc<AtomicBool>; 3] = Default::default();
        let done: Arc<AtomicUsize> = Arc::default();
        let mut grace = browser(proxy);
        grace.sign_in("Grace");
        let told = (
            Arc::clone(&done),
            Arc::clone(&paused),
            Arc::clone(&resting),
            Arc::clone(&over),
        );
        let thread = thread::spawn(move || {
            let (done, paused, resting, over) = told;
            while !over.load(Ordering::SeqCst) {
                if paused.load(Ordering::SeqCst) {
                    resting.store(true, Ordering::SeqCst);
                    thread::sleep(LOOK);
                    continue;
                }
                resting.store(false, Ordering::SeqCst);
                for (change, basket) in [("add", "{&quot;tea&quot;:1}"), ("remove", "&quot;basket&quot;:{}")] {
                    grace
                        .post("/basket", &format!("item=tea&change={change}"))
                        .is_sent_home();
                    for _ in 0..2 {
                        let page = grace.get("/");
                        page.greets("Grace");
                        page.shows(basket);
                    }
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            done,
            paused,
            resting,
            over,
            thread,
        }
    }

    /// Waits until she has made some more rounds.
    #[track_caller]
    fn goes_on(&self) {
        let before = self.done.load(Ordering::SeqCst);
        eventually("the visitor goes on", || {
            assert!(!self.thread.is_finished(), "her session was lost: see above");
            self.done.load(Ordering::SeqCst) >= before + 3
        });
    }

    /// Pauses her before the last server is killed: no server would answer.
    #[track_caller]
    fn pauses(&self) {
        self.paused.store(true, Ordering::SeqCst);
        eventually("the visitor rests", || self.resting.load(Ordering::SeqCst));
    }

    fn resumes(&self) {
        self.paused.store(false, Ordering::SeqCst);
    }

    #[track_caller]
    fn stop(self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().expect("every answer was the right one");
    }
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "in a minute not: {what}");
        thread::sleep(LOOK);
    }
}

const LOOK: Duration = Duration::from_millis(20);
