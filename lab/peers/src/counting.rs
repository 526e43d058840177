//! An allocator that counts. Each program that needs it installs it, so that the timed ones keep the usual one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

/// Allocations and reallocations of this thread.
pub fn count() -> usize {
    COUNT.get()
}

/// Bytes that this thread has allocated and not freed.
pub fn bytes() -> isize {
    BYTES.get()
}

fn note(count: usize, bytes: isize) {
    COUNT.set(COUNT.get() + count);
    BYTES.set(BYTES.get() + bytes);
}

fn signed(size: usize) -> isize {
    isize::try_from(size).expect("no allocation is larger")
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -signed(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, signed(size) - signed(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }
}
