//! The secrets of the model, and the rings that an operator makes of them.

use std::fmt;

use sealed_session::keys::KeyId;
use sealed_session::{Key, KeyRing};

use crate::server::{at, clock};

/// The same secrets in every run.
pub fn key(number: u8) -> Key {
    let mut secret = [0; 32];
    (0..32u8).for_each(|index| secret[usize::from(index)] = index.wrapping_mul(7) ^ number);
    Key::from_raw_secret(&secret).expect("32 distinct values, not printable")
}

/// The two secrets of one rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    Old,
    New,
}

impl Secret {
    pub fn key(self) -> Key {
        key(self as u8)
    }

    /// The secret that a token names.
    pub fn of(id: KeyId) -> Self {
        [Self::Old, Self::New]
            .into_iter()
            .find(|secret| secret.key().id() == id)
            .expect("there are no other secrets")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "old",
            Self::New => "new",
        })
    }
}

/// The ring of a server during one rotation, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ring {
    /// `seal old`
    Old,
    /// `seal old; open new`
    NewOpens,
    /// `seal old; seal new from=…`, in seconds of the model.
    NewSealsFrom(u32),
    /// `seal new; open old`
    NewSeals,
    /// `seal new`
    New,
}

impl Ring {
    /// The ring, made as an operator makes it: each from the one before.
    pub fn key_ring(self) -> KeyRing {
        let (old, new) = (Secret::Old, Secret::New);
        let ring = match self {
            Self::Old => Ok(KeyRing::new(old.key())),
            Self::NewOpens => Self::Old.key_ring().also_opening(new.key()),
            Self::NewSealsFrom(from) => Self::NewOpens.key_ring().promote(new.key().id(), Some(at(from))),
            Self::NewSeals => Self::NewOpens.key_ring().promote(new.key().id(), None),
            Self::New => Self::NewSeals.key_ring().without(old.key().id()),
        };
        ring.expect("a sound ring")
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old => f.write_str("`seal old`"),
            Self::NewOpens => f.write_str("`seal old; open new`"),
            Self::NewSealsFrom(from) => write!(f, "`seal old; seal new from={}`", clock(*from)),
            Self::NewSeals => f.write_str("`seal new; open old`"),
            Self::New => f.write_str("`seal new`"),
        }
    }
}
