//! Regression tests, one for each fault.

use std::time::Duration;

use std::collections::BTreeMap;

use futures_executor::block_on;
use tgscan_core::types::{ApiMethod, Balance, SimilarGroups, UserCheck};
use tgscan_core::{Api, ApiKey, Client, Credits, Error, call::Step, transport_fn};

use crate::support::{Clock, Outcome, Script, at, documented_answer, documented_request, live, response};

/// Returns the error of a call after one attempt. Fails on another attempt.
fn end<M: ApiMethod>(api: &Api, method: M, outcome: Outcome) -> Error {
    let Step::Send(_, sent) = Step::begin(api, method, at(Duration::ZERO)) else { panic!("not sent") };
    match sent.received(outcome, at(Duration::ZERO)) {
        Step::Done(result) => result.expect_err("no answer"),
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn does_not_retry_429_or_503_that_states_a_cost() {
    let charged = r#"{"status":"error","result":{"message":"too slow","meta":{"op_cost":2}}}"#;
    let odd = r#"{"result":{"meta":{"op_cost":2}}}"#;
    for (status, body) in [(429, charged), (503, charged), (503, odd)] {
        let api = live();
        let error = end::<SimilarGroups>(&api, documented_request(), Ok(response(status, body)));
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Charged(2)), "{error}");
        // A charged call of a free method is not retried either.
        let error = end(&api, Balance {}, Ok(response(status, body)));
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Charged(2)), "{error}");
        assert_eq!(api.ledger().book().totals().charged, 4);
    }
}

#[test]
fn redacts_longest_matching_username() {
    let method = SimilarGroups { query: "secret,secret_garden".parse().unwrap() };
    let body = r#"{"status":"error","result":{"message":"no group Secret_Garden, nor secret_gardener"}}"#;
    let error = live().parse(&method, response(200, body)).unwrap_err();
    assert!(error.to_string().contains("no group <query>, nor <query>er"), "{error}");
}

#[test]
fn redacts_query_that_starts_with_the_key() {
    let api = Api::new(ApiKey::live("secret").unwrap());
    let method = SimilarGroups { query: "secret_garden".parse().unwrap() };
    let body = r#"{"status":"error","result":{"message":"no group secret_garden for secret"}}"#;
    let error = api.parse(&method, response(200, body)).unwrap_err();
    assert!(error.to_string().contains("no group <query> for <API key>"), "{error}");
}

#[test]
fn decode_error_never_quotes_answer_text() {
    let body = r#"{"status":"ok","result":{"num_credits":"a, expected private at line 1"}}"#;
    let error = live().parse(&Balance {}, response(200, body)).unwrap_err();
    assert!(error.to_string().contains("expected i64") && !error.to_string().contains("private"), "{error}");
}

#[test]
fn reparse_error_hides_the_path() {
    let body = r#"{"private":"text"}"#;
    let kept = live().parse(&Balance {}, response(200, body)).unwrap_err();
    let error = kept.reparse::<BTreeMap<String, u64>>().unwrap_err();
    assert_eq!((error.path(), error.to_string()), ("private", "byte 16: expected u64".to_owned()));
    assert_eq!(format!("{error:?}"), "ReadError(byte 16: expected u64)");
}

#[test]
fn refuses_plain_http_to_hosts_that_start_like_loopback() {
    for wrong in ["http://[::1]evil.example:80", "http://[127.0.0.1]:80"] {
        let refused = Api::with_base_url(wrong, ApiKey::live("key").unwrap());
        let error = refused.expect_err(wrong).to_string();
        assert!(error.starts_with("the base URL is invalid"), "{wrong}: {error}");
    }
}

#[test]
fn reconcile_is_inconclusive_if_a_free_call_was_charged_meanwhile() {
    let balance = |credits| format!(r#"{{"status":"ok","result":{{"num_credits":{credits}}}}}"#);
    let charged = documented_answer::<UserCheck>().replace(r#""op_cost": 0"#, r#""op_cost": 3"#);
    let script = Script::new([Ok(response(200, balance(10))), Ok(response(200, charged))]);
    let client = Client::new(live(), script.transport(), Clock::default());
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, tgscan_core::Outcome::Baseline);
    let meanwhile = client.clone();
    let overlapped = client.with_transport(transport_fn(move |_| {
        let client = meanwhile.clone();
        async move {
            client.send::<UserCheck>(documented_request()).await.unwrap();
            Ok(response(200, balance(10)))
        }
    }));
    assert_eq!(block_on(overlapped.reconcile()).unwrap().outcome, tgscan_core::Outcome::Overlapped);
}
