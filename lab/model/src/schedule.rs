//! An operator's year: when each server gets each ring.

use std::sync::Arc;

use sealed_session::KeyRing;

use crate::keys::key;
use crate::procedure::LEEWAY;
use crate::random::Random;
use crate::server::at;

pub const HOUR: u32 = 3600;
pub const DAY: u32 = 24 * HOUR;
pub const YEAR: u32 = 365 * DAY;
/// Days between two rotations, and before the first.
const MONTH: u32 = 30 * DAY;
const FIRST: u32 = 10 * DAY;

/// One server gets one ring.
pub struct Deploy {
    /// Seconds by the slowest clock.
    pub at: u32,
    pub server: usize,
    pub ring: usize,
    /// Whether the server restarts with it; otherwise its `Sessions` continue with the new ring.
    pub restarts: bool,
}

/// All deploys of a year in the order of time.
pub struct Schedule {
    pub rings: Vec<Arc<KeyRing>>,
    pub deploys: Vec<Deploy>,
    pub rotations: usize,
    pub retired: usize,
    /// How often a server restarted with the ring of the step before.
    pub fell_back: usize,
}

enum Change {
    /// The next secret opens, and may also seal from a given time on.
    Add(u8),
    Promote(u8),
    Retire(u8),
}

impl Schedule {
    /// A rotation each month, by each of the three documented procedures in turn. A ring takes up to two days to reach
    /// the last server, and one server in four falls back once. An old secret goes `retire_after` seconds after it
    /// sealed last.
    pub fn new(servers: usize, spread: u32, retire_after: u32, random: &mut Random) -> Self {
        let mut schedule = Self {
            rings: vec![Arc::new(KeyRing::new(key(0)))],
            deploys: Vec::new(),
            rotations: 0,
            retired: 0,
            fell_back: 0,
        };
        let mut due: Vec<(u32, Change)> = (0..12u8)
            .map(|month| (FIRST + u32::from(month) * MONTH, Change::Add(month + 1)))
            .collect();
        let mut complete = 0;
        loop {
            due.sort_by_key(|(at, _)| *at);
            if due.is_empty() || due[0].0.max(complete) >= YEAR - 5 * DAY {
                break;
            }
            let (at_earliest, change) = due.remove(0);
            // One step at a time: every server has the ring before.
            let now = at_earliest.max(complete);
            let last = again(&schedule.rings[schedule.rings.len() - 1]);
            let (ring, then) = match change {
                Change::Add(new) if new % 3 == 0 => {
                    let from = now + 3 * DAY;
                    let ring = last
                        .also_opening(key(new))
                        .and_then(|ring| ring.promote(key(new).id(), Some(at(from))));
                    (ring, Some((from, Change::Retire(new - 1))))
                }
                Change::Add(new) => (last.also_opening(key(new)), Some((0, Change::Promote(new)))),
                Change::Promote(new) if new % 3 == 1 => {
                    (last.promote(key(new).id(), None), Some((0, Change::Retire(new - 1))))
                }
                Change::Promote(new) => {
                    let from = now + DAY;
                    let ring = last.promote(key(new).id(), Some(at(from)));
                    (ring, Some((from, Change::Retire(new - 1))))
                }
                Change::Retire(old) => (last.without(key(old).id()), None),
            };
            schedule.rings.push(Arc::new(ring.expect("a sound ring")));
            complete = schedule.publish(now, servers, random);
            match then {
                Some((_, next @ Change::Promote(_))) => due.push((complete + HOUR, next)),
                // The operator's clock is the fastest.
                Some((from, next)) => {
                    schedule.rotations += 1;
                    due.push((complete.max(from.saturating_sub(spread)) + retire_after, next));
                }
                None => schedule.retired += 1,
            }
        }
        schedule.deploys.sort_by_key(|deploy| deploy.at);
        schedule
    }

    /// Brings the last ring to every server, and says when the last one had it for good.
    fn publish(&mut self, now: u32, servers: usize, random: &mut Random) -> u32 {
        let ring = self.rings.len() - 1;
        let mut complete = now;
        let mut up_to = |seconds: u32| u32::try_from(random.below(seconds.into())).expect("below 32 bits");
        for server in 0..servers {
            let mut has_it = now + up_to(2 * DAY);
            let mut deploy = |at, ring, restarts| {
                self.deploys.push(Deploy {
                    at,
                    server,
                    ring,
                    restarts,
                });
            };
            deploy(has_it, ring, false);
            if up_to(4) == 0 {
                let falls_back = has_it + up_to(12 * HOUR);
                has_it = falls_back + 1 + up_to(6 * HOUR);
                deploy(falls_back, ring - 1, true);
                deploy(has_it, ring, true);
                self.fell_back += 1;
            }
            complete = complete.max(has_it);
        }
        // Two days, 12 and 6 hours are less than the three days that one deploy has before the new secret seals.
        assert!(complete + LEEWAY < now + 3 * DAY);
        complete
    }
}

/// The ring as it is written and read again.
fn again(ring: &KeyRing) -> KeyRing {
    KeyRing::parse(ring.write_with_secrets().expose()).expect("a written ring is read")
}
