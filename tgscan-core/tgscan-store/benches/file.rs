//! Measures the store in a file: `cargo bench --package tgscan-store`. Set `TGSCAN_ANSWERS=1000000` for the full size.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints measurements")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use futures_util::stream::{self, StreamExt};
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::StorePolicy;
use tgscan_core::{Api, Client, transport_fn};
use tgscan_mock::{Mock, VirtualTimer};
use tgscan_store::FileStore;

/// The number of concurrent calls.
const CONCURRENT: usize = 64;

fn main() {
    // `cargo test --benches` only checks that this runs.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let usual = if is_test { 200 } else { 20_000 };
    let answers: u64 = std::env::var("TGSCAN_ANSWERS").map_or(usual, |text| text.parse().unwrap());
    let directory =
        tempfile::tempdir_in(std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| ".".into())).unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::open(&path).unwrap());
    let bodies: Arc<[String]> = bodies().into();
    let client = client(&store, &bodies);
    let ask = async |number: u64| {
        let reply = client.search(name(number).as_str()).await.unwrap();
        assert!(!reply.is_mismatched());
        reply.credits.charged()
    };

    let began = Instant::now();
    block_on(
        stream::iter(0..answers)
            .map(ask)
            .buffer_unordered(CONCURRENT)
            .for_each(|charged| async move { assert!(charged > 0) }),
    );
    let took = began.elapsed();
    println!("{answers} paid calls, {CONCURRENT} concurrently: {:.0} per second", per_second(answers, took));
    println!("memory: {} MB resident", resident_mb());

    let began = Instant::now();
    for number in 0..100 {
        block_on(ask(answers + number));
    }
    let alone = began.elapsed() / 100;
    let began = Instant::now();
    for _ in 0..100 {
        block_on(client.account().unwrap().record_purchase(0)).unwrap();
    }
    let flush = began.elapsed() / 100;
    println!("one paid call alone: {alone:?}; one flush: {flush:?}; ratio {:.2}", ratio(alone, flush));
    let began = Instant::now();
    let looks = 20_000;
    for number in 0..looks {
        let number = number * 7919 % answers;
        assert_eq!(block_on(ask(number)), 0);
    }
    println!("a stored answer among {answers}: {:?}", began.elapsed() / u32::try_from(looks).unwrap());

    // A copy of the open file, as a killed process leaves it.
    let killed = directory.path().join("killed");
    std::fs::copy(&path, &killed).unwrap();
    drop((client, store));
    let began = Instant::now();
    drop(FileStore::open(&path).unwrap());
    println!("opening: {:?}", began.elapsed());
    let began = Instant::now();
    drop(FileStore::open(&killed).unwrap());
    println!("opening after a kill: {:?}", began.elapsed());
    let file = std::fs::metadata(&path).unwrap();
    let bytes: u64 = (0..answers).map(|number| body(&bodies, number).len() as u64).sum();
    println!("answers: {bytes} bytes");
    println!("file: {} bytes, {:.2} times that", file.len(), ratio_of(file.len(), bytes));
    // A file of redb grows by doubling. Its unused part is sparse where the file system supports that.
    #[cfg(unix)]
    {
        let used = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
        println!("disk: {used} bytes, {:.2} times that", ratio_of(used, bytes));
    }
}

/// Returns a client whose searches are answered without a network.
fn client(store: &Arc<FileStore>, bodies: &Arc<[String]>) -> Client {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let bodies = bodies.clone();
    let transport = transport_fn(move |request: Request<Bytes>| {
        let form = std::str::from_utf8(request.body()).unwrap();
        let number = form.strip_prefix("query=name_").unwrap().parse().unwrap();
        let body = Bytes::from(body(&bodies, number));
        async move { Ok(Response::new(body)) }
    });
    let api = Api::new(Mock::builder().build().unwrap().live_key()).with_service("mock");
    Client::new(api, transport, VirtualTimer::new())
        .with_store(store.clone(), StorePolicy::new("main", YEAR, YEAR))
}

fn name(number: u64) -> String {
    format!("name_{number}")
}

/// Returns answers of the mock.
fn bodies() -> Vec<String> {
    let client = Mock::builder().credits(1_000_000).build().unwrap().client();
    let ask = |number| block_on(client.search(name(number))).unwrap().raw().clone();
    (0..1000).map(|number| String::from_utf8(ask(number).to_vec()).unwrap()).collect()
}

fn body(bodies: &[String], number: u64) -> String {
    let which = number % bodies.len() as u64;
    let search_query = |number| format!("\"search_query\":\"{}\"", name(number));
    bodies[usize::try_from(which).unwrap()].replace(&search_query(which), &search_query(number))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio_of(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// Returns the resident memory of this process, or 0 on systems that do not report it.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}
