//! The two public names inside a token.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The public name of a secret: 4 bytes derived from it (SPEC.md, *Secret and key id*).
///
/// It stands in every token, in logs and in the written form of the key, and tells nothing about the secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 4]);

impl KeyId {
    /// The four bytes as they stand in a token.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

/// The public name of a session: 8 random bytes drawn when the session starts (SPEC.md, *Session token*).
///
/// It is no credential: it may be logged, and a list of revoked sessions keys on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) [u8; 8]);

impl SessionId {
    /// The id with these bytes, for example from a list of revoked ids.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes as they stand in a token.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl FromStr for SessionId {
    type Err = NotAnId;

    /// Reads the 16 lower-case hexadecimal digits that `Display` writes, for example from a log.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(NotAnId);
        }
        u64::from_str_radix(text, 16)
            .map(|id| Self(id.to_be_bytes()))
            .map_err(|_| NotAnId)
    }
}

/// The text is not a session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session id is written in 16 lower-case hexadecimal digits")
    }
}

impl Error for NotAnId {}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_in_lower_case_hexadecimal() {
        assert_eq!(KeyId([0x9e, 0x48, 0x59, 0xa4]).to_string(), "9e4859a4");
        assert_eq!(format!("{:?}", KeyId([0, 1, 2, 255])), "KeyId(000102ff)");
        let id = SessionId::from_bytes([0xb7, 0x47, 0x7e, 0xbe, 0xb1, 0x9c, 0xef, 0x38]);
        assert_eq!(id.to_string(), "b7477ebeb19cef38");
        assert_eq!(format!("{id:?}"), "SessionId(b7477ebeb19cef38)");
        assert_eq!(SessionId::from_bytes(id.to_bytes()), id);
        assert_eq!("b7477ebeb19cef38".parse(), Ok(id));
        for other in [
            "",
            "b7477ebeb19cef3",
            "B7477EBEB19CEF38",
            "+7477ebeb19cef38",
            "b7477ebeb19cef389",
        ] {
            assert_eq!(other.parse::<SessionId>(), Err(NotAnId), "{other}");
        }
        assert_eq!(KeyId([1, 2, 3, 4]).to_bytes(), [1, 2, 3, 4]);
    }
}
