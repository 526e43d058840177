//! What can go wrong: one small type per direction (keys, configuration, sealing, opening).
//!
//! No error ever carries a secret or a cookie value, and of the session data none but the name of one top-level field
//! ([`WriteError::TooLarge`]).

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::ids::KeyId;

/// Why a key or a key ring was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The operating system gave no random bytes.
    RandomSource,
    /// A raw secret is not 32 bytes long.
    RawLength {
        /// How many bytes were given.
        bytes: usize,
    },
    /// A raw secret consists of printable characters alone, as a password does.
    RawPrintable,
    /// A raw secret has too few distinct byte values to be random.
    RawTooUniform {
        /// How many distinct values it has; 17 are required.
        distinct: usize,
    },
    /// The text is not a key in its written form.
    NotAKey,
    /// The key id in a written key is not the one of its secret.
    Checksum,
    /// An entry of a written ring was refused.
    Entry {
        /// Which entry, counted from 1; comments and blank lines do not count.
        entry: usize,
        /// What is wrong with it, and what to write instead.
        problem: &'static str,
    },
    /// The ring is empty.
    EmptyRing,
    /// No key of the ring seals from the beginning.
    NothingSeals,
    /// Two keys of the ring would seal at the same time.
    TwoSeal {
        /// The first of them.
        first: KeyId,
        /// The second of them.
        second: KeyId,
    },
    /// Two keys of the ring have the same id: the same key twice, or (once in 4 * 10^9 pairs) a coincidence.
    SameId {
        /// The id that occurs twice.
        id: KeyId,
    },
    /// The environment variable with the ring is not set, or not UTF-8.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// The file with the ring could not be read.
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// The operating system's kind of error.
        kind: io::ErrorKind,
    },
    /// What is at the path of the ring is no regular file: reading a pipe or a device may never end, and gives a ring once.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A source of keys has not answered for some time; the ring in use stays.
    NoAnswer {
        /// For how many seconds at least.
        seconds: u64,
    },
    /// Another source of keys gave no ring.
    Source {
        /// What its implementation says: it goes into logs, so it must not hold a secret.
        problem: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RandomSource => f.write_str("the operating system gave no random bytes for a key"),
            Self::RawLength { bytes } => write!(f, "a raw secret is 32 bytes long, this one has {bytes}"),
            Self::RawPrintable => f.write_str(
                "a raw secret of printable characters looks like a password; generate one with `Key::generate`",
            ),
            Self::RawTooUniform { distinct } => write!(
                f,
                "a raw secret with only {distinct} distinct byte values is not random; generate one with `Key::generate`"
            ),
            Self::NotAKey => f.write_str(
                "a key is written `sealed1_`, 8 hexadecimal digits, `_`, 64 hexadecimal digits, all in lower case",
            ),
            Self::Checksum => f.write_str(
                "the key id in the written key is not the one of its secret; the key was mistyped or cut, copy it again",
            ),
            Self::Entry { entry, problem } => write!(f, "entry {entry} of the key ring: {problem}"),
            Self::EmptyRing => f.write_str("the key ring is empty; write at least one key into it"),
            Self::NothingSeals => {
                f.write_str("no key of the ring seals; mark exactly one with `seal` and without `from`")
            }
            Self::TwoSeal { first, second } => write!(
                f,
                "keys {first} and {second} would seal at the same time; mark one `open`, or give it another `from` instant"
            ),
            Self::SameId { id } => write!(f, "key {id} stands in the ring twice; remove one of the two"),
            Self::Environment { variable } => {
                write!(f, "the environment variable {variable} is not set to a key ring; set it to a written key")
            }
            Self::File { path, kind } => {
                write!(f, "the key ring's file {} could not be read: {kind}", path.display())
            }
            Self::NotAFile { path } => write!(
                f,
                "{} is a pipe, a device or a directory; write the key ring into a regular file",
                path.display()
            ),
            Self::NoAnswer { seconds } => write!(
                f,
                "the source of keys has not answered for {seconds} seconds; see whether its file system or service hangs"
            ),
            Self::Source { problem } => write!(f, "the source of keys gave no ring: {problem}"),
        }
    }
}

