//! Idle timeout, absolute timeout, remembered sessions and renewal: pure functions of times in Unix seconds.

use std::time::Duration;

use crate::error::{ConfigError, Reason, refuse};
use crate::time::{DAY, LEEWAY, LONGEST_LIFE};

/// How long a session lasts: the two timeouts of OWASP, which the server enforces.
///
/// [`build`](crate::Builder::build) checks them: whole seconds, at least one, at most 400 days.
///
/// ```
/// use std::time::Duration;
/// use sealed_session::Lifetime;
///
/// let hour = Duration::from_secs(3600);
/// let bank = Lifetime::absolute(hour).idle(hour / 12);
/// let kiosk = Lifetime::absolute(8 * hour).without_idle();
/// let usual = Lifetime::default();
/// assert_eq!(usual, Lifetime::absolute(12 * hour));
/// assert_ne!(bank, kiosk);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    absolute: Duration,
    idle: Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Usual,
    After(Duration),
    Never,
}

impl Lifetime {
    /// A session ends this long after its start at the latest (OWASP: absolute timeout). The idle timeout is the usual
    /// one: 30 minutes, for [`remembered`](crate::Builder::remembered) sessions 14 days, or the absolute timeout if
    /// that is shorter.
    #[must_use]
    pub fn absolute(timeout: Duration) -> Self {
        Self {
            absolute: timeout,
            idle: Idle::Usual,
        }
    }

    /// A session ends this long after the last request that read it (OWASP: idle timeout). At most the absolute
    /// timeout.
    ///
    /// Not every such request gets a new activity cookie: one is due when a tenth of the timeout has passed since the
    /// last one (at least a minute, at most a day, never more than half the timeout). So a session may end that much
    /// sooner.
    #[must_use]
    pub fn idle(mut self, timeout: Duration) -> Self {
        self.idle = Idle::After(timeout);
        self
    }

    /// Turns the idle timeout off, and with it the activity cookie.
    #[must_use]
    pub fn without_idle(mut self) -> Self {
        self.idle = Idle::Never;
        self
    }

    /// The timeouts in seconds, checked. `option` is the builder's method that got them, `usual_idle` its usual idle
    /// timeout.
    pub(crate) fn checked(&self, option: &str, usual_idle: u64) -> Result<Timeouts, ConfigError> {
        let seconds = |timeout: Duration, kind: &str| {
            if timeout.subsec_nanos() != 0 || timeout.is_zero() {
                return refuse(format!(
                    "the {kind} timeout of `{option}` takes whole seconds, at least one"
                ));
            }
            if timeout.as_secs() > LONGEST_LIFE {
                let days = LONGEST_LIFE / DAY;
                return refuse(format!(
                    "the {kind} timeout of `{option}` takes at most {days} days, as browsers cap cookies"
                ));
            }
            Ok(timeout.as_secs())
        };
        let absolute = seconds(self.absolute, "absolute")?;
        let idle = match self.idle {
            Idle::Usual => Some(usual_idle.min(absolute)),
            Idle::After(timeout) => Some(seconds(timeout, "idle")?),
            Idle::Never => None,
        };
        if idle.is_some_and(|idle| idle > absolute) {
            return refuse(format!(
                "the idle timeout of `{option}` is longer than its absolute timeout; lower it or raise the other"
            ));
        }
        Ok(Timeouts { idle, absolute })
    }
}

impl Default for Lifetime {
    /// 12 hours, with the usual idle timeout.
    fn default() -> Self {
        Self::absolute(Duration::from_secs(12 * 3600))
    }
}

/// How long one kind of session lives, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Seconds without a request after which a session ends; `None` for no such limit.
    pub(crate) idle: Option<u64>,
    /// Seconds after its start at which a session ends at the latest.
    pub(crate) absolute: u64,
}

impl Timeouts {
    /// When a session that is active at `now` ends without further activity, at the latest when it `expires`; `None`
    /// without an idle timeout.
    pub(crate) fn active_until(&self, now: u64, expires: u64) -> Option<u64> {
        self.idle.map(|idle| now.saturating_add(idle).min(expires))
    }

    /// The latest expiry that an honest activity token can have at `now`.
    pub(crate) fn latest_activity(&self, now: u64) -> Option<u64> {
        self.idle.map(|idle| now.saturating_add(idle).saturating_add(LEEWAY))
    }

    /// Whether to send a new activity cookie, which moves the end from `old` to `new`. The least move that is worth a
    /// cookie is a tenth of the idle timeout, but at least a minute, at most a day and at most half the idle timeout.
    /// The last cookie, up to where the session `expires`, is always sent: otherwise a session in use would end too
    /// early.
    pub(crate) fn renewal_is_due(&self, old: u64, new: u64, expires: u64) -> bool {
        self.idle.is_some_and(|idle| {
            let worth = (idle / 10).clamp(60, DAY).min(idle / 2).max(1);
            new >= old.saturating_add(worth) || (new > old && new == expires)
        })
    }
}

/// The lifetimes of ordinary and of remembered sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) ordinary: Timeouts,
    /// `None`: this application remembers no sessions.
    pub(crate) remembered: Option<Timeouts>,
}

impl Lifetimes {
    /// The lifetime that the flag selects. A remembered session of an application that stopped remembering is an
    /// ordinary one: configured limits only shorten what a token says.
    pub(crate) fn of(&self, remembered: bool) -> Timeouts {
        match self.remembered {
            Some(lifetime) if remembered => lifetime,
            _ => self.ordinary,
        }
    }

    /// `started` + the absolute timeout that the flag selects.
    pub(crate) fn expires(&self, started: u64, remembered: bool) -> u64 {
        started.saturating_add(self.of(remembered).absolute)
    }

    /// The longest that any session of this application can last after its start.
    pub(crate) fn longest(&self) -> u64 {
        self.ordinary.absolute.max(self.of(true).absolute)
    }

    /// Step 7 of opening without flags, cut-off and revoked ids: is a genuine session within its times?
    pub(crate) fn judge(&self, started: u64, remembered: bool, now: u64) -> Result<(), Reason> {
        if started > now.saturating_add(LEEWAY) {
            return Err(Reason::StartedInFuture);
        }
        if self.expires(started, remembered) <= now {
            return Err(Reason::TooOld);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
