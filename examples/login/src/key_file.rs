//! The key ring of the demo in a file, so that a restart keeps the sessions.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use sealed_session::keys::KeyDescription;
use sealed_session::{Key, KeyRing};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::terminal::say;

/// The ring of this server as its operator sees it, and its file.
pub(crate) struct Keys {
    pub(crate) file: KeyFile,
    pub(crate) ring: Vec<Held>,
}

/// A key, and since when it has had its role here. What it was before the start of this process is not known.
pub(crate) struct Held {
    pub(crate) key: KeyDescription,
    pub(crate) since: OffsetDateTime,
}

impl Keys {
    pub(crate) fn new(file: KeyFile, ring: &KeyRing) -> Self {
        let mut keys = Self { file, ring: Vec::new() };
        keys.replace(ring);
        keys
    }

    /// This server has another ring now.
    pub(crate) fn replace(&mut self, ring: &KeyRing) {
        let since = |key| {
            let same = self.ring.iter().find(|held| held.key == key);
            same.map_or_else(OffsetDateTime::now_utc, |held| held.since)
        };
        let held = |key| Held { key, since: since(key) };
        self.ring = ring.describe().into_iter().map(held).collect();
    }
}

/// A file with a written ring, the newest key first.
pub(crate) struct KeyFile {
    path: PathBuf,
}

/// Without its key a session no longer opens, so a real ring keeps a key until its last session has expired. The demo
/// counts keys instead.
const KEPT: usize = 4;

impl KeyFile {
    /// The file and its ring. The first run makes both, unless the file must exist. `LOGIN_KEYS` names another file
    /// than the one next to the executable.
    pub(crate) fn open(must_exist: bool) -> Result<(Self, KeyRing), Box<dyn Error>> {
        let path = match std::env::var_os("LOGIN_KEYS") {
            Some(path) => PathBuf::from(path),
            None => std::env::current_exe()?.with_file_name("login-keys.txt"),
        };
        let ring = if must_exist || path.exists() {
            let ring = KeyRing::from_file(&path).map_err(|error| in_file(&path, &error))?;
            say("keys", &format!("the ring of the last run is in {}", path.display()));
            ring
        } else {
            let ring = KeyRing::new(Key::generate()?);
            write(&path, ring.write_with_secrets().expose().as_bytes())?;
            say("keys", &format!("a new ring was made in {}", path.display()));
            ring
        };
        Ok((Self { path }, ring))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a new key first, which seals. All others only open, and the oldest is removed.
    pub(crate) fn rotate(&self) -> Result<KeyRing, Box<dyn Error>> {
        let text = Zeroizing::new(fs::read_to_string(&self.path)?);
        let mut rotated = Zeroizing::new(String::with_capacity(text.len() + 128));
        for part in ["seal ", Key::generate()?.write_with_secret().expose(), "\n"] {
            rotated.push_str(part);
        }
        for key in written_keys(&text).take(KEPT - 1) {
            for part in ["open ", key, "\n"] {
                rotated.push_str(part);
            }
        }
        let ring = KeyRing::parse(&rotated)?;
        write(&self.path, rotated.as_bytes())?;
        Ok(ring)
    }
}

/// The written keys of a ring, in order, with any role.
fn written_keys(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|entries| entries.split(|c: char| c == ';' || c.is_whitespace()))
        .filter(|word| word.starts_with("sealed1_"))
}

/// Writes a file beside it and renames that, so that no reader sees half of it. Only its owner may read it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &dyn Error) -> Box<dyn Error> {
    format!("{}: {error}", path.display()).into()
}
