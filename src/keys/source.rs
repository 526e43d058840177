//! Rings in environment variables and files, and the file that is made at the first start.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::keys::key::{self, Key};
use crate::keys::ring::KeyRing;

/// Something that gives the present key ring whenever it is asked: a file, a key management service, a vault.
///
/// [`Sessions::reload_from`](crate::Sessions::reload_from) asks it again and again, on a thread of its own or wherever it is
/// driven; it may block. Any `Fn() -> Result<KeyRing, KeyError>` is one:
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
    /// Any [`KeyError`]; [`KeyError::Source`] for what no other one says. It goes into logs.
    fn load(&self) -> Result<KeyRing, KeyError>;
}

impl<F: Fn() -> Result<KeyRing, KeyError> + Send> KeySource for F {
    fn load(&self) -> Result<KeyRing, KeyError> {
        self()
    }
}

/// The written ring in a file, opened and read anew every time and compared by what it says: so it does not matter whether
/// the file is rewritten, renamed over or reached through a symbolic link that is swapped (as Kubernetes does with mounted
/// secrets), nor on which kind of file system it lies.
#[derive(Clone, Debug)]
pub struct RingFile {
    path: PathBuf,
}

impl RingFile {
    /// The file at `path`, of at most 1 MiB. It is not opened yet.
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
    /// [`KeyError::Environment`] if the variable is missing, [`KeyError::EnvironmentNotText`] if it is not UTF-8, otherwise
    /// [`KeyError::InEnvironment`] with an error of [`parse`](Self::parse). None contains the variable's content.
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

    /// Reads the ring from a regular file of at most 1 MiB, or from where a symbolic link leads to one. A pipe, such as
    /// `/dev/stdin` or the shell's `<(…)`, is refused without being opened: it gives a ring only once.
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
    /// [`KeyError::NotAFile`]; [`KeyError::File`] if it cannot be read, is too large or not UTF-8; otherwise
    /// [`KeyError::InFile`] with an error of [`parse`](Self::parse).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let refused = |source: io::Error| KeyError::File {
            path: shown_path(path),
            source,
        };
        // Opening a pipe waits until somebody writes to it. Whoever could swap the file for one right now could also write it.
        if !fs::metadata(path).map_err(refused)?.is_file() {
            return Err(KeyError::NotAFile { path: shown_path(path) });
        }
        // The whole room at once, so that no copy of a secret is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(LARGEST_FILE + 1));
        let file = File::open(path).map_err(refused)?;
        file.take(LARGEST_FILE as u64 + 1)
            .read_to_string(&mut text)
            .map_err(refused)?;
        if text.len() > LARGEST_FILE {
            return Err(refused(io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&text).map_err(|error| KeyError::InFile {
            path: shown_path(path),
            error: Box::new(error),
        })
    }

    /// Reads the ring from a file as [`from_file`](Self::from_file) does; if there is none, it is made with a new key, readable
    /// by its owner alone (on Unix). For one machine: a fleet needs the same file on every server.
    ///
    /// The file comes into being as a whole, and never takes the place of another: processes that start at once end up with
    /// one key. A file that is empty or damaged is an error and is left as it is. Keep the file: without it all sessions are
    /// over. The first [`Sessions`](crate::Sessions) with an observer tell it of a new file as
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
    /// As `from_file` for a file that is there; [`KeyError::FileNotMade`] if none can be made; [`KeyError::RandomSource`].
    #[doc(alias("create", "generate", "open_or_create"))]
    pub fn from_file_or_new(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        if is_missing(path) {
            let not_made = |source| KeyError::FileNotMade {
                path: shown_path(path),
                source,
            };
            if path.to_string_lossy().contains(key::PREFIX) || path.file_name().is_some_and(is_secret) {
                return Err(KeyError::KeyForPath);
            }
            let key = Key::generate()?;
            let key_id = key.id();
            let ring = Self::new(key);
            match make(path, &ring) {
                Ok(()) => return Ok(ring.made_at(shown_path(path), key_id)),
                // Another process was faster, and its file is whole; or a link leads to nothing.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_missing(path) => {}
                Err(error) => return Err(not_made(error)),
            }
        }
        Self::from_file(path)
    }
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Makes the file of a new ring, as a whole: written under another name, and then given its own by a link, which never takes
/// the place of a file. What a crash leaves under the other name is in nobody's way, since no key has the same one.
fn make(path: &Path, ring: &KeyRing) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::IsADirectory)?);
    name.push(format!(".{}.new", ring.describe()[0].id));
    let temporary = path.with_file_name(name);
    let linked = write(private(&temporary)?, ring).and_then(|()| fs::hard_link(&temporary, path));
    // Also after an error. If it stays, it is a second name of a file that its owner alone reads.
    let _ = fs::remove_file(&temporary);
    linked?;
    #[cfg(unix)]
    {
        // The new name is on the disk only when its directory is. Where that cannot be synchronised, the file is there all
        // the same, until a power cut.
        let directory = path.parent().filter(|path| *path != Path::new(""));
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn write(mut file: File, ring: &KeyRing) -> io::Result<()> {
    file.write_all(COMMENT.as_bytes())?;
    file.write_all(ring.write_with_secrets().expose().as_bytes())?;
    file.sync_all()
}

/// A new file that its owner alone may read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The variable's name for an error. Whoever hands over the ring itself must not find it in a log.
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
    let directory = path.parent().filter(|path| *path != Path::new(""));
    let is_path = path.as_os_str().len() < SHORTEST_SECRET
        || path.is_absolute()
        || path.file_name().is_some_and(has_point)
        || directory.unwrap_or(Path::new(".")).is_dir();
    if is_path && !path.iter().any(is_secret) {
        path.to_owned()
    } else {
        "(not the path of a file)".into()
    }
}

