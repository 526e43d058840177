//! base64url without padding (RFC 4648, section 5): strict and canonical, so that every token has one spelling.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::NO_PAD;

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
    let mut bytes = Buffer::with_capacity(decoding_room(text));
    append_decoded(text, &mut bytes)?;
    Some(bytes)
}

/// Appends the bytes that `text` spells, as [`decode`] gives them.
pub(crate) fn append_decoded(text: &[u8], bytes: &mut Buffer) -> Option<()> {
    ENGINE.decode_vec(text, bytes.with_room(decoding_room(text))).ok()
}

/// The engine fills whole groups, and then drops what is too much.
fn decoding_room(text: &[u8]) -> usize {
    text.len().div_ceil(4) * 3
}

/// The bytes that [`decode_start`] gives: more than every head has.
pub(crate) const START: usize = 18;

/// The bytes that the first 24 characters of `text` spell; a shorter text is continued with `A`, which spells zeros.
pub(crate) fn decode_start(text: &[u8]) -> Option<[u8; START]> {
    let mut padded = [b'A'; 24];
    let start = text.first_chunk().unwrap_or_else(|| {
        padded[..text.len()].copy_from_slice(text);
        &padded
    });
    let mut bytes = [0; START];
    for (bytes, characters) in bytes.as_chunks_mut::<6>().0.iter_mut().zip(start.as_chunks::<8>().0) {
        let (mut bits, mut any) = (0, 0);
        for &character in characters {
            let value = VALUES[usize::from(character)];
            any |= value;
            bits = bits << 6 | u64::from(value);
        }
        if any == NO_CHARACTER {
            return None;
        }
        bytes.copy_from_slice(&bits.to_be_bytes()[2..]);
    }
    Some(bytes)
}

/// Whether `text` is the one spelling of some bytes. They are not made.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    // The last character has spare bits if it is the second or third of four, and cannot be the first.
    let spare = match text.len() % 4 {
        0 => 0,
        1 => return false,
        2 => 0x0f,
        _ => 0x03,
    };
    let has_spare_bits = |&last: &u8| VALUES[usize::from(last)] & spare != 0;
    // Without branches inside, so that the compiler checks many characters at once.
    let are_characters = |chunk: &[u8; 32]| chunk.iter().fold(true, |all, &byte| all & is_character(byte));
    let (chunks, rest) = text.as_chunks();
    chunks.iter().all(are_characters)
        && rest.iter().all(|&byte| VALUES[usize::from(byte)] != NO_CHARACTER)
        && !text.last().is_some_and(has_spare_bits)
}

const fn is_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_')
}

const NO_CHARACTER: u8 = 255;
/// The six bits of every character.
const VALUES: [u8; 256] = {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = [NO_CHARACTER; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

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
        if let Some(bytes) = &decoded {
            let start = decode_start(text.as_bytes()).expect("the whole decodes");
            let zeros = std::iter::repeat(&0);
            assert!(start.iter().eq(bytes.iter().chain(zeros).take(start.len())), "{text:?}");
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
    fn every_byte_is_read_alike_at_every_place() {
        for (at, byte) in (0..26).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut text = [b'Q'; 28];
            text[at] = byte;
            let decoded = decode(&text).map(|bytes| bytes.to_vec());
            assert_eq!(is_canonical(&text), decoded.is_some(), "{byte} at {at}");
            let start = decoded.as_deref().and_then(<[u8]>::first_chunk).copied();
            if at < 24 {
                assert_eq!(decode_start(&text), start, "{byte} at {at}");
            }
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
        assert_eq!(decoded(&format!("{}++", "A".repeat(30))), None, "two odd characters");
    }
}
