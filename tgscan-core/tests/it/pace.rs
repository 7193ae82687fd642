//! The service's pauses and the rate limit, for calls without a client.

use std::time::{Duration, Instant};

use tgscan_core::types::Balance;
use tgscan_core::{RetryPolicy, blocking};

use crate::support::{live, response, with_header};

const BALANCE: &str = r#"{"status":"ok","result":{"num_credits":5}}"#;

#[test]
fn blocking_calls_wait_out_the_pause_of_an_earlier_one() {
    let api = live().with_retry(RetryPolicy::none());
    let began = Instant::now();
    let refused = || Ok(with_header(response(429, "slow down"), "retry-after", "0.1"));
    let error = blocking::call(&api, Balance {}, |_| refused()).unwrap_err();
    assert_eq!((error.attempts(), error.status().unwrap().as_u16()), (1, 429));
    let mut sent_after = Duration::ZERO;
    let answered = blocking::call(&api, Balance {}, |_| {
        sent_after = began.elapsed();
        Ok(response(200, BALANCE))
    });
    assert_eq!(answered.unwrap().attempts, 1);
    assert!(sent_after >= Duration::from_millis(100), "{sent_after:?}");
}

#[test]
fn blocking_calls_keep_to_the_rate_limit() {
    let api = live().with_rate_limit(20, Duration::from_secs(1));
    let began = Instant::now();
    for _ in 0..3 {
        blocking::call(&api, Balance {}, |_| Ok(response(200, BALANCE))).unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
}
