//! Revocations that survive a restart: a file that one process writes, with a snapshot and later deltas.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{cmp, fmt};

use time::OffsetDateTime;

use crate::error::{RevocationFileError, RevocationsError};
use crate::files::{create_new, directory_of, sync_name};
use crate::ids::SessionId;
use crate::revocation::{Revocation, RevocationCursor, RevocationList, Revocations};
use crate::session::event::{Event, Observer};
use crate::time::{from_seconds, now};

/// [`Revocations`] that survive a restart: when a revoking call returns, the revocation is in the file, on the disk.
///
/// The write takes some milliseconds, during which the calling thread waits. Threads that revoke at the same time share
/// one write. *Merged* entries are written with the next revocation or [`flush`](Self::flush).
///
/// The file is for one process: a lock file beside it ensures that. The file begins with a snapshot, and deltas follow.
/// When the deltas are as long as the snapshot, a new file is written and renamed over the old one. So the file can be
/// read whenever the process is killed, and has all earlier revocations ([`Revocations::merge_file_at`] reads it too).
/// A write that fails is an [`Event::RevocationFileNotWritten`]. The revocation then holds in memory, and the next
/// revocation or flush writes both.
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
    path: PathBuf,
    writer: Mutex<Writer>,
    /// The operating system releases the lock when this file is closed, also after a `kill -9`.
    _lock: File,
}

/// How far the file has followed the list.
struct Writer {
    /// Positioned at its end. `None`: the last write failed, and what it left is unknown.
    file: Option<File>,
    cursor: RevocationCursor,
    snapshot: u64,
    length: u64,
}

impl RevocationFile {
    /// Merges the file at `path` into `list` and keeps all later revocations in the file. If there is no file, makes
    /// one: all users whom the process's umask allows may read it, and only its owner may write it.
    ///
    /// # Errors
    /// [`RevocationFileError::InUse`] if another process has the file, [`RevocationFileError::Unreadable`] if it is no
    /// revocation list or damaged, [`RevocationFileError::File`] if the operating system refuses something.
    pub fn open(path: impl AsRef<Path>, list: Revocations) -> Result<Self, RevocationFileError> {
        Self::start(path.as_ref(), list, |path, source, _| {
            let path = path.to_owned();
            Err(RevocationFileError::Unreadable { path, source })
        })
    }

    /// As [`open`](Self::open), but a damaged file does not stop the start. A copy of it is kept under the name `path`
    /// with `.unreadable-` and the time, the entries before the damage are merged, and an
    /// [`Event::RevocationFilePutAside`] is reported.
    ///
    /// Sessions whose entries were after the damage open again. If they must not, raise the cut-off or merge the list
    /// of another server.
    ///
    /// # Errors
    /// As [`open`](Self::open), but never [`RevocationFileError::Unreadable`].
    pub fn open_or_put_aside(path: impl AsRef<Path>, list: Revocations) -> Result<Self, RevocationFileError> {
        let told = list.clone();
        Self::start(path.as_ref(), list, |path, error, bytes| {
            told.merge_readable(bytes, from_seconds(now()));
            let aside = keep_aside(path, bytes).map_err(|error| failed(path, error))?;
            told.report(Event::RevocationFilePutAside { path: aside, error });
            Ok(())
        })
    }

