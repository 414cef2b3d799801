//! An allocator that counts: how much more memory a call needs at its worst than before it.
//!
//! Counts are per thread, so tests that run beside one another do not add up. A vector that grows
//! is counted with its old and its new place, which is what an allocator that cannot extend a block
//! would take.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(len: isize) {
    HELD.set(HELD.get() + len);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: both calls are passed on to the system's allocator as they are; counting touches only
// thread-local cells, which need neither an allocation nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller keeps to the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the block came from `System` in `alloc` above, with the same layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What `call` returns, and the most bytes that it held at once, the result included.
pub(crate) fn peak<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let outer = PEAK.replace(before);
    let result = call();
    let peak = PEAK.get();
    PEAK.set(outer.max(peak));
    (result, (peak - before).unsigned_abs())
}
