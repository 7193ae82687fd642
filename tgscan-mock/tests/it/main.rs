//! Tests of the mock through its public API.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod answers;
mod cli;
mod clients;
mod conformance;
mod control;
mod data;
mod expect;
mod faults;
mod handles;
mod inspect;
mod latency;
mod refusals;
mod scripts;
mod serve;
mod server;
mod simulation;
mod steps;
mod support;
mod timer;
mod words;
mod world;
