//! The programs, run as people run them, against the mock's server.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a failed unwrap in a test's helper is a failed test")]

mod clock;
mod lists;
#[cfg(feature = "postgres")]
#[expect(dead_code, reason = "another test restarts the server")]
#[path = "../../../../../tgscan-core/store/tests/support/postgres.rs"]
mod server;
mod services;
mod support;
