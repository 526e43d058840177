//! What a token says of itself, for logs.

use crate::error::Reason;
use crate::ids::{KeyId, SessionId};
use crate::token::base64url;
use crate::token::chunks::claimed_count;
use crate::token::envelope::{self, Kind};
use crate::token::{claimed_head, session_kind};

/// The claims of a token: its head says them, anyone can read them without a key, and nothing has verified them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Whether the token is an activity token and not a session token.
    pub is_activity: bool,
    /// The first byte of the token: 1 for a session token, 7 for the first cookie of a session in several, 2 for an
    /// activity token, 3 for one of a session that is bound to a device.
    pub version: u8,
    /// How many cookies the session claims to take; 1 for every other token.
    pub chunks: u8,
    /// The key with which the token claims to be sealed.
    pub key_id: KeyId,
    /// The Unix second at which the token claims to expire.
    pub expires: u32,
    /// The session to which the token claims to belong.
    pub session_id: SessionId,
}

impl Claims {
    /// Reads the head of a session or activity token, for a log or an inspection page.
    ///
    /// Checked: canonical base64url, a known version byte, and the length for that version (of a session in several
    /// cookies, which this reads from the first, that its head is whole). **Nothing is verified**: only a session that
    /// was opened proves anything.
    ///
    /// # Errors
    /// [`Reason::Malformed`] or [`Reason::UnknownVersion`].
    pub fn parse(token: &str) -> Result<Self, Reason> {
        let text = token.as_bytes();
        let start = base64url::decode_start(text).filter(|_| base64url::is_canonical(text));
        let start = start.ok_or(Reason::Malformed)?;
        let kind = match start[0] {
            envelope::ACTIVITY => Kind::Activity,
            envelope::BOUND_ACTIVITY => Kind::BoundActivity,
            _ => session_kind(text),
        };
        let head = claimed_head(text, kind)?;
        Ok(Self {
            is_activity: matches!(kind, Kind::Activity | Kind::BoundActivity),
            version: start[0],
            chunks: if kind == Kind::Chunked {
                claimed_count(text).unwrap_or(1)
            } else {
                1
            },
            key_id: head.key_id,
            expires: head.expires,
            session_id: head.session_id,
        })
    }
}
