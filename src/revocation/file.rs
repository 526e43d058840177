//! Revocations that survive a restart: a file that one process writes, with a snapshot and later deltas.

mod directory;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs, io};

use time::OffsetDateTime;

use crate::error::RevocationFileError;
use crate::files::directory_of;
use crate::ids::SessionId;
use crate::revocation::file::writer::Writer;
use crate::revocation::{Revocation, RevocationList, Revocations};
use crate::session::event::{Event, Observer};
use crate::time::{from_seconds, now};

/// [`Revocations`] that survive a restart: when a revoking call returns, the revocation is in the file, on the disk.
///
/// [`open`](Self::open) is for one process, [`in_directory`](Self::in_directory) for several processes on one host.
///
/// The write takes some milliseconds, during which the calling thread waits. Threads that revoke at the same time share
/// one write.
///
/// Each process has a file of its own: a lock file beside it ensures that. The file begins with a snapshot, and deltas
/// follow. When the deltas are as long as the snapshot (but at least 64 KiB), a new file is written and renamed over
/// the old one. So the file can be read whenever the process is killed, and has all earlier revocations
/// ([`Revocations::merge_file_at`] reads it too). A write that fails is an [`Event::RevocationFileNotWritten`]. The
/// revocation then holds in memory, and the next revocation or flush writes both.
///
/// Clones are handles to one file. The file is released when the last clone is dropped, including that in
/// [`Sessions`](crate::Sessions).
///
/// ```
/// use sealed_session::revocation::{RevocationFile, Revocations};
/// use sealed_session::{Key, KeyRing, Sessions};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Login { user: u64 }
/// # let path = std::env::temp_dir().join(format!("sealed-session-doc-{}", std::process::id()));
///
/// let sessions = Sessions::<Login>::builder(KeyRing::new(Key::generate()?))
///     .revocation_list(RevocationFile::open(&path, Revocations::new())?)
///     .build()?;
/// # std::fs::remove_file(&path)?;
/// # std::fs::remove_file(path.with_extension("lock"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RevocationFile {
    shared: Arc<Shared>,
}

struct Shared {
    list: Revocations,
    /// The content of the file. For a single process it is `list` itself.
    own: Revocations,
    path: PathBuf,
    writer: Mutex<Writer>,
    /// When it is dropped, the thread that follows other files ends.
    _following: Option<Sender<()>>,
}

impl RevocationFile {
    /// Merges the file at `path` into `list` and keeps all later revocations in the file. If there is no file, makes
    /// one: all users whom the process's umask allows may read it, and only its owner may write it. Entries that you
    /// *merge* into `list` are written with the next revocation or [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`RevocationFileError::InUse`] if another process has the file, [`RevocationFileError::Unreadable`] if it is no
    /// revocation list or damaged, [`RevocationFileError::File`] if the operating system refuses something.
    pub fn open(path: impl AsRef<Path>, list: Revocations) -> Result<Self, RevocationFileError> {
        let path = path.as_ref();
        let path = resolved(path).map_err(|error| failed(path, error))?;
        let Some(writer) = Writer::lock(&path).map_err(|error| failed(&path, error))? else {
            return Err(RevocationFileError::InUse { path });
        };
        if let Some(bytes) = content(&path)? {
            let merged = list.merge_file_at(&bytes, from_seconds(now()));
            merged.map_err(|source| RevocationFileError::Unreadable {
                path: path.clone(),
                source,
            })?;
        }
        Self::kept(path, writer, list.clone(), list, None)
    }

    /// Takes over the writing of a file, whose content has been merged into `own`.
    fn kept(
        path: PathBuf,
        mut writer: Writer,
        own: Revocations,
        list: Revocations,
        following: Option<Sender<()>>,
    ) -> Result<Self, RevocationFileError> {
        // Also if there is nothing to write: this shows that the file can be written, and removes what a kill left at
        // its end.
        let written = writer.rewrite(&path, &own, from_seconds(now()));
        written.map_err(|error| failed(&path, error))?;
        let shared = Shared {
            list,
            own,
            path,
            writer: Mutex::new(writer),
            _following: following,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Writes all entries that are not in the file yet: entries whose write failed and, for a file of one process,
    /// merged entries. For a shutdown, a timer, and a handler that has to know whether its revocation survives a
    /// restart.
    ///
    /// # Errors
    /// The error of the file system. The next revocation or flush tries again.
    pub fn flush(&self) -> io::Result<()> {
        self.write(from_seconds(now()))
    }

    /// A thread that waits here for another thread's write mostly finds that it has written this thread's news too.
    fn write(&self, now: OffsetDateTime) -> io::Result<()> {
        let Shared { own, path, writer, .. } = &*self.shared;
        writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(path, own, now)
    }

    fn write_or_report(&self, now: OffsetDateTime) {
        if let Err(error) = self.write(now) {
            let Shared { list, path, .. } = &*self.shared;
            list.report(Event::RevocationFileNotWritten {
                path: path.clone(),
                kind: error.kind(),
            });
        }
    }
}

impl RevocationList for RevocationFile {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.shared.list.is_revoked(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        self.shared.list.revoke_at(revoked, now);
        // If this is the same list, it is no news there.
        self.shared.own.revoke_at(revoked, now);
        self.write_or_report(now);
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        self.shared.list.cut_off()
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        self.shared.list.raise_cut_off(instant);
        self.shared.own.raise_cut_off(instant);
        // The time is not known here. With this one, no entry counts as expired.
        self.write_or_report(OffsetDateTime::UNIX_EPOCH);
    }

    fn report_to(&self, observer: &Arc<dyn Observer>) {
        self.shared.list.report_to(observer);
    }
}

impl fmt::Debug for RevocationFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RevocationFile").field(&self.shared.path).finish()
    }
}

fn failed(path: &Path, source: io::Error) -> RevocationFileError {
    RevocationFileError::File {
        path: path.to_owned(),
        source,
    }
}

/// The content of the file; `None` if there is no file.
fn content(path: &Path) -> Result<Option<Vec<u8>>, RevocationFileError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| failed(path, error)),
    }
}

/// The real path of the file: a link to it stays a link, and a later change of the working directory does not matter.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let error = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        found => return found,
    };
    let directory = directory_of(path);
    match (fs::read_link(path), path.file_name()) {
        // A link to a file that does not exist yet. (A circle of links is another error above.)
        (Ok(target), _) => resolved(&directory.join(target)),
        (Err(_), Some(name)) => Ok(fs::canonicalize(directory)?.join(name)),
        (Err(_), None) => Err(error),
    }
}
