//! The written ring as a text that people edit too: changes keep its comments, blank lines and order.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealed_session::keys::{KeyError, KeyId, Role};
use sealed_session::{Key, KeyRing};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::answer::Failure;
use crate::instants::written;

/// A written ring that was read and checked.
pub(crate) struct RingText {
    text: Zeroizing<String>,
    ring: Arc<KeyRing>,
}

/// The role of every key of a ring.
type Roles = BTreeMap<KeyId, Role>;

impl RingText {
    pub(crate) fn parse(text: Zeroizing<String>) -> Result<Self, KeyError> {
        let ring = Arc::new(KeyRing::parse(&text)?);
        Ok(Self { text, ring })
    }

    /// The text, **secrets included**.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// With one more key, which only opens.
    pub(crate) fn with_open(&self, key: &Key) -> Result<Self, Failure> {
        let mut roles = self.roles();
        if roles.insert(key.id(), Role::Open).is_some() {
            return Err(Failure::refused(format_args!(
                "key {} is in the ring already",
                key.id()
            )));
        }
        self.rewrite(&roles, Some(key))
    }

    /// With a key that seals from `from` on. The entry of the key that sealed before stays, so that the ring says
    /// until when it sealed.
    pub(crate) fn promoted(&self, id: KeyId, from: OffsetDateTime) -> Result<Self, Failure> {
        let mut roles = self.roles();
        roles.insert(id, Role::SealFrom(from));
        give_base(&mut roles, id);
        self.rewrite(&roles, None)
    }

    /// Without a key. If it sealed from the beginning, its successor now does.
    pub(crate) fn without(&self, id: KeyId) -> Result<Self, Failure> {
        let mut roles = self.roles();
        roles.remove(&id);
        give_base(&mut roles, id);
        self.rewrite(&roles, None)
    }

    fn roles(&self) -> Roles {
        roles_of(&self.ring)
    }

    /// The text with these roles. The result is read again, and must have exactly these.
    fn rewrite(&self, roles: &Roles, added: Option<&Key>) -> Result<Self, Failure> {
        let before = self.roles();
        // The full capacity at once: a string that grows leaves copies of secrets in memory.
        let mut text = Zeroizing::new(String::with_capacity(self.text.len() + (before.len() + 1) * 128));
        for line in self.text.split_inclusive('\n') {
            let (content, comment) = line.split_at(line.find('#').unwrap_or(line.trim_end_matches(['\r', '\n']).len()));
            let (mut kept, mut dropped) = (0, 0);
            let start = text.len();
            for part in content.split(';') {
                let entry = part.trim();
                let id = key_of(entry).and_then(id_of).filter(|id| before.contains_key(id));
                let role = id.map(|id| (before.get(&id), roles.get(&id)));
                if matches!(role, Some((_, None))) {
                    dropped += 1;
                    continue;
                }
                if kept > 0 {
                    text.push(';');
                }
                kept += 1;
                match (role, key_of(entry)) {
                    (Some((old, Some(new))), Some(key)) if old != Some(new) || key == entry => {
                        let (indent, rest) = part.split_at(part.find(entry).unwrap_or(0));
                        text.push_str(indent);
                        push_entry(&mut text, key, *new);
                        text.push_str(&rest[entry.len()..]);
                    }
                    _ => text.push_str(part),
                }
            }
            // A line with only the removed key goes; a comment on it stays.
            if dropped == 0 || kept > 0 && !text[start..].trim().is_empty() || comment.starts_with('#') {
                text.push_str(comment);
            }
        }
        if let Some(key) = added {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            push_entry(&mut text, key.write_with_secret().expose(), Role::Open);
            text.push('\n');
        }
        let rewritten = Self::parse(text)
            .map_err(|error| Failure::refused(format_args!("the file was left as it was: {error}")))?;
        if rewritten.roles() != *roles {
            return Err(Failure::refused(
                "the file was left as it was: it is written in a way that cannot be changed safely; \
                 write one entry per line",
            ));
        }
        Ok(rewritten)
    }
}

fn roles_of(ring: &KeyRing) -> Roles {
    ring.describe().into_iter().map(|key| (key.id, key.role)).collect()
}

/// Exactly one key seals from the beginning. If none does, the earliest of those with a `from` time becomes it; the key
/// that was just given its time only if there is no other.
fn give_base(roles: &mut Roles, given: KeyId) {
    if roles.values().any(|role| *role == Role::Seal) {
        return;
    }
    let from = |(id, role): (&KeyId, &Role)| match role {
        Role::SealFrom(instant) => Some((*id == given, *instant, *id)),
        _ => None,
    };
    if let Some((_, _, id)) = roles.iter().filter_map(from).min() {
        roles.insert(id, Role::Seal);
    }
}

/// The written key of an entry.
fn key_of(entry: &str) -> Option<&str> {
    entry.split_whitespace().find(|word| word.starts_with(PREFIX))
}

fn id_of(key: &str) -> Option<KeyId> {
    key[PREFIX.len()..].split('_').next()?.parse().ok()
}

const PREFIX: &str = "sealed1_";

fn push_entry(text: &mut String, key: &str, role: Role) {
    text.push_str(if role == Role::Open { "open " } else { "seal " });
    text.push_str(key);
    if let Role::SealFrom(instant) = role {
        text.push_str(" from=");
        text.push_str(&written(instant));
    }
}
