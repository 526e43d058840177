//! The keys of an application with their roles, and the written ring.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::ids::KeyId;
use crate::key::{self, Key, SecretText};
use crate::time::{from_seconds, parse_rfc3339, to_seconds, write_rfc3339};

/// The keys of an application: exactly one seals at any time, all open.
///
/// Roles are named, never positional. The written ring has one entry per line (or separated by `;`), `#` starts a
/// comment:
///
/// ```text
/// seal sealed1_…                              # seals until another one takes over
/// seal sealed1_… from=2026-12-01T00:00:00Z    # opens now, seals from that instant
/// open sealed1_…                              # only opens: the previous key, or the next one
/// ```
///
/// A single bare key is a ring that seals with it. Checked: exactly one `seal` entry has no `from`, no two would seal
/// at the same time, no key stands twice.
///
/// ```
/// use sealed_session::{Key, KeyRing};
///
/// let today = Key::generate()?;
/// let yesterday = Key::generate()?;
/// let ring = KeyRing::new(today).open(yesterday)?;
/// let again = KeyRing::parse(ring.write_with_secrets().expose())?;
/// assert_eq!(ring.describe(), again.describe());
/// # Ok::<(), sealed_session::keys::KeyError>(())
/// ```
pub struct KeyRing {
    /// Sorted by key id, so that looking one up costs the same wherever it stands.
    entries: Vec<Entry>,
}

struct Entry {
    key: Key,
    role: Role,
}

/// A key of a ring, and which of its keys it is.
#[derive(Clone, Copy)]
pub(crate) struct KeyAt<'a> {
    pub(crate) index: usize,
    pub(crate) key: &'a Key,
}

/// What a key of a ring is for. Every key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Seals, until a key with a `from` instant takes over.
    Seal,
    /// Opens now, seals from this instant on.
    SealFrom(OffsetDateTime),
    /// Only opens.
    Open,
}

/// A key of a ring without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyDescription {
    /// Its public id.
    pub id: KeyId,
    /// Its role.
    pub role: Role,
}

impl fmt::Display for KeyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Seal => write!(f, "seal {}", self.id),
            Role::SealFrom(instant) => write!(f, "seal {} from={}", self.id, write_rfc3339(to_seconds(instant))),
            Role::Open => write!(f, "open {}", self.id),
        }
    }
}

impl KeyRing {
    /// A ring of one key, which seals.
    #[must_use]
    pub fn new(key: Key) -> Self {
        let role = Role::Seal;
        Self {
            entries: vec![Entry { key, role }],
        }
    }

    /// Adds a key that only opens: the previous one, or the next one before every server has it.
    ///
    /// # Errors
    /// [`KeyError::SameId`] if the ring has a key of this id.
    pub fn open(self, key: Key) -> Result<Self, KeyError> {
        self.with(key, Role::Open)
    }

    /// Adds a key that opens now and seals from `instant` on (in whole seconds, rounded down; one second after 1970 began
    /// at the earliest, since only the first key seals from the beginning).
    ///
    /// # Errors
    /// [`KeyError::SameId`] if the ring has a key of this id, [`KeyError::TwoSeal`] if another one takes over at the
    /// same instant.
    pub fn seal_from(self, key: Key, instant: OffsetDateTime) -> Result<Self, KeyError> {
        self.with(key, Role::SealFrom(from_seconds(to_seconds(instant).max(1))))
    }

    /// The ring after a rotation: `key` seals, every other key only opens.
    ///
    /// In a fleet, every server must open with the new key before one seals with it: give it to all with
    /// [`open`](Self::open) first.
    ///
    /// # Errors
    /// [`KeyError::SameId`] if the ring has a key of this id in another role than `open`.
    pub fn rotated_to(mut self, key: Key) -> Result<Self, KeyError> {
        let id = key.id();
        self.entries
            .retain(|entry| entry.key.id() != id || entry.role != Role::Open);
        self.entries.iter_mut().for_each(|entry| entry.role = Role::Open);
        self.with(key, Role::Seal)
    }

