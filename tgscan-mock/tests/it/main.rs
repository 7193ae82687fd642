//! Tests of the mock through its public face.
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test's helper is a failed test")]

mod answers;
#[cfg(feature = "conformance")]
mod conformance;
mod data;
mod expect;
mod refusals;
mod support;

#[cfg(feature = "tls")]
mod server;
