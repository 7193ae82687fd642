//! Prints how many typical answers to a search the mock gives per second, on one core.
//!
//! A program of its own, because it is also built for debugging, as the tests are that use the mock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tgscan_bench::subject::query;
use tgscan_core::types::Search;
use tgscan_core::{Api, ApiKey};
use tgscan_mock::Mock;

fn main() {
    let mock = Mock::builder().seed(7).credits(i64::MAX).build().expect("legal settings");
    let api = Api::new(ApiKey::live(Mock::LIVE_KEY).expect("a legal key"));
    let request = api.request(&Search { query: query() });
    let (start, mut answers) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(2) {
        for _ in 0..16 {
            drop(black_box(mock.respond(black_box(&request))));
        }
        answers += 16;
    }
    println!("{}", f64::from(answers) / start.elapsed().as_secs_f64());
}
