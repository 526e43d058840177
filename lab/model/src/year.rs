//! A year of sign-ins and visits at several servers, while their rings change. Unwanted logouts are counted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::thread;

use sealed_session::edge::Claims;
use sealed_session::{Reason, SessionState};

use crate::habits::{HABITS, LIMITS, LONGEST, Ought, Visitor, ought};
use crate::procedure::LEEWAY;
use crate::random::Random;
use crate::schedule::{DAY, Schedule, YEAR};
use crate::server::{self, Jar, Server, Visit, at, visit};

/// The parameters of a year.
#[derive(Clone, Debug)]
pub struct Year {
    pub sessions: u32,
    /// How far each server's clock is ahead of the slowest, in seconds.
    pub clocks: Vec<u32>,
    /// Seconds between the last sealing under an old secret and its retirement.
    pub retire_after: u32,
    pub threads: u32,
    pub seed: u64,
}

impl Year {
    /// Four servers, clocks 5 minutes apart, secrets retired when the procedure allows it.
    pub fn documented(sessions: u32, threads: u32) -> Self {
        Self {
            sessions,
            clocks: vec![0, 70, 210, LEEWAY],
            retire_after: LONGEST + LEEWAY,
            threads,
            seed: 1,
        }
    }

    pub fn schedule(&self) -> Schedule {
        Schedule::new(
            self.clocks.len(),
            self.spread(),
            self.retire_after,
            &mut Random(self.seed),
        )
    }

    fn spread(&self) -> u32 {
        self.clocks.iter().copied().max().unwrap_or_default()
    }

    /// Runs it. Each thread has servers of its own, along the same schedule, and its share of the sessions.
    pub fn run(&self, schedule: &Schedule) -> Tally {
        let share = |thread: u32| self.sessions / self.threads + u32::from(thread < self.sessions % self.threads);
        thread::scope(|scope| {
            let runs: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || Run::new(self, schedule, thread).all(share(thread))))
                .collect();
            let mut tally = Tally::default();
            for run in runs {
                tally += run.join().expect("no run panics");
            }
            tally
        })
    }
}

/// The events of a year, counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub started: u64,
    pub requests: u64,
    pub writes: u64,
    pub renewals: u64,
    pub replaced: u64,
    pub restarts: u64,
    /// Requests whose session was sealed under a secret that its server no longer sealed with.
    pub under_other_secret: u64,
    /// Sessions that ended by the idle timeout, by the absolute timeout, by sign-out; and those alive at the year's end.
    pub idle: u64,
    pub absolute: u64,
    pub signed_out: u64,
    pub alive: u64,
    /// Those among the first two whose last use lies so far back that a renewal may or may not have noted it.
    pub open: u64,
    /// Refused although both timeouts were certainly not reached, or for another reason than those.
    pub unwanted: u64,
    /// Accepted although a timeout had certainly passed.
    pub outlived: u64,
    /// Session cookies that were sent although no data was written.
    pub resealed: u64,
    /// The first unwanted logout.
    pub example: Option<String>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.started += other.started;
        self.requests += other.requests;
        self.writes += other.writes;
        self.renewals += other.renewals;
        self.replaced += other.replaced;
        self.restarts += other.restarts;
        self.under_other_secret += other.under_other_secret;
        self.idle += other.idle;
        self.absolute += other.absolute;
        self.signed_out += other.signed_out;
        self.alive += other.alive;
        self.open += other.open;
        self.unwanted += other.unwanted;
        self.outlived += other.outlived;
        self.resealed += other.resealed;
        self.example = self.example.take().or(other.example);
    }
}

struct Run<'a> {
    year: &'a Year,
    schedule: &'a Schedule,
    deployed: usize,
    servers: Vec<(Server, usize)>,
    random: Random,
    visitors: Vec<Option<Visitor>>,
    free: Vec<usize>,
    /// The next visits, by time.
    next: BinaryHeap<Reverse<(u32, usize)>>,
    tally: Tally,
}

impl<'a> Run<'a> {
    fn new(year: &'a Year, schedule: &'a Schedule, thread: u32) -> Self {
        let server = || server::server(Arc::clone(&schedule.rings[0]), LIMITS);
        Self {
            year,
            schedule,
            deployed: 0,
            servers: year.clocks.iter().map(|_| (server(), 0)).collect(),
            random: Random(year.seed ^ (u64::from(thread) + 1) << 32),
            visitors: Vec::new(),
            free: Vec::new(),
            next: BinaryHeap::new(),
            tally: Tally::default(),
        }
    }

    /// Sign-ins are spread evenly over the year; later events happen in the order of time.
    fn all(mut self, sessions: u32) -> Tally {
        for number in 0..sessions {
            let instant = u64::from(YEAR) * u64::from(number) / u64::from(sessions);
            let instant = u32::try_from(instant).expect("within the year");
            self.visits_until(instant);
            self.sign_in(instant);
        }
        self.visits_until(YEAR);
        self.tally.alive = self.visitors.iter().flatten().count() as u64;
        self.tally
    }

