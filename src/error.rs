//! What can go wrong: one small type per direction (keys, configuration, sealing, opening).
//!
//! No error ever carries a secret or a cookie value. Of the session data, an error carries at most the name of one
//! top-level field ([`WriteError::TooLarge`]).

mod keys;
mod revocations;

use std::{error, fmt, io, iter};

pub use self::keys::KeyError;
pub use self::revocations::{RevocationFileError, RevocationsError};

/// Why a configuration was refused. `Display` says what to change. `Debug` adds the cause if there is one, for a `main`
/// that returns the error.
pub struct ConfigError {
    problem: String,
    source: Option<io::Error>,
}

impl ConfigError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            source: None,
        }
    }

    pub(crate) fn caused_by(source: io::Error, problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            source: Some(source),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

/// Refuses a configuration.
pub(crate) fn refuse<R>(problem: impl Into<String>) -> Result<R, ConfigError> {
    Err(ConfigError::new(problem))
}

impl error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Why a session was not written. The session is then as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The session would be larger than browsers keep, or than the builder allows.
    TooLarge {
        /// The size that the cookie would have: name and value together, in bytes. With
        /// [`chunks`](crate::Builder::chunks) that of all cookies of the session in a `Cookie` field.
        size: usize,
        /// The largest size allowed, in bytes.
        limit: usize,
        /// The option of the builder that sets the limit: `"chunks"` or `"largest_cookies"`.
        option: &'static str,
        /// The top-level field of the session data with the longest JSON, and its length in bytes. If the data is a
        /// map, the name is a key of the map: keep personal data out of keys, or this error out of logs.
        largest_field: Option<(String, usize)>,
    },
    /// The session data cannot be serialised as JSON.
    NotSerializable,
    /// The JSON cannot be read back into the session's type, so the next request would have no session.
    NotReadable,
    /// The header block was already sent: the session of this request is finished.
    TooLate,
    /// Another handle of the same request wrote while the closure ran; nothing was changed.
    Conflict,
    /// This request ended the session that `RequireSession` had let pass.
    NoSession,
    /// The session that came is bound to a device and unproven: data of a guest would replace it. `start` and `end`
    /// are possible.
    Unproven,
    /// A callback of the opening (the application's own check, a revocation list, the clock, `Deserialize`) wrote to
    /// the session while it was being opened.
    NotOpenedYet,
    /// The session should be remembered, but the builder was given no lifetime for remembered sessions.
    RememberOff,
    /// The session would expire at once, or its end does not fit in the format's 32 bits.
    Expiry,
    /// The operating system gave no random bytes; nothing weaker is used.
    RandomSource,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge {
                size,
                limit,
                option,
                largest_field,
            } => {
                write!(
                    f,
                    "the session would take {size} bytes, and the option `{option}` allows {limit}; keep less in it"
                )?;
                match largest_field {
                    Some((field, bytes)) => write!(f, " (its largest field is `{field}` with {bytes} bytes)"),
                    None => Ok(()),
                }
            }
            Self::NotSerializable => f.write_str(
                "the session data cannot be serialised as JSON; see what their `Serialize` refuses (keys of maps must be \
                 texts or numbers)",
            ),
            Self::NotReadable => f.write_str(
                "the session data serialises to JSON that its own type does not read back (is a number not finite, or \
                 a skipped field without `#[serde(default)]`?)",
            ),
            Self::TooLate => f.write_str("the header block was already sent; write to the session before responding"),
            Self::Conflict => {
                f.write_str("another handle of this request wrote meanwhile; nothing was changed, write again")
            }
            Self::NoSession => {
                f.write_str("the session was ended in this request; write to it before, or start another")
            }
            Self::Unproven => f.write_str(
                "the session is bound to a device that has not proven its key; nothing was changed, let the visitor \
                 sign in",
            ),
            Self::NotOpenedYet => f.write_str("the session is still being opened; write to it afterwards"),
            Self::RememberOff => {
                f.write_str("this application remembers no sessions; set `remembered` on the builder first")
            }
            Self::Expiry => {
                f.write_str("the session would expire at once, or after 2106; sign in again, or correct the clock")
            }
            Self::RandomSource => f.write_str(
                "the operating system gave no random bytes, so nothing was written; try again, and check the machine if \
                 this happens again",
            ),
        }
    }
}

impl error::Error for WriteError {}

/// Why a [`Sealer`](crate::Sealer) did not seal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The sealed value would be longer than any that opens.
    TooLarge {
        /// The length that the value would have, in characters.
        size: usize,
        /// The greatest length, in characters.
        limit: usize,
    },
    /// The value would expire now or earlier, more than 400 days from now, or later than the format's 32 bits can say.
    Expiry,
    /// The operating system gave no random bytes; nothing weaker is used.
    RandomSource,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(
                    f,
                    "the sealed value would take {size} characters of at most {limit}; seal less in it"
                )
            }
            Self::Expiry => f.write_str("the expiry must lie in the future, at most 400 days from now and before 2106"),
            Self::RandomSource => f.write_str(
                "the operating system gave no random bytes, so nothing was sealed; try again, and check the machine if \
                 this happens again",
            ),
        }
    }
}

impl error::Error for SealError {}

