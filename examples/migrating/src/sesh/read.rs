//! Opens the cookies of seshcookie 0.1: nonce, then version 1, the time of issue and JSON in ChaCha20-Poly1305.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, Salt};
use sealed_session::adopt::Adopted;
use time::OffsetDateTime;

use crate::Login;

/// For `Builder::adopt`. `secrets` are those of `SessionKeys`, with the fallbacks.
pub fn reader(secrets: &[&[u8]]) -> impl Fn(&str) -> Option<Adopted<Login>> + use<> {
    let keys: Vec<_> = secrets.iter().map(|secret| key(secret)).collect();
    move |value: &str| keys.iter().find_map(|key| open(key, value))
}

fn key(secret: &[u8]) -> LessSafeKey {
    let salt = Salt::new(HKDF_SHA256, digest(&SHA256, b"seshcookie-rs-v1-salt").as_ref());
    let secret = salt.extract(secret);
    let key = secret.expand(&[b"seshcookie-rs v1 ChaCha20-Poly1305 session"], &CHACHA20_POLY1305);
    LessSafeKey::new(UnboundKey::from(key.expect("HKDF gives 32 bytes")))
}

fn open(key: &LessSafeKey, value: &str) -> Option<Adopted<Login>> {
    let mut sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
    let (nonce, text) = sealed.split_first_chunk_mut()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = key.open_in_place(nonce, Aad::empty(), text).ok()?;
    let (&[version, issued @ ..], json) = text.split_first_chunk::<9>()?;
    let issued = OffsetDateTime::from_unix_timestamp(i64::from_le_bytes(issued)).ok()?;
    let mut old = Adopted::new(value, serde_json::from_slice(json).ok()?);
    old.started = Some(issued);
    (version == 1).then_some(old)
}
