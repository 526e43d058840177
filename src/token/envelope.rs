//! The layouts of session and activity tokens of format v1: their parts and offsets.
//!
//! ```text
//! session    0        1         5         9            17      29       45         49        53       54
//!            | 0x01   | key id  | expires | session id | salt  | check  | started  | sealed  | flags  | payload .. | tag (16) |
//!            |------------------------ head ----------------- --|        |-------------- sealed: the frame ------- |
//!
//! in chunks  0        1         5         9            17      29       30      46
//!            | 0x07   | key id  | expires | session id | salt  | chunks | check | as above: the frame, its payload, the tag
//!            |---------------------- head ------------------------ -|
//!
//! activity   0        1         5         9            17       33
//!            | 0x02   | key id  | expires | session id | check  |
//!            |------------------ head ----------------|
//!
//! of a bound 0        1         5         9            17       33      49
//! session    | 0x03   | key id  | expires | session id | device | check |
//!            |------------------ head ------------------------ -|
//! ```
//!
//! Integers are big-endian.

use crate::error::Reason;
#[cfg(feature = "device")]
use crate::ids::DeviceName;
use crate::ids::{KeyId, SessionId};
use crate::time::{LEEWAY, LONGEST_LIFE};

use crate::aead::TAG;
use crate::token::base64url::{self, START};

/// First byte of a session token.
pub(crate) const SESSION: u8 = 1;
/// First byte of the token of a session in several cookies.
pub(crate) const CHUNKED: u8 = 7;
/// First byte of an activity token.
pub(crate) const ACTIVITY: u8 = 2;
/// First byte of the activity token of a session that is bound to a device.
pub(crate) const BOUND_ACTIVITY: u8 = 3;

const KEY_ID: usize = 1;
const EXPIRES: usize = 5;
const ID: usize = 9;
const SALT: usize = 17;
pub(crate) const SALT_LEN: usize = 12;
pub(crate) const SESSION_HEAD: usize = SALT + SALT_LEN;
/// Where a session in chunks says how many cookies it has. Its head ends there.
pub(crate) const CHUNKS_AT: usize = SESSION_HEAD;
pub(crate) const CHUNKED_HEAD: usize = CHUNKS_AT + 1;
pub(crate) const ACTIVITY_HEAD: usize = 17;
pub(crate) const CHECK_LEN: usize = 16;
pub(crate) const BODY: usize = SESSION_HEAD + CHECK_LEN;
pub(crate) const FRAME_HEAD: usize = 4 + 4 + 1;
/// Bytes of a session token besides its payload. The shortest token has only these.
pub(crate) const OVERHEAD: usize = BODY + FRAME_HEAD + TAG;
/// The same for a session in chunks.
pub(crate) const CHUNKED_OVERHEAD: usize = OVERHEAD + 1;
/// Bytes of an activity token.
pub(crate) const ACTIVITY_LEN: usize = ACTIVITY_HEAD + CHECK_LEN;
/// The same in characters.
pub(crate) const ACTIVITY_TEXT: usize = base64url::encoded_len(ACTIVITY_LEN);
/// Bytes of the name of a device.
const DEVICE_LEN: usize = 16;
/// The same three for a session that is bound to a device.
pub(crate) const BOUND_ACTIVITY_HEAD: usize = ACTIVITY_HEAD + DEVICE_LEN;
const BOUND_ACTIVITY_LEN: usize = BOUND_ACTIVITY_HEAD + CHECK_LEN;
pub(crate) const BOUND_ACTIVITY_TEXT: usize = base64url::encoded_len(BOUND_ACTIVITY_LEN);
/// Most characters of an activity token of either kind.
pub(crate) const LONGEST_ACTIVITY: usize = BOUND_ACTIVITY_TEXT;

const _: () = assert!(SESSION_HEAD == 29 && BODY == 45 && OVERHEAD == 70 && ACTIVITY_LEN == 33);
const _: () = assert!(BOUND_ACTIVITY_LEN == 49 && BOUND_ACTIVITY_TEXT == 66);
const _: () = assert!(EXPIRES == KEY_ID + 4 && ID == EXPIRES + 4 && SALT == ID + 8 && ACTIVITY_HEAD == SALT);

