//! The tokens of device binding, which are signed and have no body: the parts of each, and opening and sealing them.
//!
//! ```text
//! proof          0x04   key id 4   expires 4   device 16      proven 4    check 16
//! device key     0x05   key id 4   expires 4   session id 8   point 33    check 16
//! challenge      0x06   key id 4   expires 4   session id 8   random 8    check 16     to register
//!                0x06   key id 4   expires 4   device 16      random 8    check 16     to refresh
//! ```

use crate::aead::{DeviceKey, POINT};
use crate::buffer::Buffer;
use crate::error::{Reason, SealError};
use crate::ids::{DeviceName, KeyId, SessionId};
use crate::keys::ring::KeyAt;
use crate::time::{LEEWAY, LONGEST_LIFE};
use crate::token::envelope::{self, CHECK_LEN};
use crate::token::{PlacedRing, base64url, sealable};

/// First bytes.
const PROOF: u8 = 4;
const DEVICE_KEY: u8 = 5;
const CHALLENGE: u8 = 6;

/// First byte, key id and expiry.
const START: usize = 1 + 4 + 4;
/// Seconds for which a challenge is valid.
pub(crate) const CHALLENGE_LIFE: u64 = 60;

/// The proof of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) device: DeviceName,
    /// The Unix second in which it was made.
    pub(crate) proven: u64,
}

/// The public key of a device, and the session for which it was registered.
pub(crate) struct RegisteredKey {
    pub(crate) session_id: SessionId,
    pub(crate) key: DeviceKey,
}

/// A token that passed steps 1 to 4 of opening: N bytes stand between its expiry and its check.
pub(crate) struct Screened<'a, const N: usize> {
    bytes: Buffer,
    expires: u32,
    key: KeyAt<'a>,
    fields: [u8; N],
}

impl Screened<'_, PROOF_FIELDS> {
    pub(crate) fn claimed_device(&self) -> DeviceName {
        proof_of(&self.fields).device
    }

    pub(crate) fn expires(&self) -> u64 {
        self.expires.into()
    }
}

const PROOF_FIELDS: usize = 16 + 4;
const KEY_FIELDS: usize = 8 + POINT;
/// Characters of a proof.
pub(crate) const PROOF_TEXT: usize = base64url::encoded_len(START + PROOF_FIELDS + CHECK_LEN);

