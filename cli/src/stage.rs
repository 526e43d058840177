//! The two rings of a deploy, on the crate's real servers. `lab/model/` compiles this file too, and explores its
//! answers.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealed_session::keys::{KeyDescription, KeyError, KeyId};
use sealed_session::{KeyRing, Reason};
use time::OffsetDateTime;

use super::instants::{LEEWAY, after, before, written};
use super::schedule::{HASTE, Sealing, Timing, sealing, seals_from};
use super::server::Server;

/// One check, and how it went.
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) cookies: usize,
    pub(crate) problems: Vec<String>,
}

impl Check {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            cookies: 0,
            problems: Vec::new(),
        }
    }
}

/// The two rings of a deploy that begins now.
pub(crate) struct Stage<'a> {
    pub(crate) previous: &'a Arc<KeyRing>,
    pub(crate) ring: &'a Arc<KeyRing>,
    pub(crate) timing: Timing,
    pub(crate) now: OffsetDateTime,
}

/// The result of a rehearsal.
pub(crate) struct Outcome {
    pub(crate) checks: Vec<Check>,
    pub(crate) keys: Vec<Retirement>,
    /// The time before which every server must have the ring.
    pub(crate) deadline: Option<OffsetDateTime>,
}

impl Outcome {
    pub(crate) fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }
}

/// A key of the ring, and when it may go without a loss, if that can be known.
pub(crate) struct Retirement {
    pub(crate) key: KeyDescription,
    pub(crate) may_go: Option<OffsetDateTime>,
}

