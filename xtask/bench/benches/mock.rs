//! Measures the mock and its peers: in process, over loopback with 64 concurrent requests, and the first answer of a new mock.

use std::any::Any;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use http::Request;
use proptest::arbitrary::any;
use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_bench::body::{SIZES, answer, status_first};
use tgscan_bench::common::{PATH, query, runtime};
use tgscan_bench::install_crypto_provider;
use tgscan_bench::peers::{clients, servers};
use tgscan_core::types::{Search, SearchAnswer, SearchGroup};
use tgscan_core::{Api, ApiKey};
use tgscan_mock::{Expect, Mock, MockServer, ServerOptions};

fn main() {
    install_crypto_provider();
    divan::main();
}

const PINNED: &str = "tgscan-mock, pinned answer";
const REPEATED: &str = "tgscan-mock, random answer to a repeated query";
const FRESH: &str = "tgscan-mock, fresh answer of 5 groups";
const FRESH_100: &str = "tgscan-mock, fresh answer of 100 groups";

#[divan::bench(args = [PINNED, REPEATED, FRESH, FRESH_100])]
fn in_process(bencher: Bencher<'_, '_>, name: &str) {
    let (mock, request) = (mock(name), request("https://api.tgdev.io"));
    bencher.bench_local(|| mock.respond(black_box(&request)));
}

const SERVERS: [&str; 9] = [
    "plain hyper server",
    PINNED,
    REPEATED,
    FRESH,
    "wiremock",
    "httpmock",
    "mockito",
    "plain hyper server, 100 groups",
    FRESH_100,
];

#[divan::bench(args = SERVERS)]
fn loopback_64_concurrent(bencher: Bencher<'_, '_>, name: &str) {
    const CONCURRENCY: usize = 64;
    let (runtime, (url, _server)) = (runtime(), start(name));
    let caller = runtime.block_on(clients::least(&request(&url), CONCURRENCY));
    let bencher = bencher.counter(ItemsCount::new(CONCURRENCY * 32));
    bencher.bench_local(|| runtime.block_on(clients::many(&caller, CONCURRENCY, 32)));
}

/// Measures the overhead of a test, from the constructor to the first answer.
#[divan::bench(args = [PINNED, "wiremock", "httpmock", "mockito"])]
fn first_answer(name: &str) {
    let (url, _server) = start(name);
    let (_, authority) = url.split_once("://").expect("a whole URL");
    let mut stream = TcpStream::connect(authority).expect("the server listens");
    let request = request("https://api.tgdev.io");
    stream.write_all(&clients::to_bytes(&request)).expect("the server reads");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("the server answers");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// Measures the constructor with HTTPS and a new certificate authority.
#[divan::bench]
fn start_https() -> MockServer {
    let options = ServerOptions::new().https::<&str>([]);
    MockServer::start(&mock(PINNED), &options).expect("loopback has a free port")
}

/// The address of a server, and the guard that stops it on drop.
type Running = (String, Box<dyn Any>);

fn start(name: &str) -> Running {
    const JSON: &str = "application/json";
    let body = status_first(if name.ends_with("100 groups") { SIZES[1] } else { SIZES[0] });
    match name {
        "wiremock" => {
            use wiremock::matchers::{method, path};
            let runtime = runtime();
            // Runs on a separate thread.
            let server = runtime.block_on(wiremock::MockServer::start());
            let response = wiremock::ResponseTemplate::new(200).set_body_raw(body.to_vec(), JSON);
            let mock = wiremock::Mock::given(method("POST")).and(path(PATH)).respond_with(response);
            runtime.block_on(mock.mount(&server));
            (server.uri(), Box::new(server))
        }
        "httpmock" => {
            let server = httpmock::MockServer::start();
            server.mock(|when, then| {
                when.method("POST").path(PATH);
                then.status(200).header("content-type", JSON).body(&body);
            });
            (server.base_url(), Box::new(server))
        }
        "mockito" => {
            let mut server = mockito::Server::new();
            let mock = server.mock("POST", PATH).with_header("content-type", JSON).with_body(&body);
            let mock = mock.expect_at_least(0).create();
            (server.url(), Box::new((mock, server)))
        }
        name if name.starts_with("plain") => (servers::plain(body).url, Box::new(())),
        name => {
            let server = MockServer::start(&mock(name), &ServerOptions::new());
            let server = server.expect("loopback has a free port");
            (server.url(), Box::new(server))
        }
    }
}

fn mock(name: &str) -> Mock {
    let mock = Mock::builder().seed(7).credits(i64::MAX).build().expect("legal settings");
    let any = Expect::<Search>::any().at_least(0);
    match name {
        FRESH => mock.expect(any.then_sampled(answers(5)).repeated()),
        FRESH_100 => mock.expect(any.then_sampled(answers(100)).repeated()),
        PINNED => mock.expect(any.then_answer(answer(SIZES[0])).repeated()),
        _ => {}
    }
    mock
}

/// Returns a strategy for answers with N groups.
fn answers(groups: usize) -> SBoxedStrategy<SearchAnswer> {
    let group = any::<i64>()
        .prop_map(|id| SearchGroup::new(id, format!("Group {id}")).with_date_updated("2026-01-01"));
    vec(group, groups)
        .prop_map(|groups| {
            let mut answer = SearchAnswer::default();
            answer.user.get_or_insert_default().id = 7;
            answer.meta.num_groups = groups.len() as u64;
            answer.meta.known_num_groups = groups.len() as u64;
            answer.groups = groups;
            answer
        })
        .sboxed()
}

/// Builds the SDK's request to a mock at this URL.
fn request(url: &str) -> Request<Bytes> {
    let key = ApiKey::live(Mock::LIVE_KEY).expect("a legal key");
    let api = Api::with_base_url(url, key).expect("a legal URL");
    api.request(&Search { query: query() })
}
