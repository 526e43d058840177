//! In how many cookies a session is sent, and what does not fit.

use crate::headers::cookie;
use crate::sessions::builder::Config;
use crate::token::base64url::{decoded_len, encoded_len};
use crate::token::chunks::{COUNT, Lengths, TIE};
use crate::token::envelope::{ACTIVITY_TEXT, BOUND_ACTIVITY_TEXT, CHUNKED_OVERHEAD, OVERHEAD};
#[cfg(feature = "device")]
use crate::token::signed::PROOF_TEXT;

/// How the payload of a session is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The number of cookies.
    pub(super) chunks: u8,
    /// The number of spaces after the payload.
    pub(super) padding: usize,
}

/// A session that does not fit, as [`WriteError::TooLarge`](crate::WriteError::TooLarge) says it.
pub(super) struct TooLarge {
    pub(super) size: usize,
    pub(super) limit: usize,
    pub(super) option: &'static str,
}

impl Config {
    /// The layout of a payload of this length, in as few cookies as hold it. Padding fills these at most.
    pub(super) fn layout(&self, payload: usize) -> Result<Layout, TooLarge> {
        let layout = |(chunks, room): (u8, usize)| {
            let padded = payload.checked_next_multiple_of(self.pad_to)?.min(room);
            let padding = padded.checked_sub(payload)?;
            Some(Layout { chunks, padding })
        };
        let in_chunks = || (*COUNT.start()..=self.chunks).find_map(|chunks| layout((chunks, self.room(chunks))));
        layout((1, self.room(1)))
            .or_else(in_chunks)
            .ok_or_else(|| self.too_large(payload))
    }

    /// The most bytes of payload in this many cookies.
    fn room(&self, chunks: u8) -> usize {
        if chunks == 1 {
            return decoded_len(self.longest_value()).saturating_sub(OVERHEAD);
        }
        let of_line = self.largest_cookies.saturating_sub(self.beside_text(chunks));
        decoded_len(self.lengths().hold(chunks).min(of_line)).saturating_sub(CHUNKED_OVERHEAD)
    }

    fn too_large(&self, payload: usize) -> TooLarge {
        if self.chunks == 1 {
            return TooLarge {
                size: self.name.len() + encoded_len(OVERHEAD.saturating_add(payload)),
                limit: cookie::LARGEST,
                option: "chunks",
            };
        }
        let (lengths, text) = (self.lengths(), encoded_len(CHUNKED_OVERHEAD.saturating_add(payload)));
        let chunks = COUNT.into_iter().find(|&chunks| lengths.hold(chunks) >= text);
        let chunks = chunks.unwrap_or(*COUNT.end());
        let hold = self.beside_text(self.chunks) + lengths.hold(self.chunks);
        let (limit, option) = match hold <= self.largest_cookies {
            true => (hold, "chunks"),
            false => (self.largest_cookies, "largest_cookies"),
        };
        TooLarge {
            size: self.beside_text(chunks).saturating_add(text),
            limit,
            option,
        }
    }

    pub(super) fn lengths(&self) -> Lengths {
        Lengths::of(self.longest_value())
    }

    /// What a `Cookie` field takes besides the text of a session in this many cookies.
    fn beside_text(&self, chunks: u8) -> usize {
        let first = self.name.len() + "=".len();
        let other = self.name.len() + "; .2=".len() + TIE;
        first + usize::from(chunks - 1) * other + self.other_cookies()
    }

    /// The least that `largest_cookies` can be: what a session in one cookie may need.
    pub(super) fn smallest_line(&self) -> usize {
        self.beside_text(1) + self.longest_value()
    }

    /// What the cookies besides the session's take in a `Cookie` field at most.
    fn other_cookies(&self) -> usize {
        let of = |suffix: &str, value: usize| "; ".len() + self.name.len() + suffix.len() + "=".len() + value;
        let activity = match self.has_device_binding() {
            true => of("-seen", BOUND_ACTIVITY_TEXT),
            false => of("-seen", ACTIVITY_TEXT),
        };
        let has_idle = self.lifetimes.ordinary.idle.is_some() || self.lifetimes.of(true).idle.is_some();
        let beside = if has_idle { activity } else { 0 };
        #[cfg(feature = "device")]
        if self.has_device_binding() {
            return beside + of("-proof", PROOF_TEXT) + of("-asked", PROOF_TEXT);
        }
        beside
    }
}

#[cfg(test)]
mod tests;
