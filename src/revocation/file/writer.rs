//! How one process writes its file: a snapshot, and deltas after it. The file is replaced as a whole, so that it can be
//! read at any moment.

use std::cmp;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::files::{create_new, sync_name};
use crate::revocation::{RevocationCursor, Revocations};
use crate::time::now;

/// How far a locked file has followed the list.
pub(super) struct Writer {
    /// Positioned at its end. `None`: the last write failed, and what it left is unknown.
    file: Option<File>,
    cursor: RevocationCursor,
    snapshot: u64,
    length: u64,
    /// The operating system releases the lock when this file is closed, also after a `kill -9`.
    _lock: File,
}

impl Writer {
    /// Takes the file at the path; `None` if another process has it, or this one already.
    pub(super) fn lock(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false);
        let lock = lock.open(beside(path, LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                file: None,
                cursor: RevocationCursor::default(),
                snapshot: 0,
                length: 0,
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Writes what the list has and the file has not.
    pub(super) fn write(&mut self, path: &Path, list: &Revocations, now: OffsetDateTime) -> io::Result<()> {
        // Taken out until the write has succeeded.
        if let Some(mut file) = self.file.take()
            // The file may have been removed or replaced.
            && is_at(&file, path, self.length).unwrap_or(false)
        {
            let mut cursor = self.cursor;
            let Some(delta) = list.delta_since_at(&mut cursor, now) else {
                self.file = Some(file);
                return Ok(());
            };
            let length = self.length + delta.len() as u64;
            if length - self.snapshot <= cmp::max(self.snapshot, SHORTEST_SNAPSHOT) {
                file.write_all(&delta)?;
                file.sync_data()?;
                (self.file, self.cursor, self.length) = (Some(file), cursor, length);
                return Ok(());
            }
        }
        self.rewrite(path, list, now)
    }

    /// Writes the whole list beside the file and renames it, so that there is a whole file at any moment.
    pub(super) fn rewrite(&mut self, path: &Path, list: &Revocations, now: OffsetDateTime) -> io::Result<()> {
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
        (self.file, self.cursor, self.snapshot, self.length) = (Some(file), cursor, length, length);
        Ok(())
    }
}

/// Writes the content of an unreadable file into a new file beside it. The unreadable file stays until it is replaced.
pub(super) fn keep_aside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
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
    Ok(is_same(&file, &found) && file.len() == length)
}

/// Whether an open file is the one that was found at a path.
pub(super) fn is_same(open: &Metadata, found: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (open.dev(), open.ino()) == (found.dev(), found.ino())
    }
    #[cfg(not(unix))]
    {
        open.len() == found.len() && open.modified().ok() == found.modified().ok()
    }
}

/// Another file in the same directory.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

pub(super) const LOCK: &str = ".lock";
/// Only the owner may write the file: a process that can write it can sign everyone out.
const MODE: u32 = 0o644;
/// In bytes: however short the snapshot is, two thousand sign-outs follow as deltas before the next one.
const SHORTEST_SNAPSHOT: u64 = 65_536;
