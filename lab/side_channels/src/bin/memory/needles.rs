//! The bytes that must not be found, derived by SPEC.md a second time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Outcome, SECRET};

/// The name of the session cookie; the place of the tokens has no audience.
const NAME: &str = "__Host-id";
/// Sixteen bytes: half of a key, as one vector register takes them to the stack.
pub(crate) const PIECE: usize = 16;

/// A piece of something, and what that is.
pub(crate) struct Needle {
    pub(crate) name: String,
    pub(crate) piece: [u8; PIECE],
}

/// The text of a token that this process sealed. It goes into header fields, which nobody clears.
pub(crate) const SEALED: &str = "token text in header fields";

/// Every piece of `bytes`, and the last 16 bytes of it.
pub(crate) fn add(needles: &mut Vec<Needle>, name: &str, bytes: &[u8]) {
    let (pieces, rest) = bytes.as_chunks::<PIECE>();
    let last = bytes.last_chunk::<PIECE>().filter(|_| !rest.is_empty());
    let name = name.to_owned();
    needles.extend(pieces.iter().chain(last).map(|&piece| Needle {
        name: name.clone(),
        piece,
    }));
}

/// The session token and the activity token in a field value.
pub(crate) fn tokens(cookies: &str) -> Outcome<(&str, &str)> {
    let (session, activity) = cookies.split_once("; ").ok_or("no activity cookie")?;
    let session = session.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('='));
    let activity = activity.split_once('=').map(|(_, text)| text);
    Ok((
        session.ok_or("no session cookie")?,
        activity.ok_or("no activity cookie")?,
    ))
}

/// What is secret in the text of a token: everything after version, key id, expiry and session id.
pub(crate) fn secret_text(token: &str) -> &[u8] {
    const PUBLIC: usize = 17;
    token.as_bytes().get((PUBLIC * 8).div_ceil(6)..).unwrap_or_default()
}

/// The same in its decoded head: salt and check.
pub(crate) fn secret_head(token: &str) -> Outcome<Vec<u8>> {
    let token = URL_SAFE_NO_PAD.decode(token)?;
    Ok(token.get(17..45).ok_or("a short token")?.to_vec())
}

/// Keys, session data, and the text of a token.
pub(crate) fn of_everything(secret: &[u8; SECRET], word: &str, cookies: &str) -> Outcome<Vec<Needle>> {
    let (token, _) = tokens(cookies)?;
    let head = URL_SAFE_NO_PAD.decode(token)?[..29].to_vec();
    let expires = u32::from_be_bytes(head[5..9].try_into()?);
    let day = (expires / 86_400).to_be_bytes();

    let root = Hkdf::<Sha256>::extract(Some(b"sealed-session/v1"), secret).0;
    let mut needles = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| add(&mut needles, name, bytes);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    add("secret", secret);
    add("secret, written", hex(secret).as_bytes());
    add("root", &root);
    states(&root).iter().for_each(|state| add("state of the root", state));
    for name in [NAME, "__Host-id-seen", "/memory"] {
        let place = [&[u8::try_from(name.len())?], name.as_bytes(), &[0]].concat();
        for label in [&b"check key"[..], b"seal key"] {
            let key = expand(&root, &[label, &day, &place]);
            add("a day's keys", &key);
            add("a day's keys, written", hex(&key).as_bytes());
            states(&key)
                .iter()
                .for_each(|state| add("state of a day's keys", state));
            if name == NAME && label == b"seal key" {
                add("key of a token", &expand(&key, &[&head]));
            }
        }
    }
    add("session data", word.as_bytes());
    add(SEALED, secret_text(token));
    Ok(needles)
}

/// HKDF-Expand of 32 bytes is one HMAC.
fn expand(key: &[u8], info: &[&[u8]]) -> [u8; 32] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    info.iter().for_each(|part| hmac.update(part));
    hmac.update(&[1]);
    hmac.finalize().into_bytes().into()
}

/// The two states that an HMAC key becomes (RFC 2104), as eight words each: as good as the key.
fn states(key: &[u8]) -> [[u8; 32]; 2] {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    [0x36, 0x5c].map(|pad| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        let mut state = INITIAL;
        sha2::block_api::compress256(&mut state, &[block]);
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_cover_all_bytes() {
        let mut needles = Vec::new();
        add(&mut needles, "text", b"0123456789abcdefghijk");
        let pieces: Vec<_> = needles.iter().map(|needle| &needle.piece).collect();
        assert_eq!(pieces, [b"0123456789abcdef", b"56789abcdefghijk"]);
        needles.clear();
        add(&mut needles, "text", b"0123456789abcdef");
        assert_eq!(needles.len(), 1);
    }

    #[test]
    fn the_secret_part_of_a_token_begins_after_its_session_id() {
        let bytes: Vec<u8> = (0..100).collect();
        let token = URL_SAFE_NO_PAD.encode(&bytes);
        let other = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            URL_SAFE_NO_PAD.encode(bytes)
        };
        assert_eq!(secret_text(&other(16)), secret_text(&token));
        // The first character with bits of the salt has bits of the id too.
        assert_ne!(secret_text(&other(17)), secret_text(&token));
        assert_eq!(secret_head(&token).unwrap(), (17..45).collect::<Vec<u8>>());
    }

    #[test]
    fn a_state_is_what_the_block_of_the_key_leaves() {
        // HMAC by the states alone, of a message that fits into one block.
        let key = [7; 32];
        let finish = |state: [u8; 32], message: &[u8]| {
            let mut words = [0; 8];
            for (word, chunk) in words.iter_mut().zip(state.as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*chunk);
            }
            let mut block = [0; 64];
            block[..message.len()].copy_from_slice(message);
            block[message.len()] = 0x80;
            block[56..].copy_from_slice(&((64 + message.len() as u64) * 8).to_be_bytes());
            sha2::block_api::compress256(&mut words, &[block]);
            words.map(u32::to_be_bytes).concat()
        };
        let [inner, outer] = states(&key);
        let of_states = finish(outer, &finish(inner, b"info\x01"));
        assert_eq!(of_states, expand(&key, &[b"in", b"fo"]));
    }
}
