//! Every session of a scenario, what was done with it, and what servers said about it: here it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealed_session::SessionId;

use crate::random::Random;

/// The number of a server process; one that starts again gets another.
pub(crate) type Process = u32;

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) cookie: String,
    pub(crate) state: State,
    /// The processes that refused it as revoked.
    pub(crate) known_by: BTreeSet<Process>,
    /// Its end was seen in Redis.
    pub(crate) was_in_redis: bool,
    /// `confirmed` or `flush` said that its end is in Redis.
    pub(crate) is_confirmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Good,
    /// Its sign-out is being answered, or got no answer.
    Unsure,
    /// Signed out by this process, which answered.
    Out(Process),
    /// Signed out and forgotten, for a cause that is documented.
    Lost,
}

#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) sessions: Vec<Session>,
    pub(crate) counts: Counts,
    pub(crate) failures: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: usize,
    pub(crate) checks: usize,
    pub(crate) signed_out: usize,
    pub(crate) confirmed: usize,
    /// By cause.
    pub(crate) lost: BTreeMap<&'static str, usize>,
    pub(crate) kills: usize,
    /// The longest time from the end of a disturbance until all servers refused all that was signed out before it.
    pub(crate) slowest_ms: u128,
}

impl Ledger {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, what: String) {
        eprintln!("  FAILED  {what}");
        self.lock().failures.push(what);
    }

    pub(crate) fn add(&self, id: SessionId, cookie: String) {
        let mut inner = self.lock();
        inner.counts.sessions += 1;
        inner.sessions.push(Session {
            id,
            cookie,
            state: State::Good,
            known_by: BTreeSet::new(),
            was_in_redis: false,
            is_confirmed: false,
        });
    }

    /// A session to ask a server about. The later ones are drawn more often.
    pub(crate) fn draw(&self, random: &mut Random) -> Option<usize> {
        let count = self.lock().sessions.len();
        let among = if random.one_in(2) { count } else { count.min(50) };
        (count > 0).then(|| count - 1 - random.below(among))
    }

    /// A good session that is signed out from now on, if this one is good.
    pub(crate) fn begin_sign_out(&self, index: usize) -> Option<String> {
        let session = &mut self.lock().sessions[index];
        if session.state != State::Good {
            return None;
        }
        session.state = State::Unsure;
        Some(session.cookie.clone())
    }

    pub(crate) fn signed_out(&self, index: usize, by: Process, confirmed: bool) {
        let mut inner = self.lock();
        inner.counts.signed_out += 1;
        inner.counts.confirmed += usize::from(confirmed);
        let session = &mut inner.sessions[index];
        session.state = State::Out(by);
        session.known_by.insert(by);
        session.is_confirmed |= confirmed;
    }

    /// What was signed out on a process whose flush at its end succeeded.
    pub(crate) fn flushed(&self, by: Process) {
        for session in &mut self.lock().sessions {
            session.is_confirmed |= session.state == State::Out(by);
        }
    }

    /// Redis has these.
    pub(crate) fn seen_in_redis(&self, ids: &BTreeSet<SessionId>) {
        for session in &mut self.lock().sessions {
            session.was_in_redis |= matches!(session.state, State::Out(_)) && ids.contains(&session.id);
        }
    }

    /// The cookie, the state and who knew before a check.
    pub(crate) fn before_check(&self, index: usize) -> (String, State, BTreeSet<Process>) {
        let session = &self.lock().sessions[index];
        (session.cookie.clone(), session.state, session.known_by.clone())
    }

    /// Judges what a server said. Its clock may be wrong: then it may refuse a good session for its times.
    pub(crate) fn judge(
        &self,
        index: usize,
        (before, known_by): (State, &BTreeSet<Process>),
        process: Process,
        said: &str,
        is_clock_wrong: bool,
    ) {
        let mut inner = self.lock();
        inner.counts.checks += 1;
        let session = &mut inner.sessions[index];
        let id = session.id;
        if said == "revoked" {
            session.known_by.insert(process);
        }
        let failure = match (before, session.state) {
            (State::Good, State::Good) if said == "good" || is_clock_wrong && said != "revoked" => return,
            (State::Good, State::Good) => format!("{process} refuses the good session {id}: {said}"),
            (State::Out(_), State::Out(_)) if said == "good" && known_by.contains(&process) => {
                format!("{process} forgot that it refused {id}")
            }
            (State::Out(_), State::Out(_)) if said != "good" && said != "revoked" && !is_clock_wrong => {
                format!("{process} says about {id}, which was signed out: {said}")
            }
            _ => return,
        };
        drop(inner);
        self.fail(failure);
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.checks += other.checks;
        self.signed_out += other.signed_out;
        self.confirmed += other.confirmed;
        self.kills += other.kills;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        for (cause, count) in &other.lost {
            *self.lost.entry(cause).or_default() += count;
        }
    }

    /// The cells of a table.
    pub(crate) fn row(&self) -> String {
        let lost: Vec<_> = self
            .lost
            .iter()
            .map(|(cause, count)| format!("{count} ({cause})"))
            .collect();
        let lost = if lost.is_empty() {
            "0".to_owned()
        } else {
            lost.join(", ")
        };
        let Self {
            kills,
            sessions,
            checks,
            signed_out,
            confirmed,
            ..
        } = self;
        let slowest = self.slowest_ms as f64 / 1000.0;
        format!("{kills} | {sessions} | {checks} | {signed_out} | {confirmed} | {lost} | {slowest:.1}")
    }
}
