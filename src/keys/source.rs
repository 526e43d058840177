//! Rings in environment variables and files, and the new file of the first start.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::files::{create_new, directory_of, sync_name};
use crate::keys::key::{self, Key};
use crate::keys::ring::KeyRing;

/// A source of the current key ring: a file, a key management service, a vault.
///
/// [`Sessions::reload_from`](crate::Sessions::reload_from) asks the source again and again, on a thread of its own or
/// wherever the application drives it. The source may block. Any `Fn() -> Result<KeyRing, KeyError>` is a source:
///
/// ```
/// use sealed_session::keys::{KeyError, KeySource};
/// use sealed_session::{Key, KeyRing};
///
/// fn fetch_secret() -> Result<Vec<u8>, std::io::Error> {
///     // … ask the key management service …
/// #   Err(std::io::Error::other("no such service"))
/// }
///
/// let source = || {
///     let secret = fetch_secret().map_err(|error| KeyError::Source { problem: error.to_string() })?;
///     Key::from_raw_secret(&secret).map(KeyRing::new)
/// };
/// assert!(matches!(source.load(), Err(KeyError::Source { .. })));
/// ```
pub trait KeySource: Send {
    /// The ring as it is now.
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::Source`] for problems that no other variant names. The error goes into logs.
    fn load(&self) -> Result<KeyRing, KeyError>;
}

impl<F: Fn() -> Result<KeyRing, KeyError> + Send> KeySource for F {
    fn load(&self) -> Result<KeyRing, KeyError> {
        self()
    }
}

/// The written ring in a file, which is opened and read anew every time. Its content is compared, so a change is found
/// on every kind of file system, whether the file is rewritten, replaced by a rename, or reached through a symbolic
/// link that is swapped (as Kubernetes does with mounted secrets).
#[derive(Clone, Debug)]
pub struct RingFile {
    path: PathBuf,
}

impl RingFile {
    /// The file at `path`, of at most 1 MiB. This does not open it yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
        }
    }
}

impl KeySource for RingFile {
    fn load(&self) -> Result<KeyRing, KeyError> {
        KeyRing::from_file(&self.path)
    }
}

impl KeyRing {
    /// Reads the ring from an environment variable.
    ///
    /// ```
    /// use sealed_session::KeyRing;
    ///
    /// // SESSION_KEYS=sealed1_… SHOP_PORT=8080 shop
    /// let error = KeyRing::from_env("SHOP_SESSION_KEYS").unwrap_err();
    /// assert!(error.to_string().starts_with("the environment variable SHOP_SESSION_KEYS is not set; "));
    /// ```
    ///
    /// # Errors
    /// [`KeyError::Environment`] if the variable is missing, [`KeyError::EnvironmentNotText`] if it is not UTF-8,
    /// otherwise [`KeyError::InEnvironment`] with an error of [`parse`](Self::parse). No error contains the variable's
    /// content.
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        let shown = || shown_name(variable).to_owned();
        let text = std::env::var_os(variable).ok_or_else(|| KeyError::Environment { variable: shown() })?;
        let text = match text.into_string() {
            Ok(text) => Zeroizing::new(text),
            Err(_) => return Err(KeyError::EnvironmentNotText { variable: shown() }),
        };
        Self::parse(&text).map_err(|error| KeyError::InEnvironment {
            variable: shown(),
            error: Box::new(error),
        })
    }

    /// Reads the ring from a regular file of at most 1 MiB; symbolic links are followed. A pipe, such as `/dev/stdin`
    /// or the shell's `<(…)`, is refused without being opened, because a pipe gives a ring only once.
    ///
    /// ```
    /// use sealed_session::{Key, KeyRing};
    ///
    /// # let path = std::env::temp_dir().join(format!("sealed-session-from-file-{}.txt", std::process::id()));
    /// let key = Key::generate()?;
    /// std::fs::write(&path, key.write_with_secret().expose())?; // "/run/secrets/session-keys"
    /// let ring = KeyRing::from_file(&path)?;
    /// assert_eq!(ring.describe()[0].id, key.id());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::NotAFile`]; [`KeyError::File`] if the file cannot be read, is too large or not UTF-8; otherwise
    /// [`KeyError::InFile`] with an error of [`parse`](Self::parse).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let refused = |source: io::Error| KeyError::File {
            path: shown_path(path),
            source,
        };
        // Opening a pipe would wait for a writer. An attacker who could swap the file for a pipe after this check could
        // also write the file.
        if !fs::metadata(path).map_err(refused)?.is_file() {
            return Err(KeyError::NotAFile { path: shown_path(path) });
        }
        // All of the room at once, so that growing leaves no copy of a secret in memory.
        let room = LARGEST_FILE + 1;
        let mut text = Zeroizing::new(String::with_capacity(room));
        let file = File::open(path).map_err(refused)?;
        file.take(room as u64).read_to_string(&mut text).map_err(refused)?;
        if text.len() > LARGEST_FILE {
            return Err(refused(io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&text).map_err(|error| KeyError::InFile {
            path: shown_path(path),
            error: Box::new(error),
        })
    }

    /// Reads the ring from a file as [`from_file`](Self::from_file) does. If there is no file, makes one with a new
    /// key, which only its owner may read (on Unix). For one machine: a fleet needs the same file on every server.
    ///
    /// The file appears as a whole and never replaces another file, so processes that start at the same time all get
    /// one key. An empty or damaged file is an error and does not change. Keep the file: without it every session ends.
    /// The first [`Sessions`](crate::Sessions) with an observer report a new file as
    /// [`Event::KeyFileCreated`](crate::Event::KeyFileCreated).
    ///
    /// ```
    /// use sealed_session::KeyRing;
    ///
    /// # let path = std::env::temp_dir().join(format!("sealed-session-or-new-{}.txt", std::process::id()));
    /// assert!(!path.exists()); // "keys.txt"
    /// let first_start = KeyRing::from_file_or_new(&path)?;
    /// let second_start = KeyRing::from_file_or_new(&path)?;
    /// assert_eq!(first_start.describe(), second_start.describe());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As `from_file` for an existing file; [`KeyError::FileNotMade`] if a new file cannot be made;
    /// [`KeyError::RandomSource`].
    #[doc(alias("create", "generate", "open_or_create"))]
    pub fn from_file_or_new(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        if is_missing(path) {
            if path.to_string_lossy().contains(key::PREFIX) || path.file_name().is_some_and(is_secret) {
                return Err(KeyError::KeyForPath);
            }
            let key = Key::generate()?;
            let key_id = key.id();
            let ring = Self::new(key);
            match make(path, &ring) {
                Ok(()) => return Ok(ring.made_at(shown_path(path), key_id)),
                // Another process was faster, and its file is whole. (Where a link leads to no file, the error stays.)
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_missing(path) => {}
                Err(source) => {
                    let path = shown_path(path);
                    return Err(KeyError::FileNotMade { path, source });
                }
            }
        }
        Self::from_file(path)
    }
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Makes the file of a new ring as a whole: writes it under a temporary name, and then links it to its own name, since
/// a link never replaces a file. A temporary file that a crash leaves disturbs no later start: each key has a temporary
/// name of its own.
fn make(path: &Path, ring: &KeyRing) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::IsADirectory)?);
    name.push(format!(".{}.new", ring.describe()[0].id));
    let temporary = path.with_file_name(name);
    let linked = write(create_new(&temporary, 0o600)?, ring).and_then(|()| fs::hard_link(&temporary, path));
    // Also after an error. If the temporary name stays, only the owner of the file can read what it names.
    let _ = fs::remove_file(&temporary);
    linked?;
    // After an error the file is there all the same, until a power cut.
    let _ = sync_name(path);
    Ok(())
}

