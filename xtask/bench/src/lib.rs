//! Benchmarks of the SDK and its peers. `RESULTS.md` has the commands and the last results.
//!
//! - `benches/gates.rs` counts instructions (callgrind), allocations and peak heap (dhat) of the operations in
//!   [`subject`] and [`whole`], and fails when a limit is exceeded. CI runs it.
//! - The other benches measure time with divan, all peers of a group in one run.
//!
//! Counts of whole calls include only the client. The server is another process that pauses before it answers, so the client
//! always blocks and each call takes the same path.

pub mod body;
pub mod common;
/// The peers in the comparisons.
#[cfg(feature = "peers")]
pub mod peers {
    pub mod clients;
    pub mod servers;
}
pub mod server;
pub mod subject;
pub mod whole;

pub use common::{Operation, install_crypto_provider};

/// Returns the operation with this name. `url` is that of [`server`].
pub fn operation(name: &str, url: &str) -> Option<Operation> {
    subject::by_name(name).or_else(|| whole::by_name(name, url))
}
