//! Tests against real parts that are not ours: nginx in front of the mock, proxies on the way to it, and the system's
//! resolver.
//!
//! Each test starts its own on free ports, with its own settings in a folder of its own. A program that is missing is
//! a failed test. `cargo xtask ci --only parts` installs them and runs this.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is a failed test, also in a test's helpers")]

mod addresses;
mod nginx;
mod program;
mod proxies;

use tgscan_core::{Api, Client};
use tgscan_mock::Mock;
use tgscan_transport_hyper::HyperTransportBuilder;

/// A client of this mock under another URL.
fn client(mock: &Mock, url: &str, builder: HyperTransportBuilder) -> Client {
    builder.build().unwrap().client(Api::with_base_url(url, mock.live_key()).unwrap())
}
