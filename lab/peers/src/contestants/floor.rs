//! What a token with a cached key and no random call would cost.

use super::*;

mod bare {
    use aes_gcm::aead::AeadInOut;
    use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aes::Aes256Enc;
    use aes_gcm::aes::cipher::consts::U12;
    use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};
    pub use base64::Engine;
    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;

    type Aes256Gcm = AesGcm<Aes256Enc, U12>;

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
pub fn floor_typed(size: usize) -> Contestant {
    use bare::*;
    let counter = std::cell::Cell::new(0u64);
    let (sealing, opening, engine) = (cipher(OURS), cipher(OURS), engine());
    let data = visit(size);
    let foreign = engine.encode(seal(&cipher(STRANGER), [0; 12], &json(size)));
    let decoding = self::bare::engine();
    Contestant::text(
        "floor: serde_json + aes-gcm (cached key) + base64",
        move || {
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&counter.replace(counter.get() + 1).to_be_bytes());
            engine.encode(seal(
                &sealing,
                nonce,
                &serde_json::to_vec(&data).expect("a visit serialises"),
            ))
        },
        foreign,
        move |text| {
            let Ok(mut token) = decoding.decode(text) else {
                return false;
            };
            bare::open(&opening, &mut token).is_some_and(reads)
        },
    )
}
