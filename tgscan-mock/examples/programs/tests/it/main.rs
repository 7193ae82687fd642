//! The programs as processes, against the mock's server.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a failed unwrap in a test's helper is a failed test")]

mod clock;
mod lists;
#[cfg(feature = "postgres")]
#[expect(dead_code, reason = "another test restarts the server")]
#[path = "../../../../../tgscan-core/tgscan-store/tests/support/postgres.rs"]
mod server;
#[cfg(feature = "postgres")]
mod services;
mod support;
