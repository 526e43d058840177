//! A secret, its public id and its written form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::aead::{self, Prk};
use crate::error::KeyError;
use crate::ids::{KeyId, parse_hex};

/// One secret of 32 bytes, which seals sessions.
///
/// A key is written as `sealed1_`, the key id in 8 hexadecimal digits, `_`, the secret in 64 (SPEC.md, *Secret and key
/// id*). `Debug` shows only the id, a key is neither `Clone` nor `Serialize`, and its memory is cleared when it is
/// dropped.
///
/// ```
/// use sealed_session::Key;
///
/// let key = Key::generate()?;
/// let written = key.write_with_secret();
/// let again: Key = written.expose().parse()?;
/// assert_eq!(key.id(), again.id());
/// # Ok::<(), sealed_session::keys::KeyError>(())
/// ```
pub struct Key {
    /// The secret has one place in memory, however often the key moves (a growing ring moves all of its keys) and
    /// however many rings share it. So no copy of it stays in memory, and it is cleared with the last of these rings.
    kept: Arc<Kept>,
    id: KeyId,
}

struct Kept {
    secret: Zeroizing<[u8; SECRET]>,
    root: Prk,
}

impl Key {
    /// Draws a new secret from the operating system's generator.
    ///
    /// # Errors
    /// [`KeyError::RandomSource`] if the operating system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; SECRET]);
        aead::os_random(&mut *secret).map_err(|_| KeyError::RandomSource)?;
        Ok(Self::from_secret(secret))
    }

    /// Makes a key from a raw secret, such as that of a key management service.
    ///
    /// Checked: the secret is 32 bytes long, is not all printable ASCII (a password is not a secret), and has at least
    /// 17 distinct byte values.
    ///
    /// # Errors
    /// [`KeyError::RawLength`], [`KeyError::RawPrintable`] or [`KeyError::RawTooUniform`].
    pub fn from_raw_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let array: &[u8; SECRET] = secret
            .try_into()
            .map_err(|_| KeyError::RawLength { bytes: secret.len() })?;
        let array = Zeroizing::new(*array);
        if array.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(KeyError::RawPrintable);
        }
        // A table of the values that occur would tell half of the secret, and nothing would clear it.
        let first = |&(at, byte): &(usize, &u8)| !array[..at].contains(byte);
        let distinct = array.iter().enumerate().filter(first).count();
        if distinct < DISTINCT {
            return Err(KeyError::RawTooUniform { distinct });
        }
        Ok(Self::from_secret(array))
    }

    /// Reads the written form.
    ///
    /// Checked: prefix, length, lower case, and that the key id is the id of the secret, which catches typing errors.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] or [`KeyError::Checksum`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let digits = text.strip_prefix(PREFIX).ok_or(KeyError::NotAKey)?;
        let (id, secret) = digits.split_once('_').ok_or(KeyError::NotAKey)?;
        let id = parse_hex(id).ok_or(KeyError::NotAKey)?;
        let key = Self::from_secret(parse_hex(secret).map(Zeroizing::new).ok_or(KeyError::NotAKey)?);
        if key.id != KeyId(id) {
            return Err(KeyError::Checksum);
        }
        Ok(key)
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The written form, **with the secret**: store it only where secrets are kept.
    #[must_use]
    pub fn write_with_secret(&self) -> SecretText {
        let mut text = String::with_capacity(WRITTEN);
        self.write_to(&mut text);
        SecretText::new(text)
    }

    /// Appends the written form. `text` must have room for it: growing would leave a copy in memory.
    pub(crate) fn write_to(&self, text: &mut String) {
        text.push_str(PREFIX);
        push_hex(text, &self.id.0);
        text.push('_');
        push_hex(text, &*self.kept.secret);
    }

    /// `root`, from which the key id and the keys of every day are expanded.
    pub(crate) fn root(&self) -> &Prk {
        &self.kept.root
    }

    /// The same key for another ring. Both share the secret; it is not copied.
    pub(crate) fn share(&self) -> Self {
        Self {
            kept: Arc::clone(&self.kept),
            id: self.id,
        }
    }

    fn from_secret(secret: Zeroizing<[u8; SECRET]>) -> Self {
        // root   = HKDF-Extract(salt = "sealed-session/v1", ikm = secret)
        // key id = Expand(root, "key id", 4)
        let root = Prk::extract(b"sealed-session/v1", &*secret);
        let id = KeyId(*root.expand(&[b"key id"]));
        let kept = Arc::new(Kept { secret, root });
        Self { kept, id }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// A text that contains secrets. Only [`expose`](Self::expose) shows it, and it is cleared from memory when dropped.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, secrets included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Bytes of a secret.
const SECRET: usize = 32;
/// The smallest number of distinct byte values in a raw secret. 32 random bytes have fewer once in 4 * 10^14 draws.
const DISTINCT: usize = 17;
/// The start of a written key. The digit is the format's version.
pub(crate) const PREFIX: &str = "sealed1_";
/// Characters of a written key.
pub(crate) const WRITTEN: usize = PREFIX.len() + 8 + 1 + 64;

pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN_KEY: &str = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81";

    #[test]
    fn a_written_key_reads_back() {
        let key = Key::parse(WRITTEN_KEY).unwrap();
        assert_eq!(key.id().to_string(), "9e4859a4");
        assert_eq!(key.write_with_secret().expose(), WRITTEN_KEY);
        assert_eq!(WRITTEN_KEY.len(), WRITTEN);
        let new = Key::generate().unwrap();
        assert_eq!(Key::parse(new.write_with_secret().expose()).unwrap().id(), new.id());
        assert_ne!(new.id(), Key::generate().unwrap().id());
    }

    #[test]
    fn a_cut_or_mistyped_key_is_refused() {
        for end in 0..WRITTEN_KEY.len() {
            assert!(
                matches!(Key::parse(&WRITTEN_KEY[..end]), Err(KeyError::NotAKey)),
                "{end}"
            );
        }
        let typo = WRITTEN_KEY.replace("_4b99", "_4b98");
        assert!(matches!(Key::parse(&typo), Err(KeyError::Checksum)));
        for other in [
            "",
            "\u{e9}",
            "sealed1_\u{e9}",
            "sealed1__",
            &format!("{WRITTEN_KEY} "),
            &WRITTEN_KEY.to_uppercase(),
        ] {
            assert!(matches!(Key::parse(other), Err(KeyError::NotAKey)), "{other:?}");
        }
    }

    #[test]
    fn a_raw_secret_needs_17_distinct_values() {
        for distinct in 1..=32u8 {
            let secret: [u8; SECRET] = std::array::from_fn(|at| 0xf0 ^ (at as u8 % distinct));
            let refused = match Key::from_raw_secret(&secret) {
                Ok(_) => None,
                Err(KeyError::RawTooUniform { distinct }) => Some(distinct),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(refused, (distinct < 17).then_some(distinct.into()));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = Key::parse(WRITTEN_KEY).unwrap();
        assert_eq!(format!("{key:?}"), "Key(9e4859a4)");
        assert_eq!(format!("{:?}", key.write_with_secret()), "SecretText(..)");
    }
}
