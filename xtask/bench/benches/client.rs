//! Creates and clones clients, and holds 10,000 calls in flight.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tgscan_bench::common::{query, runtime};
use tgscan_bench::server::Server;
use tgscan_bench::{install_crypto_provider, subject};
use tgscan_core::{Api, ApiKey, Client};
use tgscan_transport_hyper::HyperTransport;
use tokio::task::JoinSet;

fn main() {
    install_crypto_provider();
    // Runs first, while the heap is small.
    in_flight();
    divan::main();
}

#[divan::bench]
fn tgscan() -> Client {
    HyperTransport::builder().build().expect("legal settings").client(subject::api())
}

#[divan::bench]
fn tgscan_clone(bencher: divan::Bencher<'_, '_>) {
    let client = tgscan();
    bencher.bench_local(|| client.clone());
}

#[divan::bench]
fn reqwest_with_mozillas_roots() -> reqwest::Client {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().expect("legal settings")
}

#[divan::bench]
fn reqwest_default() -> reqwest::Client {
    reqwest::Client::new()
}

/// The number of concurrent calls, over one HTTP/2 connection.
const CALLS: u32 = 10_000;

/// Measures the memory of the process while all calls are in flight, and its growth over earlier rounds.
fn in_flight() {
    let server = Server::start(env!("CARGO_BIN_EXE_subject"), &["hold", &CALLS.to_string()]);
    let api = Api::with_base_url(server.url(), ApiKey::live("k").expect("a legal key")).expect("a legal URL");
    let transport = HyperTransport::builder()
        .extra_roots_pem(server.printed[1..].join("\n"))
        .attempt_timeout(Duration::from_mins(2))
        .build()
        .expect("legal settings");
    let (client, runtime) = (transport.client(api), runtime());
    // Opens the one connection.
    runtime.block_on(client.search(query())).expect("an answer");
    let mut most = f64::NAN;
    for round in 1..=3 {
        let before = memory("VmRSS:");
        // Resets the peak.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        runtime.block_on(all_concurrent(&client));
        let per_call = |bytes: f64| bytes / f64::from(CALLS);
        let (peak, after) = (per_call(memory("VmHWM:") - before), memory("VmRSS:"));
        let grown = per_call(after - most);
        println!("{CALLS} calls in flight, round {round}: {peak:.0} bytes per call, {grown:.0} more kept");
        assert!(round < 3 || grown <= 64.0, "{grown} bytes per call stay in use; the limit is 64");
        most = after.max(most);
    }
}

async fn all_concurrent(client: &Client) {
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move { drop(client.search(query()).await.expect("an answer")) });
    }
    calls.join_all().await;
}

/// Reads a line of `/proc/self/status`, in bytes.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kilobytes = found.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}
