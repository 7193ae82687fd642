//! Holds memory to what an input is long.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Does `work` and checks that it allocates, over all its time, at most `base` bytes and `per_byte` for each of `length`.
///
/// What was freed counts too, so this bounds the work as well.
pub(crate) fn bounded(length: usize, base: usize, per_byte: usize, work: impl FnOnce()) {
    let region = Region::new(ALLOCATOR);
    work();
    let allocated = region.change().bytes_allocated;
    let most = base + per_byte * length;
    assert!(
        allocated <= most,
        "{allocated} bytes allocated for an input of {length}; at most {most} should be"
    );
}
