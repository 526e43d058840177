//! In how many cookies a session is sent, and what does not fit.

use crate::error::ConfigError;
use crate::headers::cookie;
use crate::sessions::config::Config;
use crate::token::base64url::{decoded_len, encoded_len};
use crate::token::chunks::{COUNT, Lengths, MOST, TIE};
use crate::token::envelope::{ACTIVITY_TEXT, BOUND_ACTIVITY_TEXT, CHUNKED_OVERHEAD, OVERHEAD};
#[cfg(feature = "device")]
use crate::token::signed::PROOF_TEXT;

/// The longest name that leaves room for `.2`.
const LONGEST_NAME: usize = 253;

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
    /// Names the other cookies of a session in several. Refuses limits that cannot work.
    pub(super) fn set_chunks(&mut self) -> Result<(), ConfigError> {
        self.chunk_names = [2, 3, 4].map(|number| format!("{}.{number}", self.name).into());
        let smallest = self.beside_text(1) + self.longest_value();
        if !(1..=MOST).contains(&self.chunks) {
            Err(ConfigError::new("`chunks` takes 1 to 4 cookies, 1 for one alone"))
        } else if self.chunks > 1 && self.name.len() > LONGEST_NAME {
            Err(ConfigError::new(
                "the cookie name takes at most 253 bytes with `chunks`; shorten `cookie_name`",
            ))
        } else if self.largest_cookies < smallest {
            Err(ConfigError::new(format!(
                "`largest_cookies` takes at least {smallest} bytes, which a session in one cookie may need"
            )))
        } else {
            Ok(())
        }
    }

    /// The layout of a payload of this length, in as few cookies as hold it. Padding fills these at most.
    ///
    /// The session that is written may have `came` with a payload of this length. If a server with higher limits wrote
    /// it, its cookies pass, and it may stay as large.
    #[inline]
    pub(super) fn layout(&self, payload: usize, came: usize) -> Result<Layout, TooLarge> {
        let layout = |chunks, room: usize| {
            let padded = payload.checked_next_multiple_of(self.pad_to)?.min(room);
            let padding = padded.checked_sub(payload)?;
            Some(Layout { chunks, padding })
        };
        if let Some(in_one) = layout(1, self.room_of_one()) {
            return Ok(in_one);
        }
        self.layout_in_chunks(payload, came, layout)
    }

    #[cold]
    fn layout_in_chunks(
        &self,
        payload: usize,
        came: usize,
        layout: impl Fn(u8, usize) -> Option<Layout>,
    ) -> Result<Layout, TooLarge> {
        let limits = self.limits(came);
        let mut counts = COUNT.take_while(|&chunks| chunks <= limits.chunks);
        let layout = counts.find_map(|chunks| layout(chunks, self.room(chunks, limits.line)));
        layout.ok_or_else(|| self.too_large(payload))
    }

    fn limits(&self, came: usize) -> Limits {
        let needed = self.least(came).unwrap_or(Limits { chunks: 1, line: 0 });
        Limits {
            chunks: self.chunks.max(needed.chunks),
            line: self.largest_cookies.max(needed.line),
        }
    }

    fn room_of_one(&self) -> usize {
        decoded_len(self.longest_value()).saturating_sub(OVERHEAD)
    }

    /// The most bytes of payload in this many cookies, more than one.
    fn room(&self, chunks: u8, line: usize) -> usize {
        let of_line = line.saturating_sub(self.beside_text(chunks));
        decoded_len(self.lengths().hold(chunks).min(of_line)).saturating_sub(CHUNKED_OVERHEAD)
    }

    /// What a payload of this length takes, if it needs chunks and they hold it.
    fn least(&self, payload: usize) -> Option<Limits> {
        if payload <= self.room_of_one() {
            return None;
        }
        let chunks = COUNT
            .into_iter()
            .find(|&chunks| self.room(chunks, usize::MAX) >= payload)?;
        let line = self.line(chunks, payload);
        Some(Limits { chunks, line })
    }

    fn line(&self, chunks: u8, payload: usize) -> usize {
        self.beside_text(chunks)
            .saturating_add(encoded_len(CHUNKED_OVERHEAD.saturating_add(payload)))
    }

    fn too_large(&self, payload: usize) -> TooLarge {
        if self.chunks == 1 {
            return TooLarge {
                size: self.name.len() + encoded_len(OVERHEAD.saturating_add(payload)),
                limit: cookie::LARGEST,
                option: "chunks",
            };
        }
        let needed = self.least(payload).map_or(MOST, |least| least.chunks);
        let full = self.beside_text(self.chunks) + self.lengths().hold(self.chunks);
        let (limit, option) = match full <= self.largest_cookies {
            true => (full, "chunks"),
            false => (self.largest_cookies, "largest_cookies"),
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
