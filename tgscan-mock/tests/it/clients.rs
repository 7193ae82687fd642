//! Clients in other languages, each with its standard HTTP library, against the binary over HTTPS.
//!
//! They need `python3` and `node`, so a plain `cargo test` ignores them; `cargo xtask ci` runs them.

use std::path::Path;
use std::process::Command;

use tgscan_mock::core::Api;
use tgscan_mock::types::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};
use tgscan_mock::{Mock, MockBuilder, outcome::Wire};

use crate::serve::{Served, folder};

#[test]
#[ignore = "needs Python"]
fn python_with_urllib() {
    for (flag, builder) in settings() {
        speaks("python3", "client.py", flag, builder);
    }
}

#[test]
#[ignore = "needs Node.js"]
fn node_with_fetch() {
    for (flag, builder) in settings() {
        speaks("node", "client.mjs", flag, builder);
    }
}

/// Settings as documented, and as existing clients expect.
fn settings() -> [(&'static str, MockBuilder); 2] {
    [("--strict", Mock::builder().strict()), ("--like-service", Mock::builder().like_service())]
}

/// Runs the script against a new server. It must succeed, and print the answers of the mock in process.
fn speaks(program: &str, script: &str, flag: &str, builder: MockBuilder) {
    let ca = folder().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let server = Served::start(&[
        "--address",
        "127.0.0.1:0",
        "--seed",
        "7",
        "--san",
        "api.tgdev.io",
        "--ca",
        ca,
        "--quiet",
        flag,
    ]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let output = Command::new(program)
        .arg(script)
        .args([server.url.as_str(), ca, if flag == "--strict" { "401" } else { "200" }])
        .env("NODE_EXTRA_CA_CERTS", ca)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} ended with {}:\n{says}", output.status);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected(builder));
}

/// Returns the answers in process to the scripts' requests, in their order.
fn expected(builder: MockBuilder) -> Vec<String> {
    let mock = builder.seed(7).build().unwrap();
    let mut bodies = Vec::new();
    for key in [mock.live_key(), mock.test_key()] {
        let api = Api::new(key);
        bodies.push(answer(&mock, &api, &Search { query: "some_username".parse().unwrap() }));
        let groups = "some_username1,some_username2".parse().unwrap();
        bodies.push(answer(&mock, &api, &SimilarGroups { query: groups }));
        bodies.push(answer(&mock, &api, &UserCheck { query: "136817688".parse().unwrap() }));
    }
    bodies.push(answer(&mock, &Api::new(mock.live_key()), &Balance {}));
    bodies
}

fn answer<M: ApiMethod>(mock: &Mock, api: &Api, request: &M) -> String {
    match mock.respond(&api.request(request)).wire {
        Wire::Whole(response) => String::from_utf8(response.into_body().into()).unwrap(),
        other => panic!("not a whole response: {other:?}"),
    }
}
