//! The two rings of a deploy, on the crate's real servers.

use std::collections::BTreeSet;
use std::time::Duration;

use sealed_session::{KeyDescription, KeyId, KeyRing, Reason};
use time::OffsetDateTime;

use crate::answer::Failure;
use crate::ring_text::RingText;
use crate::schedule::{Sealing, Timing, sealing, seals_from};
use crate::server::Server;
use crate::values::{after, before, written};

/// One thing that was tried.
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

/// The two rings of a deploy.
pub(crate) struct Stage {
    pub(crate) previous: RingText,
    pub(crate) ring: RingText,
    pub(crate) timing: Timing,
    pub(crate) now: OffsetDateTime,
}

impl Stage {
    fn server(&self, ring: KeyRing) -> Result<Server, Failure> {
        Server::new(ring, self.timing.longest)
    }

    /// Under every key with which servers may have sealed what is still alive: the newest and the oldest such tokens.
    pub(crate) fn yesterdays_open_today(&self) -> Result<Check, Failure> {
        let mut check = Check::new("what was made before opens on a server with this ring");
        let new = self.server(self.ring.to_ring()?)?;
        let old = self.previous.ring();
        let still = self.timing.last_sealed(self.now);
        for key in old.describe() {
            if seals_from(key.role).is_some_and(|from| from > self.now) {
                continue;
            }
            let last = match sealing(old, key.id) {
                Sealing::Until(until) => self.timing.last_sealed(until),
                Sealing::Unknown => self.timing.last_sealed_as_stated().unwrap_or(still),
                Sealing::WithoutEnd => still,
            };
            let newest = last.min(self.now);
            let oldest = after(before(self.now, self.timing.longest), Duration::from_secs(1));
            let yesterday = before(self.now, Duration::from_secs(86_400));
            let maker = self.server(self.previous.alone(key.id)?)?;
            let alive = BTreeSet::from([oldest, yesterday, newest]).into_iter();
            let mut refused = None;
            for made_at in alive.filter(|at| (oldest..=newest).contains(at)) {
                check.cookies += 1;
                if let Err(reason) = new.opens(&maker.make(made_at)?, self.now) {
                    refused = Some((made_at, reason));
                }
            }
            if let Some((made_at, reason)) = refused {
                let hint = match sealing(old, key.id) {
                    Sealing::Unknown if self.timing.sealed_until.is_none() => {
                        "leave it in the ring, or say with --sealed-until since when no server seals with it"
                    }
                    _ => "leave it in the ring as `open`",
                };
                check.problems.push(format!(
                    "key {}: a session of {} is refused ({}); {hint}, it may go from {}",
                    key.id,
                    written(made_at),
                    reason.name(),
                    written(self.timing.may_go(last))
                ));
            }
        }
        Ok(check)
    }

    /// While servers run both rings: what one makes, the other opens.
    pub(crate) fn todays_open_elsewhere(&self) -> Result<[Check; 2], Failure> {
        let [old, new] = [
            self.server(self.previous.to_ring()?)?,
            self.server(self.ring.to_ring()?)?,
        ];
        let mut to_old = Check::new("what this ring makes opens on a server that still runs the previous one");
        let mut to_new = Check::new("what the previous ring makes meanwhile opens on a server with this one");
        let until = after(self.now, self.timing.deploy);
        let add = "let every server open with it first: `ring add`, deploy, then `ring seal`, or a later `--from`";
        let keep = "keep it in this ring as `open`";
        for (check, ring, maker, opener, hint) in [
            (&mut to_old, self.ring.ring(), &new, &old, add),
            (&mut to_new, self.previous.ring(), &old, &new, keep),
        ] {
            for at in self.switches(ring).take_while(|&at| at <= until) {
                check.cookies += 1;
                if let Err(reason) = opener.opens(&maker.make(at)?, at) {
                    check.problems.push(format!(
                        "from {} on key {} seals, which the other ring refuses ({}); {hint}",
                        written(at),
                        ring.sealing_key(at),
                        reason.name()
                    ));
                }
            }
        }
        Ok([to_old, to_new])
    }

