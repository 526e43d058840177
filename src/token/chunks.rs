//! A session in chunks (first byte 7): how the text of its token is cut into cookies, and put together again.
//!
//! ```text
//! cookie `<name>`      the first full(length of the name) characters of the text
//! cookie `<name>.2`    tie, then the next characters: together full(length of the name + 2); the last may be shorter
//! ```
//!
//! A cookie has at most 4096 bytes for name and value, and `full` is the most that decodes by itself. The *tie* spells a
//! part of the check, so that only holders of this very token know it.

use std::ops::RangeInclusive;

use crate::aead;
use crate::buffer::Buffer;
use crate::token::base64url;
use crate::token::envelope::{CHUNKED_HEAD, CHUNKS_AT};

/// How many cookies a session in chunks has.
pub(crate) const COUNT: RangeInclusive<u8> = 2..=MOST;
pub(crate) const MOST: u8 = 4;
/// Characters of the tie, and where it is in the text.
pub(crate) const TIE: usize = 8;
const TIE_AT: usize = 40;
const _: () = assert!(TIE_AT / 4 * 3 == CHUNKED_HEAD && TIE_AT.is_multiple_of(4) && TIE.is_multiple_of(4));

/// The lengths of values, for a session cookie whose value has at most `longest` characters.
#[derive(Clone, Copy)]
pub(crate) struct Lengths {
    /// Of the first cookie.
    pub(crate) first: usize,
    /// Of another cookie that is full, with its tie. Its name is two bytes longer.
    pub(crate) other: usize,
}

impl Lengths {
    pub(crate) const fn of(longest: usize) -> Self {
        Self {
            first: longest / 4 * 4,
            other: longest.saturating_sub(2) / 4 * 4,
        }
    }

    /// The most characters of a text in this many cookies.
    pub(crate) fn hold(self, chunks: u8) -> usize {
        self.first + usize::from(chunks.saturating_sub(1)) * (self.other - TIE)
    }

    /// Cuts a text: the value of the first cookie; number, tie and rest of each other.
    pub(crate) fn cut(self, text: &str) -> (&str, impl Iterator<Item = (u8, &str, &str)>) {
        let (first, mut rest) = text.split_at_checked(self.first).unwrap_or((text, ""));
        let tie = text.get(TIE_AT..TIE_AT + TIE).unwrap_or_default();
        let others = COUNT.map_while(move |number| {
            let (next, left) = rest.split_at_checked(self.other - TIE).unwrap_or((rest, ""));
            rest = left;
            (!next.is_empty()).then_some((number, tie, next))
        });
        (first, others)
    }
}

/// How many cookies the token claims to have, whose first cookie this is.
pub(crate) fn claimed_count(first: &[u8]) -> Option<u8> {
    // The four characters that end with the byte in question.
    let [.., count] = *base64url::decode_start(first.get(TIE_AT - 4..)?)?.first_chunk::<3>()?;
    COUNT.contains(&count).then_some(count)
}
const _: () = assert!((TIE_AT - 4) / 4 * 3 + 2 == CHUNKS_AT);

/// The other cookies of a session in chunks, each without its tie. A session in one cookie has none.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chunks<'t>([&'t [u8]; MOST as usize - 1]);

impl<'t> Chunks<'t> {
    /// Step 5b of opening, or the number of a cookie that is missing. `cookies` gives the values that came under the
    /// name with this number.
    #[inline(never)] // The opening of a session in one cookie is faster with this out of its way.
    pub(crate) fn find<I: Iterator<Item = &'t [u8]>>(
        first: &[u8],
        count: u8,
        lengths: Lengths,
        cookies: impl Fn(u8) -> I,
    ) -> Result<Self, u8> {
        let tie = first.get(TIE_AT..TIE_AT + TIE).unwrap_or_default();
        let mut chunks = Self::default();
        for (number, chunk) in (*COUNT.start()..=count).zip(&mut chunks.0) {
            let shortest = if number == count { TIE + 1 } else { lengths.other };
            let found = cookies(number)
                .filter(|value| value.starts_with(tie) && (shortest..=lengths.other).contains(&value.len()))
                .find(|value| base64url::is_canonical(value));
            *chunk = found.and_then(|value| value.get(TIE..)).ok_or(number)?;
        }
        Ok(chunks)
    }

    /// The text of all.
    pub(crate) fn concat(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// Whether they are this text. The time that it takes depends on the lengths alone.
    pub(crate) fn are(&self, mut text: &[u8]) -> bool {
        let mut is_equal = true;
        for chunk in self.0 {
            let (same, rest) = text.split_at_checked(chunk.len()).unwrap_or_default();
            is_equal &= aead::equal(same, chunk);
            text = rest;
        }
        is_equal && text.is_empty()
    }

    /// Appends the bytes that they spell.
    pub(crate) fn decode(&self, bytes: &mut Buffer) -> Option<()> {
        self.0
            .iter()
            .try_for_each(|chunk| base64url::append_decoded(chunk, bytes))
    }
}
