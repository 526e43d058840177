//! Reading rings and cookies, and replacing a ring file as a whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};

use sealed_session::keys::KeyId;
use zeroize::Zeroizing;

use crate::answer::{self, Failure};
use crate::ring_text::RingText;

/// Largest input in bytes, as the library's own limit for a ring file.
pub(crate) const LARGEST: usize = 1 << 20;

/// Reads standard input.
pub(crate) fn read_stdin() -> Result<Zeroizing<String>, Failure> {
    read_all(io::stdin().lock(), "standard input")
}

/// Reads a ring from a file, or from standard input if the path is `-`. Warns if others may read the file.
pub(crate) fn read_ring(path: &Path) -> Result<RingText, Failure> {
    let name = path.display();
    let text = if path == Path::new("-") {
        read_stdin()?
    } else {
        let file = File::open(path).map_err(|error| not_opened(path, &error))?;
        warn_if_readable(path, &file);
        read_all(file, &format!("{name}"))?
    };
    RingText::parse(text).map_err(|error| Failure::usage(format_args!("{name}: {error}")))
}

/// Reads the bytes of a file that has no more than `largest`.
pub(crate) fn read_bytes(path: &Path, largest: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path)
        .and_then(|file| file.take(largest + 1).read_to_end(&mut bytes))
        .map_err(|error| not_opened(path, &error))?;
    if read as u64 > largest {
        return Err(Failure::usage(format_args!(
            "{} has more than {largest} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

fn read_all(from: impl Read, name: &str) -> Result<Zeroizing<String>, Failure> {
    // The full capacity at once: a string that grows leaves copies of secrets in memory.
    let mut text = Zeroizing::new(String::with_capacity(LARGEST + 1));
    from.take(LARGEST as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Failure::usage(format_args!("{name} is no text; save it as UTF-8")),
            _ => Failure::io(format_args!("{name} cannot be read"), &error),
        })?;
    if text.len() > LARGEST {
        return Err(Failure::usage(format_args!(
            "{name} has more than {LARGEST} bytes; that is no ring and no cookie"
        )));
    }
    Ok(text)
}

/// Makes a new file of mode 600; an existing one is not touched.
pub(crate) fn create(path: &Path, ring: &RingText) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::refused(format_args!(
            "{} exists already and was left as it was; `ring add` adds a key to it",
            path.display()
        )),
        _ => Failure::io(format_args!("{} cannot be written", path.display()), &error),
    };
    let file = private(path).map_err(failed)?;
    fill(file, ring).and_then(|()| sync_directory(path)).map_err(|error| {
        // Half a ring is no ring, and would block the next attempt.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

fn fill(mut file: File, ring: &RingText) -> io::Result<()> {
    file.write_all(ring.expose().as_bytes())?;
    file.sync_all()
}

/// A ring file that only this process is changing, and the file beside it that will replace it.
pub(crate) struct Editing {
    target: PathBuf,
    temporary: PathBuf,
    replacement: File,
    replaced: bool,
}

impl Editing {
    /// Takes the file for one change. If it is a symbolic link, the file that it names is replaced.
    pub(crate) fn begin(path: &Path) -> Result<Self, Failure> {
        let target = path.canonicalize().map_err(|error| not_opened(path, &error))?;
        let of_kubernetes =
            |part: Component<'_>| matches!(part, Component::Normal(name) if name.to_string_lossy().starts_with(".."));
        if target.components().any(of_kubernetes) {
            return Err(Failure::refused(format_args!(
                "{} is a mounted Kubernetes volume, which the kubelet overwrites; change a copy of the ring, then the Secret",
                path.display()
            )));
        }
        let temporary = beside(&target, |name| format!(".{name}.new"));
        let replacement = take(&temporary).map_err(|error| match error.kind() {
            // Another command has locked, made or renamed it. The directory itself exists.
            io::ErrorKind::WouldBlock | io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => {
                Failure::refused(format_args!(
                    "another command is changing {} and writes {}; try again when it has ended",
                    path.display(),
                    temporary.display()
                ))
            }
            _ => Failure::io(format_args!("{} cannot be made", temporary.display()), &error),
        })?;
        Ok(Self {
            target,
            temporary,
            replacement,
            replaced: false,
        })
    }

    /// The ring as it is.
    pub(crate) fn read(&self) -> Result<RingText, Failure> {
        read_ring(&self.target)
    }

    /// Copies the ring as it is to a private file beside it, and returns its path.
    pub(crate) fn keep(&self, ring: &RingText, without: KeyId) -> Result<PathBuf, Failure> {
        let copy = beside(&self.target, |name| format!("{name}.with-{without}"));
        // There may be one of an earlier removal of the same key.
        let _ = fs::remove_file(&copy);
        private(&copy)
            .and_then(|file| fill(file, ring))
            .map_err(|error| Failure::io(format_args!("{} cannot be written", copy.display()), &error))?;
        Ok(copy)
    }

    /// Puts the changed ring in the place of the old one, with its mode and owner.
    pub(crate) fn replace(mut self, ring: &RingText) -> Result<(), Failure> {
        self.write(ring).map_err(|error| {
            Failure::io(
                format_args!("{} was left as it was: it cannot be replaced", self.target.display()),
                &error,
            )
        })?;
        self.replaced = true;
        // The change is made; where a directory cannot be synchronised, a power cut may still undo it.
        if let Err(error) = sync_directory(&self.target) {
            answer::warn(format_args!(
                "the directory of {} cannot be synchronised: {error}",
                self.target.display()
            ));
        }
        Ok(())
    }

    fn write(&mut self, ring: &RingText) -> io::Result<()> {
        let old = fs::metadata(&self.target)?;
        self.replacement.write_all(ring.expose().as_bytes())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt as _, fchown};
            let new = self.replacement.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&self.replacement, Some(old.uid()), Some(old.gid()))?;
            }
        }
        self.replacement.set_permissions(old.permissions())?;
        self.replacement.sync_all()?;
        fs::rename(&self.temporary, &self.target)
    }
}

impl Drop for Editing {
    fn drop(&mut self) {
        if !self.replaced && fs::remove_file(&self.temporary).is_err() {
            answer::warn(format_args!("{} is left over; remove it", self.temporary.display()));
        }
    }
}

fn beside(target: &Path, name: impl FnOnce(&str) -> String) -> PathBuf {
    let old = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(name(&old))
}

/// Makes the file that will replace a ring, and holds its lock, so that one command at a time changes the ring. The
/// file of a command that was killed has no lock any more and is removed.
fn take(temporary: &Path) -> io::Result<File> {
    let file = match private(temporary) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let left_over = OpenOptions::new().write(true).open(temporary)?;
            lock(&left_over, temporary)?;
            fs::remove_file(temporary)?;
            private(temporary)?
        }
        made => made?,
    };
    lock(&file, temporary)?;
    Ok(file)
}

/// Locks a file. If it no longer has this name, another command was faster.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })?;
    if is_at(file, path)? {
        Ok(())
    } else {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (file, path) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((file.dev(), file.ino()) == (path.dev(), path.ino()))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// A new file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn sync_directory(of: &Path) -> io::Result<()> {
    let directory = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all())
}

#[cfg(not(unix))]
fn sync_directory(_of: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn warn_if_readable(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file
        .metadata()
        .map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let path = path.display();
        answer::warn(format_args!(
            "{path} is open to its group or to others (mode {mode:o}); `chmod 600 {path}`, unless the server reads it that way"
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_path: &Path, _file: &File) {}

fn not_opened(path: &Path, error: &io::Error) -> Failure {
    Failure::io(format_args!("{} cannot be read", path.display()), error)
}
