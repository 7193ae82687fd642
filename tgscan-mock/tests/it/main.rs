//! Tests of the mock through its public face.

mod answers;
mod data;
mod refusals;
mod support;

#[cfg(feature = "tls")]
mod server;
