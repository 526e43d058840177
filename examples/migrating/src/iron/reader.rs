//! Reads the cookies of iron-session 8 and 9, which are seals of @hapi/iron with `~2` after them.

use aes::Aes256;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac_array;
use sealed_session::adopt::Adopted;
use serde::de::DeserializeOwned;
use sha1::Sha1;
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

/// The option `password`. A password alone has the id 1.
pub struct Passwords {
    pub newest: (u64, String),
    pub older: Vec<(u64, String)>,
}

impl Passwords {
    fn find(&self, id: &str) -> Option<&str> {
        let mut all = self.older.iter().chain([&self.newest]);
        all.find(|(known, _)| known.to_string() == id)
            .map(|(_, password)| &**password)
    }
}

/// Iron accepts a seal for 60 seconds after its expiration.
const SKEW: Duration = Duration::seconds(60);

/// The session in a cookie's value. `~2` is outside of the MAC, so it is no part of what the session's id is made of.
pub fn read<T: DeserializeOwned>(passwords: &Passwords, value: &str, now: OffsetDateTime) -> Option<Adopted<T>> {
    let mut parts = value.strip_suffix("~2")?.rsplitn(3, '*');
    let (mac, mac_salt, covered) = (parts.next()?, parts.next()?, parts.next()?);
    let parts: Vec<_> = covered.split('*').collect();
    let ["Fe26.2", id, salt, iv, encrypted, expires] = parts[..] else {
        return None;
    };
    let password = passwords.find(id)?;
    hmac(password, mac_salt, covered)
        .verify_slice(&BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?)
        .ok()?;
    // With `ttl: 0` it is empty, and the seal does not expire.
    if !expires.is_empty() && expires.parse::<i128>().ok()? <= milliseconds(now - SKEW) {
        return None;
    }
    let iv: [u8; 16] = BASE64_URL_SAFE_NO_PAD.decode(iv).ok()?.try_into().ok()?;
    let encrypted = BASE64_URL_SAFE_NO_PAD.decode(encrypted).ok()?;
    let json = Decryptor::<Aes256>::new(&key(password, salt).into(), &iv.into())
        .decrypt_padded_vec::<Pkcs7>(&encrypted)
        .ok()?;
    let mut old = Adopted::new(covered, serde_json::from_slice(&json).ok()?);
    // Unless `maxAge` is `undefined`, browsers keep the cookie when they are closed.
    old.remembered = true;
    Some(old)
}

pub(super) fn hmac(password: &str, salt: &str, covered: &str) -> Hmac<Sha256> {
    let hmac = Hmac::<Sha256>::new_from_slice(&key(password, salt));
    hmac.expect("HMAC takes keys of any length").chain_update(covered)
}

pub(super) fn key(password: &str, salt: &str) -> [u8; 32] {
    pbkdf2_hmac_array::<Sha1, 32>(password.as_bytes(), salt.as_bytes(), 1)
}

pub(super) fn milliseconds(time: OffsetDateTime) -> i128 {
    time.unix_timestamp_nanos() / 1_000_000
}