    /// The ring without the key of this id: tokens under it no longer open.
    ///
    /// # Errors
    /// [`KeyError::NothingSeals`] or [`KeyError::EmptyRing`] if that key is needed for sealing.
    pub fn without(mut self, id: KeyId) -> Result<Self, KeyError> {
        self.entries.retain(|entry| entry.key.id() != id);
        Self::checked(self.entries)
    }

    /// Reads a written ring.
    ///
    /// # Errors
    /// Any [`KeyError`] about entries and rings. The error names the entry, never the secret.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.starts_with('\u{feff}') {
            let problem = "a byte order mark stands before it; save the file as UTF-8 without one";
            return Err(KeyError::Entry { entry: 1, problem });
        }
        let entries: Vec<&str> = text
            .lines()
            .map(|line| line.split_once('#').map_or(line, |(entry, _comment)| entry))
            .flat_map(|line| line.split(';'))
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect();
        if let [bare] = entries[..]
            && !bare.contains(char::is_whitespace)
        {
            return Key::parse(bare).map(Self::new).map_err(|error| in_entry(1, &error));
        }
        let mut parsed = Vec::with_capacity(entries.len());
        for (index, text) in entries.into_iter().enumerate() {
            parsed.push(Entry::parse(text).map_err(|problem| KeyError::Entry {
                entry: index + 1,
                problem,
            })?);
        }
        Self::checked(parsed)
    }

    /// Reads the ring from an environment variable.
    ///
    /// # Errors
    /// [`KeyError::Environment`] if the variable is missing or not UTF-8, otherwise as [`parse`](Self::parse). No
    /// error contains the variable's content.
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        let text = std::env::var(variable).map_err(|_| KeyError::Environment {
            variable: shown_name(variable).to_owned(),
        })?;
        Self::parse(&Zeroizing::new(text))
    }

    /// Reads the ring from a regular file of at most 1 MiB, or from where a symbolic link leads to one. A pipe, such as
    /// `/dev/stdin` or the shell's `<(…)`, is refused without being opened: it gives a ring only once.
    ///
    /// # Errors
    /// [`KeyError::NotAFile`]; [`KeyError::File`] if it cannot be read, is too large or not UTF-8; otherwise as
    /// [`parse`](Self::parse).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let refused = |error: io::Error| refused_file(path, error.kind());
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
            return Err(refused_file(path, io::ErrorKind::FileTooLarge));
        }
        Self::parse(&text)
    }

    /// Ids and roles without secrets: the key that seals first, those that take over by instant, then the others by id.
    #[must_use]
    pub fn describe(&self) -> Vec<KeyDescription> {
        let mut keys: Vec<_> = self.entries.iter().map(Entry::describe).collect();
        keys.sort_by_key(|key| match key.role {
            Role::Seal => (0, 0, key.id),
            Role::SealFrom(instant) => (1, to_seconds(instant), key.id),
            Role::Open => (2, 0, key.id),
        });
        keys
    }

    /// The written ring, **with its secrets**: for the place where secrets are kept and nowhere else.
    #[must_use]
    pub fn write_with_secrets(&self) -> SecretText {
        let mut text = String::with_capacity(self.entries.len() * (key::WRITTEN + 64));
        for KeyDescription { id, role } in self.describe() {
            text.push_str(if role == Role::Open { "open " } else { "seal " });
            if let Some(found) = self.get(id) {
                found.key.write_to(&mut text);
            }
            if let Role::SealFrom(instant) = role {
                // Writing into a `String` cannot fail.
                let _ = write!(text, " from={}", write_rfc3339(to_seconds(instant)));
            }
            text.push('\n');
        }
        SecretText::new(text)
    }

    /// The id of the key that seals at `now`.
    #[must_use]
    pub fn sealing_key(&self, now: OffsetDateTime) -> KeyId {
        self.sealing(to_seconds(now)).key.id()
    }

    /// Of the `seal` entries whose instant has passed, the latest.
    pub(crate) fn sealing(&self, now: u64) -> KeyAt<'_> {
        self.all()
            .filter_map(|key| {
                let from = self.entries[key.index].seals_from()?;
                (from <= now).then_some((from, key))
            })
            .max_by_key(|&(from, _)| from)
            .map(|(_, key)| key)
            .expect("every ring has a key that seals from the beginning")
    }

    /// The keys that seal, each with the Unix second from which on it does, earliest first.
    pub(crate) fn sealing_from(&self) -> Vec<(KeyId, u64)> {
        let mut sealing: Vec<_> = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.key.id(), entry.seals_from()?)))
            .collect();
        sealing.sort_unstable_by_key(|&(_, from)| from);
        sealing
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<KeyAt<'_>> {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.key.id()).ok()?;
        let key = &self.entries[index].key;
        Some(KeyAt { index, key })
    }

    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = KeyAt<'_>> {
        let keys = self.entries.iter().map(|entry| &entry.key).enumerate();
        keys.map(|(index, key)| KeyAt { index, key })
    }

    fn with(mut self, key: Key, role: Role) -> Result<Self, KeyError> {
        self.entries.push(Entry { key, role });
        Self::checked(self.entries)
    }

    fn checked(mut entries: Vec<Entry>) -> Result<Self, KeyError> {
        if entries.is_empty() {
            return Err(KeyError::EmptyRing);
        }
        entries.sort_by_key(|entry| entry.key.id());
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].key.id() == pair[1].key.id()) {
            return Err(KeyError::SameId { id: pair[0].key.id() });
        }
        let ring = Self { entries };
        let sealing = ring.sealing_from();
        if let Some(pair) = sealing.windows(2).find(|pair| pair[0].1 == pair[1].1) {
            return Err(KeyError::TwoSeal {
                first: pair[0].0,
                second: pair[1].0,
            });
        }
        if sealing.first().is_none_or(|&(_, from)| from != 0) {
            return Err(KeyError::NothingSeals);
        }
        Ok(ring)
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut words = text.split_whitespace();
        let role = words.next();
        let key = match (role, words.next()) {
            (Some("seal" | "open"), Some(key)) => key,
            (Some("seal" | "open"), None) => return Err("the key is missing; write `seal KEY` or `open KEY`"),
            (Some(word), None) if word.starts_with("sealed") => {
                return Err("a key without a role is a ring by itself; among others write `seal KEY` or `open KEY`");
            }
            _ => return Err("its role is unknown; write `seal KEY`, `seal KEY from=INSTANT` or `open KEY`"),
        };
        let key = Key::parse(key).map_err(|error| key_problem(&error))?;
        let role = match (role, words.next()) {
            (Some("open"), None) => Role::Open,
            (Some("open"), Some(_)) => return Err("`open` takes a key and nothing else"),
            (_, None) => Role::Seal,
            (_, Some(from)) => Role::SealFrom(
                from.strip_prefix("from=")
                    .and_then(parse_rfc3339)
                    .filter(|&from| from > 0)
                    .map(from_seconds)
                    .ok_or("its instant is written `from=2026-12-01T00:00:00Z`, in whole seconds")?,
            ),
        };
        if words.next().is_some() {
            return Err("something follows the instant; write one entry per line");
        }
        Ok(Self { key, role })
    }

    fn describe(&self) -> KeyDescription {
        KeyDescription {
            id: self.key.id(),
            role: self.role,
        }
    }

    /// From which second on this key may seal.
    fn seals_from(&self) -> Option<u64> {
        match self.role {
            Role::Seal => Some(0),
            // Never 0, which is `Role::Seal`'s: `seal_from` and `parse` see to it.
            Role::SealFrom(instant) => Some(to_seconds(instant)),
            Role::Open => None,
        }
    }
}

