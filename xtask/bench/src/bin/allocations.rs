//! Prints how often each subject calls the allocator, as JSON.

use std::alloc::System;
use std::collections::BTreeMap;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tgscan_bench::whole::server::{self, Server};
use tgscan_bench::{subject, whole};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some(server::SERVE) {
        return Ok(server::serve()?);
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut counts = BTreeMap::new();
    for name in subject::names() {
        let operation = subject::by_name(&name).expect("each name has its operation");
        counts.insert(name, count(operation));
    }
    let server = Server::start()?;
    for name in whole::names() {
        let operation = whole::by_name(name, &server.url).expect("each name has its operation");
        counts.insert(name.to_owned(), count(operation));
    }
    serde_json::to_writer(std::io::stdout(), &counts)?;
    Ok(())
}

/// How often one time calls the allocator.
fn count(mut operation: subject::Operation) -> usize {
    // A few times before, so that what is set up at first use is not counted, such as connections.
    for _ in 0..3 {
        operation();
    }
    let region = Region::new(ALLOCATOR);
    operation();
    let change = region.change();
    // A buffer that grows or shrinks calls the allocator too.
    change.allocations + change.reallocations
}
