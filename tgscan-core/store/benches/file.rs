//! Measures the store in a file: `cargo bench --package tgscan-store`, with `TGSCAN_ANSWERS=1000000` in full size.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints measurements")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use futures_util::stream::{self, StreamExt};
use tgscan_core::Credits;
use tgscan_core::bytes::Bytes;
use tgscan_core::store::{Claim, ClaimRequest, Question, Settlement, Store};
use tgscan_mock::Mock;
use tgscan_store::FileStore;

/// How many calls run at once.
const AT_ONCE: usize = 64;

fn main() {
    // What `cargo test --benches` calls it for.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let usual = if is_test { 200 } else { 20_000 };
    let answers: u64 = std::env::var("TGSCAN_ANSWERS").map_or(usual, |text| text.parse().unwrap());
    let directory =
        tempfile::tempdir_in(std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| ".".into())).unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::open(&path).unwrap());
    let bodies = bodies();
    let bodies = &bodies;

    let began = Instant::now();
    block_on(
        stream::iter(0..answers)
            .map(|number| ask(&store, bodies, number))
            .buffer_unordered(AT_ONCE)
            .for_each(|()| async {}),
    );
    let took = began.elapsed();
    println!("{answers} paid calls, {AT_ONCE} at once: {:.0} per second", per_second(answers, took));
    println!("memory: {} MB resident", resident_mb());

    let began = Instant::now();
    for number in 0..100 {
        block_on(ask(&store, bodies, answers + number));
    }
    let alone = began.elapsed() / 100;
    let began = Instant::now();
    for _ in 0..100 {
        block_on(store.record_top_up("main", 0)).unwrap();
    }
    let flush = began.elapsed() / 100;
    println!("one paid call alone: {alone:?}; one flush: {flush:?}; ratio {:.2}", ratio(alone, flush));
    let began = Instant::now();
    let looks = 20_000;
    for number in 0..looks {
        let number = number * 7919 % answers;
        assert!(matches!(block_on(store.claim(&request(number))).unwrap(), Claim::Stored(_)));
    }
    println!("a stored answer among {answers}: {:?}", began.elapsed() / u32::try_from(looks).unwrap());

    // As a kill leaves it: nobody closed it.
    let killed = directory.path().join("killed");
    std::fs::copy(&path, &killed).unwrap();
    drop(store);
    let began = Instant::now();
    drop(FileStore::open(&path).unwrap());
    println!("opening: {:?}", began.elapsed());
    let began = Instant::now();
    drop(FileStore::open(&killed).unwrap());
    println!("opening after a kill: {:?}", began.elapsed());
    let file = std::fs::metadata(&path).unwrap();
    let bytes: u64 = (0..answers).map(|number| body(bodies, number).len() as u64).sum();
    println!("answers: {bytes} bytes");
    println!("file: {} bytes, {:.2} times that", file.len(), ratio_of(file.len(), bytes));
    // A file of redb grows by doubling; what it has not used yet takes no room where the system knows holes.
    #[cfg(unix)]
    {
        let used = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
        println!("disk: {used} bytes, {:.2} times that", ratio_of(used, bytes));
    }
}

/// Answers of the mock.
fn bodies() -> Vec<Bytes> {
    let client = Mock::builder().credits(1_000_000).build().unwrap().client();
    (0..1000).map(|number| block_on(client.search(format!("name_{number}"))).unwrap().raw().clone()).collect()
}

fn body(bodies: &[Bytes], number: u64) -> &Bytes {
    &bodies[usize::try_from(number).unwrap() % bodies.len()]
}

async fn ask(store: &FileStore, bodies: &[Bytes], number: u64) {
    let Claim::Granted(call) = store.claim(&request(number)).await.unwrap() else { return };
    let body = body(bodies, number).clone();
    store
        .settle(call, Settlement::Answered { status: 200, body, credits: Credits::Charged(1) })
        .await
        .unwrap();
}

fn request(number: u64) -> ClaimRequest {
    let question = Question::new("main", true, "search", format!("query=some_name_{number}"));
    ClaimRequest::new(question, Duration::from_secs(1_000_000))
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

/// The memory of this process, where the system tells.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1024)
}
