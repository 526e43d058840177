//! One rotation: the actions that each state allows. The servers are the crate's `Sessions`.

use std::cell::RefCell;
use std::collections::HashMap;

use sealed_session::SessionState as Verdict;

use crate::command;
use crate::fleet::{Fault, Fleet, MOST, Request, Visitor};
use crate::keys::{Ring, Secret};
use crate::procedure::{Command, LEEWAY, NOT_IN_TURNS, Procedure, Step, VALID_OPENS};
use crate::server::{self, Visit};

pub const OVER_IS_OVER: &str = "no session outlives its timeouts";
pub const WELL_DATED: &str = "cookies say what the rules say";
pub const ONLY_RENEWALS: &str = "a read seals nothing but a renewal that is due";
pub const FINISHED: &str = "the rotation is finished and a session lives";
pub const BOTH_SECRETS: &str = "one visitor has cookies under both secrets";
pub const BOTH_SEAL: &str = "servers seal with different secrets at the same time";
pub const LAST_SECOND: &str = "a session under the old secret lives until the second before that may go";

/// The model of one rotation by one procedure.
pub struct Rotation {
    pub procedure: Procedure,
    /// Seconds after which time stops.
    pub horizon: u32,
    pub fleet: Fleet,
    /// The results of rehearsals, by ring, next ring and reading of the operator's clock.
    rehearsals: RefCell<HashMap<(Ring, Ring, u32), bool>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Seconds by the slowest clock.
    pub now: u32,
    /// The row of the procedure's clocks.
    pub clocks: u8,
    /// The step that the operator has published.
    pub step: u8,
    /// The step whose ring each server has.
    pub servers: [u8; MOST],
    /// The time from which the new secret seals; 0 if there is none.
    pub from: u32,
    /// That time in the ring that is not published yet, if the command decides.
    pub draft: Option<u32>,
    /// Until when a server may be without the published ring, if the command decides.
    pub late_until: u32,
    /// When the last server got the published step, if the old secret goes in the next one.
    pub deployed: Option<u32>,
    pub visitor: Option<Visitor>,
    /// How often reads sealed something that was not due since time passed or a ring changed; counted to 2.
    pub turns: u8,
    pub fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes until the next tick.
    Wait,
    /// The operator lets the new secret seal from this time, in a ring that is not published yet.
    Draft {
        from: u32,
    },
    /// The operator publishes the next step, with this time if it has one.
    Publish {
        from: u32,
    },
    /// A server takes the ring that is published.
    Deploy(usize),
    /// A server restarts with the ring of the step before its own.
    FallBack(usize),
    Visit(usize, Visit),
}