impl FromStr for KeyRing {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.describe().iter().map(|key| format_args!("{key}").to_string()))
            .finish()
    }
}

/// Largest file that is read as a ring, in bytes.
const LARGEST_FILE: usize = 1 << 20;

fn key_problem(error: &KeyError) -> &'static str {
    match error {
        KeyError::Checksum => "the key id is not the one of the secret; the key was mistyped or cut, copy it again",
        _ => "the key is not written `sealed1_`, 8 hexadecimal digits, `_`, 64 hexadecimal digits, all in lower case",
    }
}

fn in_entry(entry: usize, error: &KeyError) -> KeyError {
    KeyError::Entry {
        entry,
        problem: key_problem(error),
    }
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

fn refused_file(path: &Path, kind: io::ErrorKind) -> KeyError {
    KeyError::File {
        path: shown_path(path),
        kind,
    }
}

/// The path for an error, with the same care: no secret, in hexadecimal digits or base64, has a point in it, and those
/// without a slash are long.
fn shown_path(path: &Path) -> PathBuf {
    let has_point = |part: &OsStr| part.as_encoded_bytes().contains(&b'.');
    let is_secret = |part: &OsStr| part.len() >= SHORTEST_SECRET && !has_point(part);
    let directory = path.parent().filter(|path| *path != Path::new(""));
    let is_path =
        path.is_absolute() || path.file_name().is_some_and(has_point) || directory.unwrap_or(Path::new(".")).is_dir();
    if is_path && !path.iter().any(is_secret) {
        path.to_owned()
    } else {
        "(not the path of a file)".into()
    }
}

/// Longest name of a variable that is shown, in bytes: shorter than a key.
const LONGEST_NAME: usize = 64;
/// A raw secret in base64, without padding, is longer than this.
const SHORTEST_SECRET: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        let mut secret = [byte; 32];
        (0..20).for_each(|i| secret[i] = i as u8 ^ byte);
        Key::from_raw_secret(&secret).unwrap()
    }

    fn written(byte: u8) -> String {
        key(byte).write_with_secret().expose().to_owned()
    }

    #[track_caller]
    fn refused(text: &str, error: &str) {
        let shown = KeyRing::parse(text).expect_err(text).to_string();
        assert!(shown.contains(error), "{shown}");
        for byte in [200, 201, 202] {
            let secret = written(byte);
            assert!(!shown.contains(&secret[20..30]), "{shown} shows a secret");
        }
    }

    #[test]
    fn bad_rings_are_refused_with_a_sentence_that_names_the_entry() {
        let (a, b) = (written(200), written(201));
        refused("", "the key ring is empty");
        refused(" # only a comment\n;;\n", "the key ring is empty");
        refused(&format!("open {a}"), "no key of the ring seals");
        refused(&format!("seal {a}\nseal {b}"), "would seal at the same time");
        refused(&format!("seal {a};open {a}"), "stands in the ring twice");
        refused(
            &format!("seal {a}\n{b}"),
            "entry 2 of the key ring: a key without a role",
        );
        refused(
            &format!("seal {a}\nsign {b}"),
            "entry 2 of the key ring: its role is unknown",
        );
        refused(
            &format!("seal {a}\nSEAL {b}"),
            "entry 2 of the key ring: its role is unknown",
        );
        refused("seal", "entry 1");
        for ring in [format!("seal {a}"), a.clone(), format!("# comment\nseal {a}")] {
            refused(
                &format!("\u{feff}{ring}"),
                "entry 1 of the key ring: a byte order mark stands before it",
            );
        }
        refused(
            &format!("seal {a}\nopne"),
            "entry 2 of the key ring: its role is unknown",
        );
        refused("seal ; open x", "entry 1 of the key ring: the key is missing");
        refused(&format!("seal {a} from=tomorrow"), "its instant is written");
        refused(&format!("seal {a} 2026-12-01T00:00:00Z"), "its instant is written");
        refused(
            &format!("seal {a}\nseal {b} from=1970-01-01T00:00:00Z"),
            "its instant is written",
        );
        refused(&format!("seal {a} from=2026-12-01T00:00:00Z x"), "something follows");
        refused(
            &format!("seal {a} from=2026-12-01T00:00:00Z"),
            "no key of the ring seals",
        );
        refused(
            &format!("seal {a}\nopen {b} from=2026-12-01T00:00:00Z"),
            "`open` takes a key and nothing else",
        );
        refused(&a[..a.len() - 1], "entry 1 of the key ring: the key is not written");
        let mistyped = format!("{}{}", &a[..a.len() - 1], if a.ends_with('0') { '1' } else { '0' });
        refused(
            &mistyped,
            "entry 1 of the key ring: the key id is not the one of the secret",
        );
        refused(
            &format!("seal {b}\nopen {mistyped}"),
            "entry 2 of the key ring: the key id is not the one of the secret",
        );
        let from = "from=2026-12-01T00:00:00Z";
        refused(
            &format!("seal {a}\nseal {b} {from}\nseal {} {from}", written(202)),
            "would seal at the same time",
        );
    }

    #[test]
    fn the_latest_sealing_key_whose_instant_has_passed_seals() {
        let ring = KeyRing::new(key(1)).open(key(2)).unwrap();
        let ring = ring.seal_from(key(3), from_seconds(2000)).unwrap();
        let ring = ring.seal_from(key(4), from_seconds(1000)).unwrap();
        for (now, sealing) in [(0, 1), (999, 1), (1000, 4), (1999, 4), (2000, 3), (u64::MAX, 3)] {
            assert_eq!(ring.sealing(now).key.id(), key(sealing).id(), "{now}");
        }
        assert_eq!(ring.sealing_key(from_seconds(1500)), key(4).id());
        for byte in 1..=4 {
            assert_eq!(ring.get(key(byte).id()).unwrap().key.id(), key(byte).id());
        }
        assert!(ring.get(key(5).id()).is_none());
    }

    #[test]
    fn a_ring_reads_back_as_written_and_describes_itself_without_secrets() {
        let ring = KeyRing::new(key(1))
            .open(key(2))
            .unwrap()
            .seal_from(key(3), from_seconds(1_796_083_200))
            .unwrap();
        let text = ring.write_with_secrets();
        assert_eq!(
            text.expose(),
            format!(
                "seal {}\nseal {} from=2026-12-01T00:00:00Z\nopen {}\n",
                written(1),
                written(3),
                written(2)
            )
        );
        let again: KeyRing = text.expose().parse().unwrap();
        assert_eq!(again.describe(), ring.describe());
        let shown = format!("{ring:?}");
        assert_eq!(
            shown,
            format!(
                "[\"seal {}\", \"seal {} from=2026-12-01T00:00:00Z\", \"open {}\"]",
                key(1).id(),
                key(3).id(),
                key(2).id()
            )
        );
    }

    #[test]
    fn an_instant_beyond_the_year_9999_reads_back_as_written() {
        // In UTC it is in the year 10000, which RFC 3339 cannot write.
        let text = format!(
            "seal {}\nseal {} from=9999-12-31T23:59:59-23:59",
            written(1),
            written(2)
        );
        let ring = KeyRing::parse(&text).unwrap();
        let again = KeyRing::parse(ring.write_with_secrets().expose()).unwrap();
        assert_eq!(again.describe(), ring.describe());
        assert_eq!(ring.describe()[1].role, Role::SealFrom(from_seconds(253_402_300_799)));
    }

    #[test]
    fn an_instant_at_or_before_1970_reads_back_as_written() {
        for instant in [from_seconds(0), OffsetDateTime::UNIX_EPOCH - time::Duration::days(1)] {
            let ring = KeyRing::new(key(1)).seal_from(key(2), instant).unwrap();
            let again = KeyRing::parse(ring.write_with_secrets().expose()).unwrap();
            assert_eq!(again.describe(), ring.describe());
            assert_eq!(again.sealing(1).key.id(), ring.sealing(1).key.id());
        }
    }

    #[test]
    fn a_rotation_demotes_every_other_key_and_a_retired_one_goes() {
        let ring = KeyRing::new(key(1))
            .open(key(2))
            .unwrap()
            .seal_from(key(3), from_seconds(9))
            .unwrap();
        let ring = ring.rotated_to(key(2)).unwrap();
        let roles = |ring: &KeyRing| ring.describe().iter().map(|key| (key.id, key.role)).collect::<Vec<_>>();
        assert_eq!(roles(&ring)[0], (key(2).id(), Role::Seal));
        assert!(roles(&ring)[1..].iter().all(|&(_, role)| role == Role::Open) && roles(&ring).len() == 3);
        assert_eq!(ring.sealing(u64::MAX).key.id(), key(2).id());
        let ring = ring.without(key(1).id()).unwrap().without(key(3).id()).unwrap();
        assert_eq!(roles(&ring), [(key(2).id(), Role::Seal)]);
        assert_eq!(ring.without(key(2).id()).unwrap_err(), KeyError::EmptyRing);
        let ring = KeyRing::new(key(1)).open(key(2)).unwrap();
        assert_eq!(ring.without(key(1).id()).unwrap_err(), KeyError::NothingSeals);
        let ring = KeyRing::new(key(1)).rotated_to(key(1));
        assert_eq!(ring.unwrap_err(), KeyError::SameId { id: key(1).id() });
    }

    #[test]
    fn a_key_stands_in_a_ring_once() {
        assert_eq!(
            KeyRing::new(key(1)).open(key(1)).unwrap_err(),
            KeyError::SameId { id: key(1).id() }
        );
        let ring = KeyRing::new(key(1)).seal_from(key(2), from_seconds(9)).unwrap();
        assert!(matches!(
            ring.seal_from(key(3), from_seconds(9)),
            Err(KeyError::TwoSeal { .. })
        ));
    }

    #[test]
    fn a_ring_comes_from_a_file_or_the_environment() {
        let path = std::env::temp_dir().join(format!("sealed-session-ring-{}", std::process::id()));
        let refused = |kind| KeyError::File {
            path: path.clone(),
            kind,
        };
        fs::write(&path, format!("# ring\nseal {}\n", written(1))).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().describe()[0].id, key(1).id());
        fs::write(&path, vec![b' '; LARGEST_FILE + 1]).unwrap();
        assert_eq!(
            KeyRing::from_file(&path).unwrap_err(),
            refused(io::ErrorKind::FileTooLarge)
        );
        let ring = format!("seal {}\n", written(1));
        let padding = "#".repeat(LARGEST_FILE - ring.len());
        fs::write(&path, ring + &padding).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().describe().len(), 1);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(
            KeyRing::from_file(&path).unwrap_err(),
            refused(io::ErrorKind::InvalidData)
        );
        fs::remove_file(&path).unwrap();
        let missing = KeyRing::from_file(&path).unwrap_err();
        assert_eq!(missing, refused(io::ErrorKind::NotFound));
        assert!(missing.to_string().contains(&*path.to_string_lossy()), "{missing}");
        let missing = KeyRing::from_env("SEALED_SESSION_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the environment variable SEALED_SESSION_NO_SUCH_VARIABLE is not set to a key ring; set it to a written key"
        );
        // Cargo sets this one; it is no ring, and what it says is not shown.
        let wrong = KeyRing::from_env("CARGO_PKG_NAME").unwrap_err();
        assert!(!wrong.to_string().contains("sealed-session"), "{wrong}");
    }

    #[test]
    fn a_ring_that_is_given_for_a_path_is_not_shown() {
        // In base64 too, as it is in a manifest: with a slash in it and without.
        for secret in [
            written(1),
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
    fn what_is_no_regular_file_is_refused_unopened() {
        let path = std::env::temp_dir();
        assert_eq!(KeyRing::from_file(&path).unwrap_err(), KeyError::NotAFile { path });
    }
}
