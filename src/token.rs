//! Sealing and opening tokens of format v1: bytes to text and back, for one place and the keys of a ring.
//!
//! Time and randomness are parameters: the callers read the clock and draw the salts.

pub(crate) mod base64url;
pub(crate) mod chunks;
mod claims;
pub(crate) mod envelope;
mod screening;
#[cfg(feature = "device")]
pub(crate) mod signed;

use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Reason, SealError};
use crate::ids::{DeviceName, KeyId, SessionId};
use crate::keys::day_keys::{DayKeyCache, Place, RawDayKeys};
use crate::keys::ring::{KeyAt, KeyRing};
use crate::time::LONGEST_LIFE;

use self::chunks::Chunks;
pub use self::claims::Claims;
use self::envelope::{CHECK_LEN, FRAME_HEAD, Frame, Head, Kind, SALT_LEN};
use self::screening::screen;
pub(crate) use self::screening::{Decoded, Screened, activity_kind, check_head, claimed_head, session_kind};

use crate::aead;
use crate::buffer::Buffer;

/// A ring at a place: opens and seals the tokens of one cookie name and audience.
pub(crate) struct PlacedRing {
    ring: Arc<KeyRing>,
    day_keys: DayKeyCache,
    /// For each key of the ring, the latest expiry of a session token that the key opened or sealed here. Until then,
    /// dropping the key ends a session.
    lives_until: Box<[AtomicU32]>,
}

/// A session token that opened (steps 1 to 6 and its flags). It is genuine, but its lifetime and revocation are not
/// checked yet.
pub(crate) struct OpenedToken {
    pub(crate) head: Head,
    pub(crate) frame: Frame,
    decrypted: Buffer,
    kind: Kind,
}

impl OpenedToken {
    pub(crate) fn payload(&self) -> &[u8] {
        self.decrypted.get(self.payload_range()).unwrap_or_default()
    }

    /// Takes the buffer in which the token was decrypted, with the range of the payload in it.
    pub(crate) fn take_payload(&mut self) -> (Buffer, Range<usize>) {
        let range = self.payload_range();
        (mem::take(&mut self.decrypted), range)
    }

    fn payload_range(&self) -> Range<usize> {
        let start = self.kind.head() + CHECK_LEN + FRAME_HEAD;
        start..self.decrypted.len().saturating_sub(aead::TAG)
    }
}

impl PlacedRing {
    pub(crate) fn new(ring: Arc<KeyRing>, place: Place) -> Self {
        let day_keys = DayKeyCache::new(place, ring.all().len());
        let lives_until = ring.all().map(|_| AtomicU32::new(0)).collect();
        Self {
            ring,
            day_keys,
            lives_until,
        }
    }

    /// Another ring at the same place. It takes over what this ring knows of the keys that both have.
    pub(crate) fn with_ring(&self, ring: Arc<KeyRing>) -> Self {
        let next = Self::new(ring, self.day_keys.place().clone());
        for key in self.ring.all() {
            if let Some(same) = next.ring.get(key.key.id()) {
                next.note_life(same, self.lives_until(key));
            }
        }
        next
    }

    /// The keys of this ring that `next` does not have, and for each whether tokens of it are alive at `now`, as far as
    /// this server knows.
    pub(crate) fn dropped_by(&self, next: &KeyRing, now: u64) -> impl Iterator<Item = (KeyId, bool)> {
        let sealing = self.ring.sealing(now).index;
        let dropped = self.ring.all().filter(|key| next.get(key.key.id()).is_none());
        dropped.map(move |key| {
            let in_use = key.index == sealing || u64::from(self.lives_until(key)) > now;
            (key.key.id(), in_use)
        })
    }

    fn lives_until(&self, key: KeyAt<'_>) -> u32 {
        self.lives_until[key.index].load(Ordering::Relaxed)
    }

    fn note_life(&self, key: KeyAt<'_>, expires: u32) {
        // Read first: the value seldom grows, and other threads need not fetch anew what no thread writes.
        if self.lives_until(key) < expires {
            self.lives_until[key.index].fetch_max(expires, Ordering::Relaxed);
        }
    }

    /// Steps 2 to 4 for the value of a session cookie, which has at most `longest` characters. No key is used.
    pub(crate) fn screen_session<'a, 't>(
        &'a self,
        text: &'t [u8],
        longest: usize,
        now: u64,
    ) -> Result<Screened<'t, KeyAt<'a>>, Reason> {
        screen(text, longest, now, session_kind(text), |id, _| self.ring.get(id))
    }

