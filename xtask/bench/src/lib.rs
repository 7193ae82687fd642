//! Measures this SDK beside its peers. Run it as `cargo xtask bench`.
//!
//! Three binaries share what is measured: `beside` takes times, `allocations` counts them, `instructions` is run under
//! callgrind. They are apart because a counting allocator would slow down what is timed.

#[cfg(feature = "peers")]
pub mod beside;
pub mod body;
pub mod floor;
pub mod subject;