/// A statement about states.
pub enum Property {
    /// It holds in every state.
    Always(&'static str, fn(&Rotation, &State) -> bool),
    /// It holds in some state: the model reaches what it is meant to explore.
    Sometimes(&'static str, fn(&Rotation, &State) -> bool),
}

impl Rotation {
    pub fn new(procedure: Procedure, horizon: u32) -> Self {
        Self {
            procedure,
            horizon,
            fleet: Fleet::new(),
            rehearsals: RefCell::default(),
        }
    }

    pub fn clocks(&self, state: &State) -> &'static [u32] {
        self.procedure.clocks[usize::from(state.clocks)]
    }

    /// How far the fastest clock is ahead of the slowest.
    fn spread(&self, state: &State) -> u32 {
        self.clocks(state).iter().copied().max().unwrap_or_default()
    }

    fn step(&self, state: &State) -> Step {
        self.procedure.steps[usize::from(state.step)]
    }

    fn next_step(&self, state: &State) -> Option<Step> {
        self.procedure.steps.get(usize::from(state.step) + 1).copied()
    }

    /// The ring of a step.
    pub fn ring(&self, step: u8, from: u32) -> Ring {
        match self.procedure.steps[usize::from(step)] {
            Step::Before => Ring::Old,
            Step::Add => Ring::NewOpens,
            Step::AddFrom | Step::PromoteFrom => Ring::NewSealsFrom(from),
            Step::Promote => Ring::NewSeals,
            Step::Retire => Ring::New,
        }
    }

    fn all_have_it(&self, state: &State) -> bool {
        let fleet = self.clocks(state).len();
        state.servers[..fleet].iter().all(|&step| step == state.step)
    }

    /// Whether a server may be without the published ring at `instant`. A ring that adds and promotes at once
    /// must arrive before its secret seals, by the slowest clock, which is the operator's here.
    fn may_be_late(&self, state: &State, instant: u32) -> bool {
        if self.procedure.command.is_some() {
            return instant <= state.late_until;
        }
        match (self.step(state), self.procedure.deployed_before_instant) {
            (Step::AddFrom, Some(lead)) => instant + lead < state.from,
            _ => true,
        }
    }

    /// The readings that operators' clocks may have: they are within those of the servers.
    fn readings(&self, state: &State) -> [u32; 2] {
        [state.now, state.now + self.spread(state)]
    }

    /// The times for a `ring seal`: at once, the last one that a rehearsal in one deploy refuses, and the first that it
    /// accepts. The operator may repeat it while the first rehearsals fail.
    fn drafts(&self, state: &State, command: Command) -> impl Iterator<Item = Action> {
        let seals = matches!(self.next_step(state), Some(Step::AddFrom | Step::PromoteFrom));
        let is_early = seals && self.all_have_it(state) && state.now <= 2 * LEEWAY;
        let readings = self.readings(state).into_iter().filter(move |_| is_early);
        let instants = readings
            .flat_map(move |now| [0, command.stated + LEEWAY, command.stated + LEEWAY + 1].map(|ahead| now + ahead));
        let drafted = state.draft;
        instants
            .filter(move |&from| drafted != Some(from))
            .map(|from| Action::Draft { from })
    }

    /// Whether the command lets the operator publish the next step.
    fn command_lets(&self, state: &State, next: Step, command: Command) -> bool {
        let (from, ahead) = match (next, state.draft) {
            (Step::Retire, _) => (state.from, command.ahead),
            (_, Some(draft)) => (draft, 0),
            _ => return false,
        };
        let rings = [(state.step, state.from), (state.step + 1, from)].map(|(step, from)| self.ring(step, from));
        let rehearsed = |now| {
            let [previous, ring] = rings;
            let mut said = self.rehearsals.borrow_mut();
            let ask = || command::rehearses(previous, ring, command.stated, now);
            !command.rehearses || *said.entry((previous, ring, now)).or_insert_with(ask)
        };
        let retired = |now| next != Step::Retire || command::may_go(from, command.stated) <= now;
        let readings = self.readings(state).map(|now| now + ahead);
        self.all_have_it(state) && readings.into_iter().any(rehearsed) && readings.into_iter().any(retired)
    }

    /// Whether the operator may publish the next step.
    fn may_publish(&self, state: &State, next: Step) -> bool {
        if let Some(command) = self.procedure.command {
            return self.command_lets(state, next, command);
        }
        match next {
            Step::Before => false,
            Step::Add | Step::AddFrom => true,
            Step::Promote | Step::PromoteFrom => self.all_have_it(state) || !self.procedure.promote_after_all,
            Step::Retire => {
                let wait = self.procedure.retire_after;
                let deployed = state.deployed.is_some_and(|since| since + wait <= state.now);
                // The operator's clock is the fastest here.
                let sealing_is_over = state.from + wait <= state.now + self.spread(state);
                self.all_have_it(state) && deployed && (sealing_is_over || !self.procedure.retire_counts_instant)
            }
        }
    }

    fn visited(&mut self, state: &mut State, server: usize, visit: Visit) {
        let clock = state.now + self.clocks(state)[server];
        let ring = self.ring(state.servers[server], state.from);
        let mut request = Request {
            server,
            ring,
            clock,
            visitor: state.visitor,
            visit,
        };
        let seals = || Secret::of(ring.key_ring().sealing_key_at(server::at(clock)));
        let is_resealed = self.procedure.reseals_on_sight
            && visit == Visit::Read
            && state.visitor.is_some_and(|visitor| visitor.session.secret != seals());
        if is_resealed {
            request.visit = Visit::Write;
        }
        let response = self.fleet.ask(request);
        state.visitor = response.visitor;
        state.fault = response.fault;
        if response.is_needless || (is_resealed && response.verdict == Verdict::Valid) {
            state.turns = (state.turns + 1).min(2);
        }
    }
}

/// All times of the model: every 5 minutes, and the second before.
pub fn next_instant(now: u32) -> u32 {
    if now % LEEWAY == LEEWAY - 1 {
        now + 1
    } else {
        now + LEEWAY - 1
    }
}

impl Rotation {
    /// The states with which it begins.
    pub fn first(&self) -> Vec<State> {
        let begin = |clocks: usize| State {
            now: 0,
            clocks: u8::try_from(clocks).expect("a handful"),
            step: 0,
            servers: [0; MOST],
            from: 0,
            draft: None,
            late_until: 0,
            deployed: None,
            visitor: None,
            turns: 0,
            fault: None,
        };
        (0..self.procedure.clocks.len()).map(begin).collect()
    }

