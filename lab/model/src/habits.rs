//! The visitors of the year: their habits, and the oracle that knows when their sessions must end.

use crate::schedule::{DAY, HOUR};
use crate::server::{Jar, Limits};

/// The crate's defaults, and the usual ones for remembered sessions.
pub const LIMITS: Limits = Limits {
    idle: 30 * 60,
    absolute: 12 * HOUR,
    remembered: Some((14 * DAY, 90 * DAY)),
};
pub const LONGEST: u32 = 90 * DAY;

/// How a kind of visitor behaves.
pub struct Habit {
    /// The share of the sessions, in percent.
    pub share: u64,
    pub remembered: bool,
    /// Longest time between two visits.
    pub gap: u32,
    /// One visit in this many writes; 0: none.
    pub writes: u64,
    /// One visit in this many signs out; 0: none.
    pub signs_out: u64,
}

pub const HABITS: [Habit; 4] = [
    // Passes by, and often does not come back in time.
    Habit {
        share: 55,
        remembered: false,
        gap: 40 * 60,
        writes: 5,
        signs_out: 12,
    },
    // Works all day.
    Habit {
        share: 10,
        remembered: false,
        gap: 20 * 60,
        writes: 10,
        signs_out: 400,
    },
    // Comes every day or two for three months and never writes, so that the session stays under its first secret.
    Habit {
        share: 15,
        remembered: true,
        gap: 2 * DAY,
        writes: 0,
        signs_out: 0,
    },
    // Comes now and then.
    Habit {
        share: 20,
        remembered: true,
        gap: 16 * DAY,
        writes: 4,
        signs_out: 50,
    },
];

/// A visitor, and when the session began and was last used: all that the oracle knows.
pub struct Visitor {
    pub jar: Jar,
    pub habit: &'static Habit,
    /// By the clock of the server that started it, or of one that wrote to it and whose clock was slower.
    pub began: u32,
    /// The latest reading of any server's clock at which it was used.
    pub used: u32,
}

/// The state of a session by its timeouts alone.
#[derive(PartialEq)]
pub enum Ought {
    Live,
    /// Activity is noted only when it moves the end by a tenth of the idle timeout, at least a minute, at most a day.
    Either,
    End,
}

pub fn ought(visitor: &Visitor, clock: u32) -> Ought {
    let (idle, absolute) = match LIMITS.remembered {
        Some(limits) if visitor.habit.remembered => limits,
        _ => (LIMITS.idle, LIMITS.absolute),
    };
    let unnoted = (idle / 10).clamp(60, DAY);
    let (age, unused) = (clock.saturating_sub(visitor.began), clock.saturating_sub(visitor.used));
    match () {
        () if age >= absolute || unused >= idle => Ought::End,
        () if unused + unnoted > idle => Ought::Either,
        () => Ought::Live,
    }
}
