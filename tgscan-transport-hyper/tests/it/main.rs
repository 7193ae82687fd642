//! Tests of the transport against real loopback sockets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a test's helpers")]

mod answers;
mod blocked;
mod closing;
mod conformance;
mod delivery;
#[cfg(unix)]
mod descriptors;
mod discard;
mod fields;
mod frames;
#[cfg(feature = "gzip")]
mod gzip;
mod heads;

mod http2;
mod limits;
mod plain;
mod pool;
mod proxy;
mod refused;
mod remote;
mod runtimes;
mod server;
#[cfg(feature = "tracing")]
mod spans;
mod stale;
mod table;
mod tls;
mod tls_server;
mod whole;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tgscan_core::types::{Balance, Search};
use tgscan_core::{Api, ApiKey};
use tgscan_transport_hyper::HyperTransport;

/// A timeout for tests that wait for it: long enough for loopback on a busy machine.
const SHORT: Duration = Duration::from_millis(150);

/// A key that occurs nowhere else, so that tests can search for it.
const KEY: &str = "5ec4e7000000";
const QUERY: &str = "some_username";

fn api(base_url: &str) -> Api {
    Api::with_base_url(base_url, ApiKey::live(KEY).unwrap()).unwrap()
}

/// Builds a paid request, which has a body.
fn search(base_url: &str) -> Request<Bytes> {
    api(base_url).request(&Search { query: QUERY.parse().unwrap() })
}

/// Builds a free request, which has no body.
fn balance(base_url: &str) -> Request<Bytes> {
    api(base_url).request(&Balance {})
}

fn transport() -> HyperTransport {
    HyperTransport::builder().build().unwrap()
}

/// Builds a transport with a short attempt timeout.
fn impatient() -> HyperTransport {
    HyperTransport::builder().attempt_timeout(SHORT).build().unwrap()
}
