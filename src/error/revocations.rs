//! Why a revocation list, or its file, was refused.

use std::path::PathBuf;
use std::{error, fmt, io};

/// Why bytes were refused as a revocation list. Nothing of them was merged.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationsError {
    /// The bytes do not begin as a revocation list does.
    NotAList,
    /// The list has another version of the format.
    UnknownVersion {
        /// The version that the list names.
        version: u8,
    },
    /// The list is shorter or longer than its number of entries says.
    Length,
    /// The entries do not ascend, or an id occurs twice.
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
                f.write_str("the revocation list is cut off or has bytes after its end; send it whole again")
            }
            Self::Order => {
                f.write_str("the entries of the revocation list do not ascend; it was not written by this crate")
            }
        }
    }
}

impl error::Error for RevocationsError {}

/// Why a [`RevocationFile`](crate::revocation::RevocationFile) was not opened. `Display` says which file and what to
/// do, [`source`](error::Error::source) is the cause, and `Debug` is both.
#[non_exhaustive]
pub enum RevocationFileError {
    /// Another process has the file open, or this process has opened it already.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The content of the file is no revocation list, or is damaged.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        source: RevocationsError,
    },
    /// The file, its lock file or its directory could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl fmt::Display for RevocationFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                f,
                "the revocation file {} is in use; stop the other process, or let all use `RevocationFile::in_directory`",
                path.display()
            ),
            Self::Unreadable { path, .. } => write!(
                f,
                "the revocation file {} is damaged, or no revocation list; put the copy of another server in its place, or \
                 move it into a directory as `1.revoked`, for `RevocationFile::in_directory`, which merges what it can",
                path.display()
            ),
            Self::File { path, source } if source.kind() == io::ErrorKind::NotFound => write!(
                f,
                "the revocation file {} cannot be made, since its directory is missing; make the directory first",
                path.display()
            ),
            Self::File { path, .. } => write!(
                f,
                "the revocation file {} or one beside it could not be read or written; give this process a directory of its \
                 own for it",
                path.display()
            ),
        }
    }
}

impl error::Error for RevocationFileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::InUse { .. } => None,
            Self::Unreadable { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
        }
    }
}
