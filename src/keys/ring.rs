//! The keys of an application with their roles, and the written form of such a ring.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use time::OffsetDateTime;

use crate::error::KeyError;
use crate::ids::KeyId;
use crate::keys::key::{self, Key, SecretText};
use crate::time::{from_seconds, parse_rfc3339, to_seconds, write_rfc3339};

/// The keys of an application: at any time exactly one key seals, and all keys open.
///
/// Each key names its role; the order of keys means nothing. The written ring has one entry per line (or separated by
/// `;`), and `#` starts a comment:
///
/// ```text
/// seal sealed1_…                              # seals until another key takes over
/// seal sealed1_… from=2026-12-01T00:00:00Z    # opens now, seals from that time on
/// open sealed1_…                              # only opens: the previous key, or the next key
/// ```
///
/// A single bare key is a ring that seals with this key. Checked: exactly one `seal` entry has no `from`, no two keys
/// would seal at the same time, and no key occurs twice.
///
/// A ring does not change: [`also_opening`](Self::also_opening), [`promote`](Self::promote) and
/// [`without`](Self::without) return another ring, which shares the secrets. A rotation:
///
/// ```
/// use sealed_session::{Key, KeyRing};
///
/// let (old, new) = (Key::generate()?, Key::generate()?);
/// let (old_id, new_id) = (old.id(), new.id());
/// let ring = KeyRing::new(old);
/// let ring = ring.also_opening(new)?; // 1. every server gets the new key
/// let ring = ring.promote(new_id, None)?; // 2. the new key seals
/// let ring = ring.without(old_id)?; // 3. when everything that the old key sealed has expired
/// assert_eq!(ring.describe().len(), 1);
/// # Ok::<(), sealed_session::keys::KeyError>(())
/// ```
#[must_use = "a ring does not change: this is another one"]
pub struct KeyRing {
    /// Sorted by key id, so that finding a key costs the same wherever it was written.
    entries: Vec<Entry>,
    /// The file, if this process made one for the ring.
    made: Option<Arc<Made>>,
}

/// A new file that was made for a new ring.
struct Made {
    path: PathBuf,
    key_id: KeyId,
    told: AtomicBool,
}

struct Entry {
    key: Key,
    role: Role,
}

/// A key of a ring, and its place in the ring.
#[derive(Clone, Copy)]
pub(crate) struct KeyAt<'a> {
    pub(crate) index: usize,
    pub(crate) key: &'a Key,
}

