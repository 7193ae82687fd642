//! Decides whether a request is sent again after a failure: one pure function.

mod failure;
pub(crate) mod policy;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tgscan_types::unix_millis;

pub use failure::{Failure, StatusRule};
pub(crate) use policy::RetryPolicy;

/// The input of [`decide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryContext {
    /// Whether this call can cost credits: its method can, and the request is not for a test method.
    pub can_cost: bool,
    /// How the last attempt failed.
    pub failure: Failure,
    /// Whether the response states a charge, even if the rest is broken, its status is a refusal, or the cost cannot be
    /// read.
    pub is_charged: bool,
    /// The response's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The number of attempts so far, including the failed one.
    pub attempts: u32,
    /// The time since the start of the call.
    pub elapsed: Duration,
    /// A random number for the jitter.
    pub random: u64,
}

/// The decision after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Report the failure.
    GiveUp,
    /// Send the request again after this duration.
    RetryAfter(Duration),
}

/// Decides whether a failed attempt is retried.
///
/// - An attempt whose response states a charge is never retried, for any status.
/// - A permanent failure is not retried.
/// - A call that can cost credits is sent again only if the attempt certainly was not processed, or if
///   [`RetryPolicy::resend_uncertain`] is set.
/// - A free call is sent again after any transient failure.
/// - The wait is random between zero and a bound that doubles (full jitter), and at least `Retry-After`.
/// - The call ends if the wait exceeds [`RetryPolicy::max_backoff`] or would end after [`RetryPolicy::max_elapsed`].
pub fn decide(policy: &RetryPolicy, context: &RetryContext) -> Decision {
    let RetryContext { can_cost, failure, is_charged, retry_after, attempts, elapsed, random } = *context;
    let may_repeat = !can_cost || failure.not_processed() || policy.resend_uncertain;
    if is_charged || !failure.is_transient() || !may_repeat || attempts >= policy.max_attempts {
        return Decision::GiveUp;
    }
    let bound =
        policy.base_backoff.saturating_mul(1 << attempts.saturating_sub(1).min(31)).min(policy.max_backoff);
    let wait = fraction(bound, random).max(retry_after.unwrap_or_default());
    if wait > policy.max_backoff || elapsed.saturating_add(wait) > policy.max_elapsed {
        return Decision::GiveUp;
    }
    Decision::RetryAfter(wait)
}

