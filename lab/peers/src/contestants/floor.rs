//! The floor and the bare primitives.

use super::*;

mod bare {
    pub use aes_gcm::aead::AeadInOut;
    pub use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aes::Aes256Enc;
    use aes_gcm::aes::cipher::consts::U12;
    pub use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};
    pub use base64::Engine;
    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;
    pub use hkdf::hmac::{Hmac, Mac};
    pub use sha2::Sha256;

    pub type Aes256Gcm = AesGcm<Aes256Enc, U12>;

    pub fn engine() -> Simd {
        Simd::url_safe(NO_PAD)
    }

    pub fn cipher(index: u8) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&super::secret(index)[..32]).expect("32 bytes")
    }

    /// nonce || text || tag
    pub fn seal(cipher: &Aes256Gcm, nonce: [u8; 12], text: &[u8]) -> Vec<u8> {
        let mut token = Vec::with_capacity(12 + text.len() + 16);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(text);
        let tag = cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &[], InOutBuf::from(&mut token[12..]))
            .expect("it encrypts");
        token.extend_from_slice(&tag);
        token
    }

    pub fn open<'a>(cipher: &Aes256Gcm, token: &'a mut [u8]) -> Option<&'a [u8]> {
        let (nonce, rest) = token.split_first_chunk_mut::<12>()?;
        let (text, tag) = rest.split_last_chunk_mut::<16>()?;
        cipher
            .decrypt_inout_detached(&Nonce::from(*nonce), &[], InOutBuf::from(&mut *text), &Tag::from(*tag))
            .ok()?;
        Some(text)
    }
}

/// serde_json, AES-256-GCM with a cached key, base64 with vector instructions, and a counter as nonce: no random call.
fn floor(size: usize, name: &'static str, is_typed: bool) -> Contestant {
    use bare::*;
    let counter = std::cell::Cell::new(0u64);
    let (sealing, opening, engine) = (cipher(OURS), cipher(OURS), engine());
    let (data, raw) = (visit(size), json(size));
    let foreign = engine.encode(seal(&cipher(STRANGER), [0; 12], &raw));
    let decoding = self::bare::engine();
    Contestant::text(
        name,
        move || {
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&counter.replace(counter.get() + 1).to_be_bytes());
            let serialised = is_typed.then(|| serde_json::to_vec(&data).expect("a visit serialises"));
            engine.encode(seal(&sealing, nonce, serialised.as_deref().unwrap_or(&raw)))
        },
        foreign,
        move |text| {
            let Ok(mut token) = decoding.decode(text) else {
                return false;
            };
            bare::open(&opening, &mut token).is_some_and(|bytes| !is_typed || reads(bytes))
        },
    )
}

pub fn floor_typed(size: usize) -> Contestant {
    floor(size, "floor: serde_json + aes-gcm (cached key) + base64", true)
}

pub fn floor_bytes(size: usize) -> Contestant {
    floor(size, "floor: aes-gcm (cached key) + base64", false)
}

/// The bare primitives of format v1 for the same bytes, in buffers that exist already: two expands of HKDF from cached HMAC
/// states over a head of 29 bytes, key set-up, GCM over the frame and base64url. No allocation, no random call.
pub fn primitives(size: usize) -> Contestant {
    use bare::*;
    use std::cell::RefCell;

    struct Bench {
        check: Hmac<Sha256>,
        seal: Hmac<Sha256>,
        bytes: Vec<u8>,
        text: Vec<u8>,
    }
    let states = |index: u8| {
        let state = |part: &[u8]| <Hmac<Sha256> as KeyInit>::new_from_slice(part).expect("any length");
        (state(&secret(index)[..32]), state(&secret(index)[32..]))
    };
    fn expand(state: &Hmac<Sha256>, head: &[u8]) -> [u8; 32] {
        let mut mac = state.clone();
        mac.update(head);
        mac.update(&[1]);
        mac.finalize().into_bytes().into()
    }
    let (check, seal) = states(OURS);
    // head (29), check (16), frame head (9), payload, tag (16)
    let length = 70 + size;
    let mut bytes = vec![7; length];
    bytes[54..54 + size].copy_from_slice(&json(size));
    let text = vec![0; length.div_ceil(3) * 4];
    let bench = Rc::new(RefCell::new(Bench {
        check,
        seal,
        bytes,
        text,
    }));
    let engine = engine();
    let seal_once = {
        let bench = Rc::clone(&bench);
        move || {
            let Bench {
                check,
                seal,
                bytes,
                text,
            } = &mut *bench.borrow_mut();
            let check = expand(check, &bytes[..29]);
            bytes[29..45].copy_from_slice(&check[..16]);
            let key = expand(seal, &bytes[..29]);
            let end = bytes.len() - 16;
            let tag = Aes256Gcm::new((&key).into())
                .encrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(&mut bytes[45..end]))
                .expect("it encrypts");
            bytes[end..].copy_from_slice(&tag);
            engine
                .encode_slice(&bytes[..], &mut text[..])
                .is_ok_and(|length| length > 0)
        }
    };
    assert!(seal_once());
    let token = self::bare::engine().encode(&bench.borrow().bytes);
    let decoding = self::bare::engine();
    let open_once = move || {
        let Bench { check, seal, bytes, .. } = &mut *bench.borrow_mut();
        let Ok(length) = decoding.decode_slice(&token, &mut bytes[..]) else {
            return false;
        };
        let mut mac = check.clone();
        mac.update(&bytes[..29]);
        mac.update(&[1]);
        if mac.verify_truncated_left(&bytes[29..45]).is_err() {
            return false;
        }
        let key = expand(seal, &bytes[..29]);
        let (text, tag) = bytes[45..length].split_last_chunk_mut::<16>().expect("it has a tag");
        Aes256Gcm::new((&key).into())
            .decrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(text), &Tag::from(*tag))
            .is_ok()
    };
    // A buffer of its own for opening would make no difference: it decodes over the bytes that were sealed before.
    Contestant::new("bare primitives of format v1")
        .with(What::Seal, operation(seal_once))
        .with(What::Open, operation(open_once))
}