/// The role of a key in its ring. Every key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Seals, until a key with a `from` time takes over.
    Seal,
    /// Opens now, and seals from this time on.
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
    ///
    /// ```
    /// use sealed_session::keys::{Key, KeyRing, Role};
    ///
    /// let ring = KeyRing::new(Key::generate()?);
    /// assert!(matches!(ring.describe()[..], [key] if key.role == Role::Seal));
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
    pub fn new(key: Key) -> Self {
        let role = Role::Seal;
        Self {
            entries: vec![Entry { key, role }],
            made: None,
        }
    }

    /// The ring with one more key, which only opens: the previous key, or the next key while not every server has it
    /// yet.
    ///
    /// ```
    /// use sealed_session::keys::{Key, KeyRing, Role};
    ///
    /// let (old, new) = (Key::generate()?, Key::generate()?);
    /// let old_id = old.id();
    /// let ring = KeyRing::new(new).also_opening(old)?;
    /// let opens: Vec<_> = ring.describe().into_iter().filter(|key| key.role == Role::Open).collect();
    /// assert!(matches!(opens[..], [key] if key.id == old_id));
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::SameId`] if the ring has a key with this id.
    #[doc(alias("open", "fallback", "previous", "add"))]
    pub fn also_opening(&self, key: Key) -> Result<Self, KeyError> {
        let role = Role::Open;
        let mut entries = self.shared_entries();
        entries.push(Entry { key, role });
        self.changed(entries)
    }

    /// The ring in which one of its keys seals.
    ///
    /// Without `from`, the key seals at once, and all other keys only open. With `from`, it seals from that time on (in
    /// whole seconds, rounded down; at the earliest one second after the start of 1970), and the other keys keep their
    /// roles.
    ///
    /// In a fleet, every server must open with the key before any server seals with it: give the key to all servers
    /// with [`also_opening`](Self::also_opening) first.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sealed_session::{Key, KeyRing};
    /// use time::OffsetDateTime;
    ///
    /// let (old, new) = (Key::generate()?, Key::generate()?);
    /// let (old_id, new_id) = (old.id(), new.id());
    /// let ring = KeyRing::new(old).also_opening(new)?;
    ///
    /// let now = OffsetDateTime::now_utc();
    /// let tomorrow = now + Duration::from_secs(86_400);
    /// let planned = ring.promote(new_id, Some(tomorrow))?;
    /// assert_eq!((planned.sealing_key_at(now), planned.sealing_key_at(tomorrow)), (old_id, new_id));
    /// assert_eq!(ring.promote(new_id, None)?.sealing_key_at(now), new_id);
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::NoSuchKey`]; [`KeyError::TwoSeal`] if another key takes over at the same time;
    /// [`KeyError::NothingSeals`] if the key seals from the beginning and would now seal only from a later time on.
    #[doc(alias("rotate", "seal", "activate"))]
    pub fn promote(&self, id: KeyId, from: Option<OffsetDateTime>) -> Result<Self, KeyError> {
        let at = self.get(id).ok_or(KeyError::NoSuchKey { id })?.index;
        let mut entries = self.shared_entries();
        match from {
            None => {
                entries.iter_mut().for_each(|entry| entry.role = Role::Open);
                entries[at].role = Role::Seal;
            }
            // Never 0, which means `Role::Seal`.
            Some(from) => entries[at].role = Role::SealFrom(from_seconds(to_seconds(from).max(1))),
        }
        self.changed(entries)
    }

    /// The ring without the key with this id: nothing that was sealed with the key opens any more.
    ///
    /// ```
    /// use sealed_session::keys::{Key, KeyError, KeyRing};
    ///
    /// let (seals, stolen) = (Key::generate()?, Key::generate()?);
    /// let (seals_id, stolen_id) = (seals.id(), stolen.id());
    /// let ring = KeyRing::new(seals).also_opening(stolen)?.without(stolen_id)?;
    /// assert!(ring.describe().iter().all(|key| key.id != stolen_id));
    /// assert!(matches!(ring.without(stolen_id), Err(KeyError::NoSuchKey { .. })));
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::NoSuchKey`]; [`KeyError::NothingSeals`] or [`KeyError::EmptyRing`] if that key is needed for
    /// sealing.
    #[doc(alias("remove", "retire", "drop"))]
    pub fn without(&self, id: KeyId) -> Result<Self, KeyError> {
        let at = self.get(id).ok_or(KeyError::NoSuchKey { id })?.index;
        let mut entries = self.shared_entries();
        entries.remove(at);
        self.changed(entries)
    }

    /// Reads a written ring.
    ///
    /// ```
    /// use sealed_session::keys::{KeyError, KeyRing};
    ///
    /// let key = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81";
    /// let ring = KeyRing::parse(&format!("seal {key}  # since Monday"))?;
    /// assert_eq!(ring.describe()[0].to_string(), "seal 9e4859a4");
    ///
    /// let error = KeyRing::parse(&format!("sael {key}")).unwrap_err();
    /// assert!(matches!(error, KeyError::Entry { entry: 1, .. }));
    /// # Ok::<(), KeyError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`KeyError`] about entries and rings. The error names the entry, and never contains the secret.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.starts_with('\u{feff}') {
            let problem = "a byte order mark is before it; save the file as UTF-8 without one";
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
            return Key::parse(bare).map(Self::new).map_err(|error| KeyError::Entry {
                entry: 1,
                problem: error.written_key_problem(),
            });
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

    /// Ids and roles without secrets: first the key that seals without a time, then the keys with one, by time, then the
    /// keys that only open, by id.
    ///
    /// ```
    /// use sealed_session::{Key, KeyRing};
    ///
    /// let (old, new) = (Key::generate()?, Key::generate()?);
    /// let expected = [format!("seal {}", new.id()), format!("open {}", old.id())];
    /// let ring = KeyRing::new(new).also_opening(old)?;
    /// assert!(ring.describe().iter().map(ToString::to_string).eq(expected));
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn describe(&self) -> Vec<KeyDescription> {
        let description = |entry: &Entry| KeyDescription {
            id: entry.key.id(),
            role: entry.role,
        };
        let mut keys: Vec<_> = self.entries.iter().map(description).collect();
        keys.sort_by_key(|key| match key.role {
            Role::Seal => (0, 0, key.id),
            Role::SealFrom(instant) => (1, to_seconds(instant), key.id),
            Role::Open => (2, 0, key.id),
        });
        keys
    }

    /// The written ring, **with its secrets**: store it only where secrets are kept.
    ///
    /// ```
    /// use sealed_session::{Key, KeyRing};
    ///
    /// let key = Key::generate()?;
    /// let line = format!("seal {}\n", key.write_with_secret().expose());
    /// assert_eq!(KeyRing::new(key).write_with_secrets().expose(), line);
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
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
    ///
    /// ```
    /// use sealed_session::{Key, KeyRing};
    /// use time::OffsetDateTime;
    ///
    /// let (first, next) = (Key::generate()?, Key::generate()?);
    /// let (first_id, next_id) = (first.id(), next.id());
    /// let at = |second| OffsetDateTime::from_unix_timestamp(second).expect("in this era");
    /// let ring = KeyRing::new(first).also_opening(next)?.promote(next_id, Some(at(1_800_000_000)))?;
    /// assert_eq!(ring.sealing_key_at(at(1_799_999_999)), first_id);
    /// assert_eq!(ring.sealing_key_at(at(1_800_000_000)), next_id);
    /// # Ok::<(), sealed_session::keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn sealing_key_at(&self, now: OffsetDateTime) -> KeyId {
        self.sealing(to_seconds(now)).key.id()
    }

    /// The key of the latest `seal` entry whose time has come.
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

    /// The keys that seal, each with the Unix second from which it seals, the earliest first.
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

    /// Remembers that this process made a file for the ring.
    pub(super) fn made_at(self, path: PathBuf, key_id: KeyId) -> Self {
        let told = AtomicBool::new(false);
        let made = Some(Arc::new(Made { path, key_id, told }));
        Self { made, ..self }
    }

    /// The file that this process made for the ring, and its key. Only the first call gets them.
    pub(crate) fn take_made(&self) -> Option<(&Path, KeyId)> {
        let made = self.made.as_ref()?;
        let is_first = !made.told.swap(true, Ordering::AcqRel);
        is_first.then_some((&made.path, made.key_id))
    }

    fn shared_entries(&self) -> Vec<Entry> {
        let share = |entry: &Entry| Entry {
            key: entry.key.share(),
            role: entry.role,
        };
        self.entries.iter().map(share).collect()
    }

    fn changed(&self, entries: Vec<Entry>) -> Result<Self, KeyError> {
        let made = self.made.clone();
        Self::checked(entries).map(|ring| Self { made, ..ring })
    }

    fn checked(mut entries: Vec<Entry>) -> Result<Self, KeyError> {
        if entries.is_empty() {
            return Err(KeyError::EmptyRing);
        }
        entries.sort_by_key(|entry| entry.key.id());
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].key.id() == pair[1].key.id()) {
            return Err(KeyError::SameId { id: pair[0].key.id() });
        }
        let ring = Self { entries, made: None };
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
            _ => return Err("its role is unknown; write `seal KEY`, `seal KEY from=TIME` or `open KEY`"),
        };
        let key = Key::parse(key).map_err(|error| error.written_key_problem())?;
        let role = match (role, words.next()) {
            (Some("open"), None) => Role::Open,
            (Some("open"), Some(_)) => return Err("`open` takes a key and nothing else"),
            (_, None) => Role::Seal,
            (_, Some(from)) => Role::SealFrom(
                from.strip_prefix("from=")
                    .and_then(parse_rfc3339)
                    .filter(|&from| from > 0)
                    .map(from_seconds)
                    .ok_or("its time is written `from=2026-12-01T00:00:00Z`, in whole seconds")?,
            ),
        };
        if words.next().is_some() {
            return Err("text follows the time; write one entry per line");
        }
        Ok(Self { key, role })
    }

    /// The second from which this key may seal.
    fn seals_from(&self) -> Option<u64> {
        match self.role {
            Role::Seal => Some(0),
            // Never 0, which means `Role::Seal`: `promote` and `parse` prevent it.
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
            .entries(self.describe().iter().map(ToString::to_string))
            .finish()
    }
}

#[cfg(test)]
mod tests;
