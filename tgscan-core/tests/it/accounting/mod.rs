//! Regression tests of accounting.

mod refusals;

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_core::types::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};
use tgscan_core::{
    Api, Credits, Error, Outcome, Refusal, Reply, Reserve, RetryPolicy, TransportError,
    account::ComparisonStart, call::Step, error::ApiError, transport::TransportErrorKind,
};

use crate::support::{Clock, SIMILAR, at, documented_answer, documented_request, live, response};

const NOW: Duration = Duration::ZERO;

/// Drives a call without waiting, with this outcome of each attempt. Returns the result and the number of attempts.
fn play<M: ApiMethod>(
    api: &Api,
    method: M,
    outcome: impl Fn() -> Result<Response<Bytes>, TransportError>,
) -> (Result<Reply<M::Answer>, Error>, u32) {
    let (mut step, mut sent) = (Step::begin(api, method, at(NOW)), 0);
    loop {
        step = match step {
            Step::Send(_, call) => {
                sent += 1;
                call.received(outcome(), at(NOW))
            }
            Step::Wait(wait) => wait.resume(at(Duration::ZERO)),
            Step::Done(result) => return (result, sent),
            Step::Ask(asking) => panic!("there is no store: {asking:?}"),
        };
    }
}

fn similar() -> SimilarGroups {
    documented_request()
}

