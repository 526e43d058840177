//! Through a directory that all servers see: each writes its whole list to one file, and reads the files of the others.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sealed_session::revocation::Revocations;
use time::OffsetDateTime;

use crate::exchange::{Exchange, Problem};

const EXTENSION: &str = "revocations";
/// The longest list that is read: 5.6 million entries.
const LARGEST: u64 = 64 << 20;

pub(crate) struct InDirectory {
    directory: PathBuf,
    own: PathBuf,
    /// The file that is written first and then renamed. Its name does not end like a list's.
    unfinished: PathBuf,
    list: Revocations,
}

impl InDirectory {
    pub(crate) fn new(directory: PathBuf, name: &str, list: Revocations) -> Self {
        Self {
            own: directory.join(format!("{name}.{EXTENSION}")),
            unfinished: directory.join(format!("{name}.unfinished")),
            directory,
            list,
        }
    }

    /// Joins all files, also this server's own, which has the list from before a restart.
    fn read(&self) -> Result<(), Problem> {
        let mut unread = None;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            // No links, and no file that would block.
            if path.extension() != Some(OsStr::new(EXTENSION)) || !entry.file_type()?.is_file() {
                continue;
            }
            // The other files are read even if one is bad.
            if let Err(problem) = self.join(&path) {
                unread = Some(format!("{}: {problem}", path.display()));
            }
        }
        unread.map_or(Ok(()), |problem| Err(problem.into()))
    }

    fn join(&self, path: &Path) -> Result<(), Problem> {
        if let Some(bytes) = contents(path)? {
            self.list.merge_at(&bytes, OffsetDateTime::now_utc())?;
        }
        Ok(())
    }

    /// Writes this server's list, if the file does not have it already.
    fn write(&self) -> Result<(), Problem> {
        let known = self.list.snapshot_at(OffsetDateTime::now_utc());
        if contents(&self.own)?.as_ref() == Some(&known) {
            return Ok(());
        }
        let mut file = File::create(&self.unfinished)?;
        file.write_all(&known)?;
        file.sync_all()?;
        // In one step, so that no server reads half a file.
        Ok(fs::rename(&self.unfinished, &self.own)?)
    }
}

impl Exchange for InDirectory {
    fn exchange(&mut self) -> Result<(), Problem> {
        // This server's revocations are written even if another server's file cannot be read.
        let read = self.read();
        self.write()?;
        read
    }
}

/// `None` if there is no such file, or no longer.
fn contents(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            "it is too long for a list; find out who writes it",
        )
        .into());
    }
    Ok(Some(bytes))
}
