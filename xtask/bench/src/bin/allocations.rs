//! Prints how often each subject calls the allocator, as JSON.

use std::alloc::System;
use std::collections::BTreeMap;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tgscan_bench::subject;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), serde_json::Error> {
    let mut counts = BTreeMap::new();
    for name in subject::names() {
        let mut operation = subject::by_name(&name).expect("each name has its operation");
        // Once before, so that what is set up at first use is not counted.
        operation();
        let region = Region::new(ALLOCATOR);
        operation();
        let change = region.change();
        // A buffer that grows or shrinks calls the allocator too.
        counts.insert(name, change.allocations + change.reallocations);
    }
    serde_json::to_writer(std::io::stdout(), &counts)
}