impl error::Error for KeyError {}

/// Why a configuration was refused; its text says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl error::Error for ConfigError {}

/// Why a session was not written: it is then as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The cookie would be larger than browsers keep.
    TooLarge {
        /// The size that it would have, name and value together, in bytes.
        size: usize,
        /// The largest size allowed, in bytes.
        limit: usize,
        /// The top-level field of the session data with the longest JSON, and its length in bytes. If the data is a map,
        /// the name is one of its keys: keep personal data out of keys, or the error out of logs.
        largest_field: Option<(String, usize)>,
    },
    /// The session data cannot be serialised as JSON.
    NotSerializable,
    /// What was serialised cannot be read back into the session's type, so the next request would have no session.
    NotReadable,
    /// The header block was already sent: the session of this request is finished.
    TooLate,
    /// Another handle of the same request wrote while the closure ran; nothing was changed.
    Conflict,
    /// A callback of the opening (the application's own check, a revocation list, the clock, `Deserialize`) wrote to the very
    /// session that was being opened.
    NotOpenedYet,
    /// The session is to be remembered, but the builder was given no lifetime for that.
    RememberOff,
    /// The session would be over at once, or its end lies beyond the format's 32 bits.
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
                largest_field,
            } => {
                write!(
                    f,
                    "the session would take {size} bytes of at most {limit}; keep less in it"
                )?;
                match largest_field {
                    Some((field, bytes)) => write!(f, " (its largest field is `{field}` with {bytes} bytes)"),
                    None => Ok(()),
                }
            }
            Self::NotSerializable => f.write_str("the session data cannot be serialised as JSON"),
            Self::NotReadable => f.write_str(
                "the session data serialises to JSON that its own type does not read back (is a number not finite, or \
                 a skipped field without `#[serde(default)]`?)",
            ),
            Self::TooLate => f.write_str("the header block was already sent; write to the session before responding"),
            Self::Conflict => f.write_str("another handle of this request wrote meanwhile; nothing was changed"),
            Self::NotOpenedYet => f.write_str("the session is only being opened; write to it once it is"),
            Self::RememberOff => {
                f.write_str("this application remembers no sessions; set `remembered` on the builder first")
            }
            Self::Expiry => {
                f.write_str("the session would be over at once, or after 2106; sign in again, or mend the clock")
            }
            Self::RandomSource => f.write_str("the operating system gave no random bytes; nothing was written"),
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
        /// The length that it would have, in characters.
        size: usize,
        /// The greatest length, in characters.
        limit: usize,
    },
    /// The value would expire now or earlier, more than 400 days from now, or beyond the format's 32 bits.
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
            Self::RandomSource => f.write_str("the operating system gave no random bytes; nothing was sealed"),
        }
    }
}

impl error::Error for SealError {}

/// Why bytes were refused as a revocation list; nothing of them was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationsError {
    /// They do not begin as a revocation list does.
    NotAList,
    /// They are of another version of the format.
    UnknownVersion {
        /// The version that they name.
        version: u8,
    },
    /// They are shorter or longer than the number of entries that they claim.
    Length,
    /// The entries do not ascend, or an id stands twice.
    Order,
}

impl fmt::Display for RevocationsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAList => f.write_str("the bytes are no revocation list; is this the right file or channel?"),
            Self::UnknownVersion { version } => write!(
                f,
                "the revocation list is of version {version}, and only version 1 is known; update this server first"
            ),
            Self::Length => {
                f.write_str("the revocation list is cut off or has something behind it; send it whole again")
            }
            Self::Order => {
                f.write_str("the entries of the revocation list do not ascend; it was not written by this crate")
            }
        }
    }
}

