//! The server processes, and the requests to them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use sealed_session::{RequestFields, SessionId, Sessions};
use testkit::Directory;

use crate::http::{Answer, Client};
use crate::ledger::{Ledger, Process, Session, State};
use crate::random::Random;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What this Redis keeps, whatever happens in the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// All that it had.
    Everything,
    /// What `confirmed` waited for.
    Confirmed,
    Nothing,
}

/// A server that answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) is_clock_wrong: bool,
}

/// The driver's own sessions, for the ids in cookies.
pub(crate) type Reader = Sessions<Login>;

#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Login {
    pub(crate) user: u64,
}

pub(crate) struct Fleet {
    pub(crate) ledger: Ledger,
    /// What each server gets as `CHAOS_REDIS`, and more variables.
    settings: Vec<Vec<(String, String)>>,
    running: Mutex<Vec<Option<(Server, Child)>>>,
    next_process: AtomicU32,
    logs: Directory,
    /// Reads the ids in the set, if Redis answers.
    pub(crate) record: Box<dyn Fn() -> Option<BTreeSet<SessionId>> + Send + Sync>,
    pub(crate) keeps: Keeps,
    pub(crate) is_over: AtomicBool,
}

impl Fleet {
    pub(crate) fn new(
        name: &str,
        settings: Vec<Vec<(String, String)>>,
        record: impl Fn() -> Option<BTreeSet<SessionId>> + Send + Sync + 'static,
        keeps: Keeps,
    ) -> Self {
        Self {
            ledger: Ledger::default(),
            running: Mutex::new(settings.iter().map(|_| None).collect()),
            settings,
            next_process: AtomicU32::new(1),
            logs: Directory::new(&format!("chaos-{name}")),
            record: Box::new(record),
            keeps,
            is_over: AtomicBool::new(false),
        }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<(Server, Child)>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn size(&self) -> usize {
        self.settings.len()
    }

    pub(crate) fn servers(&self) -> Vec<Server> {
        self.running().iter().flatten().map(|(server, _)| *server).collect()
    }

    pub(crate) fn log(&self, process: Process) -> PathBuf {
        self.logs.join(format!("{process}.log"))
    }

    /// Whether this process still runs, as far as the run wants it.
    fn is_up(&self, process: Process) -> bool {
        self.servers().iter().any(|server| server.process == process)
    }

    // ---- Processes

    /// Starts a server and waits until it listens.
    pub(crate) fn start(&self, place: usize) -> Process {
        let had = self.what_redis_has();
        self.join(place, &had, self.launch(place), false)
    }

    /// What Redis has now, a server that starts must refuse from its first request.
    pub(crate) fn what_redis_has(&self) -> Vec<(usize, SessionId)> {
        let ids = (self.keeps == Keeps::Everything)
            .then(|| (self.record)())
            .flatten()
            .unwrap_or_default();
        let inner = self.ledger.lock();
        let sessions = inner.sessions.iter().enumerate().rev();
        let out = sessions.filter(|(_, session)| matches!(session.state, State::Out(_)) && ids.contains(&session.id));
        out.map(|(index, session)| (index, session.id)).take(200).collect()
    }

    /// Waits until a server listens that was launched after Redis had these.
    pub(crate) fn join(
        &self,
        place: usize,
        expected: &[(usize, SessionId)],
        starting: Starting,
        is_clock_wrong: bool,
    ) -> Process {
        let Some(address) = starting.address(MINUTE) else {
            let log = fs::read_to_string(self.log(starting.process)).unwrap_or_default();
            panic!("a server does not start within a minute: {log}");
        };
        let server = Server {
            process: starting.process,
            address,
            is_clock_wrong,
        };
        let mut client = Client::default();
        for &(index, id) in expected {
            let (cookie, ..) = self.ledger.before_check(index);
            if client
                .ask(address, "GET", "/", &cookie)
                .is_ok_and(|answer| answer.body == "good")
            {
                self.ledger.fail(format!(
                    "{} has just started, and accepts {id}, which Redis had",
                    server.process
                ));
            }
        }
        self.ledger.lock().counts.checks += expected.len();
        self.running()[place] = Some((server, starting.child));
        server.process
    }

    pub(crate) fn launch(&self, place: usize) -> Starting {
        let process = self.next_process.fetch_add(1, Ordering::Relaxed);
        let server = env::current_exe()
            .expect("this program has a path")
            .with_file_name("chaos-server");
        let log = File::create(self.log(process)).expect("the directory is writable");
        let mut command = Command::new(&server);
        command.envs(self.settings[place].iter().cloned());
        let child = command.stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{}: {error}; use lab/chaos/run", server.display()));
        let (sent, line) = mpsc::channel();
        let out = child.stdout.take().map(BufReader::new);
        thread::spawn(move || {
            out.and_then(|mut out| out.by_ref().lines().next())
                .map(|line| sent.send(line))
        });
        Starting { process, child, line }
    }

    pub(crate) fn start_all(&self) {
        (0..self.size()).for_each(|place| _ = self.start(place));
    }

    pub(crate) fn restart_all(&self) {
        (0..self.size()).for_each(|place| self.end(place, false));
        self.start_all();
    }

    /// `kill -9`, or SIGTERM with a flush.
    pub(crate) fn end(&self, place: usize, kindly: bool) {
        // Requests that fail from here on are no failures.
        let Some((server, mut child)) = self.running()[place].take() else {
            return;
        };
        self.ledger.lock().counts.kills += 1;
        if kindly {
            testkit::redis::signal("TERM", child.id());
            let flushed = child.wait().expect("it is our child").success();
            if flushed {
                self.ledger.flushed(server.process);
            }
        } else {
            _ = child.kill();
            _ = child.wait();
        }
        if let Some(ids) = (self.record)() {
            self.ledger.seen_in_redis(&ids);
        }
    }

    /// Whether its clock was wrong when it was chosen, or is now.
    fn may_be_wrong(&self, chosen: Server) -> bool {
        let is_wrong = |server: &Server| server.process == chosen.process && server.is_clock_wrong;
        chosen.is_clock_wrong || self.servers().iter().any(is_wrong)
    }

    pub(crate) fn set_clock_wrong(&self, place: usize, is_clock_wrong: bool) {
        if let Some((server, _)) = &mut self.running()[place] {
            server.is_clock_wrong = is_clock_wrong;
        }
    }

    // ---- Requests

    /// Asks a server. A failure counts, unless the server was ended meanwhile.
    pub(crate) fn ask(&self, client: &mut Client, server: Server, what: (&str, &str), cookie: &str) -> Option<Answer> {
        match client.ask(server.address, what.0, what.1, cookie) {
            Ok(answer) if answer.status < 500 || answer.status == 503 => Some(answer),
            _ if !self.is_up(server.process) => None,
            Ok(answer) => {
                self.ledger
                    .fail(format!("{} answers {} to {what:?}", server.process, answer.status));
                None
            }
            Err(error) => {
                self.ledger
                    .fail(format!("{} does not answer {what:?}: {error}", server.process));
                None
            }
        }
    }

    /// Asks a server about a session and judges the answer. `None` if it did not answer.
    pub(crate) fn check(&self, client: &mut Client, server: Server, index: usize) -> Option<String> {
        let (cookie, before, known_by) = self.ledger.before_check(index);
        let said = self.ask(client, server, ("GET", "/"), &cookie)?.body;
        self.ledger.judge(
            index,
            (before, &known_by),
            server.process,
            &said,
            self.may_be_wrong(server),
        );
        Some(said)
    }

    /// Sessions that started 10 minutes ago.
    pub(crate) fn add_older_sessions(&self, count: usize) {
        let reader = reader();
        let started = time::OffsetDateTime::now_utc() - time::Duration::minutes(10);
        for _ in 0..count {
            let cookie = reader.cookie_for_at(Login { user: 7 }, started).expect("it is small");
            self.ledger.add(id_of(&reader, &cookie), cookie);
        }
    }

    /// Visitors sign in, come back and sign out until the scenario is over.
    pub(crate) fn traffic(&self, random: &mut Random) {
        let (mut client, reader) = (Client::default(), reader());
        while !self.is_over.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(4));
            let servers = self.servers();
            if servers.is_empty() {
                continue;
            }
            let server = servers[random.below(servers.len())];
            match random.below(20) {
                0..3 => self.sign_in(&mut client, &reader, server),
                3 => self.sign_out(&mut client, server, random, true),
                4..6 => self.sign_out(&mut client, server, random, false),
                _ => {
                    if let Some(index) = self.ledger.draw(random) {
                        self.check(&mut client, server, index);
                    }
                }
            }
        }
    }

    fn sign_in(&self, client: &mut Client, reader: &Reader, server: Server) {
        let answer = self.ask(client, server, ("POST", "/in"), "");
        // Others may refuse what a server with a wrong clock starts.
        if let Some(answer) = answer.filter(|_| !self.may_be_wrong(server)) {
            let cookie = answer.cookies.join("; ");
            self.ledger.add(id_of(reader, &cookie), cookie);
        }
    }

    fn sign_out(&self, client: &mut Client, server: Server, random: &mut Random, confirmed: bool) {
        let index = self.ledger.draw(random);
        let Some((index, cookie)) = index.and_then(|index| Some((index, self.ledger.begin_sign_out(index)?))) else {
            return;
        };
        let path = if confirmed { "/out-confirmed" } else { "/out" };
        let Some(answer) = self.ask(client, server, ("POST", path), &cookie) else {
            return;
        };
        if answer.status == 409 {
            self.ledger.lock().sessions[index].state = State::Good;
            self.ledger.judge(
                index,
                (State::Good, &BTreeSet::new()),
                server.process,
                &answer.body,
                self.may_be_wrong(server),
            );
            return;
        }
        self.ledger
            .signed_out(index, server.process, confirmed && answer.status == 200);
    }

    // ---- Peace

    /// Waits until all servers are in touch, and then until all refuse what was signed out so far. What nobody can know
    /// any more is lost: that is a failure unless a cause excuses it.
    pub(crate) fn settle(&self) {
        let (began, mut client) = (Instant::now(), Client::default());
        for server in self.servers() {
            let mut said = String::new();
            while !self.is_in_touch(&mut client, server, &mut said) {
                if began.elapsed() > MINUTE {
                    return self
                        .ledger
                        .fail(format!("{} is not in touch after a minute: {said}", server.process));
                }
                sleep(Duration::from_millis(50));
            }
        }
        let in_touch = Instant::now();
        let mut open: Vec<(usize, Server, u32)> = {
            let inner = self.ledger.lock();
            let sessions = inner.sessions.iter().enumerate();
            let out = sessions.filter(|(_, session)| matches!(session.state, State::Out(_)));
            let servers = self.servers();
            let pairs = out.flat_map(|(index, session)| {
                let unknown = servers
                    .iter()
                    .filter(|server| !session.known_by.contains(&server.process));
                unknown.map(move |server| (index, *server, 0)).collect::<Vec<_>>()
            });
            pairs.collect()
        };
        loop {
            open.retain_mut(|(index, server, rounds)| {
                *rounds += 1;
                self.check(&mut client, *server, *index).as_deref() == Some("good")
            });
            if open.is_empty() {
                break;
            }
            let in_redis = (self.record)().unwrap_or_default();
            self.ledger.seen_in_redis(&in_redis);
            let servers = self.servers();
            open.retain(|&(index, server, rounds)| rounds < 3 || !self.is_lost(index, server, &servers, &in_redis));
            if in_touch.elapsed() > MINUTE {
                for (index, server, _) in open {
                    let id = self.ledger.lock().sessions[index].id;
                    let knows = format!("{:?}", self.ledger.lock().sessions[index].known_by);
                    self.ledger.fail(format!(
                        "{} accepts {id} for longer than a minute; refused by {knows}, in Redis: {}",
                        server.process,
                        in_redis.contains(&id)
                    ));
                }
                break;
            }
            sleep(Duration::from_millis(200));
        }
        self.all_is_in_redis();
        let slowest = &mut self.ledger.lock().counts.slowest_ms;
        *slowest = (*slowest).max(began.elapsed().as_millis());
    }

    /// Waits until Redis has what any running server refuses: the next server that starts must know it.
    fn all_is_in_redis(&self) {
        let (began, servers) = (Instant::now(), self.servers());
        let known: BTreeSet<SessionId> = {
            let inner = self.ledger.lock();
            let knows = |session: &&Session| servers.iter().any(|server| session.known_by.contains(&server.process));
            let known = inner
                .sessions
                .iter()
                .filter(|session| matches!(session.state, State::Out(_)))
                .filter(knows);
            known.map(|session| session.id).collect()
        };
        loop {
            let in_redis = (self.record)().unwrap_or_default();
            let Some(missing) = known.difference(&in_redis).next() else {
                return;
            };
            if began.elapsed() > MINUTE {
                let count = known.difference(&in_redis).count();
                let missing = format!("{count} known to running servers, such as {missing}");
                return self
                    .ledger
                    .fail(format!("Redis lacks for longer than a minute: {missing}"));
            }
            sleep(Duration::from_millis(200));
        }
    }

    fn is_in_touch(&self, client: &mut Client, server: Server, said: &mut String) -> bool {
        let Some(answer) = self.ask(client, server, ("GET", "/health"), "") else {
            return false;
        };
        *said = answer.body;
        let numbers: Vec<i64> = said.split(' ').filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [1, contact, lag, _, unsent] if (0..8000).contains(&contact) && lag < 1000 && unsent < 50)
    }

    /// Whether nobody can know any more that a session was signed out. Then it is counted.
    fn is_lost(&self, index: usize, server: Server, servers: &[Server], in_redis: &BTreeSet<SessionId>) -> bool {
        let mut inner = self.ledger.lock();
        let session = &mut inner.sessions[index];
        if session.state == State::Lost {
            return true;
        }
        let knows = |server: &Server| session.known_by.contains(&server.process);
        if in_redis.contains(&session.id) || servers.iter().any(knows) {
            return false;
        }
        session.state = State::Lost;
        let (id, confirmed, seen) = (session.id, session.is_confirmed, session.was_in_redis);
        let cause = match (confirmed, seen) {
            (false, false) => "killed before it was in Redis",
            (false, true) => "Redis lost it, and all that knew it were killed",
            (true, _) => "Redis lost what it had confirmed, and all that knew it were killed",
        };
        *inner.counts.lost.entry(cause).or_default() += 1;
        drop(inner);
        let is_excused = match self.keeps {
            Keeps::Everything => !confirmed && !seen,
            Keeps::Confirmed => !confirmed,
            Keeps::Nothing => true,
        };
        if !is_excused {
            self.ledger
                .fail(format!("lost: {id}, which {} accepts: {cause}", server.process));
        }
        true
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (_, child) in self.running().iter_mut().flatten() {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// A process that may not listen yet.
pub(crate) struct Starting {
    pub(crate) process: Process,
    child: Child,
    line: Receiver<io::Result<String>>,
}

impl Starting {
    /// Where it listens, if it does within this time.
    pub(crate) fn address(&self, limit: Duration) -> Option<SocketAddr> {
        let line = self.line.recv_timeout(limit).ok()?;
        line.ok()?.strip_prefix("listening on ")?.parse().ok()
    }
}

pub(crate) fn reader() -> Reader {
    let sessions = Reader::builder(testkit::ring()).audience("chaos");
    sessions
        .insecure_development_cookie("chaos")
        .build()
        .expect("these settings are right")
}

fn id_of(reader: &Reader, cookie: &str) -> SessionId {
    let session = reader.load(RequestFields::from_cookies([cookie.to_owned()]));
    session.id().expect("a server sealed it for this ring")
}