    /// The same for a token that is whole in one text, as sealed values are.
    pub(crate) fn screen_value<'a, 't>(
        &'a self,
        text: &'t [u8],
        longest: usize,
        now: u64,
    ) -> Result<Screened<'t, KeyAt<'a>>, Reason> {
        screen(text, longest, now, Kind::Session, |id, _| self.ring.get(id))
    }

    /// The same for an activity token. With device binding, that of a bound session is one too.
    pub(crate) fn screen_activity<'a, 't>(
        &'a self,
        text: &'t [u8],
        device_binding: bool,
        now: u64,
    ) -> Result<Screened<'t, KeyAt<'a>>, Reason> {
        self.screen_activity_of(activity_kind(text, device_binding), text, now)
    }

    pub(crate) fn screen_activity_of<'a, 't>(
        &'a self,
        kind: Kind,
        text: &'t [u8],
        now: u64,
    ) -> Result<Screened<'t, KeyAt<'a>>, Reason> {
        screen(text, envelope::LONGEST_ACTIVITY, now, kind, |id, _| self.ring.get(id))
    }

    pub(crate) fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The day keys of every secret of the ring for one day, as bytes.
    pub(crate) fn export_day(&self, day: u32) -> impl Iterator<Item = (KeyId, RawDayKeys)> {
        self.ring
            .all()
            .map(move |KeyAt { key, .. }| (key.id(), self.day_keys.derive_raw(key, day)))
    }

