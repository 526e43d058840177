//! Buffers for data that must not stay in memory: cleared on drop, then kept for the thread's next buffer.

use std::cell::RefCell;
use std::io;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are cleared on drop. Growing leaves no copy in memory, and a thread that has opened or sealed before
/// allocates no new buffer. The default has no room yet.
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

thread_local! {
    /// Cleared, empty buffers for the next users.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A request holds two sessions as bytes: the one that it opened and the one that it seals. Tasks that take turns on a
/// thread need a few more.
const MOST_SPARE: usize = 8;
/// Every token of a cookie fits when decoded.
const SMALLEST: usize = 4096;
/// A larger buffer goes back to the allocator.
const LARGEST_SPARE: usize = 8192;

impl Buffer {
    /// An empty buffer.
    pub(crate) fn take() -> Self {
        // While the thread ends, the spare buffers are gone already.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Self(spare.ok().flatten().unwrap_or_else(|| Vec::with_capacity(SMALLEST)))
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
        let mut larger = Vec::with_capacity(capacity.max(self.0.len().saturating_add(more)));
        larger.extend_from_slice(&self.0);
        self.0.as_mut_slice().zeroize();
        self.0 = larger;
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
        let mut bytes = std::mem::take(&mut self.0);
        bytes.as_mut_slice().zeroize();
        bytes.clear();
        if (SMALLEST..=LARGEST_SPARE).contains(&bytes.capacity()) {
            // An error means that the thread ends. This buffer is then freed.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < MOST_SPARE {
                    spare.push(bytes);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_dropped_buffer_comes_back_cleared() {
        let mut buffer = Buffer::take();
        buffer.extend(b"secret");
        let room = buffer.0.capacity();
        let at = buffer.0.as_ptr();
        drop(buffer);
        let mut again = Buffer::take();
        assert!(again.is_empty());
        assert_eq!((again.0.as_ptr(), again.0.capacity()), (at, room));
        // The old bytes could be seen only where no byte was written yet.
        again.pad(6, b'x');
        assert_eq!(&*again, b"xxxxxx");
    }

    #[test]
    fn it_grows_over_any_size_and_keeps_what_it_holds() {
        let mut buffer = Buffer::take();
        for number in 0..3_000u32 {
            buffer.write_all(&number.to_be_bytes()).unwrap();
        }
        assert_eq!(buffer.len(), 12_000);
        assert_eq!(buffer[11_996..], 2_999u32.to_be_bytes());
        drop(buffer);
        assert!(Buffer::take().0.capacity() <= LARGEST_SPARE);
    }

    #[test]
    fn a_thread_keeps_a_few_only() {
        let buffers: Vec<Buffer> = (0..MOST_SPARE + 5).map(|_| Buffer::take()).collect();
        drop(buffers);
        assert_eq!(SPARE.with(|spare| spare.borrow().len()), MOST_SPARE);
    }
}
