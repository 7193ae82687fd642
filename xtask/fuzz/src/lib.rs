//! The fuzz targets. Each panics when something that must always hold does not. How to run them is in `README.md`.
//!
//! The checks of the core are shared with its property tests, which draw their inputs from strategies.
#![forbid(unsafe_code)]

#[path = "../../../tgscan-core/tests/it/checks/mod.rs"]
mod checks;
mod head;
mod memory;
mod request;
mod response;
pub mod seeds;
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
