//! What happened to sessions, for logs and metrics: ids and reasons, never session data.

use std::io;
use std::path::PathBuf;

use crate::error::{KeyError, Reason, RevocationsError};
use crate::ids::{KeyId, SessionId};

/// Receives an [`Event`] whenever something happens to a session.
///
/// It is called while a request is served, so it must be quick. Any `Fn(&Event)` is one.
pub trait Observer: Send + Sync {
    /// Called once per event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session started; its cookies are in the response.
    Started {
        /// The new session.
        id: SessionId,
    },
    /// Session data changed; the new session cookie is in the response.
    Updated {
        /// The session.
        id: SessionId,
    },
    /// A session got a new id; its cookies are in the response.
    Cycled {
        /// The new id.
        id: SessionId,
        /// The id that it had. Copies of the old token stay valid unless it is revoked.
        previous: SessionId,
    },
    /// A new activity cookie is in the response.
    Renewed {
        /// The session.
        id: SessionId,
    },
    /// The response removes the cookies.
    Cleared {
        /// The session that was valid before, if there was one.
        id: Option<SessionId>,
    },
    /// A cookie of ours came, but no session opened.
    Rejected {
        /// Of several cookies, the reason of the one that got furthest.
        reason: Reason,
        /// The id of a token that is genuine (it passed steps 1 to 6 of SPEC.md, *Opening*); `None` for mere claims.
        id: Option<SessionId>,
    },
    /// Several cookies of the same name came: another subdomain set one, or the `Domain` was changed.
    DuplicatesSeen {
        /// How many.
        count: usize,
    },
    /// A write was refused because the cookie would be too large.
    TooLarge {
        /// Size of name and value in bytes.
        size: usize,
        /// Largest size that browsers keep.
        limit: usize,
    },
    /// The session was read for the first time after the header block was sent; the read gave no session.
    ReadTooLate,
    /// A write after the header block was sent; the caller got an error.
    WriteTooLate,
    /// Session data was written, but the response failed or has no place for a cookie (1xx, 304, 5xx): not sent.
    WriteDiscarded {
        /// The response's status; 500 where the inner service failed without a response: then a sign-out has revoked the session, and the browser
        /// keeps its cookies.
        status: u16,
    },
    /// The session ended while the request that wrote to it was being served: not sent.
    EndedMeanwhile {
        /// The session.
        id: SessionId,
    },
    /// Sealing failed at the end; the old cookie stays.
    SealingFailed,
    /// A session id was revoked on this server.
    Revoked {
        /// The id.
        id: SessionId,
    },
    /// The cut-off was raised, on this server or by what its [`Revocations`](crate::Revocations) merged: sessions that started
    /// before this Unix second are refused.
    CutOffRaised {
        /// Unix seconds.
        to: u64,
    },
    /// The [`Revocations`](crate::Revocations) hold 80 % of what they have room for. Reported again after they held less than 75 %.
    RevocationsNearlyFull {
        /// How many entries they hold.
        entries: usize,
        /// How many they have room for.
        most: usize,
    },
    /// The [`Revocations`](crate::Revocations) are full: the entries that end first made room. Copies of those sessions open again.
    RevocationsFull {
        /// How many entries went before their time.
        dropped: usize,
        /// How many the list has room for.
        most: usize,
    },
    /// A [`RevocationFile`](crate::RevocationFile) could not be read and has another name now; the start went on without what it
    /// held.
    RevocationFilePutAside {
        /// Where it is now.
        path: PathBuf,
        /// What was wrong with it.
        error: RevocationsError,
    },
    /// A [`RevocationFile`](crate::RevocationFile) could not be written: what was revoked holds, but not after a restart. The next
    /// revocation or flush tries again to write all of it.
    RevocationFileNotWritten {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// The key ring was replaced.
    KeysReplaced,
    /// The new ring does not have the key that sealed until now: all sessions under it are over.
    SealingKeyDropped {
        /// The key that went.
        id: KeyId,
    },
    /// A source of keys gave no ring; the one in use stays. Reported once, until it gives one or fails for another reason.
    KeysReloadFailed {
        /// Why.
        error: KeyError,
    },
    /// A `public` directive of the application was taken away, since the response depends on the session.
    PublicRemoved,
    /// The response's header block is so large that proxies with 4 KiB buffers (stock nginx) answer 502.
    LargeHeaderBlock {
        /// Bytes of all header fields.
        bytes: usize,
    },
    /// The development cookie is in use: no `Secure`, no prefix, for plain http on one's own machine only.
    DevelopmentCookie,
}
