//! Several processes on one host: each writes a file of its own in a directory, and reads those of the others.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::error::RevocationFileError;
use crate::files::sync_name;
use crate::revocation::Revocations;
use crate::revocation::file::writer::{LOCK, Writer, beside, is_same, keep_aside};
use crate::revocation::file::{RevocationFile, content, failed};
use crate::session::event::Event;
use crate::time::{from_seconds, now};

impl RevocationFile {
    /// For several processes on one host: each keeps a file of its own in the directory, and merges those of the others
    /// into `list`. All are merged when this returns, so a server that starts refuses from its first request on. Then a
    /// thread looks for news every second, until the last clone is dropped.
    ///
    /// A process takes the first file that no other process has: `1.revoked`, `2.revoked` and so on. The file of a
    /// process that has ended stays, is read by the others, and is taken by the next start. Files with other names are
    /// read too if they end in `.revoked`, such as one of [`open`](Self::open).
    ///
    /// A file has what its processes have revoked, and nothing that they have merged, so no entry goes round. What you
    /// merge into `list` yourself is in no file. In memory, the entries of its own file take their room twice.
    ///
    /// A damaged file stops nothing: what is before the damage is merged. If it is the file that this process takes, a
    /// copy is kept under its name with `.unreadable-` and the time, and the event is
    /// [`Event::RevocationFilePutAside`]; otherwise the event is [`Event::RevocationStoreRefused`], once. A file that
    /// cannot be read is an [`Event::RevocationStoreLost`] as long as it is there, and so is a link, a pipe or a
    /// directory with such a name; those are not opened.
    ///
    /// A directory that does not exist is made. All processes run as one user on one host, and the file system is a
    /// local one, since its locks and renames are needed. For several hosts there is the crate `sealed-session-redis`.
    ///
    /// ```
    /// use sealed_session::revocation::{RevocationFile, Revocations};
    /// # use sealed_session::SessionId;
    /// # use sealed_session::revocation::{Revocation, RevocationList as _};
    /// # let directory = std::env::temp_dir().join(format!("sealed-session-doc-directory-{}", std::process::id()));
    ///
    /// let list = RevocationFile::in_directory(&directory, Revocations::new())?; // "/var/lib/shop/revoked"
    /// # let now = time::OffsetDateTime::now_utc();
    /// # let id = SessionId::from_bytes([7; 8]);
    /// # list.revoke_at(Revocation { id, until: now + time::Duration::HOUR }, now);
    /// # assert!(RevocationFile::in_directory(&directory, Revocations::new())?.is_revoked(id));
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RevocationFileError::File`] if the operating system refuses something.
    pub fn in_directory(directory: impl AsRef<Path>, list: Revocations) -> Result<Self, RevocationFileError> {
        let directory = directory.as_ref();
        let in_directory = |error| failed(directory, error);
        let directory = &*made(directory).map_err(in_directory)?;
        let (path, writer) = first_free(directory)?;
        let own = Revocations::bounded(list.shared.most);
        if let Some(bytes) = content(&path)? {
            let now = from_seconds(now());
            // The damage is the same in both.
            let _ = list.merge_readable(&bytes, false, now);
            if let Err(error) = own.merge_readable(&bytes, false, now) {
                let aside = keep_aside(&path, &bytes).map_err(|error| failed(&path, error))?;
                list.report(Event::RevocationFilePutAside { path: aside, error });
            }
        }
        let mut follower = Follower {
            directory: directory.to_owned(),
            own: path.clone(),
            list: list.clone(),
            others: BTreeMap::new(),
            failures: 0,
        };
        // A directory that cannot be listed is an error at the start, and an event later.
        fs::read_dir(directory).map_err(in_directory)?;
        follower.look();
        let (following, ends) = mpsc::channel();
        let thread = thread::Builder::new().name("session-revocations".to_owned());
        thread.spawn(move || follower.run(&ends)).map_err(in_directory)?;
        Self::kept(path, writer, own, list, Some(following))
    }
}

/// Reads the files of the other processes.
struct Follower {
    directory: PathBuf,
    /// The file of this process.
    own: PathBuf,
    list: Revocations,
    others: BTreeMap<PathBuf, Followed>,
    /// How many looks in a row failed.
    failures: u32,
}

/// A file that is followed. While it is open, no other file has its number on the disk.
struct Followed {
    file: File,
    /// The length of the lists that are merged. What follows may be half of a delta, or damage.
    merged: u64,
    /// Its damage was reported.
    is_refused: bool,
    /// The length at the last look, or `u64::MAX` before the first one.
    length: u64,
}

impl Follower {
    /// Ends when the sender is dropped.
    fn run(mut self, ends: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(INTERVAL) {
            // An observer that panics must not end the thread unnoticed: other processes' sign-outs would not be seen.
            let _ = catch_unwind(AssertUnwindSafe(|| self.look()));
        }
    }

    fn look(&mut self) {
        match self.read() {
            Ok(()) if self.failures == 0 => {}
            Ok(()) => {
                self.failures = 0;
                self.list.report(Event::RevocationStoreRecovered);
            }
            Err(error) => {
                if self.failures.is_multiple_of(REPEATED) {
                    self.list.report(Event::RevocationStoreLost { error });
                }
                self.failures += 1;
            }
        }
    }

    /// Merges the news of all files. A file that cannot be read does not keep the others from being read.
    fn read(&mut self) -> Result<(), String> {
        let (mut known, mut result) = (std::mem::take(&mut self.others), Ok(()));
        let within = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
        let entries = fs::read_dir(&self.directory).map_err(|error| within(&self.directory, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| within(&self.directory, &error))?.path();
            if path == self.own || path.extension().is_none_or(|extension| extension != REVOKED) {
                continue;
            }
            match self.follow(&path, known.remove(&path)) {
                Ok(followed) => _ = self.others.insert(path, followed),
                // It was there a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => result = Err(within(&path, &error)),
            }
        }
        result
    }

    /// Merges what is new in a file since it was read before.
    fn follow(&self, path: &Path, before: Option<Followed>) -> io::Result<Followed> {
        let found = fs::symlink_metadata(path)?;
        if !found.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let before = before.filter(|before| before.is(&found));
        let mut followed = before.map_or_else(|| Followed::open(path), Ok)?;
        let length = followed.file.metadata()?.len();
        if length == followed.length {
            return Ok(followed);
        }
        let mut bytes = Vec::new();
        followed.file.seek(SeekFrom::Start(followed.merged))?;
        followed.file.read_to_end(&mut bytes)?;
        let merged = self
            .list
            .merge_readable(&bytes, followed.merged > 0, from_seconds(now()));
        match merged {
            Ok(merged) => followed.merged += merged as u64,
            Err(_) if followed.is_refused => {}
            Err(error) => {
                followed.is_refused = true;
                let error = format!("{}: {error}", path.display());
                self.list.report(Event::RevocationStoreRefused { error });
            }
        }
        followed.length = length;
        Ok(followed)
    }
}

impl Followed {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            merged: 0,
            is_refused: false,
            length: u64::MAX,
        })
    }

    /// Whether this is the file that was found at the path, and has not been cut.
    fn is(&self, found: &Metadata) -> bool {
        let open = self.file.metadata();
        open.is_ok_and(|open| is_same(&open, found)) && found.len() >= self.length
    }
}

/// The real path of the directory, which is made if it does not exist.
fn made(directory: &Path) -> io::Result<PathBuf> {
    if !directory.exists() {
        let mut builder = DirBuilder::new();
        // Only the owner may write there: whoever can can sign everyone out.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
        builder.recursive(true).create(directory)?;
        sync_name(directory)?;
    }
    fs::canonicalize(directory)
}

/// Locks the first file that no process has.
fn first_free(directory: &Path) -> Result<(PathBuf, Writer), RevocationFileError> {
    let mut number = 0_u64;
    loop {
        number += 1;
        let path = directory.join(format!("{number}.{REVOKED}"));
        // To open a pipe would block, and a link may lead anywhere.
        let is_usable = |path: &Path| fs::symlink_metadata(path).map_or(true, |found| found.is_file());
        if is_usable(&path)
            && is_usable(&beside(&path, LOCK))
            && let Some(writer) = Writer::lock(&path).map_err(|error| failed(&path, error))?
        {
            return Ok((path, writer));
        }
    }
}

const REVOKED: &str = "revoked";
const INTERVAL: Duration = Duration::from_secs(1);
/// After how many looks a failure is reported again: 10 minutes.
const REPEATED: u32 = 600;
