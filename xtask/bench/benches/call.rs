//! Builds requests, and makes calls over loopback from the query to the typed answer.

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use tgscan_bench::body::{SIZES, status_first};
use tgscan_bench::common::{KEY, PATH, runtime};
use tgscan_bench::peers::clients::{self, FORM, ureq_call};
use tgscan_bench::peers::servers::{self, Server};
use tgscan_bench::whole::{decode, plain_request};
use tgscan_bench::{install_crypto_provider, subject};

fn main() {
    install_crypto_provider();
    divan::main();
}

#[divan::bench(args = ["http::Request, all parsed each time", "tgscan", "reqwest"])]
fn build_request(bencher: Bencher<'_, '_>, builder: &str) {
    match builder {
        "tgscan" => bencher.bench_local(&mut subject::build()),
        "reqwest" => {
            let client = reqwest::Client::new();
            bencher.bench_local(|| {
                let request = client.post(black_box(URL)).header("Api-Key", black_box(KEY));
                request.form(&FORM).build().expect("all parts are legal")
            });
        }
        _ => bencher.bench_local(|| plain_request(black_box(URL))),
    }
}

const URL: &str = "https://api.tgdev.io/tgscan/v1/search";

const CLIENTS: [&str; 7] = [
    "hyper-util pooled, bytes only",
    "hyper-util pooled, one request cloned, decoded alike",
    "raw hyper, bytes only",
    "tgscan, typed",
    "reqwest, typed",
    "reqwest, Value",
    "ureq, typed, one thread each",
];

/// Without ureq, which speaks HTTP/1.1 only.
const HTTP2_CLIENTS: &[&str] = CLIENTS.split_at(6).0;

#[divan::bench(args = CLIENTS, consts = [1, 64])]
fn http1_concurrent<const CONCURRENCY: usize>(bencher: Bencher<'_, '_>, client: &str) {
    static SERVER: LazyLock<Server> = LazyLock::new(|| servers::least(&status_first(SIZES[0])));
    calls(bencher, &SERVER, CONCURRENCY, client);
}

#[divan::bench(args = HTTP2_CLIENTS, consts = [1, 64])]
fn http2_over_tls_concurrent<const CONCURRENCY: usize>(bencher: Bencher<'_, '_>, client: &str) {
    static SERVER: LazyLock<Server> = LazyLock::new(|| servers::least_http2(status_first(SIZES[0]), 1));
    calls(bencher, &SERVER, CONCURRENCY, client);
}

/// Calls of each task in one iteration.
const CALLS: usize = 32;

fn calls(bencher: Bencher<'_, '_>, server: &Server, concurrency: usize, client: &str) {
    let bencher = bencher.counter(ItemsCount::new(concurrency * CALLS));
    // Connections belong to a runtime.
    let runtime = runtime();
    let _inside = runtime.enter();
    let caller = match client {
        "hyper-util pooled, bytes only" => clients::pooled(server, drop),
        "hyper-util pooled, one request cloned, decoded alike" => clients::pooled(server, decode),
        "raw hyper, bytes only" => runtime.block_on(clients::raw(server, concurrency)),
        "tgscan, typed" => clients::sdk(server),
        "reqwest, typed" => clients::reqwest(server, false),
        "reqwest, Value" => clients::reqwest(server, true),
        _ => return ureq(bencher, server, concurrency),
    };
    // Opens the connections.
    runtime.block_on(clients::many(&caller, concurrency, 1));
    bencher.bench_local(|| runtime.block_on(clients::many(&caller, concurrency, CALLS)));
}

fn ureq(bencher: Bencher<'_, '_>, server: &Server, concurrency: usize) {
    // As many idle connections as threads; otherwise it would open new ones.
    let config = ureq::Agent::config_builder().max_idle_connections(64).max_idle_connections_per_host(64);
    let (agent, url) = (ureq::Agent::from(config.build()), format!("{}{PATH}", server.url));
    bencher.bench_local(|| {
        std::thread::scope(|scope| {
            for _ in 0..concurrency {
                scope.spawn(|| (0..CALLS).for_each(|_| ureq_call(&agent, &url)));
            }
        });
    });
}
