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
#[cfg(feature = "http2")]
mod fields;
#[cfg(feature = "http2")]
mod frames;
#[cfg(feature = "gzip")]
mod gzip;
mod heads;

#[cfg(feature = "http2")]
mod http2;
mod limits;
#[cfg(feature = "proxy")]
mod plain;
mod pool;
#[cfg(feature = "proxy")]
mod proxy;
mod refused;
mod remote;
mod runtimes;
mod server;
#[cfg(feature = "tracing")]
mod spans;
mod stale;
#[cfg(feature = "http2")]
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

/// Long enough for loopback on a busy machine, short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);

/// Looks like a secret and stands nowhere else.
const KEY: &str = "5ec4e7000000";
const QUERY: &str = "some_username";

fn api(base_url: &str) -> Api {
    Api::with_base_url(base_url, ApiKey::live(KEY).unwrap()).unwrap()
}

/// A paid request, with a body.
fn search(base_url: &str) -> Request<Bytes> {
    api(base_url).request(&Search { query: QUERY.parse().unwrap() })
}

/// A free request, without one.
fn balance(base_url: &str) -> Request<Bytes> {
    api(base_url).request(&Balance {})
}

fn transport() -> HyperTransport {
    HyperTransport::builder().build().unwrap()
}

/// A transport whose calls end soon.
fn hasty() -> HyperTransport {
    HyperTransport::builder().attempt_timeout(SHORT).build().unwrap()
}
