//! The program, end to end: against the mock's server on loopback.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

mod batch;
mod cases;
mod durable;
mod endings;
mod lists;
mod money;
mod one;
mod outputs;
mod overlap;
mod paths;
mod probe;
mod recovered;
mod report;
mod screens;
mod setup;
mod stalled;
mod support;
mod unwritten;