impl PlacedRing {
    /// Steps 1 to 4 for a proof.
    pub(crate) fn screen_proof(&self, text: &[u8], now: u64) -> Result<Screened<'_, PROOF_FIELDS>, Reason> {
        self.screen_signed(PROOF, text, LONGEST_LIFE, now)
    }

    /// Steps 5 and 6. `lifetime` is that of proofs here, in seconds.
    pub(crate) fn open_proof(
        &self,
        token: &Screened<'_, PROOF_FIELDS>,
        bind: &[u8],
        lifetime: u64,
        now: u64,
    ) -> Result<Proof, Reason> {
        self.verify(token, bind)?;
        let proof = proof_of(&token.fields);
        if proof.proven > now.saturating_add(LEEWAY) {
            return Err(Reason::ProvenInFuture);
        }
        if proof.proven.saturating_add(lifetime) <= now {
            return Err(Reason::TooOld);
        }
        Ok(proof)
    }

    /// Appends the proof of a device that has proven its key at `now`.
    pub(crate) fn seal_proof(
        &self,
        device: DeviceName,
        expires: u64,
        bind: &[u8],
        now: u64,
        text: &mut String,
    ) -> Result<(), SealError> {
        let proven = u32::try_from(now).map_err(|_| SealError::Expiry)?;
        let fields = [&device.0[..], &proven.to_be_bytes()].concat();
        self.seal_signed(PROOF, &fields, expires, bind, now, text)
    }

    /// Opens a device key.
    pub(crate) fn open_key(&self, text: &[u8], bind: &[u8], now: u64) -> Result<RegisteredKey, Reason> {
        let token = self.screen_signed::<KEY_FIELDS>(DEVICE_KEY, text, LONGEST_LIFE, now)?;
        self.verify(&token, bind)?;
        let (Some(session_id), Some(point)) = (envelope::array(&token.fields, 0), envelope::array(&token.fields, 8))
        else {
            return Err(Reason::Malformed);
        };
        self.note_life(token.key, token.expires);
        Ok(RegisteredKey {
            session_id: SessionId(session_id),
            key: DeviceKey::from_point(&point).ok_or(Reason::Damaged)?,
        })
    }

    /// Appends the device key of a session.
    pub(crate) fn seal_key(
        &self,
        session_id: SessionId,
        key: &DeviceKey,
        expires: u64,
        bind: &[u8],
        now: u64,
        text: &mut String,
    ) -> Result<(), SealError> {
        let fields = [&session_id.0[..], &key.point()].concat();
        self.note_life(self.ring().sealing(now), sealable(expires, now)?);
        self.seal_signed(DEVICE_KEY, &fields, expires, bind, now, text)
    }

    /// Opens a challenge to register or to refresh, by its place, and returns what it is for: a session id or the name
    /// of a device. `M` is that with the 8 random bytes.
    fn open_challenge<const M: usize>(&self, text: &[u8], bind: &[u8], now: u64) -> Result<[u8; M], Reason> {
        let token = self.screen_signed::<M>(CHALLENGE, text, CHALLENGE_LIFE, now)?;
        self.verify(&token, bind)?;
        Ok(token.fields)
    }

    pub(crate) fn open_challenge_to_register(&self, text: &[u8], bind: &[u8], now: u64) -> Result<SessionId, Reason> {
        let fields: [u8; 16] = self.open_challenge(text, bind, now)?;
        envelope::array(&fields, 0).map(SessionId).ok_or(Reason::Malformed)
    }

    pub(crate) fn open_challenge_to_refresh(&self, text: &[u8], bind: &[u8], now: u64) -> Result<DeviceName, Reason> {
        let fields: [u8; 24] = self.open_challenge(text, bind, now)?;
        envelope::array(&fields, 0).map(DeviceName).ok_or(Reason::Malformed)
    }

    /// Appends a challenge to register a device for a session, or to this device to prove itself again. `about` is the
    /// session's id or the device's name, and `random` is fresh.
    pub(crate) fn seal_challenge(
        &self,
        about: &[u8],
        random: &[u8; 8],
        bind: &[u8],
        now: u64,
        text: &mut String,
    ) -> Result<(), SealError> {
        let fields = [about, random].concat();
        self.seal_signed(CHALLENGE, &fields, challenge_end(now), bind, now, text)
    }

    fn screen_signed<const N: usize>(
        &self,
        version: u8,
        text: &[u8],
        longest: u64,
        now: u64,
    ) -> Result<Screened<'_, N>, Reason> {
        // 1. at most its own length, canonical, not empty
        let bytes = match text.len() <= base64url::encoded_len(START + N + CHECK_LEN) {
            true => base64url::decode(text).filter(|bytes| !bytes.is_empty()),
            false => None,
        };
        let bytes = bytes.ok_or(Reason::Malformed)?;
        // 2. the first byte, the length
        if bytes[0] != version {
            return Err(Reason::UnknownVersion);
        }
        let (Some(key_id), Some(expires), Some(fields), true) = (
            envelope::array(&bytes, 1),
            envelope::array(&bytes, 5).map(u32::from_be_bytes),
            envelope::array(&bytes, START),
            bytes.len() == START + N + CHECK_LEN,
        ) else {
            return Err(Reason::Malformed);
        };
        // 3. and 4.
        envelope::check_expires(expires, longest, now)?;
        let key = self.ring().get(KeyId(key_id)).ok_or(Reason::UnknownKey)?;
        Ok(Screened {
            bytes,
            expires,
            key,
            fields,
        })
    }

    /// Step 5.
    fn verify<const N: usize>(&self, token: &Screened<'_, N>, bind: &[u8]) -> Result<(), Reason> {
        let keys = self.day_keys.get(token.key, token.expires);
        match token.bytes.split_last_chunk::<CHECK_LEN>() {
            Some((head, check)) if keys.check.verify(&[head, bind], check) => Ok(()),
            _ => Err(Reason::NotOurs),
        }
    }

    fn seal_signed(
        &self,
        version: u8,
        fields: &[u8],
        expires: u64,
        bind: &[u8],
        now: u64,
        text: &mut String,
    ) -> Result<(), SealError> {
        let expires = sealable(expires, now)?;
        let key = self.ring().sealing(now);
        let head = [&[version][..], &key.key.id().0, &expires.to_be_bytes(), fields].concat();
        self.sign(key, expires, &head, bind, text);
        Ok(())
    }
}

fn proof_of(fields: &[u8; PROOF_FIELDS]) -> Proof {
    let [device @ .., p0, p1, p2, p3] = *fields;
    Proof {
        device: DeviceName(device),
        proven: u32::from_be_bytes([p0, p1, p2, p3]).into(),
    }
}

/// The last challenges of the format's 32 bits are shorter.
fn challenge_end(now: u64) -> u64 {
    now.saturating_add(CHALLENGE_LIFE).min(u32::MAX.into())
}

#[cfg(test)]
mod laws;
