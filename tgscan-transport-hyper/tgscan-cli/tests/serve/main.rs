//! Tests of the gateway: the program over real sockets, in front of the mock's server.
#![cfg(unix)]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a failed unwrap in a test's helper is a failed test")]

mod attacks;
mod budgets;
mod clients;
mod cluster;
mod config;
mod keys;
mod operation;
mod outcomes;
mod protocol;
mod support;
mod tls;
