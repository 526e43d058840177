//! Buffers for data that must not stay in memory: growing leaves no copy, and dropping clears.

use std::io;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are cleared on drop. The default has no room yet.
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty buffer with room for `length` bytes.
    pub(crate) fn with_capacity(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }

    /// The bytes that it has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    // Serialising calls this for every comma, from the crate that has the session's type.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn pad(&mut self, count: usize, byte: u8) {
        self.reserve(count);
        self.0.resize(self.0.len() + count, byte);
    }

    /// The vector itself, with room for `more` bytes. Adding more than that leaves a copy in memory.
    pub(crate) fn with_room(&mut self, more: usize) -> &mut Vec<u8> {
        self.reserve(more);
        &mut self.0
    }

    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let capacity = self.0.capacity().saturating_mul(2);
        let mut larger = Self::with_capacity(capacity.max(self.0.len().saturating_add(more)));
        larger.0.extend_from_slice(&self.0);
        *self = larger;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl io::Write for Buffer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // What is after the length was never written.
        self.0.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn it_grows_over_any_size_and_keeps_what_it_holds() {
        let mut buffer = Buffer::default();
        for number in 0..3_000u32 {
            buffer.write_all(&number.to_be_bytes()).unwrap();
        }
        assert_eq!(buffer.len(), 12_000);
        assert_eq!(buffer[11_996..], 2_999u32.to_be_bytes());
        buffer.pad(3, b'x');
        assert_eq!(buffer[11_999..], [183, b'x', b'x', b'x']);
    }

    #[test]
    fn room_is_made_for_all_that_is_asked_for() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend(b"secret");
        let room = buffer.with_room(4);
        assert!(room.capacity() - room.len() >= 4);
    }

    #[test]
    fn a_write_takes_all_bytes_at_once() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.write(b"secret").unwrap(), 6);
        assert_eq!(*buffer, *b"secret");
    }

    #[test]
    fn what_fits_is_not_moved() {
        let mut buffer = Buffer::with_capacity(8);
        let at = buffer.as_ptr();
        buffer.extend(b"secret");
        buffer.pad(2, 0);
        assert_eq!((buffer.as_ptr(), buffer.capacity()), (at, 8));
    }
}
