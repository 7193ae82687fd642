//! Tests against third-party programs: nginx in front of the mock, proxies on the way to it, and the system's resolver.
//!
//! Each test starts its programs on free ports, with settings in a temporary folder. A missing program fails the test.
//! `cargo xtask ci --only install` installs the programs, and `cargo xtask ci --only interop` runs the tests.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is a failed test, also in a test's helpers")]

mod addresses;
mod nginx;
mod program;
mod proxies;

use tgscan_core::{Api, Client};
use tgscan_mock::Mock;
use tgscan_transport_hyper::HyperTransportBuilder;

/// Builds a client for the mock at a URL.
fn client(mock: &Mock, url: &str, builder: HyperTransportBuilder) -> Client {
    builder.build().unwrap().client(Api::with_base_url(url, mock.live_key()).unwrap())
}
