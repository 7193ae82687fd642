//! Tests of the stores through a client and through their contract: no sockets, a clock of their own.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

mod answers;
mod conformance;
mod contract;
#[cfg(all(feature = "redb", target_os = "linux"))]
mod disk;
#[cfg(feature = "redb")]
mod file;
#[path = "../support/over.rs"]
mod over;
#[cfg(feature = "postgres")]
mod postgres;
mod received;
mod reports;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod server;
mod spans;
mod support;
mod uncertain;
mod waits;
