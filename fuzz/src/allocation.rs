//! Counts the bytes that a piece of work allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts the bytes that each thread allocates. It works only as `#[global_allocator]`.
pub struct Counting;

#[allow(unsafe_code, reason = "every call goes to the system's allocator as it came")]
// SAFETY: all calls are passed on unchanged; the counter is a `Cell` without a destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

fn count(bytes: usize) {
    ALLOCATED.with(|allocated| allocated.set(allocated.get().saturating_add(bytes)));
}

/// The result of `work`, and the bytes of all its allocations together, freed or not.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = ALLOCATED.get();
    let result = work();
    (result, ALLOCATED.get() - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_counted() {
        assert_eq!(counted(|| Vec::<u8>::with_capacity(1000).len()), (0, 1000));
        assert_eq!(counted(|| 7), (7, 0));
    }
}
