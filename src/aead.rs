//! The only file that names the crypto crates and the random source: an audit of the primitives reads this file.
//!
//! HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), AES-256-GCM (NIST SP 800-38D), the operating system's generator, and
//! for device binding the verification of ES256 (FIPS 186-5). Every derived value here is at most 32 bytes, so HKDF-Expand is a single HMAC.

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::aes::cipher::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac};
#[cfg(feature = "device")]
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
#[cfg(feature = "device")]
use sha2::Digest;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// GCM runs AES forward only, in both directions: the decryption key schedule is never needed.
type Aes256Gcm = AesGcm<Aes256Enc, U12>;

/// Length of the GCM tag in bytes.
pub(crate) const TAG: usize = 16;

/// A pseudorandom key that is ready to expand: the keyed HMAC states, cleared on drop.
pub(crate) struct Prk(Hmac<Sha256>);

impl Prk {
    /// `HKDF-Extract(salt, ikm)`
    pub(crate) fn extract(salt: &[u8], ikm: &[u8]) -> Self {
        let (mut prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        let this = Self::new(prk.as_ref());
        prk.as_mut_slice().zeroize();
        this
    }

    /// A key that was itself the output of an expand.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// `Expand(k, info, N)`: the first N bytes of `HMAC-SHA-256(k, info || 0x01)`, N at most 32.
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 32, "one block of HKDF-Expand") }
        let mut block = self.block(info).finalize().into_bytes();
        let mut output = Zeroizing::new([0; N]);
        output.copy_from_slice(&block[..N]);
        block.as_mut_slice().zeroize();
        output
    }

    /// Whether `claimed` is the expansion of `info`. The time it takes does not depend on where the two differ.
    pub(crate) fn verify<const N: usize>(&self, info: &[&[u8]], claimed: &[u8; N]) -> bool {
        const {
            assert!(
                N >= 16 && N <= 32,
                "short enough for one block, long enough to authenticate"
            );
        }
        self.block(info).verify_truncated_left(claimed).is_ok()
    }

    fn block(&self, info: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = self.0.clone();
        info.iter().for_each(|part| hmac.update(part));
        hmac.update(&[1]);
        hmac
    }
}

/// Encrypts `text` in place and returns the tag. The nonce is zero: use `key` for this one message only.
pub(crate) fn encrypt(key: &[u8; 32], text: &mut [u8]) -> [u8; TAG] {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(text))
        .expect("a session is shorter than GCM's limit of 64 GiB")
        .into()
}

/// Decrypts `text` in place if `tag` belongs to it. Otherwise `text` does not change.
pub(crate) fn decrypt(key: &[u8; 32], text: &mut [u8], tag: &[u8; TAG]) -> bool {
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(&Nonce::default(), &[], InOutBuf::from(text), &Tag::from(*tag))
        .is_ok()
}

/// Whether two credentials are the same. The time it takes does not depend on where they differ, only on their lengths:
/// nothing is decided before the end, and the compiler does not know what the end is for.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    matches!((a.len().abs_diff(b.len()), black_box(differences)), (0, 0))
}

/// The public key of a device, as ES256 verifies with it: a point of P-256.
#[cfg(feature = "device")]
pub(crate) struct DeviceKey(VerifyingKey);

#[cfg(feature = "device")]
impl DeviceKey {
    /// The point that these 33 bytes compress; `None` if there is none.
    pub(crate) fn from_point(point: &[u8; POINT]) -> Option<Self> {
        // Of the encodings of SEC 1 this one alone, so that every point has one spelling.
        let is_compressed = matches!(point[0], 2 | 3);
        let key = is_compressed.then(|| VerifyingKey::from_sec1_bytes(point).ok())?;
        key.map(Self)
    }

    /// The point with these coordinates; `None` if it is not on the curve.
    pub(crate) fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Option<Self> {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        VerifyingKey::from_sec1_bytes(&point).ok().map(Self)
    }

    /// The compressed point.
    pub(crate) fn point(&self) -> [u8; POINT] {
        let mut point = [0; POINT];
        point.copy_from_slice(self.0.to_sec1_point(true).as_bytes());
        point
    }

    /// SHA-256(point)[..16]
    pub(crate) fn name(&self) -> [u8; 16] {
        let mut name = [0; 16];
        name.copy_from_slice(&Sha256::digest(self.point())[..16]);
        name
    }

    /// Whether `signature` (r and s, 32 bytes each) is this key's for `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// Length of a compressed point in bytes.
#[cfg(feature = "device")]
pub(crate) const POINT: usize = 33;

/// The operating system gave no random bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// Fills `bytes` from the operating system's generator.
pub(crate) fn os_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(|_| NoRandomness)
}

/// A session id and a salt, fresh from `random`. One call gives both: a call of the operating system costs as much as
/// the rest of a small seal, however many bytes it gives.
pub(crate) fn fresh_id_and_salt(
    random: impl FnOnce(&mut [u8]) -> Result<(), NoRandomness>,
) -> Result<([u8; 8], [u8; 12]), NoRandomness> {
    let mut bytes = [0; 20];
    random(&mut bytes)?;
    let (mut id, mut salt) = ([0; 8], [0; 12]);
    id.copy_from_slice(&bytes[..8]);
    salt.copy_from_slice(&bytes[8..]);
    Ok((id, salt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expand_is_hkdf_expand_of_rfc_5869() {
        let prk = [7u8; 32];
        let mut expected = [0u8; 32];
        let hkdf = Hkdf::<Sha256>::from_prk(&prk).unwrap();
        hkdf.expand_multi_info(&[b"check key", b"\0\0\0\x09"], &mut expected)
            .unwrap();
        assert_eq!(*Prk::new(&prk).expand::<32>(&[b"check key", b"\0\0\0\x09"]), expected);
        assert_eq!(
            *Prk::new(&prk).expand::<16>(&[b"check ", b"key\0\0\0\x09"]),
            expected[..16]
        );
    }

    #[test]
    fn verify_refuses_every_single_bit() {
        let prk = Prk::new(&[7; 32]);
        let mut mac = *prk.expand::<16>(&[b"head"]);
        assert!(prk.verify(&[b"head"], &mac));
        // Miri takes at least a tenth of a second for each bit.
        for bit in (0..128).step_by(if cfg!(miri) { 16 } else { 1 }) {
            mac[bit / 8] ^= 1 << (bit % 8);
            assert!(!prk.verify(&[b"head"], &mac), "bit {bit}");
            mac[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn equal_finds_every_difference() {
        let text = [b'x'; 100];
        assert!(equal(&text, &text) && equal(b"", b""));
        for at in 0..text.len() {
            let mut other = text;
            other[at] ^= 1 << (at % 8);
            assert!(!equal(&text, &other) && !equal(&text, &text[..at]) && !equal(&text[..at], &text));
        }
        assert!(!equal(b"ab", b"ba"), "one difference does not undo another");
    }

    #[test]
    fn a_message_with_a_foreign_tag_is_left_alone() {
        let key = [3; 32];
        let mut text = *b"attack at dawn";
        let mut tag = encrypt(&key, &mut text);
        let sealed = text;
        tag[0] ^= 1;
        assert!(!decrypt(&key, &mut text, &tag));
        assert_eq!(text, sealed);
        tag[0] ^= 1;
        assert!(decrypt(&key, &mut text, &tag));
        assert_eq!(&text, b"attack at dawn");
    }
}