/// Bit 0 of the flags: a remembered session. All other bits are zero.
const REMEMBERED: u8 = 1;

/// The fields that both kinds of token carry unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) key_id: KeyId,
    pub(crate) expires: u32,
    pub(crate) session_id: SessionId,
}

impl Head {
    /// Reads the head of a token that starts with these bytes.
    fn parse(start: &[u8; START]) -> Self {
        let [_, k0, k1, k2, k3, e0, e1, e2, e3, id @ .., _] = *start;
        Self {
            key_id: KeyId([k0, k1, k2, k3]),
            expires: u32::from_be_bytes([e0, e1, e2, e3]),
            session_id: SessionId(id),
        }
    }

    /// Step 3 of opening: `now < expires <= now + 400 days + 5 minutes`.
    pub(crate) fn check_time(&self, now: u64) -> Result<(), Reason> {
        check_expires(self.expires, LONGEST_LIFE, now)
    }

    fn write(&self, version: u8) -> [u8; ACTIVITY_HEAD] {
        let mut head = [0; ACTIVITY_HEAD];
        head[0] = version;
        head[KEY_ID..EXPIRES].copy_from_slice(&self.key_id.0);
        head[EXPIRES..ID].copy_from_slice(&self.expires.to_be_bytes());
        head[ID..SALT].copy_from_slice(&self.session_id.0);
        head
    }

    pub(crate) fn write_activity(&self) -> [u8; ACTIVITY_HEAD] {
        self.write(ACTIVITY)
    }

    #[cfg(feature = "device")]
    pub(crate) fn write_bound_activity(&self, device: DeviceName) -> [u8; BOUND_ACTIVITY_HEAD] {
        let mut head = [0; BOUND_ACTIVITY_HEAD];
        head[..ACTIVITY_HEAD].copy_from_slice(&self.write(BOUND_ACTIVITY));
        head[ACTIVITY_HEAD..].copy_from_slice(&device.0);
        head
    }

    pub(crate) fn write_session(&self, salt: &[u8; SALT_LEN]) -> [u8; SESSION_HEAD] {
        let mut head = [0; SESSION_HEAD];
        head[..SALT].copy_from_slice(&self.write(SESSION));
        head[SALT..].copy_from_slice(salt);
        head
    }

    /// That of a session in this many cookies.
    pub(crate) fn write_chunked(&self, salt: &[u8; SALT_LEN], chunks: u8) -> [u8; CHUNKED_HEAD] {
        let mut head = [chunks; CHUNKED_HEAD];
        head[..SALT].copy_from_slice(&self.write(CHUNKED));
        head[SALT..CHUNKS_AT].copy_from_slice(salt);
        head
    }
}

/// `now < expires <= now + longest + 5 minutes`.
pub(crate) fn check_expires(expires: u32, longest: u64, now: u64) -> Result<(), Reason> {
    let expires = u64::from(expires);
    if expires <= now {
        return Err(Reason::Expired);
    }
    if expires > now.saturating_add(longest + LEEWAY) {
        return Err(Reason::ExpiresTooFar);
    }
    Ok(())
}

/// The kinds of token in the cookies of a session and of its activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Session,
    /// The first cookie of a session in several.
    Chunked,
    Activity,
    /// The activity of a session that is bound to a device.
    BoundActivity,
}

impl Kind {
    /// Bytes before the check.
    pub(crate) const fn head(self) -> usize {
        match self {
            Self::Session => SESSION_HEAD,
            Self::Chunked => CHUNKED_HEAD,
            Self::Activity => ACTIVITY_HEAD,
            Self::BoundActivity => BOUND_ACTIVITY_HEAD,
        }
    }

    /// Step 2 of opening, for a token of `length` bytes that starts with `start`, and its head. A session token has the
    /// first byte 1 and at least 70 bytes; an activity token has the first byte 2 and exactly 33 bytes, or 3 and 49. The
    /// length of a first cookie of several (first byte 7) depends on its name: only its head must be there.
    pub(crate) fn parse(self, start: &[u8; START], length: usize) -> Result<Head, Reason> {
        let (version, fits) = match self {
            Self::Session => (SESSION, length >= OVERHEAD),
            Self::Chunked => (CHUNKED, length >= CHUNKED_HEAD + CHECK_LEN),
            Self::Activity => (ACTIVITY, length == ACTIVITY_LEN),
            Self::BoundActivity => (BOUND_ACTIVITY, length == BOUND_ACTIVITY_LEN),
        };
        if fits && start[0] == version {
            Ok(Head::parse(start))
        } else if length == 0 || start[0] == version {
            Err(Reason::Malformed)
        } else {
            Err(Reason::UnknownVersion)
        }
    }
}

