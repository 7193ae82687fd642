//! Tests of the blocking example against the mock. The `transports` example runs the conformance suite on `send`.
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test's helper is a failed test")]

use std::process::Command;

use tgscan_core::blocking::call;
use tgscan_core::types::{Balance, Search};
use tgscan_core::{Api, RetryPolicy};
use tgscan_example_blocking::{Settings, send};
use tgscan_mock::{Fault, FaultKind, Mock, MockServer, ServerOptions};

fn search() -> Search {
    Search { query: "some_username".parse().unwrap() }
}

#[test]
fn calls_are_answered_over_https() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new().https::<&str>([])).unwrap();
    let settings = Settings { ca_pem: server.ca_pem().map(str::to_owned), ..Settings::default() };
    let (api, agent) =
        (Api::with_base_url(&server.url(), mock.live_key()).unwrap(), settings.agent().unwrap());
    let balance = call(&api, Balance {}, |request| send(&agent, 1 << 20, request)).unwrap();
    assert_eq!(balance.answer.num_credits, 1000);
    call(&api, search(), |request| send(&agent, 1 << 20, request)).unwrap();
    assert_eq!((mock.account().spent, api.ledger().book().totals().charged), (1, 1));
    assert_eq!(server.open_connections(), 1, "the second call reuses the connection");
}

#[test]
fn retries_a_refused_call_and_not_an_uncertain_one() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let agent = Settings::default().agent().unwrap();
    let mut quick = RetryPolicy::default();
    quick.base_backoff = std::time::Duration::from_millis(1);
    let api = Api::with_base_url(&server.url(), mock.live_key()).unwrap().with_retry(quick);
    mock.script::<Search>([FaultKind::Unavailable { retry_after: None }]);
    let reply = call(&api, search(), |request| send(&agent, 1 << 20, request)).unwrap();
    assert_eq!((reply.attempts, mock.account().spent), (2, 1));

    mock.script::<Search>([Fault::new(FaultKind::Close).charged()]);
    let error = call(&api, search(), |request| send(&agent, 1 << 20, request)).unwrap_err();
    assert_eq!((error.attempts(), mock.account().spent), (1, 2));
    assert_eq!(api.ledger().book().totals().uncertain_attempts, 1);
}

/// The example needs no runtime.
#[test]
fn the_dependencies_contain_no_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", env!("CARGO_PKG_NAME"), "--edges", "normal", "--prefix", "none"])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("ureq ")), "{tree}");
    for runtime in ["tokio", "async-std", "smol", "hyper", "futures-util"] {
        let is_there = tree.lines().any(|line| line.split(' ').next() == Some(runtime));
        assert!(!is_there, "{runtime}:\n{tree}");
    }
}
