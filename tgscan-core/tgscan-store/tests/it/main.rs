//! Tests of the stores through a client and through their contract: no sockets, and their own clock.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy allows them in test functions only, and their helpers are tests too"
)]

#[cfg(all(feature = "postgres", unix))]
mod administration;
#[cfg(all(feature = "postgres", unix))]
mod alone;
mod answers;
#[cfg(feature = "redb")]
mod check;
mod clocks;
#[cfg(all(feature = "postgres", unix))]
mod configurations;
mod conformance;
mod contract;
#[cfg(feature = "redb")]
mod creation;
#[cfg(feature = "redb")]
mod damage;
#[cfg(all(feature = "redb", target_os = "linux"))]
mod disk;
#[cfg(all(feature = "postgres", unix))]
mod doubt;
mod dropped;
mod expiry;
#[cfg(feature = "redb")]
mod file;
#[cfg(feature = "redb")]
mod format;
#[cfg(feature = "postgres")]
mod logs;
mod mistakes;
#[cfg(all(feature = "postgres", unix))]
mod network;
#[path = "../support/over.rs"]
mod over;
mod pace;
#[cfg(all(feature = "postgres", unix))]
mod partition;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "postgres", unix))]
#[path = "../support/proxy.rs"]
mod proxy;
mod received;
mod replaced;
mod reports;
#[cfg(all(feature = "redb", target_os = "linux"))]
mod rewriting;
#[cfg(feature = "redb")]
mod salvage;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod server;
#[cfg(all(feature = "postgres", unix))]
mod servers;
mod spans;
mod support;
#[cfg(all(feature = "postgres", unix))]
mod tls;
mod uncertain;
mod unwritten;
mod waits;