impl Stage<'_> {
    pub(crate) fn rehearse(&self) -> Result<Outcome, Box<dyn Error>> {
        let (opens_later, deadline) = self.todays_open_elsewhere()?;
        let mut checks = vec![self.yesterdays_open_today()?];
        checks.extend(opens_later);
        checks.push(self.nothing_is_alive_when_keys_go()?);
        Ok(Outcome {
            checks,
            keys: self.retirements(),
            deadline: deadline.into_iter().chain(self.counted_until()).min(),
        })
    }

    fn server(&self, ring: impl Into<Arc<KeyRing>>) -> Result<Server, Box<dyn Error>> {
        Server::new(ring, self.timing.longest)
    }

    /// When the deploy has reached the last server.
    fn deployed(&self) -> OffsetDateTime {
        after(self.now, self.timing.deploy)
    }

    /// For every key under which servers may have sealed tokens that still live: the newest and the oldest of these.
    fn yesterdays_open_today(&self) -> Result<Check, Box<dyn Error>> {
        let mut check = Check::new("what was made before opens on a server with this ring");
        let new = self.server(Arc::clone(self.ring))?;
        for key in self.previous.describe() {
            if seals_from(key.role).is_some_and(|from| from > self.now) {
                continue;
            }
            let may_go = self.may_go(self.previous, key.id);
            let newest = may_go.map_or(self.now, |go| before(go, self.timing.longest).min(self.now));
            let oldest = after(before(self.now, self.timing.longest), Duration::from_secs(1));
            let yesterday = before(self.now, Duration::from_secs(86_400));
            let maker = self.server(alone(self.previous, key.id)?)?;
            let alive = BTreeSet::from([oldest, yesterday, newest]).into_iter();
            let mut refused = None;
            for made_at in alive.filter(|at| (oldest..=newest).contains(at)) {
                check.cookies += 1;
                if let Err(reason) = new.opens(&maker.make(made_at)?, self.now) {
                    refused = Some((made_at, reason));
                }
            }
            if let Some((made_at, reason)) = refused {
                let hint = match sealing(self.previous, key.id) {
                    Sealing::Unknown if self.timing.sealed_until.is_none() => {
                        "leave it in the ring, or say with --sealed-until when servers stopped sealing with it"
                    }
                    _ => "leave it in the ring as `open`",
                };
                check.problems.push(format!(
                    "key {}: a session of {} is refused ({}); {hint}, it may go from {}",
                    key.id,
                    written(made_at),
                    reason.name(),
                    written(may_go.unwrap_or_else(|| self.timing.may_go(self.now)))
                ));
            }
        }
        Ok(check)
    }

    /// While servers run both rings, each opens what the other makes. Also the first time after the deploy at which a
    /// server that still has the previous ring would get tokens that it does not open, or make tokens that others do
    /// not open.
    fn todays_open_elsewhere(&self) -> Result<([Check; 2], Option<OffsetDateTime>), Box<dyn Error>> {
        let [old, new] = [
            self.server(Arc::clone(self.previous))?,
            self.server(Arc::clone(self.ring))?,
        ];
        let mut to_old = Check::new("what this ring makes opens on a server that still runs the previous one");
        let mut to_new = Check::new("what the previous ring makes meanwhile opens on a server with this one");
        let add = "let every server open with it first: `ring add`, deploy, then `ring seal`; or give a `--from` more than 5 minutes \
                   after the end of the deploy";
        let keep = "keep it in this ring as `open`";
        let mut deadline = None;
        for (check, ring, maker, opener, hint) in [
            (&mut to_old, self.ring, &new, &old, add),
            (&mut to_new, self.previous, &old, &new, keep),
        ] {
            for at in self.switches(ring) {
                // The clock of the server that seals is ahead.
                let earliest = before(at, LEEWAY);
                let is_meanwhile = earliest <= self.deployed();
                if !is_meanwhile && deadline.is_some_and(|first| first <= earliest) {
                    continue;
                }
                check.cookies += usize::from(is_meanwhile);
                match opener.opens(&maker.make(at)?, at) {
                    Ok(()) => {}
                    Err(_) if !is_meanwhile => deadline = Some(earliest),
                    Err(reason) => check.problems.push(format!(
                        "from {} on key {} seals, which the other ring refuses ({}); {hint}",
                        written(at.max(self.now)),
                        ring.sealing_key_at(at),
                        reason.name()
                    )),
                }
            }
        }
        Ok(([to_old, to_new], deadline))
    }

    /// The time that the slowest clock shows now, and every later one from which another key seals, in order.
    fn switches(&self, ring: &KeyRing) -> BTreeSet<OffsetDateTime> {
        let slowest = before(self.now, LEEWAY);
        let ahead = ring.describe().into_iter().filter_map(|key| seals_from(key.role));
        ahead.filter(|&from| from > slowest).chain([slowest]).collect()
    }

    /// `ring retire` counts from the time at which another key takes over by this ring. Tokens that the last server
    /// seals before it has the ring must have expired when the key goes. They have not if the ring was changed long
    /// before its deploy.
    fn nothing_is_alive_when_keys_go(&self) -> Result<Check, Box<dyn Error>> {
        let mut check = Check::new("nothing under a key is alive when `ring retire` lets it go");
        for key in self.ring.describe() {
            let (Sealing::Until(until), Some(last)) = (sealing(self.ring, key.id), self.last_sealed(key.id)) else {
                continue;
            };
            // Made by the fastest clock at the end of the deploy, and opened by the slowest one when the key goes.
            let made = self.server(alone(self.ring, key.id)?)?.make(after(last, LEEWAY))?;
            let gone = before(self.timing.may_go(until), LEEWAY);
            let next = self.ring.sealing_key_at(until);
            check.cookies += 1;
            if self.server(alone(self.ring, next)?)?.opens(&made, gone) != Err(Reason::Expired) {
                check.problems.push(format!(
                    "key {}: by this ring nothing is sealed with it after {}, but servers with the previous ring may do so until \
                     {}; let key {next} seal again by `ring seal`, which counts from now, and deploy within {} minutes",
                    key.id,
                    written(until),
                    written(last),
                    HASTE.as_secs() / 60
                ));
            }
        }
        Ok(check)
    }

    /// Until when servers with the previous ring seal with a key.
    fn last_sealed(&self, id: KeyId) -> Option<OffsetDateTime> {
        match sealing(self.previous, id) {
            Sealing::WithoutEnd => Some(self.deployed()),
            Sealing::Until(until) => Some(until.min(self.deployed())),
            Sealing::Unknown => has(self.previous, id).then(|| self.timing.sealed_until.unwrap_or(self.now)),
        }
    }

    /// Until when servers may seal with keys that this ring replaces, so that `ring retire` counts right.
    fn counted_until(&self) -> impl Iterator<Item = OffsetDateTime> {
        let keys = self.ring.describe().into_iter();
        let counted = keys.filter_map(
            |key| match (sealing(self.ring, key.id), sealing(self.previous, key.id)) {
                (Sealing::Until(until), Sealing::WithoutEnd) => Some(until),
                // A takeover that was planned for later.
                (Sealing::Until(until), Sealing::Until(planned)) if planned > until => Some(until),
                _ => None,
            },
        );
        counted.map(|until| after(after(until, HASTE), self.timing.deploy))
    }

    /// The role of every key, and when it may go.
    fn retirements(&self) -> Vec<Retirement> {
        let may_go = |id| match (sealing(self.ring, id), sealing(self.previous, id)) {
            // Servers with the previous ring go on sealing with it until they have this one.
            (Sealing::Unknown, Sealing::WithoutEnd) => Some(self.timing.may_go(self.now)),
            (Sealing::Unknown, Sealing::Until(until)) => Some(self.timing.may_go(until.min(self.now))),
            (Sealing::Unknown, _) if !has(self.previous, id) => None,
            _ => self.may_go(self.ring, id),
        };
        let keys = self.ring.describe().into_iter();
        keys.map(|key| Retirement {
            key,
            may_go: may_go(key.id),
        })
        .collect()
    }

    /// When a key may go as `ring retire` counts.
    fn may_go(&self, ring: &KeyRing, id: KeyId) -> Option<OffsetDateTime> {
        match sealing(ring, id) {
            Sealing::Until(until) => Some(self.timing.may_go(until)),
            Sealing::Unknown => self.timing.may_go_as_stated(),
            Sealing::WithoutEnd => None,
        }
    }
}

fn has(ring: &KeyRing, id: KeyId) -> bool {
    ring.describe().iter().any(|key| key.id == id)
}

/// A ring of one of its keys alone.
fn alone(ring: &KeyRing, id: KeyId) -> Result<KeyRing, KeyError> {
    let mut others = ring.describe().into_iter().filter(|key| key.id != id);
    others.try_fold(ring.promote(id, None)?, |ring, other| ring.without(other.id))
}
