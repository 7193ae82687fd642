//! Tests of the public API: deterministic, without sockets and sleeping.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

mod accounting;
mod answers;
mod call;
mod checks;
mod client;
mod differential;
mod generate;
mod golden;
mod json;
mod limits;
mod pace;
mod panics;
mod regressions;
mod robust;
mod secrets;
#[cfg(feature = "tower")]
mod service;
mod support;