/// A program prints `Debug` when `main` returns the error, and logs contain it: the sentence and its causes.
macro_rules! debug_as_sentence {
    ($($error:ty),*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_with_causes(self, f)
            }
        }
    )*};
}

debug_as_sentence!(KeyError, ConfigError, RevocationsError, RevocationFileError);

fn write_with_causes(error: &dyn error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    iter::successors(error.source(), |cause| cause.source()).try_for_each(|cause| write!(f, "; cause: {cause}"))
}

/// A token did not open. To the outside all failures look the same; [`reason`](Self::reason) is for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenError {
    reason: Reason,
}

impl OpenError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// The precise reason. Do not show it to a visitor.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sealed value is not valid")
    }
}

impl error::Error for OpenError {}

/// Why a token was rejected, in the order in which the checks are made (SPEC.md, *Opening*).
///
/// `Display` is for logs. Reasons found before the check was verified rest on what the sender claims, and their
/// sentences say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Too long, too short, or not in the one canonical base64url spelling.
    Malformed,
    /// The first byte names another version of the format.
    UnknownVersion,
    /// The token claims an expiry that has passed.
    Expired,
    /// The token claims an expiry further away than any token may live.
    ExpiresTooFar,
    /// The token names a key that the ring does not have.
    UnknownKey,
    /// The check does not match: the token was made with another secret, cookie name, audience or bind, or its head was
    /// altered.
    NotOurs,
    /// The session takes several cookies, and one of them did not come: a proxy or the browser dropped it, or two
    /// responses have crossed.
    Incomplete,
    /// The head is genuine, but the sealed state was altered.
    Damaged,
    /// A newer version sealed the token: it carries flags that this version does not know.
    UnknownFlags,
    /// The session started more than 5 minutes ahead of this server's clock.
    StartedInFuture,
    /// The proof of a device was made more than 5 minutes ahead of this server's clock.
    ProvenInFuture,
    /// The session is older than the absolute timeout.
    TooOld,
    /// The session started before the cut-off, or its id is revoked.
    Revoked,
    /// No valid activity token came: the session was not used within the idle timeout.
    Idle,
    /// The session is bound to a device (feature `device`), and no valid proof of that device came: another one may
    /// have a copy.
    Unproven,
    /// The payload does not deserialise into the session's type.
    Payload,
    /// The application's own check ([`refuse_if`](crate::Builder::refuse_if)) refused the opened session.
    Refused,
    /// The session was first read after the header block was sent.
    TooLate,
}

impl Reason {
    /// Every reason, in the order of the checks.
    pub const ALL: &[Self] = &[
        Self::Malformed,
        Self::UnknownVersion,
        Self::Expired,
        Self::ExpiresTooFar,
        Self::UnknownKey,
        Self::NotOurs,
        Self::Incomplete,
        Self::Damaged,
        Self::UnknownFlags,
        Self::StartedInFuture,
        Self::ProvenInFuture,
        Self::TooOld,
        Self::Revoked,
        Self::Idle,
        Self::Unproven,
        Self::Payload,
        Self::Refused,
        Self::TooLate,
    ];

    /// Whether this reason rests on an unverified claim: the token was refused before its check was verified.
    #[must_use]
    pub fn is_claim(self) -> bool {
        self < Self::NotOurs
    }

    /// The short name that SPEC.md and the vectors use: `"not ours"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name_and_sentence().0
    }

    fn name_and_sentence(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => ("malformed", "what was sent is not a token"),
            Self::UnknownVersion => ("unknown version", "what was sent claims to be of an unknown version"),
            Self::Expired => ("expired", "what was sent claims to have expired"),
            Self::ExpiresTooFar => (
                "expires too far",
                "what was sent claims to expire later than any token may",
            ),
            Self::UnknownKey => (
                "unknown key",
                "what was sent claims to be sealed with a key that is not in the ring",
            ),
            Self::NotOurs => (
                "not ours",
                "the check does not match: another secret, cookie name, audience or bind, or an altered head",
            ),
            Self::Incomplete => (
                "incomplete",
                "the session takes several cookies, and not all of them came",
            ),
            Self::Damaged => ("damaged", "the head is genuine but the sealed state was altered"),
            Self::UnknownFlags => (
                "unknown flags",
                "the token carries flags of a newer version of this crate",
            ),
            Self::StartedInFuture => (
                "started in future",
                "the session started more than 5 minutes ahead of this server's clock",
            ),
            Self::ProvenInFuture => (
                "proven in future",
                "the device's proof was made more than 5 minutes ahead of this server's clock",
            ),
            Self::TooOld => ("too old", "the session is older than the absolute timeout"),
            Self::Revoked => ("revoked", "the session started before the cut-off or its id is revoked"),
            Self::Idle => ("idle", "the session was not used within the idle timeout"),
            Self::Unproven => (
                "unproven",
                "the session is bound to a device, which has not proven its key",
            ),
            Self::Payload => ("payload", "the session data does not fit the session's type"),
            Self::Refused => (
                "refused",
                "the application's own check (`refuse_if`) refused the session",
            ),
            Self::TooLate => (
                "too late",
                "the session was read for the first time after the header block was sent",
            ),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name_and_sentence().1)
    }
}

#[cfg(test)]
mod tests;
