//! Tests of all schemas, driven by the registry.
#![expect(clippy::panic, reason = "a panic in a test's helper is a failed test")]

mod documented;
mod privacy;