    /// The first instant after the deploy's time at which a server that was left behind would seal or open otherwise.
    pub(crate) fn deadline(&self) -> Result<Option<OffsetDateTime>, Failure> {
        let [old, new] = [
            self.server(self.previous.to_ring()?)?,
            self.server(self.ring.to_ring()?)?,
        ];
        let mut first = None;
        for (ring, maker, opener) in [(&self.ring, &new, &old), (&self.previous, &old, &new)] {
            for at in self.switches(ring.ring()).skip(1) {
                if first.is_none_or(|first| at < first) && opener.opens(&maker.make(at)?, at).is_err() {
                    first = Some(at);
                }
            }
        }
        Ok(first)
    }

    /// Now, and every instant ahead from which another key seals, in order.
    fn switches(&self, ring: &KeyRing) -> impl Iterator<Item = OffsetDateTime> + use<> {
        let ahead = ring
            .describe()
            .into_iter()
            .filter_map(|key| seals_from(key.role))
            .filter(|&from| from > self.now);
        BTreeSet::from_iter(ahead.chain([self.now])).into_iter()
    }

    /// What every key is for, and when it may go; tried on the last token under it.
    pub(crate) fn retirements(&self) -> Result<(Vec<Retirement>, Check), Failure> {
        let mut check = Check::new("without a key that may go, nothing is lost from that instant on");
        let mut keys = Vec::new();
        let second = Duration::from_secs(1);
        for key in self.ring.ring().describe() {
            let last = self.last_sealed(key.id);
            let may_go = last.map(|last| self.timing.may_go(last));
            keys.push(Retirement { key, may_go });
            let (Some(last), Some(go)) = (last, may_go) else {
                continue;
            };
            let with = self.server(self.ring.to_ring()?)?;
            let made = self.server(self.ring.alone(key.id)?)?.make(last)?;
            let without = self.server(self.ring.without(key.id)?.to_ring()?)?;
            check.cookies += 1;
            // Over at that instant and not a second earlier: until then it opens with the key, and is lost without it.
            let nearly = before(go, second);
            let outcomes = [
                with.opens(&made, nearly),
                without.opens(&made, nearly),
                without.opens(&made, go),
            ];
            if outcomes != [Ok(()), Err(Reason::UnknownKey), Err(Reason::Expired)] {
                check
                    .problems
                    .push(format!("key {}: its last token is not over at {}", key.id, written(go)));
            }
        }
        Ok((keys, check))
    }

    /// When the last server seals for the last time with a key of this ring, if it ever ends and can be known.
    fn last_sealed(&self, id: KeyId) -> Option<OffsetDateTime> {
        match (sealing(self.ring.ring(), id), sealing(self.previous.ring(), id)) {
            // Servers with the previous ring go on sealing with it until they have this one.
            (Sealing::Until(until), Sealing::WithoutEnd) => Some(self.timing.last_sealed(until.max(self.now))),
            (Sealing::Until(until), _) => Some(self.timing.last_sealed(until)),
            (Sealing::Unknown, Sealing::WithoutEnd) => Some(self.timing.last_sealed(self.now)),
            (Sealing::Unknown, Sealing::Until(until)) => Some(self.timing.last_sealed(until.min(self.now))),
            (Sealing::Unknown, Sealing::Unknown) => {
                let was_there = self.previous.ring().describe().iter().any(|key| key.id == id);
                self.timing.last_sealed_as_stated().filter(|_| was_there)
            }
            (Sealing::WithoutEnd, _) => None,
        }
    }
}

/// A key of the ring, and from when on nothing is lost without it, if that can be known.
pub(crate) struct Retirement {
    pub(crate) key: KeyDescription,
    pub(crate) may_go: Option<OffsetDateTime>,
}
