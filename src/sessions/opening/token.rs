//! A session token that opened, in this request or in an earlier one.

use std::sync::Arc;

use crate::session::{Content, Payload, SessionData, from_payload};
use crate::sessions::Sessions;
use crate::sessions::opened::{Count, Held, Kept, OpenedCache};
use crate::token::chunks::Chunks;
use crate::token::envelope::{Frame, Head};
use crate::token::{Activity, OpenedToken};

/// The text of a verified activity token, and what it says.
pub(super) type Verified<'t> = (&'t [u8], Activity);

/// A token, and where what it opened to comes from.
pub(super) enum Token<'t, T> {
    Opened {
        text: &'t [u8],
        /// The other cookies of a session in chunks.
        chunks: Option<Box<Chunks<'t>>>,
        token: OpenedToken,
    },
    Kept(Held<T>),
}

impl<T: SessionData> Token<'_, T> {
    pub(super) fn head(&self) -> Head {
        match self {
            Self::Opened { token, .. } => token.head,
            Self::Kept(kept) => kept.head,
        }
    }

    pub(super) fn frame(&self) -> Frame {
        match self {
            Self::Opened { token, .. } => token.frame,
            Self::Kept(kept) => kept.frame,
        }
    }

    /// Whether the session, which is not served, is certainly a guest's.
    pub(super) fn is_guest(&self, sessions: &Sessions<T>) -> bool {
        match self {
            Self::Opened { token, .. } => sessions.is_guest(token.payload()),
            Self::Kept(kept) => !sessions.counts_as_signed_in(&kept.content.data),
        }
    }

    /// Step 9: the payload deserialises. It is taken out of the token, and given back if it does not.
    pub(super) fn content(&mut self) -> Result<Arc<Content<T>>, Payload> {
        match self {
            Self::Opened { token, .. } => {
                let (buffer, range) = token.take_payload();
                let payload = Payload::new(buffer, range);
                match from_payload(payload.as_bytes()) {
                    Some(data) => Ok(Arc::new(Content::new(data, payload))),
                    None => Err(payload),
                }
            }
            Self::Kept(kept) => Ok(Arc::clone(&kept.content)),
        }
    }

    /// A session that is not served is not kept.
    pub(super) fn forget(self, cache: &OpenedCache<T>) {
        if let Self::Kept(kept) = self {
            cache.drop_entry(&kept);
        }
    }

    /// Keeps what was opened in this request, for the next one.
    pub(super) fn keep(
        self,
        cache: &OpenedCache<T>,
        began: Count,
        bind: &[u8],
        content: &Arc<Content<T>>,
        active: Option<Verified<'_>>,
        now: u64,
    ) {
        if let Self::Opened { text, chunks, token } = self
            && cache.is_on()
        {
            let kept = Kept::new(
                text,
                chunks.as_deref(),
                bind,
                (token.head, token.frame),
                Arc::clone(content),
                now,
            );
            if let Some((text, activity)) = active {
                kept.set_activity(text, activity);
            }
            cache.keep(kept, began);
        }
    }
}
