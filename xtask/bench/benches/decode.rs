//! Decodes a body into the same types.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use tgscan_bench::body::{Plain, Tagged};
use tgscan_bench::body::{result_first, status_first};
use tgscan_bench::{Operation, subject};

fn main() {
    divan::main();
}

const READERS: [&str; 8] = [
    "serde_json::from_slice, plain struct",
    "tgscan",
    "tgscan, `result` first",
    "serde_json, tagged enum",
    "serde_json, tagged enum, `result` first",
    "serde_json, through Value",
    "sonic-rs, plain struct",
    "simd-json, plain struct, body copied",
];

#[divan::bench(args = READERS, consts = [5, 100, 10_000], min_time = 0.5, sample_size = 10)]
fn groups<const GROUPS: usize>(bencher: Bencher<'_, '_>, reader: &str) {
    let body = if reader.ends_with("first") { result_first(GROUPS) } else { status_first(GROUPS) };
    let length = body.len();
    let mut read: Operation = match reader {
        "serde_json::from_slice, plain struct" => subject::decode_plain(body),
        "serde_json, through Value" => Box::new(move || {
            let value: serde_json::Value = serde_json::from_slice(black_box(&body)).expect("it is JSON");
            drop(black_box(serde_json::from_value::<Plain>(value).expect("it fits")));
        }),
        "sonic-rs, plain struct" => Box::new(move || {
            drop(black_box(sonic_rs::from_slice::<Plain>(black_box(&body)).expect("it fits")));
        }),
        // simd-json writes into its input, so the body must be copied.
        "simd-json, plain struct, body copied" => Box::new(move || {
            let mut copy = black_box(&body).to_vec();
            drop(black_box(simd_json::serde::from_slice::<Plain>(&mut copy).expect("it fits")));
        }),
        name if name.starts_with("tgscan") => subject::decode(body),
        _ => Box::new(move || {
            drop(black_box(serde_json::from_slice::<Tagged>(black_box(&body)).expect("it fits")));
        }),
    };
    bencher.counter(BytesCount::new(length)).bench_local(&mut read);
}

/// Measures bodies from 1 KB to 64 MB; the time per byte must not grow.
#[divan::bench(args = [7, 75, 750, 7_500, 75_000, 600_000], sample_count = 20)]
fn tgscan_by_groups(bencher: Bencher<'_, '_>, groups: usize) {
    let body = status_first(groups);
    let length = body.len();
    bencher.counter(BytesCount::new(length)).bench_local(&mut subject::decode(body));
}