impl error::Error for RevocationsError {}

/// Why a [`RevocationFile`](crate::revocation::RevocationFile) was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationFileError {
    /// Another process has it, or this one a second time.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// What it holds is no revocation list, or is damaged.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: RevocationsError,
    },
    /// The file, its lock file or its directory could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
}

impl fmt::Display for RevocationFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                f,
                "the revocation file {} is in use; stop the other process, or give each server a file of its own",
                path.display()
            ),
            Self::Unreadable { path, error } => write!(
                f,
                "the revocation file {}: {error}; put the copy of another server in its place, or open it with \
                 `open_or_put_aside`",
                path.display()
            ),
            Self::File { path, kind } => write!(
                f,
                "the revocation file {} or one beside it could not be read or written: {kind}",
                path.display()
            ),
        }
    }
}

impl error::Error for RevocationFileError {}

/// A token did not open: to the outside all failures look the same, [`reason`](Self::reason) is for logs and tests.
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
/// Its `Display` is for logs. What fails before the check is verified is a claim by whoever sent the token, and is
/// worded so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Too long, too short, or not the one canonical base64url spelling.
    Malformed,
    /// The first byte names another version of the format.
    UnknownVersion,
    /// The token claims an expiry that has passed.
    Expired,
    /// The token claims an expiry further away than any token may live.
    ExpiresTooFar,
    /// The token claims a key that the ring does not have.
    UnknownKey,
    /// The check does not match: made with another secret, cookie name, audience or bind, or the head was altered.
    NotOurs,
    /// The head is ours, the sealed state was altered.
    Damaged,
    /// Sealed by a newer version: it carries flags that this one does not know.
    UnknownFlags,
    /// Started more than 5 minutes ahead of this server's clock.
    StartedInFuture,
    /// Older than the absolute timeout.
    TooOld,
    /// Started before the cut-off, or its id is revoked.
    Revoked,
    /// No valid activity token: nothing was heard of this session for the idle timeout.
    Idle,
    /// The payload does not deserialise into the session's type.
    Payload,
    /// The application's own check ([`refuse_if`](crate::Builder::refuse_if)) refused the opened session.
    Refused,
    /// First read after the header block was sent.
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
        Self::Damaged,
        Self::UnknownFlags,
        Self::StartedInFuture,
        Self::TooOld,
        Self::Revoked,
        Self::Idle,
        Self::Payload,
        Self::Refused,
        Self::TooLate,
    ];

    /// Whether this is only what the sender's token claims, because it was refused before its check was verified.
    #[must_use]
    pub fn is_claim(self) -> bool {
        self < Self::NotOurs
    }

    /// The short name that SPEC.md and the vectors use: `"not ours"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown version",
            Self::Expired => "expired",
            Self::ExpiresTooFar => "expires too far",
            Self::UnknownKey => "unknown key",
            Self::NotOurs => "not ours",
            Self::Damaged => "damaged",
            Self::UnknownFlags => "unknown flags",
            Self::StartedInFuture => "started in future",
            Self::TooOld => "too old",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Payload => "payload",
            Self::Refused => "refused",
            Self::TooLate => "too late",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "what was sent is not a token",
            Self::UnknownVersion => "what was sent claims to be of an unknown version",
            Self::Expired => "what was sent claims to have expired",
            Self::ExpiresTooFar => "what was sent claims to expire later than any token may",
            Self::UnknownKey => "what was sent claims to be sealed with a key that is not in the ring",
            Self::NotOurs => {
                "the check does not match: another secret, cookie name, audience or bind, or an altered head"
            }
            Self::Damaged => "the head is genuine but the sealed state was altered",
            Self::UnknownFlags => "the token carries flags of a newer version of this crate",
            Self::StartedInFuture => "the session started more than 5 minutes ahead of this server's clock",
            Self::TooOld => "the session is older than the absolute timeout",
            Self::Revoked => "the session started before the cut-off or its id is revoked",
            Self::Idle => "the session was not used within the idle timeout",
            Self::Payload => "the session data does not fit the session's type",
            Self::Refused => "the application's own check (`refuse_if`) refused the session",
            Self::TooLate => "the session was read for the first time after the header block was sent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_sentence(text: &str) {
        let first = text.chars().next().expect("a sentence has characters");
        assert!(
            !first.is_uppercase() && !text.ends_with('.') && text.len() > 15,
            "{text}"
        );
    }

    #[test]
    fn errors_are_lower_case_sentences_without_a_full_stop() {
        let id = KeyId([1, 2, 3, 4]);
        let keys = [
            KeyError::RandomSource,
            KeyError::RawLength { bytes: 3 },
            KeyError::RawPrintable,
            KeyError::RawTooUniform { distinct: 1 },
            KeyError::NotAKey,
            KeyError::Checksum,
            KeyError::Entry {
                entry: 1,
                problem: "write `seal KEY`",
            },
            KeyError::EmptyRing,
            KeyError::NothingSeals,
            KeyError::TwoSeal { first: id, second: id },
            KeyError::SameId { id },
            KeyError::Environment {
                variable: "SESSION_KEYS".into(),
            },
            KeyError::File {
                path: "/run/keys".into(),
                kind: io::ErrorKind::NotFound,
            },
            KeyError::NotAFile {
                path: "/dev/stdin".into(),
            },
            KeyError::NoAnswer { seconds: 30 },
            KeyError::Source {
                problem: "the key service is away".into(),
            },
        ];
        keys.iter().for_each(|error| assert_sentence(&error.to_string()));
        let writing = [
            WriteError::TooLarge {
                size: 5000,
                limit: 4096,
                largest_field: Some(("basket".into(), 4000)),
            },
            WriteError::NotSerializable,
            WriteError::NotReadable,
            WriteError::TooLate,
            WriteError::Conflict,
            WriteError::RememberOff,
            WriteError::Expiry,
            WriteError::RandomSource,
        ];
        writing.iter().for_each(|error| assert_sentence(&error.to_string()));
        let sealing = [
            SealError::TooLarge {
                size: 8194,
                limit: 8192,
            },
            SealError::Expiry,
            SealError::RandomSource,
        ];
        sealing.iter().for_each(|error| assert_sentence(&error.to_string()));
        let lists = [
            RevocationsError::NotAList,
            RevocationsError::UnknownVersion { version: 2 },
            RevocationsError::Length,
            RevocationsError::Order,
        ];
        lists.iter().for_each(|error| assert_sentence(&error.to_string()));
        let path = PathBuf::from("revoked");
        let files = [
            RevocationFileError::InUse { path: path.clone() },
            RevocationFileError::Unreadable {
                path: path.clone(),
                error: RevocationsError::Length,
            },
            RevocationFileError::File {
                path,
                kind: io::ErrorKind::PermissionDenied,
            },
        ];
        files.iter().for_each(|error| assert_sentence(&error.to_string()));
        let size = writing[0].to_string();
        assert!(
            size.contains("5000") && size.contains("4096") && size.contains("`basket` with 4000"),
            "{size}"
        );
        Reason::ALL
            .iter()
            .for_each(|reason| assert_sentence(&reason.to_string()));
    }

    #[test]
    fn outside_all_failures_look_the_same() {
        let outside: std::collections::HashSet<_> = Reason::ALL
            .iter()
            .map(|&reason| OpenError::new(reason).to_string())
            .collect();
        assert_eq!(outside.len(), 1);
    }

    #[test]
    fn what_is_not_verified_is_worded_as_a_claim() {
        for reason in Reason::ALL {
            assert_eq!(
                reason.is_claim(),
                reason.to_string().starts_with("what was sent"),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn the_list_of_reasons_is_whole_and_in_order() {
        // The discriminants are consecutive: none is missing before the last one.
        for (place, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
        }
    }
}