    fn start(
        path: &Path,
        list: Revocations,
        unreadable: impl FnOnce(&Path, RevocationsError, &[u8]) -> Result<(), RevocationFileError>,
    ) -> Result<Self, RevocationFileError> {
        let failed = |error: io::Error| failed(path, error);
        let path = &*resolved(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false);
        let lock = lock.open(beside(path, ".lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RevocationFileError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        match fs::read(path) {
            Ok(bytes) => {
                if let Err(error) = list.merge_file_at(&bytes, from_seconds(now())) {
                    unreadable(path, error, &bytes)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // Also if there is nothing to write: this shows that the file can be written, and removes what a kill left at
        // its end.
        let writer = Writer::rewritten(path, &list, from_seconds(now())).map_err(failed)?;
        let shared = Shared {
            list,
            path: path.to_owned(),
            writer: Mutex::new(writer),
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Writes all entries that are not in the file yet: merged entries, and entries whose write failed. For a shutdown,
    /// a timer, and a handler that has to know whether its revocation survives a restart.
    ///
    /// # Errors
    /// The error of the file system. The next revocation or flush tries again.
    pub fn flush(&self) -> io::Result<()> {
        self.write(from_seconds(now()))
    }

    /// A thread that waits here for another thread's write mostly finds that it has written this thread's news too.
    fn write(&self, now: OffsetDateTime) -> io::Result<()> {
        let Shared { list, path, writer, .. } = &*self.shared;
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out until the write has succeeded.
        if let Some(mut file) = writer.file.take()
            // The file may have been removed or replaced.
            && is_at(&file, path, writer.length).unwrap_or(false)
        {
            let mut cursor = writer.cursor;
            let Some(delta) = list.delta_since_at(&mut cursor, now) else {
                writer.file = Some(file);
                return Ok(());
            };
            let length = writer.length + delta.len() as u64;
            if length - writer.snapshot <= cmp::max(writer.snapshot, SHORTEST_SNAPSHOT) {
                file.write_all(&delta)?;
                file.sync_data()?;
                (writer.file, writer.cursor, writer.length) = (Some(file), cursor, length);
                return Ok(());
            }
        }
        *writer = Writer::rewritten(path, list, now)?;
        Ok(())
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

impl Writer {
    /// Writes the whole list beside the file and renames it, so that there is a whole file at any moment.
    fn rewritten(path: &Path, list: &Revocations, now: OffsetDateTime) -> io::Result<Self> {
        let cursor = list.cursor();
        let snapshot = list.snapshot_at(now);
        let new = beside(path, ".new");
        // Not written into if it exists: another process may have put a file or a link there.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = create_new(&new, MODE)?;
        if let Ok(known) = fs::metadata(path) {
            file.set_permissions(known.permissions())?;
        }
        file.write_all(&snapshot)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_name(path)?;
        let length = snapshot.len() as u64;
        Ok(Self {
            file: Some(file),
            cursor,
            snapshot: length,
            length,
        })
    }
}

impl RevocationList for RevocationFile {
    fn is_revoked(&self, id: SessionId) -> bool {
        self.shared.list.is_revoked(id)
    }

    fn revoke_at(&self, revoked: Revocation, now: OffsetDateTime) {
        self.shared.list.revoke_at(revoked, now);
        self.write_or_report(now);
    }

    fn cut_off(&self) -> Option<OffsetDateTime> {
        self.shared.list.cut_off()
    }

    fn raise_cut_off(&self, instant: OffsetDateTime) {
        self.shared.list.raise_cut_off(instant);
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

/// Writes the content of an unreadable file into a new file beside it. The unreadable file stays until it is replaced.
fn keep_aside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    for number in now().. {
        let aside = beside(path, &format!(".unreadable-{number}"));
        match create_new(&aside, MODE) {
            Ok(mut file) => {
                file.write_all(bytes)?;
                file.sync_all()?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether this file, of this length, is the one at the path.
fn is_at(file: &File, path: &Path, length: u64) -> io::Result<bool> {
    let (file, found) = (file.metadata()?, fs::metadata(path)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if (file.dev(), file.ino()) != (found.dev(), found.ino()) {
            return Ok(false);
        }
    }
    Ok(file.len() == length && found.len() == length)
}

/// Another file in the same directory.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Only the owner may write the file: a process that can write it can sign everyone out.
const MODE: u32 = 0o644;
/// In bytes: however short the snapshot is, two thousand sign-outs follow as deltas before the next one.
const SHORTEST_SNAPSHOT: u64 = 65_536;
