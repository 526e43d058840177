//! base64url without padding (RFC 4648, section 5): strict and canonical, one spelling per token.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::NO_PAD;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
type Engine = base64::engine::Simd;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Engine = base64::engine::GeneralPurpose;

/// The crate's ready-made engines are scalar: the one with vector instructions is three to five times as fast, and must
/// be asked for.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return Engine::url_safe(NO_PAD);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Engine::new(&base64::alphabet::URL_SAFE, NO_PAD);
});

/// How many characters `bytes` bytes take.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    bytes / 3 * 4 + [0, 2, 3][bytes % 3]
}

/// The one spelling of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// The bytes that `text` spells, if it is their one spelling: no padding, no white space, no spare bits set.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    ENGINE.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decodes_encodes_to_itself() {
        for length in 0..70usize {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + 250) as u8).collect();
            let text = encode(&bytes);
            assert_eq!(text.len(), encoded_len(length));
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&bytes[..]));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        assert_eq!(decode(b"QQ"), Some(b"A".to_vec()));
        for text in [
            "QQ==", "QQ=", "QR", "Q", "QUI=", "QUJ", " QQ", "QQ ", "Q Q", "QQ\n", "+w", "/w", "\u{e9}Q", "QQ\0",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }
}
