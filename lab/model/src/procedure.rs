//! The actions that an operator may take, and when: the documented procedures, and the shortcuts that they forbid.

use crate::server::Limits;

/// The properties that a forbidden shortcut breaks.
pub const VALID_OPENS: &str = "no valid session is refused";
pub const NOT_IN_TURNS: &str = "no two servers seal each other's tokens again in turns";

/// How far apart the clocks of the servers may be, in seconds (SPEC.md, *Why 5 minutes*).
pub const LEEWAY: u32 = 300;

/// The timeouts of the explored rotations: short, so that few times matter, and with the same relation as the defaults.
pub const LIMITS: Limits = Limits {
    idle: 600,
    absolute: 1200,
    remembered: None,
};

/// The least seconds by which a renewal moves the activity's end: a tenth of the idle timeout, at least a minute.
pub const RENEWAL: u32 = 60;

/// One step of a rotation: a ring that is published once and reaches the servers one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The ring before the rotation.
    Before,
    /// The new secret opens.
    Add,
    /// The new secret opens, and seals from a given time on.
    AddFrom,
    /// The new secret, which opens already, seals at once.
    Promote,
    /// The new secret, which opens already, seals from a given time on.
    PromoteFrom,
    /// The old secret is gone.
    Retire,
}

/// How a fleet rotates. The booleans are the rules that a shortcut breaks.
#[derive(Clone, Debug)]
pub struct Procedure {
    pub name: &'static str,
    pub steps: &'static [Step],
    /// No server seals with the new secret before every server opens with it: promotion waits for every server.
    pub promote_after_all: bool,
    /// Every server has a ring that adds and promotes in one deploy this many seconds before the new secret seals;
    /// `None`: the operator does not wait for late deploys.
    pub deployed_before_instant: Option<u32>,
    /// Seconds between the end of sealing under the old secret and its retirement.
    pub retire_after: u32,
    /// Sealing under the old secret does not end before the new one seals.
    pub retire_counts_instant: bool,
    /// How many steps a server may fall back, for example when it restarts with an old image.
    pub falls_back: usize,
    /// The end of sealing under the old secret is counted anew after a server fell back.
    pub notices_falling_back: bool,
    /// The application writes every session that was sealed under a secret that no longer seals.
    pub reseals_on_sight: bool,
    /// The command, and not the rules above, decides about sealing, deploys and retirement.
    pub command: Option<Command>,
    /// The property that it breaks, if it is a shortcut.
    pub breaks: Option<&'static str>,
    /// How far each server's clock is ahead of the slowest, in seconds: one exploration begins with each row.
    pub clocks: &'static [&'static [u32]],
}

/// An operator who follows `sealed-session`, on one machine or several, with clocks within those of the servers.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Seconds that a deploy takes at most after its rehearsal.
    pub deploy: u32,
    /// The value of `--deploy`.
    pub stated: u32,
    /// A ring is deployed only right after a rehearsal that passed.
    pub rehearses: bool,
    /// Seconds by which the operator's clock is ahead of all others when the old secret goes.
    pub ahead: u32,
}

/// The command, as its help says.
const AS_HELP_SAYS: Command = Command {
    deploy: LEEWAY,
    stated: LEEWAY,
    rehearses: true,
    ahead: 0,
};

/// Two servers.
pub const TWO: &[&[u32]] = &[&[0, 0], &[0, LEEWAY]];
/// Three servers. Before a deploy, servers differ only in their clocks, so their order does not matter.
pub const THREE: &[&[u32]] = &[&[0, 0, 0], &[0, 150, LEEWAY], &[0, 0, LEEWAY], &[0, LEEWAY, LEEWAY]];