    fn visits_until(&mut self, instant: u32) {
        while let Some(&Reverse((now, slot))) = self.next.peek()
            && now < instant
        {
            self.next.pop();
            self.deploy(now);
            self.visit(now, slot);
        }
        self.deploy(instant);
    }

    fn deploy(&mut self, now: u32) {
        while let Some(deploy) = self
            .schedule
            .deploys
            .get(self.deployed)
            .filter(|deploy| deploy.at <= now)
        {
            let ring = Arc::clone(&self.schedule.rings[deploy.ring]);
            let (server, current) = &mut self.servers[deploy.server];
            if deploy.restarts {
                *server = server::server(ring, LIMITS);
                self.tally.restarts += 1;
            } else {
                server.replace_keys(ring);
                self.tally.replaced += 1;
            }
            *current = deploy.ring;
            self.deployed += 1;
        }
    }

    fn any_server(&mut self) -> usize {
        usize::try_from(self.random.below(self.servers.len() as u64)).expect("a few servers")
    }

    fn sign_in(&mut self, now: u32) {
        let mut percent = self.random.below(100);
        let habit = HABITS
            .iter()
            .find(|habit| {
                let is_it = percent < habit.share;
                percent = percent.saturating_sub(habit.share);
                is_it
            })
            .expect("the shares are 100 together");
        let server = self.any_server();
        let how = if habit.remembered {
            Visit::SignInRemembered
        } else {
            Visit::SignIn
        };
        let clock = now + self.year.clocks[server];
        let answer = visit(&self.servers[server].0, None, how, clock);
        let (Some(session), Some(activity)) = (answer.session, answer.activity) else {
            panic!("a sign-in sends both cookies");
        };
        self.tally.started += 1;
        let visitor = Visitor {
            jar: Jar { session, activity },
            habit,
            began: clock,
            used: clock,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.visitors.push(None);
            self.visitors.len() - 1
        });
        self.come_again(now, slot, visitor);
    }

    fn come_again(&mut self, now: u32, slot: usize, visitor: Visitor) {
        let gap = 1 + u32::try_from(self.random.below(visitor.habit.gap.into())).expect("a few days");
        self.visitors[slot] = Some(visitor);
        self.next.push(Reverse((now + gap, slot)));
    }

    fn visit(&mut self, now: u32, slot: usize) {
        let mut visitor = self.visitors[slot]
            .take()
            .expect("every expected visitor has a session");
        let habit = visitor.habit;
        let mut one_in = |times: u64| times > 0 && self.random.once_in(times);
        let how = match () {
            () if one_in(habit.signs_out) => Visit::SignOut,
            () if one_in(habit.writes) => Visit::Write,
            () => Visit::Read,
        };
        let index = self.any_server();
        let (server, ring) = &self.servers[index];
        let clock = now + self.year.clocks[index];
        let answer = visit(server, Some(&visitor.jar), how, clock);
        self.tally.requests += 1;
        let ought = ought(&visitor, clock);
        let claims = Claims::parse(&visitor.jar.session).expect("a token");
        let seals = self.schedule.rings[*ring].sealing_key_at(at(clock));
        let ended = match answer.state {
            SessionState::Valid => {
                self.tally.outlived += u64::from(ought == Ought::End);
                self.tally.under_other_secret += u64::from(claims.key_id != seals);
                self.tally.signed_out += u64::from(how == Visit::SignOut);
                how == Visit::SignOut
            }
            SessionState::Rejected(reason) => {
                self.refused(&visitor, reason, &ought, clock, index);
                true
            }
            other => panic!("cookies were sent, and the answer is {other:?}"),
        };
        if ended {
            self.free.push(slot);
            return;
        }
        match how {
            Visit::Read => {
                self.tally.resealed += u64::from(answer.session.is_some());
                self.tally.renewals += u64::from(answer.activity.is_some());
            }
            _ => {
                self.tally.writes += 1;
                visitor.began = visitor.began.min(clock);
            }
        }
        if let Some(session) = answer.session {
            visitor.jar.session = session;
        }
        if let Some(activity) = answer.activity {
            visitor.jar.activity = activity;
        }
        visitor.used = visitor.used.max(clock);
        self.come_again(now, slot, visitor);
    }

    fn refused(&mut self, visitor: &Visitor, reason: Reason, ought: &Ought, clock: u32, server: usize) {
        let is_timeout = matches!(reason, Reason::Idle | Reason::Expired | Reason::TooOld);
        let is_unwanted = *ought == Ought::Live || !is_timeout;
        let by = match reason {
            _ if is_unwanted => &mut self.tally.unwanted,
            Reason::Idle => &mut self.tally.idle,
            _ => &mut self.tally.absolute,
        };
        *by += 1;
        self.tally.open += u64::from(!is_unwanted && *ought == Ought::Either);
        if is_unwanted {
            self.tally.example.get_or_insert_with(|| {
                format!(
                    "day {}: server {server} refuses as {} a session that began {} s and was used {} s before",
                    clock / DAY,
                    reason.name(),
                    i64::from(clock) - i64::from(visitor.began),
                    i64::from(clock) - i64::from(visitor.used)
                )
            });
        }
    }
}
