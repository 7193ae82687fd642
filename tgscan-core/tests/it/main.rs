//! Tests of the core through its public face: no sockets, no sleeping, the same course in every run.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

mod answers;
mod call;
mod checks;
mod client;
mod differential;
mod foreign;
mod generate;
mod golden;
mod inputs;
mod json;
mod limits;
mod money;
mod regressions;
mod robust;
mod secrets;
#[cfg(feature = "tower")]
mod service;
mod support;
mod truncated;