/// Whether a part of a path may be a secret: in hexadecimal digits or base64 it is long and has no point in it.
fn is_secret(part: &OsStr) -> bool {
    part.len() >= SHORTEST_SECRET && !has_point(part)
}

fn has_point(part: &OsStr) -> bool {
    part.as_encoded_bytes().contains(&b'.')
}

/// The first line of a file that is made.
const COMMENT: &str =
    "# Whoever reads this can make sessions, and without it all sessions are over: keep it, and keep it secret.\n";
/// Largest file that is read as a ring, in bytes.
const LARGEST_FILE: usize = 1 << 20;
/// Longest name of a variable that is shown, in bytes: shorter than a key.
const LONGEST_NAME: usize = 64;
/// A raw secret in base64, without padding, is longer than this.
const SHORTEST_SECRET: usize = 40;

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn written() -> String {
        let key = Key::from_raw_secret(&std::array::from_fn::<u8, 32, _>(|at| at as u8 ^ 0xa0)).unwrap();
        key.write_with_secret().expose().to_owned()
    }

    /// A directory of one test, removed at its end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sealed-session-keys-{test}-{}", std::process::id()));
            _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn path(&self) -> PathBuf {
            self.0.join("keys.txt")
        }

        /// The names of what is in it.
        fn names(&self) -> Vec<OsString> {
            let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Refused, and of what kind the operating system's error is.
    #[track_caller]
    fn not_read(ring: Result<KeyRing, KeyError>) -> io::ErrorKind {
        match ring {
            Err(KeyError::File { source, .. }) => source.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_ring_comes_from_a_file() {
        let directory = Directory::new("file");
        let path = directory.path();
        fs::write(&path, format!("# ring\nseal {}\n", written())).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().describe().len(), 1);
        fs::write(&path, vec![b' '; LARGEST_FILE + 1]).unwrap();
        assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::FileTooLarge);
        let ring = format!("seal {}\n", written());
        let padding = "#".repeat(LARGEST_FILE - ring.len());
        fs::write(&path, ring + &padding).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().describe().len(), 1);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::InvalidData);
        fs::remove_file(&path).unwrap();
        assert_eq!(not_read(KeyRing::from_file(&path)), io::ErrorKind::NotFound);
        let missing = KeyRing::from_file(&path).unwrap_err();
        assert!(missing.to_string().contains(&*path.to_string_lossy()), "{missing}");
        assert!(!path.exists(), "only `from_file_or_new` makes it");
    }

    #[test]
    fn what_is_wrong_in_a_file_or_variable_says_in_which() {
        let directory = Directory::new("place");
        let path = directory.path();
        fs::write(&path, format!("seal {}\nsael x", written())).unwrap();
        for ring in [KeyRing::from_file(&path), KeyRing::from_file_or_new(&path)] {
            let wrong = ring.unwrap_err();
            let start = format!("the key file {}: entry 2 of the key ring: ", path.display());
            assert!(wrong.to_string().starts_with(&start), "{wrong}");
        }
        // Cargo sets this one; it is no ring, and what it says is not shown.
        let wrong = KeyRing::from_env("CARGO_PKG_NAME").unwrap_err().to_string();
        let start = "the environment variable CARGO_PKG_NAME: entry 1 of the key ring: ";
        assert!(wrong.starts_with(start) && !wrong.contains("sealed-session"), "{wrong}");
        let missing = KeyRing::from_env("SEALED_SESSION_NO_SUCH_VARIABLE").unwrap_err();
        let start = "the environment variable SEALED_SESSION_NO_SUCH_VARIABLE is not set; ";
        assert!(missing.to_string().starts_with(start), "{missing}");
    }

    #[test]
    fn a_ring_that_is_given_for_a_path_is_not_shown() {
        // In base64 too, as it is in a manifest: with a slash in it and without.
        for secret in [
            written(),
            "c2VhbCBzZWFsZWQxXzllNDg1OWE0XzRiOTlmYjc4ODdlOTVkNWRjYWMwODQy".to_owned(),
            "S5n7eIfpXV3KwIQuTMoh8OSMxqH3w/7dhGeNCz/A/4E=".to_owned(),
        ] {
            let wrong = KeyRing::from_file(&secret).unwrap_err();
            assert!(matches!(wrong, KeyError::File { .. }));
            assert!(!format!("{wrong} {wrong:?}").contains(&secret[20..]), "{wrong}");
        }
        for path in [
            "/run/secrets/9e4859a4b303b30056f76705/keys",
            "no-such-directory/ring.txt",
            "keys",
        ] {
            let missing = KeyRing::from_file(path).unwrap_err().to_string();
            assert!(missing.contains(path), "{missing}");
        }
    }

    #[test]
    fn no_file_is_named_after_a_key() {
        let directory = Directory::new("named");
        let secret = written();
        let ring = format!("seal {secret}");
        let base64 = "nO2qk1vQmJ0c4n3pB7xG5d8sTtYwZr6uLh9fVe2aKiM";
        for path in [secret.as_str(), &ring, base64].map(|name| directory.0.join(name)) {
            let wrong = KeyRing::from_file_or_new(path).unwrap_err();
            assert!(matches!(wrong, KeyError::KeyForPath), "{wrong}");
            assert!(!format!("{wrong} {wrong:?}").contains(&secret[20..]), "{wrong}");
        }
        assert!(directory.names().is_empty());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_unopened() {
        let path = std::env::temp_dir();
        for ring in [KeyRing::from_file(&path), KeyRing::from_file_or_new(&path)] {
            assert!(matches!(ring, Err(KeyError::NotAFile { path: of }) if of == path));
        }
    }

    #[test]
    fn the_first_start_makes_the_file_and_the_next_one_reads_it() {
        let directory = Directory::new("first");
        let path = directory.path();
        let first = KeyRing::from_file_or_new(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("# "));
        assert_eq!(lines.next(), first.write_with_secrets().expose().lines().next());
        assert_eq!(lines.next(), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        assert_eq!(directory.names(), ["keys.txt"], "and nothing else is left");
        let next = KeyRing::from_file_or_new(&path).unwrap();
        assert_eq!(next.write_with_secrets().expose(), first.write_with_secrets().expose());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn the_ring_knows_that_its_file_was_made_and_tells_once() {
        let directory = Directory::new("tells");
        let path = directory.path();
        let made = KeyRing::from_file_or_new(&path).unwrap();
        let id = made.describe()[0].id;
        let changed = made.also_opening(Key::generate().unwrap()).unwrap();
        assert_eq!(changed.take_made(), Some((&*path, id)), "a ring made of it knows too");
        assert_eq!(changed.take_made(), None);
        assert_eq!(made.take_made(), None);
        assert_eq!(
            KeyRing::from_file_or_new(&path).unwrap().take_made(),
            None,
            "it was there"
        );
    }

    #[test]
    fn what_starts_at_once_ends_up_with_one_key() {
        let directory = Directory::new("race");
        for round in 0..50 {
            let path = directory.0.join(format!("{round}.txt"));
            let barrier = Barrier::new(8);
            let start = || {
                barrier.wait();
                let ring = KeyRing::from_file_or_new(&path).unwrap();
                (ring.describe()[0].id, ring.take_made().is_some())
            };
            let started: Vec<_> = thread::scope(|scope| {
                let threads = [(); 8].map(|()| scope.spawn(start));
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let id = KeyRing::from_file(&path).unwrap().describe()[0].id;
            assert!(started.iter().all(|&(of, _)| of == id), "{started:?}");
            assert_eq!(
                started.iter().filter(|&&(_, made)| made).count(),
                1,
                "one of them made it"
            );
        }
        assert_eq!(directory.names().len(), 50, "and nothing else is left");
    }

    #[test]
    fn a_file_that_is_there_is_left_as_it_is() {
        let directory = Directory::new("there");
        let path = directory.path();
        let cut = &written()[..50];
        for (text, says) in [
            ("", "has no key in it"),
            ("# only a comment\n", "has no key in it"),
            (cut, "entry 1"),
        ] {
            fs::write(&path, text).unwrap();
            let refused = KeyRing::from_file_or_new(&path).unwrap_err();
            assert!(matches!(refused, KeyError::InFile { .. }));
            let shown = refused.to_string();
            assert!(
                shown.contains(says) && shown.contains(&*path.to_string_lossy()),
                "{shown}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(directory.names(), ["keys.txt"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_one_that_leads_nowhere_is_left() {
        use std::os::unix::fs::symlink;
        let directory = Directory::new("link");
        let (path, target) = (directory.path(), directory.0.join("target.txt"));
        symlink(&target, &path).unwrap();
        let refused = KeyRing::from_file_or_new(&path).unwrap_err();
        assert!(matches!(refused, KeyError::FileNotMade { .. }));
        assert!(refused.to_string().contains("leads to no file"), "{refused}");
        assert_eq!(
            (fs::read_link(&path).unwrap(), target.exists()),
            (target.clone(), false)
        );
        assert_eq!(directory.names(), ["keys.txt"]);
        fs::write(&target, written()).unwrap();
        assert_eq!(KeyRing::from_file_or_new(&path).unwrap().describe().len(), 1);
    }

    #[track_caller]
    fn not_made(path: &Path) -> io::ErrorKind {
        match KeyRing::from_file_or_new(path) {
            Err(KeyError::FileNotMade { path: of, source }) => {
                assert_eq!(of, path);
                source.kind()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_its_directory_no_file_is_made() {
        let directory = Directory::new("no-directory");
        let path = directory.0.join("missing/keys.txt");
        assert_eq!(not_made(&path), io::ErrorKind::NotFound);
        assert!(directory.names().is_empty());
        fs::create_dir(directory.0.join("missing")).unwrap();
        assert!(KeyRing::from_file_or_new(&path).is_ok(), "it is what was missing");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn in_a_directory_that_may_not_be_written_no_file_is_made() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = Directory::new("read-only");
        fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o500)).unwrap();
        // The superuser may write there, but not here.
        let may_write = fs::write(directory.0.join("try"), "").is_ok();
        let path = if may_write {
            "/sys/keys.txt".into()
        } else {
            directory.path()
        };
        let kind = not_made(&path);
        let is_expected = matches!(
            kind,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        );
        assert!(is_expected && !path.exists(), "{kind:?}");
    }

    /// A process that was killed in between has left a key under another name.
    #[test]
    fn what_a_crash_left_is_in_nobodys_way() {
        let directory = Directory::new("crash");
        let left = directory.0.join(".keys.txt.9e4859a4.new");
        fs::write(&left, &written()[..50]).unwrap();
        let ring = KeyRing::from_file_or_new(directory.path()).unwrap();
        assert_eq!(
            KeyRing::from_file(directory.path()).unwrap().describe(),
            ring.describe()
        );
        assert_eq!(directory.names(), [".keys.txt.9e4859a4.new", "keys.txt"]);
        assert_eq!(fs::read_to_string(left).unwrap(), written()[..50]);
    }
}
