//! A revocation list as bytes (SPEC.md, *Revocation list*): it has one canonical form, which is read strictly.
//!
//! ```text
//! "SSRL" | u8 version = 1 | u32 cut-off | u64 count | count times: 8 bytes session id | u32 until
//! ```

use std::cmp::Reverse;

use crate::error::RevocationsError;
use crate::ids::SessionId;

/// A revoked id, and the Unix second after which its entry may be dropped: 12 bytes in memory and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: SessionId,
    pub(crate) until: u32,
}

/// A list that was read and checked as a whole. It borrows the bytes.
pub(crate) struct Snapshot<'a> {
    pub(crate) cut_off: u32,
    entries: &'a [[u8; ENTRY]],
}

impl<'a> Snapshot<'a> {
    /// Checked: the mark, the version, that the length fits the count exactly, and that the ids strictly ascend.
    /// Nothing is allocated, whatever the bytes claim.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, RevocationsError> {
        let after_mark = bytes.strip_prefix(MARK).ok_or(RevocationsError::NotAList)?;
        match after_mark.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(RevocationsError::UnknownVersion { version }),
            None => return Err(RevocationsError::Length),
        }
        let (cut_off, count) = read_head(bytes).ok_or(RevocationsError::Length)?;
        let (entries, rest) = bytes[HEAD..].as_chunks::<ENTRY>();
        if !rest.is_empty() || count != entries.len() as u64 {
            return Err(RevocationsError::Length);
        }
        if !ascend(entries) {
            return Err(RevocationsError::Order);
        }
        Ok(Self { cut_off, entries })
    }

    /// Reads lists one after another, up to the first bytes that are no list, and returns their error, or how many bytes
    /// the lists have. A last list that is cut off is left out if one is before it, in these bytes or earlier
    /// (`follows`).
    pub(crate) fn parse_all(bytes: &'a [u8], follows: bool) -> (Vec<Self>, Result<usize, RevocationsError>) {
        let (mut lists, mut left) = (Vec::new(), bytes);
        while !left.is_empty() || lists.is_empty() {
            let length = read_head(left)
                .and_then(|(_, count)| usize::try_from(count).ok()?.checked_mul(ENTRY)?.checked_add(HEAD));
            let whole = length.and_then(|length| left.split_at_checked(length));
            let (list, rest) = whole.unwrap_or((left, &[]));
            match Self::parse(list) {
                Ok(read) => lists.push(read),
                // A power cut may also leave zeros in place of bytes that were not written yet.
                Err(_)
                    if (follows || !lists.is_empty())
                        && (whole.is_none() && is_cut_off(list) || left.iter().all(|&byte| byte == 0)) =>
                {
                    break;
                }
                Err(error) => return (lists, Err(error)),
            }
            left = rest;
        }
        (lists, Ok(bytes.len() - left.len()))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        self.entries.iter().map(read)
    }

    /// The entries in groups that share the first byte of their ids; no group is empty.
    pub(crate) fn by_first_byte(&self) -> impl Iterator<Item = (u8, impl ExactSizeIterator<Item = Entry> + 'a)> + 'a {
        let groups = self.entries.chunk_by(|one, next| one[0] == next[0]);
        groups.map(|group| (group[0][0], group.iter().map(read)))
    }
}

/// Writes a list. Entries must be given in strictly ascending order of their ids.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer with room for `room` entries.
    pub(crate) fn new(cut_off: u32, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + ENTRY * room);
        bytes.extend_from_slice(MARK);
        bytes.push(VERSION);
        bytes.extend_from_slice(&cut_off.to_be_bytes());
        bytes.extend_from_slice(&0u64.to_be_bytes());
        Self { bytes }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes.extend_from_slice(&entry.id.0);
        self.bytes.extend_from_slice(&entry.until.to_be_bytes());
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let count = (self.bytes.len() - HEAD) / ENTRY;
        self.bytes[COUNT..HEAD].copy_from_slice(&(count as u64).to_be_bytes());
        self.bytes
    }
}

/// A list of these entries, in any order. Of two ends for one id the later one holds.
pub(crate) fn of_entries(cut_off: u32, mut entries: Vec<Entry>) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| (u64::from_be_bytes(entry.id.0), Reverse(entry.until)));
    entries.dedup_by_key(|entry| entry.id);
    let mut writer = Writer::new(cut_off, entries.len());
    entries.into_iter().for_each(|entry| writer.push(entry));
    writer.finish()
}

/// Whether these may be the first bytes of a longer list.
fn is_cut_off(bytes: &[u8]) -> bool {
    let head = [&MARK[..], &[VERSION]].concat();
    let (entries, _) = bytes.get(HEAD..).unwrap_or_default().as_chunks();
    head.starts_with(&bytes[..bytes.len().min(head.len())]) && ascend(entries)
}

fn ascend(entries: &[[u8; ENTRY]]) -> bool {
    entries.is_sorted_by(|one, next| one[..ID] < next[..ID])
}

fn read(bytes: &[u8; ENTRY]) -> Entry {
    let [id @ .., a, b, c, d] = *bytes;
    Entry {
        id: SessionId(id),
        until: u32::from_be_bytes([a, b, c, d]),
    }
}

/// The cut-off and the count.
fn read_head(bytes: &[u8]) -> Option<(u32, u64)> {
    let (before, count) = bytes.first_chunk::<HEAD>()?.split_last_chunk()?;
    let cut_off = before.last_chunk()?;
    Some((u32::from_be_bytes(*cut_off), u64::from_be_bytes(*count)))
}

const MARK: &[u8; 4] = b"SSRL";
const VERSION: u8 = 1;
const COUNT: usize = MARK.len() + 1 + 4;
const HEAD: usize = COUNT + 8;
const ID: usize = 8;
const ENTRY: usize = ID + 4;

const _: () = assert!(HEAD == 17 && size_of::<Entry>() == ENTRY);

#[cfg(test)]
mod tests;
