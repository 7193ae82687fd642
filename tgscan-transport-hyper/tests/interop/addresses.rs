//! A host whose first address does not respond.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use tgscan_core::types::Balance;
use tgscan_core::{Api, Transport};
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tgscan_transport_hyper::HyperTransport;

use crate::program::Folder;

const IS_CHILD: &str = "TGSCAN_TEST_HOSTS";

/// Runs in a child process with a custom hosts file, in which a name has an IPv6 address before its IPv4 address.
#[test]
fn dead_ipv6_address_before_a_live_ipv4_one_costs_less_than_300_ms() {
    if std::env::var_os(IS_CHILD).is_some() {
        return tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call());
    }
    let folder = Folder::new();
    let hosts = folder.write("hosts", "::1 localhost\n127.0.0.1 localhost\n");
    let mut child = Command::new("unshare");
    child.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(hosts);
    child.arg(std::env::current_exe().unwrap());
    let name = "addresses::dead_ipv6_address_before_a_live_ipv4_one_costs_less_than_300_ms";
    let output = child.args(["--exact", name, "--nocapture"]).env(IS_CHILD, "1").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn call() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let port = server.address().port();
    let dead = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    // Accepts no connection, so once its queue is full, it does not respond.
    let listener = TcpListener::bind(dead).unwrap();
    let patience = Duration::from_millis(100);
    let queued: Vec<_> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&dead, patience).ok()).take(10_000).collect();
    assert!(queued.len() < 10_000, "the queue never fills up");
    let api = Api::with_base_url(&format!("http://localhost:{port}"), mock.live_key()).unwrap();
    let mut shortest = Duration::MAX;
    // Takes the minimum, because other load can only delay a run.
    for _ in 0..5 {
        let (transport, start) = (HyperTransport::builder().build().unwrap(), Instant::now());
        transport.send(api.request(&Balance {})).await.unwrap();
        shortest = shortest.min(start.elapsed());
    }
    assert!(shortest > Duration::from_millis(100), "{shortest:?}: the dead address was not tried");
    assert!(shortest < Duration::from_millis(300), "{shortest:?}");
    drop((listener, queued));
}
