//! In how many cookies a session is sent, and what does not fit.

use crate::headers::cookie;
use crate::sessions::builder::Config;
use crate::token::base64url::{decoded_len, encoded_len};
use crate::token::chunks::{self, Lengths, TIE};
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

/// What the cookies of one session may take.
#[derive(Clone, Copy)]
struct Limits {
    chunks: u8,
    /// Bytes of all in a `Cookie` field.
    line: usize,
}

impl Config {
    /// The layout of a payload of this length, in as few cookies as hold it. Padding fills these at most.
    ///
    /// The session that is written may have `came` with a payload of this length. If a server with higher limits wrote
    /// it, its cookies pass, and it may stay as large.
    pub(super) fn layout(&self, payload: usize, came: usize) -> Result<Layout, TooLarge> {
        let mut limits = Limits {
            chunks: self.chunks,
            line: self.largest_cookies,
        };
        if let Some(needed) = self.least(came) {
            limits.chunks = limits.chunks.max(needed.chunks);
            limits.line = limits.line.max(needed.line);
        }
        let layout = |chunks| {
            let room = self.room(chunks, limits.line);
            let padded = payload.checked_next_multiple_of(self.pad_to)?.min(room);
            let padding = padded.checked_sub(payload)?;
            Some(Layout { chunks, padding })
        };
        let layout = (1..=limits.chunks).find_map(layout);
        layout.ok_or_else(|| self.too_large(payload, limits))
    }

    /// The most bytes of payload in this many cookies.
    fn room(&self, chunks: u8, line: usize) -> usize {
        if chunks == 1 {
            return decoded_len(self.longest_value()).saturating_sub(OVERHEAD);
        }
        let of_line = line.saturating_sub(self.beside_text(chunks));
        decoded_len(self.lengths().hold(chunks).min(of_line)).saturating_sub(CHUNKED_OVERHEAD)
    }

    /// What a payload of this length takes, if any cookies hold it.
    fn least(&self, payload: usize) -> Option<Limits> {
        let chunks = (1..=chunks::MOST).find(|&chunks| self.room(chunks, usize::MAX) >= payload)?;
        let line = self.line(chunks, payload);
        Some(Limits { chunks, line })
    }

    fn line(&self, chunks: u8, payload: usize) -> usize {
        self.beside_text(chunks)
            .saturating_add(encoded_len(CHUNKED_OVERHEAD.saturating_add(payload)))
    }

    fn too_large(&self, payload: usize, limits: Limits) -> TooLarge {
        if limits.chunks == 1 {
            return TooLarge {
                size: self.name.len() + encoded_len(OVERHEAD.saturating_add(payload)),
                limit: cookie::LARGEST,
                option: "chunks",
            };
        }
        let needed = self.least(payload).map_or(chunks::MOST, |least| least.chunks);
        let full = self.beside_text(limits.chunks) + self.lengths().hold(limits.chunks);
        let (limit, option) = match full <= limits.line {
            true => (full, "chunks"),
            false => (limits.line, "largest_cookies"),
        };
        TooLarge {
            size: self.line(needed, payload),
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
