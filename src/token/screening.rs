//! Steps 1 to 4 of opening: what is decided about a token before any cryptography; and the check of a head alone.

use crate::aead::Prk;
use crate::buffer::Buffer;
use crate::error::Reason;
use crate::ids::KeyId;
use crate::keys::day_keys::day_of;
use crate::token::base64url;
use crate::token::chunks::{self, Lengths};
use crate::token::envelope::{self, CHECK_LEN, Head, Kind};

/// A token whose head passed (steps 2 to 4 of opening). It is not decoded yet.
pub(crate) struct Screened<'t, K> {
    pub(super) text: &'t [u8],
    pub(crate) kind: Kind,
    pub(crate) head: Head,
    pub(super) key: K,
}

/// A token that passed steps 1 to 4 of opening. Everything in it is still a claim.
pub(crate) struct Decoded<K> {
    pub(super) bytes: Buffer,
    pub(super) kind: Kind,
    pub(crate) head: Head,
    pub(super) key: K,
}

/// The kind of a session token, by its first byte.
#[inline]
pub(crate) fn session_kind(text: &[u8]) -> Kind {
    // The first bytes 4 to 7 are spelled with a `B` in front. Other tokens are not looked at further.
    match text.first() == Some(&b'B') && starts_with(text, envelope::CHUNKED) {
        true => Kind::Chunked,
        false => Kind::Session,
    }
}

/// The kind of an activity token, by its first byte. Without device binding there is one kind.
pub(crate) fn activity_kind(text: &[u8], device_binding: bool) -> Kind {
    match device_binding && starts_with(text, envelope::BOUND_ACTIVITY) {
        true => Kind::BoundActivity,
        false => Kind::Activity,
    }
}

fn starts_with(text: &[u8], first: u8) -> bool {
    base64url::decode_start(text).is_some_and(|start| start[0] == first)
}

/// Steps 1 to 4 of opening, without the spelling of a token that passes the others: [`Screened::decode`] sees to that.
/// `find` does step 4 and gets the key id and the day. A token that fails is not stored anywhere.
#[inline]
pub(super) fn screen<K>(
    text: &[u8],
    longest: usize,
    now: u64,
    kind: Kind,
    find: impl FnOnce(KeyId, u32) -> Option<K>,
) -> Result<Screened<'_, K>, Reason> {
    // 1. at most the configured length, canonical unpadded base64url, not empty
    if text.len() > longest || (kind == Kind::Chunked && text.len() != Lengths::of(longest).first) {
        return Err(Reason::Malformed);
    }
    match screen_claims(text, now, kind, find) {
        Ok((head, key)) => Ok(Screened { text, kind, head, key }),
        Err(reason) if base64url::is_canonical(text) => Err(reason),
        Err(_) => Err(Reason::Malformed),
    }
}

impl<K> Screened<'_, K> {
    /// The spelling of the whole token.
    #[inline]
    pub(crate) fn decode(self) -> Result<Decoded<K>, Reason> {
        let Self { text, kind, head, key } = self;
        let bytes = base64url::decode(text).ok_or(Reason::Malformed)?;
        Ok(Decoded { bytes, kind, head, key })
    }
}

/// Steps 2 to 4 on the first characters, which spell the head. So a stranger's token or an expired token is told apart
/// from ours at the same cost, however long it is.
#[inline]
fn screen_claims<K>(
    text: &[u8],
    now: u64,
    kind: Kind,
    find: impl FnOnce(KeyId, u32) -> Option<K>,
) -> Result<(Head, K), Reason> {
    // 2. the first byte, the length, the number of cookies
    let head = claimed_head(text, kind)?;
    head.check_time(now)?;
    let key = find(head.key_id, day_of(head.expires)).ok_or(Reason::UnknownKey)?;
    Ok((head, key))
}

/// The head that a token of this kind claims to have. The rest of its text is not looked at.
#[inline]
pub(crate) fn claimed_head(text: &[u8], kind: Kind) -> Result<Head, Reason> {
    let start = base64url::decode_start(text).ok_or(Reason::Malformed)?;
    if kind == Kind::Chunked && chunks::claimed_count(text).is_none() {
        return Err(Reason::Malformed);
    }
    kind.parse(&start, base64url::decoded_len(text.len()))
}

/// Steps 1 to 5 with the check keys of single days: returns the head of a session or activity token that a key holder
/// made. The body is not read.
pub(crate) fn check_head<'a>(
    text: &[u8],
    kind: Kind,
    longest: usize,
    bind: &[u8],
    now: u64,
    check_key: impl FnOnce(KeyId, u32) -> Option<&'a Prk>,
) -> Result<Head, Reason> {
    let Decoded { bytes, head, key, .. } = screen(text, longest, now, kind, check_key)?.decode()?;
    let (head_bytes, rest) = bytes.split_at(kind.head());
    let check = rest.first_chunk::<CHECK_LEN>().ok_or(Reason::Malformed)?;
    if !key.verify(&[head_bytes, bind], check) {
        return Err(Reason::NotOurs);
    }
    Ok(head)
}
