//! base64url without padding (RFC 4648, section 5): strict and canonical, so that every token has one spelling.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{NO_PAD, URL_SAFE_NO_PAD as SCALAR};

use crate::buffer::Buffer;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
type Engine = base64::engine::Simd;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Engine = base64::engine::GeneralPurpose;

/// The ready-made engines of the `base64` crate are scalar. The engine with vector instructions is three to five times
/// as fast, and must be built.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Engine::url_safe(NO_PAD);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Engine::new(&base64::alphabet::URL_SAFE, NO_PAD);
});

/// The number of characters that spell `bytes` bytes.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    bytes / 3 * 4 + [0, 2, 3][bytes % 3]
}

/// The number of bytes that `characters` characters spell, if they spell any.
pub(crate) const fn decoded_len(characters: usize) -> usize {
    characters / 4 * 3 + [0, 0, 1, 2][characters % 4]
}

/// Appends the one spelling of `bytes`.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    ENGINE.encode_string(bytes, text);
}

/// The bytes that `text` spells, if `text` is their one spelling: no padding, no white space, no spare bits set.
pub(crate) fn decode(text: &[u8]) -> Option<Buffer> {
    // The engine fills whole groups, and then drops what is too much.
    let mut bytes = Buffer::with_capacity(text.len().div_ceil(4) * 3);
    ENGINE.decode_vec(text, bytes.with_room(0)).ok()?;
    Some(bytes)
}

/// As [`decode`], for at most N bytes: returns the bytes and their number.
pub(crate) fn decode_short<const N: usize>(text: &[u8]) -> Option<([u8; N], usize)> {
    let mut bytes = [0; N];
    let length = SCALAR.decode_slice(text, &mut bytes).ok()?;
    Some((bytes, length))
}

/// Whether `text` is the one spelling of some bytes. The bytes are not kept.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    // Each chunk but the last spells whole bytes, so that only the end can have spare bits.
    let mut bytes = [0; 384];
    text.chunks(encoded_len(bytes.len()))
        .all(|chunk| ENGINE.decode_slice(chunk, &mut bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    /// The result on which all three ways of reading agree.
    fn decoded(text: &str) -> Option<Vec<u8>> {
        let decoded = decode(text.as_bytes()).map(|bytes| {
            assert!(bytes.capacity() <= bytes.len() + 2, "{text:?}");
            bytes.to_vec()
        });
        assert_eq!(is_canonical(text.as_bytes()), decoded.is_some(), "{text:?}");
        if text.len() < 70 {
            let short = decode_short::<70>(text.as_bytes()).map(|(bytes, count)| bytes[..count].to_vec());
            assert_eq!(short, decoded, "{text:?}");
        }
        decoded
    }

    #[test]
    fn what_decodes_encodes_to_itself() {
        for length in 0..70usize {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + 250) as u8).collect();
            let text = encoded(&bytes);
            assert_eq!(text.len(), encoded_len(length));
            assert_eq!(decoded_len(text.len()), length);
            assert_eq!(decoded(&text).as_deref(), Some(&bytes[..]));
            let (short, count) = decode_short::<70>(text.as_bytes()).unwrap();
            assert_eq!(short[..count], bytes);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        assert_eq!(decoded("QQ"), Some(b"A".to_vec()));
        for text in [
            "QQ==", "QQ=", "QR", "Q", "QUI=", "QUJ", " QQ", "QQ ", "Q Q", "QQ\n", "+w", "/w", "\u{e9}Q", "QQ\0",
        ] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_refused_for_one_character_anywhere() {
        for length in [510, 511, 512, 514, 1024, 1026, 2048, 3000] {
            let text = "A".repeat(length);
            assert_eq!(decoded(&text).map(|bytes| bytes.len()), Some(decoded_len(length)));
            for at in [0, 1, 509, 511, 512, 513, 1023, 1024, 1025, length - 1]
                .into_iter()
                .filter(|&at| at < length)
            {
                for odd in ["=", "+", " ", "\0"] {
                    let mut text = text.clone();
                    text.replace_range(at..=at, odd);
                    assert_eq!(decoded(&text), None, "{odd:?} at {at} of {length}");
                }
            }
        }
        assert_eq!(decoded(&format!("{}B", "A".repeat(1025))), None, "spare bits");
        assert_eq!(decoded(&"A".repeat(1025)), None, "a single character at the end");
    }
}