    /// All actions that are possible in a state.
    pub fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        if state.fault.is_some() {
            return actions;
        }
        let next = next_instant(state.now);
        if next <= self.horizon && (self.all_have_it(state) || self.may_be_late(state, next)) {
            actions.push(Action::Wait);
        }
        if let Some(command) = self.procedure.command {
            actions.extend(self.drafts(state, command));
        }
        match self.next_step(state) {
            Some(step) if !self.may_publish(state, step) => {}
            Some(Step::AddFrom | Step::PromoteFrom) if self.procedure.command.is_none() => {
                // Far enough away for a deploy, of one or of two ticks.
                let base = state.now - state.now % LEEWAY;
                actions.extend([2, 3].map(|leeways| Action::Publish {
                    from: base + leeways * LEEWAY,
                }));
            }
            Some(_) => actions.push(Action::Publish {
                from: state.draft.unwrap_or(state.from),
            }),
            None => {}
        }
        for server in 0..self.clocks(state).len() {
            let step = state.servers[server];
            if step != state.step {
                actions.push(Action::Deploy(server));
            }
            let oldest = usize::from(state.step).saturating_sub(self.procedure.falls_back);
            if usize::from(step) > oldest && (step < state.step || self.may_be_late(state, state.now)) {
                actions.push(Action::FallBack(server));
            }
            let visits: &[Visit] = match state.visitor {
                None => &[Visit::SignIn],
                Some(_) => &[Visit::Read, Visit::Write],
            };
            actions.extend(visits.iter().map(|&visit| Action::Visit(server, visit)));
        }
        actions
    }

    pub fn after(&mut self, last: &State, action: Action) -> State {
        let mut state = last.clone();
        match action {
            Action::Wait => {
                state.now = next_instant(state.now);
                if state.late_until < state.now {
                    state.late_until = 0;
                }
            }
            Action::Draft { from } => state.draft = Some(from),
            Action::Publish { from } => {
                state.step += 1;
                (state.from, state.draft, state.deployed) = (from, None, None);
                state.late_until = self.procedure.command.map_or(0, |command| state.now + command.deploy);
            }
            Action::Deploy(server) => state.servers[server] = state.step,
            Action::FallBack(server) => {
                state.servers[server] -= 1;
                if self.procedure.notices_falling_back {
                    state.deployed = None;
                }
            }
            Action::Visit(server, visit) => self.visited(&mut state, server, visit),
        }
        if !matches!(action, Action::Visit(..)) {
            state.turns = 0;
        }
        if self.procedure.command.is_none() && self.all_have_it(&state) && self.next_step(&state) == Some(Step::Retire)
        {
            state.deployed.get_or_insert(state.now);
        }
        state
    }

    pub fn properties(&self) -> Vec<Property> {
        let mut properties = vec![
            Property::Always(VALID_OPENS, |_, state| !matches!(state.fault, Some(Fault::Refused(_)))),
            Property::Always(OVER_IS_OVER, |_, state| state.fault != Some(Fault::Outlived)),
            Property::Always(WELL_DATED, |_, state| state.fault != Some(Fault::Misdated)),
            Property::Always(NOT_IN_TURNS, |_, state| state.turns < 2),
            Property::Always(ONLY_RENEWALS, |_, state| state.turns == 0),
            Property::Sometimes(FINISHED, |model, state| {
                model.step(state) == Step::Retire
                    && model.all_have_it(state)
                    && state.visitor.is_some_and(|visitor| visitor.is_alive(state.now))
            }),
            Property::Sometimes(BOTH_SECRETS, |_, state| {
                let both = |visitor: Visitor| visitor.session.secret != visitor.activity.secret;
                state.visitor.is_some_and(both)
            }),
            Property::Sometimes(BOTH_SEAL, |model, state| {
                let clocks = model.clocks(state);
                let seals = |server: usize| {
                    let ring = model.ring(state.servers[server], state.from).key_ring();
                    Secret::of(ring.sealing_key_at(server::at(state.now + clocks[server])))
                };
                (1..clocks.len()).any(|server| seals(server) != seals(0))
            }),
        ];
        if self.procedure.steps.contains(&Step::Promote) {
            properties.push(Property::Sometimes(LAST_SECOND, |model, state| {
                let may_go = state.deployed.map(|since| since + model.procedure.retire_after);
                let lives = |visitor: Visitor| visitor.session.secret == Secret::Old && visitor.is_alive(state.now);
                may_go == Some(state.now + 1) && state.visitor.is_some_and(lives)
            }));
        }
        properties
    }
}