fn write(mut file: File, ring: &KeyRing) -> io::Result<()> {
    file.write_all(COMMENT.as_bytes())?;
    file.write_all(ring.write_with_secrets().expose().as_bytes())?;
    file.sync_all()
}

/// The variable's name for an error. If a caller passes the ring itself by mistake, the ring must not get into a log.
fn shown_name(variable: &str) -> &str {
    let is_name = variable
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && variable.len() <= LONGEST_NAME && !variable.contains(key::PREFIX) {
        variable
    } else {
        "(not a variable's name)"
    }
}

/// The path for an error, with the same care.
fn shown_path(path: &Path) -> PathBuf {
    let is_path = path.as_os_str().len() < SHORTEST_SECRET
        || path.is_absolute()
        || path.file_name().is_some_and(has_point)
        || directory_of(path).is_dir();
    if is_path && !path.iter().any(is_secret) {
        path.to_owned()
    } else {
        "(not the path of a file)".into()
    }
}

/// Whether a part of a path may be a secret: in hexadecimal digits or base64 a secret is long and contains no point.
fn is_secret(part: &OsStr) -> bool {
    part.len() >= SHORTEST_SECRET && !has_point(part)
}

fn has_point(part: &OsStr) -> bool {
    part.as_encoded_bytes().contains(&b'.')
}

/// The first line of a new file.
const COMMENT: &str =
    "# Anyone who reads this file can make sessions, and without it every session ends: keep it, and keep it secret.\n";
/// The largest file that is read as a ring, in bytes.
const LARGEST_FILE: usize = 1 << 20;
/// The longest name of a variable that is shown, in bytes: shorter than a key.
const LONGEST_NAME: usize = 64;
/// A raw secret in base64 without padding has more bytes than this.
const SHORTEST_SECRET: usize = 40;

#[cfg(test)]
mod tests;
