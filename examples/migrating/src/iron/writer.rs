//! Writes the cookies of iron-session 8 and 9. Only the first release needs it.

use aes::Aes256;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use pbkdf2::hmac::Mac;
use sealed_session::WriteError;
use serde::Serialize;
use time::OffsetDateTime;

use super::reader::{Passwords, hmac, key, milliseconds};

/// What `sealData` returns. The salts are of base64url instead of hexadecimal digits: iron takes any text.
pub fn seal(passwords: &Passwords, data: &impl Serialize, expires: OffsetDateTime) -> Result<String, WriteError> {
    let (id, password) = &passwords.newest;
    let json = serde_json::to_vec(data).map_err(|_| WriteError::NotSerializable)?;
    let (salt, iv) = (encode(&random::<32>()?), random::<16>()?);
    let encrypted =
        Encryptor::<Aes256>::new(&key(password, &salt).into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(&json);
    let (iv, encrypted, expires) = (encode(&iv), encode(&encrypted), milliseconds(expires));
    let covered = format!("Fe26.2*{id}*{salt}*{iv}*{encrypted}*{expires}");
    let mac_salt = encode(&random::<32>()?);
    let mac = encode(&hmac(password, &mac_salt, &covered).finalize().into_bytes());
    Ok(format!("{covered}*{mac_salt}*{mac}~2"))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn random<const N: usize>() -> Result<[u8; N], WriteError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| WriteError::RandomSource)?;
    Ok(bytes)
}
