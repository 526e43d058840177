//! The public names inside a token.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The public name of a secret: 4 bytes derived from it (SPEC.md, *Secret and key id*).
///
/// It is in every token, in logs and in the written form of the key, and tells nothing about the secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 4]);

impl KeyId {
    /// The four bytes as a token has them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

/// The public name of a session: 8 random bytes drawn when the session starts (SPEC.md, *Session token*).
///
/// It is not a credential: it may be logged, and lists of revoked sessions use it as their key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) [u8; 8]);

impl SessionId {
    /// The id with these bytes, for example from a list of revoked ids.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes as a token has them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

/// The name of a device: the first 16 bytes of the SHA-256 of its public key (SPEC.md, *Device binding*).
#[cfg(feature = "device")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceName(pub(crate) [u8; 16]);

/// Without the feature no session has a device, and what is about one compiles to nothing.
#[cfg(not(feature = "device"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceName {}

/// The written form of an id: lower-case hexadecimal digits.
macro_rules! written_in_hex {
    ($id:ident, $of:literal, $digits:literal) => {
        impl FromStr for $id {
            type Err = ParseIdError;

            #[doc = concat!("Reads the ", $digits, " lower-case hexadecimal digits that `Display` writes, such as from a log.")]
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let (of, digits) = ($of, $digits);
                parse_hex(text).map(Self).ok_or(ParseIdError { of, digits })
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }
    };
}

written_in_hex!(KeyId, "key", 8);
written_in_hex!(SessionId, "session", 16);

/// The text is not the written form of a [`KeyId`], or not that of a [`SessionId`].
///
/// ```
/// use sealed_session::SessionId;
/// use sealed_session::keys::KeyId;
///
/// let error = "b7477ebeb19cef38".parse::<KeyId>().unwrap_err();
/// assert_eq!(error.to_string(), "a key id is written in 8 lower-case hexadecimal digits");
/// assert!("b7477ebeb19cef38".parse::<SessionId>().is_ok());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError {
    of: &'static str,
    digits: u8,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, digits } = self;
        write!(f, "a {of} id is written in {digits} lower-case hexadecimal digits")
    }
}

/// A program prints this when `main` returns the error.
impl fmt::Debug for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ParseIdError {}

/// Exactly `2 * N` lower-case hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
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
            let refused = other.parse::<SessionId>().unwrap_err();
            assert!(refused.to_string().contains("session id is written in 16"), "{other}");
            assert_eq!(format!("{refused:?}"), refused.to_string());
        }
        assert_eq!(KeyId([1, 2, 3, 4]).to_bytes(), [1, 2, 3, 4]);
        assert_eq!("9e4859a4".parse(), Ok(KeyId([0x9e, 0x48, 0x59, 0xa4])));
        for other in [
            "",
            "9e4859a",
            "9E4859A4",
            "+e4859a4",
            "9e4859a4a",
            " 9e4859a4",
            "\u{e9}e4859a",
        ] {
            let refused = other.parse::<KeyId>().unwrap_err();
            assert!(refused.to_string().contains("key id is written in 8"), "{other}");
        }
    }
}