fn error_envelope(status: u16, message: &str) -> Response<Bytes> {
    response(status, format!(r#"{{"status":"error","result":{{"message":"{message}"}}}}"#))
}

/// Returns an answer of `similar_groups` with this cost.
fn cost(credits: u64) -> Response<Bytes> {
    response(200, SIMILAR.replace(r#""op_cost":1"#, &format!(r#""op_cost":{credits}"#)))
}

#[test]
fn gateway_503_after_a_charge_is_uncertain_and_sent_once() {
    for status in [502, 503, 504, 520, 524] {
        let api = live().with_cap(5, Reserve::PerCall(5));
        let (result, sent) = play(&api, similar(), || Ok(response(status, "<html>Application error</html>")));
        assert_eq!((sent, result.unwrap_err().credits()), (1, Credits::Uncertain), "{status}");
        assert_eq!(api.ledger().book().totals().uncertain, 5, "{status}");
        assert!(play(&api, similar(), || Ok(cost(5))).0.unwrap_err().is_cap_reached(), "{status}");
    }
}

#[test]
fn json_error_of_a_gateway_is_uncertain_and_sent_once() {
    for status in [200, 400, 402, 403, 409, 422, 500, 502, 503, 504] {
        for body in [
            r#"{"status":"error","message":"upstream request timeout"}"#,
            r#"{"status":"error","result":{}}"#,
            r#"{"status":"error","result":null}"#,
            r#"{"status":"error","result":{"message":null}}"#,
            r#"{"status":"error","result":{"error":"too many requests"}}"#,
            r#"{"status":"error","error":{"message":"invalid API key"}}"#,
            r#"{"message":"no credits","status":"error"}"#,
            r#"{"status":"error", <html>"#,
            r#"{"status":"error","result":{"message":"invalid query"#,
            r#"[{"status":"error","result":{"message":"invalid query"}}]"#,
        ] {
            let api = live().with_cap(5, Reserve::PerCall(5));
            let (result, sent) = play(&api, similar(), || Ok(response(status, body)));
            let error = result.unwrap_err();
            assert_eq!((sent, error.credits()), (1, Credits::Uncertain), "{status} {body}");
            assert_eq!((error.refusal(), error.message()), (None, None), "{status} {body}");
            assert_eq!(api.ledger().book().totals().uncertain, 5, "{status} {body}");
        }
    }
    for (status, expected) in [(401, 1), (429, 4)] {
        let body = r#"{"status":"error","message":"upstream"}"#;
        let (result, sent) = play(&live(), similar(), || Ok(response(status, body)));
        assert_eq!((sent, result.unwrap_err().credits()), (expected, Credits::NotCharged), "{status}");
    }
}

#[test]
fn envelope_with_503_is_classified_by_its_text_only() {
    for (text, expected, credits) in
        [("overloaded", 4, Credits::NotCharged), ("busy", 1, Credits::Uncertain), ("", 1, Credits::Uncertain)]
    {
        let (result, sent) = play(&live(), similar(), || Ok(error_envelope(503, text)));
        let error = result.unwrap_err();
        assert_eq!((sent, error.credits()), (expected, credits), "{text}");
        assert_eq!((error.message(), error.status().map(|s| s.as_u16())), (Some(text), Some(503)));
    }
}

#[test]
fn text_result_is_the_message() {
    let body = r#"{"status":"error","result":"not enough credits"}"#;
    let error = live().parse(&similar(), response(200, body)).unwrap_err();
    assert_eq!((error.refusal(), error.credits()), (Some(Refusal::NoCredits), Credits::NotCharged));
}

#[test]
fn head_of_401_or_429_means_not_processed_even_without_its_body() {
    let broken = |status, kind| {
        TransportError::response_started(response(status, "{\"sta"), "it broke").with_kind(kind)
    };
    for (status, expected) in [(429, 4), (401, 1)] {
        for kind in
            [TransportErrorKind::Broken, TransportErrorKind::BodyTooLarge, TransportErrorKind::Timeout]
        {
            let (result, sent) = play(&live(), similar(), || Err(broken(status, kind)));
            assert_eq!(
                (sent, result.unwrap_err().credits()),
                (expected, Credits::NotCharged),
                "{status} {kind}"
            );
        }
        let (result, sent) = play(&live(), similar(), || Ok(response(status, "no JSON")));
        assert_eq!((sent, result.unwrap_err().credits()), (expected, Credits::NotCharged), "{status}");
    }
    let (result, sent) = play(&live(), similar(), || Err(broken(200, TransportErrorKind::Broken)));
    assert_eq!((sent, result.unwrap_err().credits()), (1, Credits::Uncertain));
}

#[test]
fn concurrent_calls_cannot_exceed_a_cap_with_a_given_price() {
    let api = live().with_cap(100, Reserve::PerCall(50));
    let calls: Vec<_> = (0..10).map(|_| Step::begin(&api, similar(), at(NOW))).collect();
    let sent = calls.iter().filter(|step| matches!(step, Step::Send(..))).count();
    assert_eq!(sent, 2);
}

#[test]
fn concurrent_calls_are_refused_until_the_first_price_is_known() {
    let api = live().with_cap(10, Reserve::OneAtATime);
    let calls: Vec<_> = (0..10).map(|_| Step::begin(&api, similar(), at(NOW))).collect();
    assert_eq!(calls.iter().filter(|step| matches!(step, Step::Send(..))).count(), 1);
    for step in calls {
        if let Step::Send(_, call) = step {
            drop(call.received(Ok(cost(50)), at(NOW)));
        }
    }
    assert_eq!(api.ledger().book().totals().charged, 50, "the price of the first call is not known before");
    assert!(play(&api, similar(), || Ok(cost(1))).0.unwrap_err().is_cap_reached());
}

#[test]
fn free_method_that_charged_once_counts_as_paid() {
    let charged = || documented_answer::<UserCheck>().replace(r#""op_cost": 0"#, r#""op_cost": 20"#);
    let api = live().with_cap(0, Reserve::PerCall(1));
    assert!(!api.can_cost::<UserCheck>());
    let (first, _) = play::<UserCheck>(&api, documented_request(), || Ok(response(200, charged())));
    assert_eq!(first.unwrap().credits, Credits::Charged(20));
    assert!(api.can_cost::<UserCheck>());
    let (second, sent) = play::<UserCheck>(&api, documented_request(), || Ok(response(200, charged())));
    assert!(second.unwrap_err().is_cap_reached() && sent == 0);
    // A failed call is not resent, and uncertain.
    let api = live().with_ledger(api.ledger().clone());
    let (broken, sent) = play::<UserCheck>(&api, documented_request(), || Ok(response(502, "<html>")));
    assert_eq!((sent, broken.unwrap_err().credits()), (1, Credits::Uncertain));
    assert_eq!(api.ledger().book().totals().uncertain, 20);
}

#[test]
fn free_call_in_flight_when_its_method_first_charges_is_booked() {
    let api = live();
    let Step::Send(_, early) = Step::begin(&api, documented_request::<UserCheck>(), at(NOW)) else {
        panic!()
    };
    let charged = documented_answer::<UserCheck>().replace(r#""op_cost": 0"#, r#""op_cost": 20"#);
    play::<UserCheck>(&api, documented_request(), || Ok(response(200, charged.clone()))).0.unwrap();
    let Step::Done(Err(error)) = early.received(Ok(response(502, "")), at(NOW)) else { panic!("sent again") };
    assert_eq!((error.credits(), api.ledger().book().totals().uncertain), (Credits::Uncertain, 20));
}

#[test]
fn complete_answer_is_a_reply_even_if_the_connection_breaks_after_it() {
    for status in [200, 500] {
        let late =
            || TransportError::response_started(response(status, SIMILAR), "reset after the last byte");
        let (result, sent) = play(&live(), similar(), || Err(late().with_kind(TransportErrorKind::Broken)));
        let reply = result.unwrap();
        assert_eq!((reply.credits, reply.raw().as_ref(), sent), (Credits::Charged(1), SIMILAR.as_bytes(), 1));
    }
    let cut = || Err(TransportError::response_started(response(200, &SIMILAR[..SIMILAR.len() - 1]), "reset"));
    assert!(play(&live(), similar(), cut).0.unwrap_err().delivery().is_some());
}

#[test]
fn panicking_answer_type_loses_no_answer() {
    #[derive(serde::Serialize)]
    struct Bad;
    impl<'de> serde::Deserialize<'de> for Bad {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a type panics")
        }
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Ask {}
    impl ApiMethod for Ask {
        type Answer = Bad;
        const NAME: &'static str = "ask";
        const PATH: &'static str = "/ask";
        const TEST_PATH: Option<&'static str> = None;
        const CAN_COST: bool = true;
        fn op_cost(_: &Bad) -> Option<u64> {
            None
        }
        fn people(&self, _: Option<&Bad>) -> Vec<String> {
            Vec::new()
        }
    }
    let body = r#"{"status":"ok","result":{"meta":{"op_cost":4}}}"#;
    let error = play(&live(), Ask {}, || Ok(response(200, body))).0.err().unwrap();
    assert_eq!((error.is_decode(), error.credits()), (true, Credits::Charged(4)));
    assert_eq!(error.response().unwrap().body(), body);
}

#[test]
fn repeated_cost_is_the_greater_one() {
    for costs in [r#""op_cost":9,"op_cost":0"#, r#""op_cost":0,"op_cost":9"#] {
        let body = SIMILAR.replace(r#""op_cost":1"#, costs);
        let (result, _) = play(&live(), similar(), || Ok(response(200, body.clone())));
        let credits = result.map_or_else(|error| error.credits(), |reply| reply.credits);
        assert_eq!(credits, Credits::Charged(9), "{costs}");
    }
}

#[test]
fn free_answer_after_an_uncertain_attempt_is_uncertain() {
    let mut policy = RetryPolicy::default();
    policy.resend_uncertain = true;
    let api = live().with_retry(policy);
    let Step::Send(_, first) = Step::begin(&api, similar(), at(NOW)) else { panic!("not sent") };
    let Step::Wait(wait) = first.received(Err(TransportError::new("lost")), at(NOW)) else {
        panic!("no retry")
    };
    let Step::Send(_, second) = wait.resume(at(Duration::ZERO)) else { panic!("not sent again") };
    let Step::Done(Ok(reply)) = second.received(Ok(cost(0)), at(NOW)) else { panic!("no reply") };
    assert_eq!((reply.credits, reply.attempts), (Credits::Uncertain, 2));
}

#[test]
fn debug_hides_the_path_of_a_gateway() {
    let key = tgscan_core::ApiKey::live("key").unwrap();
    let api = Api::with_base_url("https://gateway.example/token-of-mine", key).unwrap();
    assert!(!format!("{api:?}").contains("token-of-mine"));
    let request: Search = documented_request();
    assert!(api.request(&request).uri().path().starts_with("/token-of-mine/"));
}

#[test]
fn mismatched_answer_is_marked_and_discards_connections() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    struct Mixed(AtomicU32);
    #[tgscan_core::async_trait]
    impl tgscan_core::Transport for Mixed {
        async fn send(&self, _: http::Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
            Ok(response(200, documented_answer::<Search>()))
        }
        fn discard_connections(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let documented: Search = documented_request();
    let echo = documented.query.as_str().into_owned();
    let transport = Arc::new(Mixed(AtomicU32::new(0)));
    let client = tgscan_core::Client::new(live(), Arc::clone(&transport), Clock::default());
    for (query, is_mismatched) in [
        (echo.clone(), false),
        (format!("@{}", echo.to_uppercase()), false),
        ("somebody_else".to_owned(), true),
    ] {
        let query: tgscan_core::types::UserQuery = query.parse().unwrap();
        let reply = futures_executor::block_on(client.search(query)).unwrap();
        assert_eq!(reply.is_mismatched(), is_mismatched);
        assert_eq!(transport.0.load(Ordering::Relaxed), u32::from(is_mismatched));
    }
    // Test methods answer with random data, including the echo.
    let tested = tgscan_core::Client::new(crate::support::test(), Arc::clone(&transport), Clock::default());
    let query: tgscan_core::types::UserQuery = "somebody_else".parse().unwrap();
    assert!(!futures_executor::block_on(tested.search(query)).unwrap().is_mismatched());
}

#[test]
fn lone_surrogates_byte_order_marks_and_floats_lose_no_answer() {
    let float = SIMILAR.replace(r#""op_cost":1"#, r#""op_cost":1.0"#);
    let cut = SIMILAR
        .replace(r#""groups":[]"#, r#""groups":[{"username":"name","title":"\ud83d","num_users":1e0}]"#);
    let (marked, error) = (format!("\u{feff}{SIMILAR}"), "\u{feff}{\"status\":\"error\",\"result\":\"no\"}");
    for body in [float, cut, marked] {
        let reply = live().parse(&similar(), response(200, body.clone())).expect(&body);
        assert_eq!((reply.credits, reply.raw().as_ref()), (Credits::Charged(1), body.as_bytes()));
    }
    let error = live().parse(&similar(), response(200, error)).unwrap_err();
    assert_eq!((error.is_api(), error.message()), (true, Some("no")));
    let error = live()
        .parse(&similar(), response(200, SIMILAR.replace("[]", "[7]").replace(":1}", ":5.0}")))
        .unwrap_err();
    assert_eq!((error.is_decode(), error.credits()), (true, Credits::Charged(5)));
}