/// Returns `bound` × `random` / 2^64, in whole nanoseconds.
fn fraction(bound: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// Returns a random number by seed and index: `SplitMix64`, which needs no state and no dependency.
///
/// This crate has no other randomness, so every schedule can be reproduced from its seed.
pub(crate) fn random(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns the wait that `Retry-After` requests: a number of seconds, possibly with a fraction, or a date. A date is
/// compared with the response's `Date`, or else with the driver's clock. Any other value means the longest wait. This
/// includes the two obsolete date formats, which senders must not generate (RFC 9110, 5.6.7). Of several values, the
/// longest wait counts.
pub(crate) fn retry_after(
    headers: &http::HeaderMap,
    driver: impl FnOnce() -> Option<SystemTime>,
    longest: Duration,
) -> Option<Duration> {
    let mut values = headers.get_all(http::header::RETRY_AFTER).iter().peekable();
    values.peek()?;
    let date = headers.get(http::header::DATE).and_then(|date| unix_millis(date.to_str().ok()?));
    let by_driver = || i64::try_from(driver()?.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
    let now = date.or_else(by_driver);
    let wait = |value: &http::HeaderValue| {
        let text = value.to_str().ok()?.trim();
        match text.parse::<f64>() {
            // A negative number means no wait, and an overflow exceeds any limit.
            Ok(seconds) if seconds.is_finite() => {
                Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
            }
            _ => {
                let millis = unix_millis(text)?.saturating_sub(now?);
                Some(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
            }
        }
    };
    values.map(|value| wait(value).unwrap_or(longest)).max()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::{Credits, Refusal};

    fn context(can_cost: bool, failure: Failure) -> RetryContext {
        let random = u64::MAX;
        let (is_charged, retry_after, elapsed) = (false, None, Duration::ZERO);
        RetryContext { can_cost, failure, is_charged, retry_after, attempts: 1, elapsed, random }
    }

    fn retries(policy: &RetryPolicy, can_cost: bool, failure: Failure) -> bool {
        decide(policy, &context(can_cost, failure)) != Decision::GiveUp
    }

    fn unexpected(status: u16) -> Failure {
        Failure::Unexpected(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn resends_paid_call_only_if_it_was_not_processed() {
        let policy = RetryPolicy::default();
        let repeated: Vec<Failure> =
            Failure::all().into_iter().filter(|failure| retries(&policy, true, *failure)).collect();
        assert_eq!(
            repeated,
            [
                Failure::NeverSent,
                Failure::ResponseBroken(StatusCode::TOO_MANY_REQUESTS),
                Failure::ResponseTooLarge(StatusCode::TOO_MANY_REQUESTS),
                Failure::Api(Refusal::TooManyRequests, StatusCode::OK),
                Failure::Api(Refusal::Unavailable, StatusCode::OK),
                Failure::Api(Refusal::Other, StatusCode::CONFLICT),
                unexpected(429),
            ]
        );
        for failure in repeated {
            assert_eq!(failure.credits(true), Credits::NotCharged, "{failure:?}");
        }
    }

    #[test]
    fn only_401_and_429_mean_not_processed() {
        let all = (100..=999).filter(|status| unexpected(*status).not_processed()).collect::<Vec<_>>();
        assert_eq!(all, [401, 429]);
        for status in [502, 503, 504] {
            assert_eq!(unexpected(status).credits(true), Credits::Uncertain, "{status}");
        }
    }

    #[test]
    fn resends_free_call_after_transient_statuses() {
        let policy = RetryPolicy::default();
        let transient: Vec<u16> =
            (100..=999).filter(|status| retries(&policy, false, unexpected(*status))).collect();
        let mut expected = vec![408, 409, 421, 425, 429, 500, 502, 503, 504];
        expected.extend(520..=529);
        assert_eq!(transient, expected);
        for failure in [
            Failure::Unsendable,
            Failure::Undecodable,
            Failure::ResponseTooLarge(StatusCode::OK),
            Failure::ResponseBroken(StatusCode::UNAUTHORIZED),
            Failure::Api(Refusal::InvalidKey, StatusCode::TOO_MANY_REQUESTS),
            Failure::Api(Refusal::NoCredits, StatusCode::OK),
            Failure::Api(Refusal::BadQuery, StatusCode::OK),
            Failure::Api(Refusal::Other, StatusCode::OK),
        ] {
            assert!(!retries(&policy, false, failure), "{failure:?}");
        }
        for failure in [
            Failure::NeverSent,
            Failure::MaybeSent,
            Failure::ResponseBroken(StatusCode::OK),
            Failure::Api(Refusal::Unavailable, StatusCode::OK),
            Failure::Api(Refusal::TooManyRequests, StatusCode::OK),
        ] {
            assert!(retries(&policy, false, failure), "{failure:?}");
        }
    }

    #[test]
    fn never_retries_a_charged_attempt() {
        let policy = RetryPolicy { resend_uncertain: true, ..RetryPolicy::default() };
        for failure in Failure::all() {
            for can_cost in [true, false] {
                let charged = RetryContext { is_charged: true, ..context(can_cost, failure) };
                assert_eq!(decide(&policy, &charged), Decision::GiveUp, "{failure:?}");
            }
        }
    }

    #[test]
    fn resends_uncertain_only_if_enabled() {
        let enabled = RetryPolicy { resend_uncertain: true, ..RetryPolicy::default() };
        for failure in
            [Failure::MaybeSent, Failure::ResponseBroken(StatusCode::OK), unexpected(502), unexpected(503)]
        {
            assert!(
                retries(&enabled, true, failure) && !retries(&RetryPolicy::default(), true, failure),
                "{failure:?}"
            );
        }
        assert!(!retries(&enabled, true, Failure::Undecodable), "a decode failure is never retried");
    }

    #[test]
    fn limits_attempts_waits_and_total_time() {
        let policy = RetryPolicy::default();
        let at = |attempts, elapsed, retry_after| {
            let context = context(false, Failure::NeverSent);
            decide(&policy, &RetryContext { retry_after, attempts, elapsed, ..context })
        };
        let s = Duration::from_secs;
        assert_eq!(at(3, s(0), None), Decision::RetryAfter(Duration::from_nanos(999_999_999)));
        assert_eq!(at(4, s(0), None), Decision::GiveUp, "attempts");
        assert_eq!(at(1, s(0), Some(s(30))), Decision::RetryAfter(s(30)), "Retry-After");
        assert_eq!(at(1, s(0), Some(s(31))), Decision::GiveUp, "one wait");
        assert_eq!(at(1, s(30), Some(s(30))), Decision::RetryAfter(s(30)), "ends just in time");
        assert_eq!(at(1, s(31), Some(s(30))), Decision::GiveUp, "total");
        assert_eq!(at(1, Duration::MAX, Some(Duration::MAX)), Decision::GiveUp);
    }

    #[test]
    fn full_jitter_doubles_up_to_max_backoff() {
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        for (attempts, bound) in
            [(1, 250), (2, 500), (3, 1000), (7, 16_000), (8, 30_000), (1_000_000, 30_000)]
        {
            let wait = |random| {
                let context = context(false, Failure::NeverSent);
                match decide(&policy, &RetryContext { attempts, random, ..context }) {
                    Decision::RetryAfter(wait) => wait,
                    Decision::GiveUp => panic!("gave up at {attempts}"),
                }
            };
            assert_eq!(wait(0), Duration::ZERO);
            assert_eq!(wait(1 << 63), Duration::from_millis(bound) / 2);
            assert_eq!(wait(u64::MAX) + Duration::from_nanos(1), Duration::from_millis(bound));
        }
    }

    #[test]
    fn random_sequence_is_distinct_and_repeatable() {
        let numbers: std::collections::HashSet<u64> = (0..1000).map(|count| random(7, count)).collect();
        assert_eq!(numbers.len(), 1000);
        assert_eq!(random(7, 3), random(7, 3));
        // Reference value of SplitMix64 for seed 0.
        assert_eq!(random(0, 0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn parses_retry_after_numbers_and_dates() {
        let at = |retry_after: &str, date: Option<&str>, driver: Option<SystemTime>| {
            let mut headers = http::HeaderMap::new();
            for value in retry_after.split('|') {
                headers.append("retry-after", http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            if let Some(date) = date {
                headers.insert("date", date.parse().unwrap());
            }
            super::retry_after(&headers, || driver, Duration::from_secs(99))
        };
        let headers = |retry_after: &str, date: Option<&str>| at(retry_after, date, None);
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(headers("7", None), Some(Duration::from_secs(7)));
        assert_eq!(headers("0", None), Some(Duration::ZERO));
        assert_eq!(headers("99999999999999999999999", None), Some(Duration::MAX));
        for (seconds, millis) in
            [("2.0", 2000), ("1.5", 1500), ("1e1", 10_000), (" 2 ", 2000), ("-1", 0), ("5|2", 5000)]
        {
            assert_eq!(headers(seconds, None), Some(Duration::from_millis(millis)), "{seconds}");
        }
        assert_eq!(headers("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(headers("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        for date in [None, Some("yesterday")] {
            let longest = Some(Duration::from_secs(99));
            assert_eq!(headers("Sun, 06 Nov 1994 08:50:07 GMT", date), longest, "nothing to compare it with");
            let driver = Some(UNIX_EPOCH + Duration::from_secs(784_111_800));
            assert_eq!(at("Sun, 06 Nov 1994 08:50:07 GMT", date, driver), Some(Duration::from_secs(7)));
            assert_eq!(at("Sun, 06 Nov 1994 08:49:07 GMT", date, driver), Some(Duration::ZERO), "it is over");
        }
        let odd =
            ["", "soon", "2 s", "2, 5", "inf", "NaN", "später", "2|soon", "Sunday, 06-Nov-94 08:50:07 GMT"];
        for other in odd.into_iter().chain(["Sun Nov  6 08:50:07 1994"]) {
            assert_eq!(headers(other, now), Some(Duration::from_secs(99)), "{other}");
        }
        assert_eq!(super::retry_after(&http::HeaderMap::new(), || None, Duration::MAX), None);
    }
}
