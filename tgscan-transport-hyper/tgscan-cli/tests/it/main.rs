//! The program, end to end: against the mock's server on loopback.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

mod batch;
mod cases;
mod endings;
mod lists;
mod money;
mod one;
mod outputs;
mod overlap;
mod probe;
mod report;
mod screens;
mod setup;
mod support;
mod unwritten;
