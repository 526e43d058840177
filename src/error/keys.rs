//! Why a key or a ring was refused.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use crate::ids::KeyId;

/// Why a key or a key ring was refused.
///
/// `Display` says what to do, [`source`](error::Error::source) is the operating system's error if there is one, and
/// `Debug` is both, so that the error reads well when `main` returns it. No error contains a secret.
///
/// ```
/// use std::error::Error as _;
/// use sealed_session::keys::{KeyError, KeyRing};
///
/// let error = KeyRing::from_file("/no/such/keys.txt").unwrap_err();
/// assert!(matches!(error, KeyError::File { .. }));
/// let cause = error.source().expect("what the operating system said");
/// assert_eq!(format!("{error:?}"), format!("{error}; cause: {cause}"));
/// ```
#[non_exhaustive]
pub enum KeyError {
    /// The operating system gave no random bytes.
    RandomSource,
    /// A raw secret is not 32 bytes long.
    RawLength {
        /// How many bytes were given.
        bytes: usize,
    },
    /// A raw secret has only printable characters, like a password.
    RawPrintable,
    /// A raw secret has too few distinct byte values to be random.
    RawTooUniform {
        /// How many distinct values it has; 17 are required.
        distinct: usize,
    },
    /// The text is not a key in its written form.
    NotAKey,
    /// The key id in a written key is not the id of its secret.
    Checksum,
    /// An entry of a written ring was refused.
    Entry {
        /// The number of the entry, counted from 1; comments and blank lines do not count.
        entry: usize,
        /// What is wrong with the entry, and what to write instead.
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
    /// Two keys of the ring have the same id: it is the same key twice, or (once in 4 * 10^9 pairs) a coincidence.
    SameId {
        /// The id that occurs twice.
        id: KeyId,
    },
    /// The ring has no key with this id.
    NoSuchKey {
        /// The id.
        id: KeyId,
    },
    /// The environment variable that should hold the ring is not set.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// The environment variable that should hold the ring is not UTF-8.
    EnvironmentNotText {
        /// The variable's name.
        variable: String,
    },
    /// The content of an environment variable was refused.
    InEnvironment {
        /// The variable's name.
        variable: String,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// The file with the ring could not be read.
    File {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The content of a file was refused.
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// There is no file with a ring, and a new one could not be made.
    FileNotMade {
        /// The path that the file should have.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A key was given instead of the path of the ring's file; no file was made.
    KeyForPath,
    /// The path of the ring does not lead to a regular file. Reading a pipe or a device may never end, and gives a ring
    /// only once.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A source of keys has not answered for some time; the ring in use stays in use.
    NoAnswer {
        /// For how many seconds at least.
        seconds: u64,
    },
    /// A source of keys other than a file or variable gave no ring.
    Source {
        /// The source's own words. They go into logs, so they must not contain a secret.
        problem: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RandomSource => f.write_str(
                "the operating system gave no random bytes for a key; try again, and check the machine if this happens \
                 again",
            ),
            Self::RawLength { bytes } => write!(f, "a raw secret is 32 bytes long, this one has {bytes}"),
            Self::RawPrintable => f.write_str(
                "a raw secret of printable characters looks like a password; generate one with `Key::generate`",
            ),
            Self::RawTooUniform { distinct } => write!(
                f,
                "a raw secret with only {distinct} distinct byte values is not random; generate one with `Key::generate`"
            ),
            Self::NotAKey | Self::Checksum => f.write_str(self.written_key_problem()),
            Self::Entry { entry, problem } => write!(f, "entry {entry} of the key ring: {problem}"),
            Self::EmptyRing => f.write_str("the key ring is empty; write at least one key into it"),
            Self::NothingSeals => {
                f.write_str("no key of the ring seals from the beginning; mark exactly one with `seal` and without `from`")
            }
            Self::TwoSeal { first, second } => write!(
                f,
                "keys {first} and {second} would seal at the same time; mark one `open`, or give it another `from` time"
            ),
            Self::SameId { id } => write!(f, "key {id} is in the ring twice; remove one of the two"),
            Self::NoSuchKey { id } => write!(
                f,
                "the ring has no key {id}; add it with `also_opening` first, or take an id that the ring has"
            ),
            Self::Environment { variable } => write!(
                f,
                "the environment variable {variable} is not set; set it to a key, which {MAKE_A_KEY}, or keep the keys in a \
                 file, which `KeyRing::from_file_or_new` makes at the first start"
            ),
            Self::EnvironmentNotText { variable } => write!(
                f,
                "the environment variable {variable} is not UTF-8; set it to a key, which {MAKE_A_KEY}"
            ),
            Self::InEnvironment { variable, error } => write!(f, "the environment variable {variable}: {error}"),
            Self::InFile { path, error } => match **error {
                Self::EmptyRing => write!(
                    f,
                    "the key file {} has no key in it; write one into it, which {MAKE_A_KEY}, or remove the file and let \
                     `KeyRing::from_file_or_new` make it",
                    path.display()
                ),
                _ => write!(f, "the key file {}: {error}", path.display()),
            },
            Self::File { path, source } => write_not_read(f, path, source.kind()),
            Self::FileNotMade { path, source } => write_not_made(f, path, source.kind()),
            Self::KeyForPath => f.write_str(
                "a key was given for the path of the key file, and no file was made; give the path, or read the key with \
                 `KeyRing::parse`",
            ),
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

impl KeyError {
    /// The sentence of an error of [`Key::parse`](crate::keys::Key::parse), by itself and as the problem of a ring's
    /// entry.
    pub(crate) fn written_key_problem(&self) -> &'static str {
        match self {
            Self::Checksum => {
                "the key id in the written key is not the one of its secret; the key was mistyped or cut, copy it again"
            }
            _ => "a key is written `sealed1_`, 8 hexadecimal digits, `_`, 64 hexadecimal digits, all in lower case",
        }
    }
}

fn write_not_read(f: &mut fmt::Formatter<'_>, path: &Path, kind: io::ErrorKind) -> fmt::Result {
    let path = path.display();
    match kind {
        io::ErrorKind::NotFound => write!(
            f,
            "there is no key file {path}; if that is the right path, write a key into it, which {MAKE_A_KEY}, or let \
             `KeyRing::from_file_or_new` make it"
        ),
        io::ErrorKind::PermissionDenied => write!(
            f,
            "the key file {path} may not be read by this process; make it the file of the user under whom the process runs"
        ),
        io::ErrorKind::InvalidData => write!(f, "the key file {path} is no text; save it as UTF-8"),
        io::ErrorKind::FileTooLarge => write!(
            f,
            "the key file {path} has more than 1 MiB; give the path of a key ring"
        ),
        _ => write!(f, "the key file {path} cannot be read; fix what the cause names"),
    }
}

fn write_not_made(f: &mut fmt::Formatter<'_>, path: &Path, kind: io::ErrorKind) -> fmt::Result {
    let path = path.display();
    match kind {
        io::ErrorKind::NotFound => write!(
            f,
            "the key file {path} cannot be made, since its directory is missing; make the directory first"
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => write!(
            f,
            "the key file {path} cannot be made, since this process may not write into its directory, or the file system \
             has no hard links; give it another path, or make the file yourself with a key in it, which {MAKE_A_KEY}"
        ),
        io::ErrorKind::AlreadyExists => write!(
            f,
            "the key file {path} is a symbolic link that leads to no file; remove it, or make the file that it leads to"
        ),
        io::ErrorKind::StorageFull => write!(
            f,
            "the key file {path} cannot be made, since the disk is full; make room"
        ),
        _ => write!(
            f,
            "the key file {path} cannot be made; fix what the cause names, or make it yourself with a key in it, which \
             {MAKE_A_KEY}"
        ),
    }
}

impl error::Error for KeyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::FileNotMade { source, .. } => Some(source),
            // The inner sentence is part of this one already.
            Self::InFile { error, .. } | Self::InEnvironment { error, .. } => error.source(),
            _ => None,
        }
    }
}

/// How to get a key without the crate's repository.
const MAKE_A_KEY: &str = "`sealed-session key new` prints (`cargo install sealed-session-cli`)";
