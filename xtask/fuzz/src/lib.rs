//! What the fuzz targets do with the bytes that the fuzzer makes up. Each panics where something does not hold that
//! must always hold.
//!
//! The checks of the core are those of its property tests, which draw their inputs from strategies instead.
#![forbid(unsafe_code)]

#[path = "../../../tgscan-core/tests/it/checks/mod.rs"]
mod checks;
mod head;
mod memory;
mod request;
mod response;
mod support;
mod values;

use tgscan_core::types::registry::visit_all;

pub use request::request;
pub use response::response;
pub use values::values;

/// Any bytes as a body: the fast decoder accepts and refuses exactly what plain `serde_json` does, with equal values.
pub fn decode(input: &[u8]) {
    visit_all(&mut checks::decode::Alike(input));
}
