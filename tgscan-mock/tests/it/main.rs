//! Tests of the mock through its public face.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod answers;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "clients")]
mod clients;
#[cfg(feature = "conformance")]
mod conformance;
mod data;
mod expect;
mod faults;
#[cfg(feature = "tls")]
mod http;
mod refusals;
#[cfg(feature = "cli")]
mod serve;
mod simulation;
mod support;
mod world;

#[cfg(feature = "tls")]
mod control;
#[cfg(feature = "tls")]
mod server;