impl Procedure {
    /// Add, promote, retire.
    pub fn at_once(clocks: &'static [&'static [u32]]) -> Self {
        Self {
            name: "add, promote at once, retire",
            steps: &[Step::Before, Step::Add, Step::Promote, Step::Retire],
            promote_after_all: true,
            deployed_before_instant: None,
            retire_after: LIMITS.absolute + LEEWAY,
            retire_counts_instant: true,
            falls_back: 1,
            notices_falling_back: true,
            reseals_on_sight: false,
            command: None,
            breaks: None,
            clocks,
        }
    }

    /// Add, promote from a given time, retire: any time will do, because every server opens already.
    pub fn from_instant(clocks: &'static [&'static [u32]]) -> Self {
        Self {
            name: "add, promote from a given time, retire",
            steps: &[Step::Before, Step::Add, Step::PromoteFrom, Step::Retire],
            ..Self::at_once(clocks)
        }
    }

    /// Add with a given time, retire: every server has the ring more than 5 minutes before that time, and none falls
    /// back later.
    pub fn one_deploy(clocks: &'static [&'static [u32]]) -> Self {
        Self {
            name: "add with a given time in one deploy, retire",
            steps: &[Step::Before, Step::AddFrom, Step::Retire],
            deployed_before_instant: Some(LEEWAY),
            ..Self::at_once(clocks)
        }
    }

    /// By the command, when every server opens with the new secret: `ring seal` at any time, for now or for later, any
    /// number of times; `rehearse` and later the deploy; `ring retire` as soon as it lets the old secret go.
    pub fn by_command(clocks: &'static [&'static [u32]]) -> Self {
        Self {
            name: "by the command: seal, rehearse, deploy late, retire",
            steps: &[Step::Add, Step::PromoteFrom, Step::Retire],
            command: Some(AS_HELP_SAYS),
            ..Self::at_once(clocks)
        }
    }

    /// By the command, in one deploy.
    pub fn by_command_in_one_deploy(clocks: &'static [&'static [u32]]) -> Self {
        Self {
            name: "by the command: add with a given time, rehearse, deploy late, retire",
            steps: &[Step::Before, Step::AddFrom, Step::Retire],
            ..Self::by_command(clocks)
        }
    }

    /// The documented procedures.
    pub fn documented(clocks: &'static [&'static [u32]]) -> [Self; 5] {
        [
            Self::at_once(clocks),
            Self::from_instant(clocks),
            Self::one_deploy(clocks),
            Self::by_command(clocks),
            Self::by_command_in_one_deploy(clocks),
        ]
    }

    /// The forbidden shortcuts: each breaks one rule and one property.
    pub fn shortcuts() -> Vec<Self> {
        let broken = |procedure| Self {
            breaks: Some(VALID_OPENS),
            ..procedure
        };
        let at_once = broken(Self::at_once(TWO));
        let from_instant = broken(Self::from_instant(TWO));
        let one_deploy = broken(Self::one_deploy(TWO));
        let command = broken(Self::by_command(TWO));
        let in_one_deploy = broken(Self::by_command_in_one_deploy(TWO));
        let with = |change: fn(&mut Command)| {
            let mut command = AS_HELP_SAYS;
            change(&mut command);
            Some(command)
        };
        vec![
            Self {
                name: "promote before every server opens with the new secret",
                promote_after_all: false,
                falls_back: 0,
                ..at_once.clone()
            },
            Self {
                name: "promote without adding first",
                steps: &[Step::Before, Step::Promote, Step::Retire],
                falls_back: 0,
                ..at_once.clone()
            },
            Self {
                name: "retire at once",
                retire_after: 0,
                falls_back: 0,
                ..at_once.clone()
            },
            Self {
                name: "retire one second early",
                retire_after: LIMITS.absolute + LEEWAY - 1,
                falls_back: 0,
                ..at_once.clone()
            },
            Self {
                name: "retire after the absolute timeout without the 5 minutes for clocks",
                retire_after: LIMITS.absolute,
                falls_back: 0,
                ..at_once.clone()
            },
            Self {
                name: "retire, not noticing that a server fell back to sealing with the old secret",
                notices_falling_back: false,
                ..at_once.clone()
            },
            Self {
                name: "a server restarts with the ring of two steps before",
                falls_back: 2,
                ..at_once.clone()
            },
            Self {
                name: "one deploy, and a server gets it after the new secret seals",
                deployed_before_instant: None,
                falls_back: 0,
                clocks: &[&[0, 0]],
                ..one_deploy.clone()
            },
            Self {
                name: "one deploy that ends less than 5 minutes before the new secret seals",
                deployed_before_instant: Some(0),
                falls_back: 0,
                ..one_deploy.clone()
            },
            Self {
                name: "retire, counting from the deploy and not from when the new secret seals",
                retire_counts_instant: false,
                falls_back: 0,
                ..from_instant
            },
            Self {
                name: "clocks further apart than 5 minutes",
                falls_back: 0,
                clocks: &[&[0, LEEWAY + 1]],
                ..at_once.clone()
            },
            Self {
                name: "deploy what sealed some time ago without a rehearsal, and retire as the command counts",
                command: with(|command| command.rehearses = false),
                ..command.clone()
            },
            Self {
                name: "a deploy that takes a second longer than the command was told",
                command: with(|command| command.stated -= 1),
                ..command.clone()
            },
            Self {
                name: "retire by a clock that is a second further ahead than 5 minutes",
                command: with(|command| command.ahead = 1),
                ..command
            },
            Self {
                name: "one deploy that takes a second longer than the command was told",
                command: with(|command| command.stated -= 1),
                ..in_one_deploy.clone()
            },
            Self {
                name: "one deploy, without 5 minutes for the clock of the server that seals",
                command: with(|command| command.stated -= LEEWAY),
                ..in_one_deploy
            },
            Self {
                name: "an application that writes sessions only because their secret no longer seals",
                falls_back: 0,
                reseals_on_sight: true,
                breaks: Some(NOT_IN_TURNS),
                ..at_once
            },
        ]
    }
}