/// The sealed part of a session token, before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) started: u32,
    pub(crate) sealed: u32,
    pub(crate) remembered: bool,
}

impl Frame {
    pub(crate) fn write(&self) -> [u8; FRAME_HEAD] {
        let mut frame = [0; FRAME_HEAD];
        frame[..4].copy_from_slice(&self.started.to_be_bytes());
        frame[4..8].copy_from_slice(&self.sealed.to_be_bytes());
        frame[8] = if self.remembered { REMEMBERED } else { 0 };
        frame
    }

    /// Reads a frame that GCM has opened.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let (Some(started), Some(sealed), Some(&flags)) = (array(bytes, 0), array(bytes, 4), bytes.get(8)) else {
            return Err(Reason::Malformed);
        };
        if flags & !REMEMBERED != 0 {
            return Err(Reason::UnknownFlags);
        }
        Ok(Self {
            started: u32::from_be_bytes(started),
            sealed: u32::from_be_bytes(sealed),
            remembered: flags & REMEMBERED != 0,
        })
    }
}

/// The N bytes at `at`, if `bytes` has them.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        key_id: KeyId([1, 2, 3, 4]),
        expires: 0x0506_0708,
        session_id: SessionId([9; 8]),
    };

    #[test]
    fn heads_read_back_as_written() {
        let mut session = HEAD.write_session(&[7; 12]).to_vec();
        assert_eq!(&session[..17], &[1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9]);
        session.resize(OVERHEAD, 0);
        assert_eq!(parse(Kind::Session, &session), Ok(HEAD));
        let mut activity = HEAD.write_activity().to_vec();
        activity.resize(ACTIVITY_LEN, 0);
        assert_eq!(parse(Kind::Activity, &activity), Ok(HEAD));
    }

    /// As `decode_start` gives it: zeros follow a short token.
    fn parse(kind: Kind, bytes: &[u8]) -> Result<Head, Reason> {
        let mut start = [0; START];
        start.iter_mut().zip(bytes).for_each(|(start, byte)| *start = *byte);
        kind.parse(&start, bytes.len())
    }

    #[test]
    fn short_and_foreign_heads_are_refused_by_name() {
        assert_eq!(parse(Kind::Session, &[]), Err(Reason::Malformed));
        assert_eq!(parse(Kind::Session, &[1; 69]), Err(Reason::Malformed));
        assert_eq!(parse(Kind::Session, &[2; 70]), Err(Reason::UnknownVersion));
        assert_eq!(parse(Kind::Session, &[9]), Err(Reason::UnknownVersion));
        assert_eq!(parse(Kind::Activity, &[]), Err(Reason::Malformed));
        assert_eq!(parse(Kind::Activity, &[2; 32]), Err(Reason::Malformed));
        assert_eq!(parse(Kind::Activity, &[2; 34]), Err(Reason::Malformed));
        assert_eq!(parse(Kind::Activity, &[1; 33]), Err(Reason::UnknownVersion));
        assert_eq!(parse(Kind::Chunked, &[7; 45]), Err(Reason::Malformed));
        assert!(parse(Kind::Chunked, &[7; 46]).is_ok(), "its head and the check");
    }

    #[test]
    fn frames_read_back_and_unknown_flags_are_refused() {
        for remembered in [false, true] {
            let frame = Frame {
                started: 1,
                sealed: u32::MAX,
                remembered,
            };
            assert_eq!(Frame::parse(&frame.write()), Ok(frame));
        }
        for flags in 2..=255 {
            assert_eq!(
                Frame::parse(&[0, 0, 0, 0, 0, 0, 0, 0, flags]),
                Err(Reason::UnknownFlags)
            );
        }
        assert_eq!(Frame::parse(&[0; 8]), Err(Reason::Malformed));
    }
}