    /// Steps 5 and 6, and the check of the flags in step 7. Of a session in chunks, `find` gets the other cookies (step
    /// 5b). It is told how many cookies there are, once the check has proven it.
    pub(crate) fn open_session<'t>(
        &self,
        token: Decoded<KeyAt<'_>>,
        bind: &[u8],
        find: &mut dyn FnMut(u8) -> Option<Chunks<'t>>,
    ) -> Result<OpenedToken, Reason> {
        let Decoded {
            mut bytes,
            kind,
            head,
            key: key_at,
        } = token;
        let keys = self.day_keys.get(key_at, head.expires);
        let body = kind.head() + CHECK_LEN;
        let Some((head_bytes, check)) = bytes.get(..body).and_then(<[u8]>::split_last_chunk::<CHECK_LEN>) else {
            return Err(Reason::Malformed);
        };
        // 5. check = Expand(check key, head || bind, 16)
        if !keys.check.verify(&[head_bytes, bind], check) {
            return Err(Reason::NotOurs);
        }
        // 6. body = AES-256-GCM(Expand(seal key, head || bind, 32), zero nonce, no associated data, frame)
        let key = keys.seal.expand::<32>(&[head_bytes, bind]);
        if kind == Kind::Chunked {
            // 5b. one cookie for each chunk
            let chunks = head_bytes.last().and_then(|&count| find(count));
            let chunks = chunks.ok_or(Reason::Incomplete)?;
            chunks.decode(&mut bytes).ok_or(Reason::Incomplete)?;
        }
        let Some((sealed, tag)) = bytes.get_mut(body..).and_then(<[u8]>::split_last_chunk_mut) else {
            return Err(Reason::Malformed);
        };
        if !aead::decrypt(&key, sealed, tag) {
            return Err(Reason::Damaged);
        }
        let frame = Frame::parse(sealed)?;
        self.note_life(key_at, head.expires);
        Ok(OpenedToken {
            head,
            frame,
            decrypted: bytes,
            kind,
        })
    }

    /// Step 5 for an activity token, which is then verified.
    pub(crate) fn open_activity(&self, token: &Decoded<KeyAt<'_>>, bind: &[u8]) -> Result<Activity, Reason> {
        let keys = self.day_keys.get(token.key, token.head.expires);
        let Some((head_bytes, check)) = token.bytes.split_last_chunk::<CHECK_LEN>() else {
            return Err(Reason::Malformed);
        };
        if !keys.check.verify(&[head_bytes, bind], check) {
            return Err(Reason::NotOurs);
        }
        Ok(Activity {
            head: token.head,
            device: device_of(head_bytes),
        })
    }

    /// Appends the session token of this state to `text`, sealed with the key that seals at `now`. `salt` must be fresh
    /// for every call.
    pub(crate) fn seal_session(
        &self,
        state: &State<'_>,
        bind: &[u8],
        now: u64,
        salt: &[u8; SALT_LEN],
        text: &mut String,
    ) -> Result<(), SealError> {
        let (key_at, head) = self.sealing_head(state.session_id, state.expires, now)?;
        self.note_life(key_at, head.expires);
        let keys = self.day_keys.get(key_at, head.expires);
        let (in_one, in_chunks);
        let head_bytes: &[u8] = if state.chunks == 1 {
            in_one = head.write_session(salt);
            &in_one
        } else {
            in_chunks = head.write_chunked(salt, state.chunks);
            &in_chunks
        };
        let body = head_bytes.len() + CHECK_LEN;
        let room = body + FRAME_HEAD + state.payload.len() + state.padding + aead::TAG;
        let mut token = Buffer::with_capacity(room);
        token.extend(head_bytes);
        token.extend(&*keys.check.expand::<CHECK_LEN>(&[head_bytes, bind]));
        token.extend(&state.frame.write());
        token.extend(state.payload);
        token.pad(state.padding, b' ');
        let key = keys.seal.expand::<32>(&[head_bytes, bind]);
        let tag = aead::encrypt(&key, &mut token[body..]);
        token.extend(&tag);
        base64url::encode(&token, text);
        Ok(())
    }

    /// Appends the activity token of a session to `text`, sealed with the key that seals at `now`. With the device to
    /// which the session is bound, it is that of a bound session.
    pub(crate) fn seal_activity(
        &self,
        session_id: SessionId,
        device: Option<DeviceName>,
        expires: u64,
        bind: &[u8],
        now: u64,
        text: &mut String,
    ) -> Result<(), SealError> {
        let (key, head) = self.sealing_head(session_id, expires, now)?;
        match device {
            None => self.sign(key, head.expires, &head.write_activity(), bind, text),
            #[cfg(feature = "device")]
            Some(device) => self.sign(key, head.expires, &head.write_bound_activity(device), bind, text),
            #[cfg(not(feature = "device"))]
            Some(device) => match device {},
        }
        Ok(())
    }

    /// Appends the token that has this head and no body.
    fn sign(&self, key: KeyAt<'_>, expires: u32, head: &[u8], bind: &[u8], text: &mut String) {
        const LONGEST: usize = 64;
        let keys = self.day_keys.get(key, expires);
        let mut token = [0; LONGEST + CHECK_LEN];
        let token = &mut token[..head.len() + CHECK_LEN];
        token[..head.len()].copy_from_slice(head);
        token[head.len()..].copy_from_slice(&*keys.check.expand::<CHECK_LEN>(&[head, bind]));
        base64url::encode(token, text);
    }

    /// The keys that seal, each with the Unix second from which it seals.
    pub(crate) fn sealing_from(&self) -> Vec<(KeyId, u64)> {
        self.ring.sealing_from()
    }

    fn sealing_head(&self, session_id: SessionId, expires: u64, now: u64) -> Result<(KeyAt<'_>, Head), SealError> {
        let expires = sealable(expires, now)?;
        let key = self.ring.sealing(now);
        Ok((
            key,
            Head {
                key_id: key.key.id(),
                expires,
                session_id,
            },
        ))
    }
}

/// No token is made that would expire after 2^32 - 1, or more than 400 days from now.
fn sealable(expires: u64, now: u64) -> Result<u32, SealError> {
    if expires <= now || expires > now.saturating_add(LONGEST_LIFE) {
        return Err(SealError::Expiry);
    }
    u32::try_from(expires).map_err(|_| SealError::Expiry)
}

/// A verified activity token: its head, and the device to which the session is bound, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Activity {
    pub(crate) head: Head,
    pub(crate) device: Option<DeviceName>,
}

/// The device in the head of an activity token.
fn device_of(head: &[u8]) -> Option<DeviceName> {
    #[cfg(feature = "device")]
    return envelope::array(head, envelope::ACTIVITY_HEAD).map(DeviceName);
    #[cfg(not(feature = "device"))]
    return head.get(envelope::BOUND_ACTIVITY_HEAD).and(None);
}

/// The state that a session token seals.
pub(crate) struct State<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) expires: u64,
    pub(crate) frame: Frame,
    pub(crate) payload: &'a [u8],
    /// The number of spaces after the payload.
    pub(crate) padding: usize,
    /// The number of cookies.
    pub(crate) chunks: u8,
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod laws;
