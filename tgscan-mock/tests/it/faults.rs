//! The documented behaviour of each fault.

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use tgscan_mock::types::Search;
use tgscan_mock::{
    Fault, FaultKind, Mock,
    outcome::{Class, End, Outcome, Wire},
};

use crate::support::{message, post};

fn outcome(fault: Fault) -> Outcome {
    let mock = Mock::new();
    mock.script::<Search>([fault]);
    mock.respond(&post("/search", Mock::LIVE_KEY, "query=alice"))
}

/// Returns the response of a fault that sends a whole one.
fn whole(kind: FaultKind) -> Response<Bytes> {
    match outcome(kind.into()).wire {
        Wire::Whole(response) => response,
        other => panic!("not a whole response: {other:?}"),
    }
}

fn header(response: &Response<Bytes>, name: http::HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn refusals_have_their_status_and_retry_after() {
    for (kind, code, wait) in [
        (FaultKind::TooManyRequests { retry_after: None }, 429, ""),
        (FaultKind::TooManyRequests { retry_after: Some(2) }, 429, "2"),
        (FaultKind::Unavailable { retry_after: None }, 503, ""),
        (FaultKind::Unavailable { retry_after: Some(9) }, 503, "9"),
        (FaultKind::ErrorEnvelope { status: 200 }, 200, ""),
        (FaultKind::ErrorEnvelope { status: 500 }, 500, ""),
    ] {
        let response = whole(kind);
        assert_eq!((response.status().as_u16(), header(&response, RETRY_AFTER)), (code, wait));
        let said = if code == 503 { "temporarily unavailable".to_owned() } else { code.to_string() };
        assert!(message(&response).contains(&said));
    }
}

#[test]
fn pages_and_redirects_look_like_a_gateways() {
    let page = whole(FaultKind::HtmlPage { status: 502 });
    assert_eq!((page.status().as_u16(), header(&page, CONTENT_TYPE)), (502, "text/html"));
    assert!(page.body().starts_with(b"<html>"));
    let redirect = whole(FaultKind::Redirect { status: 307 });
    assert_eq!((redirect.status().as_u16(), header(&redirect, CONTENT_TYPE)), (307, "text/html"));
    assert!(header(&redirect, LOCATION).starts_with("https://elsewhere.invalid/"));
    assert!(!redirect.body().is_empty());
}

#[test]
fn gateway_json_comes_before_or_after_the_charge() {
    for code in [200, 502, 503, 504] {
        for (charged, spent) in [(false, 0), (true, 1)] {
            let fault = Fault::new(FaultKind::GatewayJson { status: code });
            let fault = if charged { fault.charged() } else { fault };
            let mock = Mock::new();
            mock.script::<Search>([fault.clone(), fault.with_message("no \"healthy\" upstream")]);
            for message in ["upstream request timeout", "no \"healthy\" upstream"] {
                let outcome = mock.respond(&post("/search", Mock::LIVE_KEY, "query=alice"));
                assert_eq!((outcome.charged, outcome.class), (spent, Class::UnexpectedResponse));
                let Wire::Whole(response) = outcome.wire else { panic!("not a whole response") };
                let head = (response.status().as_u16(), header(&response, CONTENT_TYPE));
                assert_eq!(head, (code, "application/json"));
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                assert_eq!(body, json!({"status": "error", "message": message}));
            }
            assert_eq!((mock.account().spent, mock.account().charged_calls), (2 * spent, 2 * spent));
        }
    }
    let expected: &[u8] = br#"{"status":"error","message":"upstream request timeout"}"#;
    assert_eq!(whole(FaultKind::GatewayJson { status: 503 }).body(), expected);
}

#[test]
fn faulty_answers_differ_in_one_part() {
    let Wire::Whole(right) = Mock::new().respond(&post("/search", Mock::LIVE_KEY, "query=alice")).wire else {
        panic!("not answered")
    };
    let json = |response: &Response<Bytes>| serde_json::from_slice::<Value>(response.body()).unwrap();
    let cost = "/result/meta/op_cost";
    let mut changed = json(&right);
    *changed.pointer_mut(cost).unwrap() = 0.5.into();
    assert_eq!(json(&whole(FaultKind::FieldMistyped { field: cost.into() })), changed);
    changed.pointer_mut("/result/meta").unwrap().as_object_mut().unwrap().remove("op_cost");
    assert_eq!(json(&whole(FaultKind::FieldMissing { field: cost.into() })), changed);

    let mislabelled = whole(FaultKind::WrongContentType);
    assert_eq!((header(&mislabelled, CONTENT_TYPE), mislabelled.body()), ("text/html", right.body()));
    let repeated = whole(FaultKind::RepeatedHeaders);
    for (name, values) in [("set-cookie", ["a=1", "b=2"]), ("via", ["1.1 a", "1.1 b"])] {
        assert_eq!(repeated.headers().get_all(name).iter().collect::<Vec<_>>(), values);
    }
    assert_eq!(repeated.body(), right.body());
    let failed = whole(FaultKind::OkUnder500);
    assert_eq!((failed.status().as_u16(), failed.body()), (500, right.body()));
    let large = whole(FaultKind::Oversized { bytes: 10_000 });
    assert!(large.body().len() >= 10_000);
    assert_eq!(json(&large)["result"], json(&right)["result"]);
    assert_eq!(whole(FaultKind::CutJson { at: 30 }).body(), &right.body()[..30]);
}

#[test]
fn stalls_end_only_by_time_limit() {
    for fault in Fault::all(1000) {
        let stays_open = match outcome(fault.clone()).wire {
            Wire::Partial(.., end) | Wire::Nothing(end) => matches!(end, End::Stall | End::Trickle),
            Wire::Whole(_) | Wire::Slow(_) | Wire::Refused => false,
        };
        assert_eq!(fault.kind().is_timeout(), stays_open, "{:?}", fault.kind());
    }
}

#[test]
fn all_has_each_fault_once_and_both_ways_if_it_can_be_charged() {
    let all = Fault::all(1000);
    for fault in &all {
        let charged: Vec<bool> =
            all.iter().filter(|other| other.kind() == fault.kind()).map(Fault::is_charged).collect();
        let (first, last) = (Fault::new(fault.kind().clone()), fault.clone().charged());
        let expected = if first == last {
            vec![first.is_charged()]
        } else {
            vec![last.is_charged(), first.is_charged()]
        };
        assert_eq!(charged, expected, "{fault:?}");
        assert!(first == last || !first.is_charged() && last.is_charged(), "{fault:?}");
    }
}
