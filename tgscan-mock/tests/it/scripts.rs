//! Scripted faults that are rejected.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tgscan_mock::outcome::{End, Wire};
use tgscan_mock::types::{Search, SearchAnswer};
use tgscan_mock::{Expect, Fault, FaultKind, Mock, MockServer, ServerOptions};

use crate::support::{control, post};

/// Returns the message of a panic.
fn panic_of(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).expect_err("it was accepted");
    panic.downcast_ref::<String>().cloned().expect("a text")
}

/// Returns faults that are impossible, and the expected messages.
fn impossible() -> Vec<(FaultKind, &'static str)> {
    vec![
        (FaultKind::HtmlPage { status: 100 }, "`status` is 100; use one from 200 to 599"),
        (FaultKind::ErrorEnvelope { status: 600 }, "use one from 200 to 599"),
        (
            FaultKind::ErrorEnvelope { status: 204 },
            "`status` is 204, which allows no body; use another status",
        ),
        (FaultKind::GatewayJson { status: 204 }, "which allows no body"),
        (FaultKind::HtmlPage { status: 304 }, "`status` is 304, which allows no body"),
        (
            FaultKind::Redirect { status: 200 },
            "`status` is 200, which is not a redirect; use 301, 302, 303, 307 or 308",
        ),
        (FaultKind::Redirect { status: 304 }, "`status` is 304, which is not a redirect"),
        (FaultKind::FieldMissing { field: "result".into() }, "`field` is \"result\"; use a JSON pointer"),
        (FaultKind::FieldMistyped { field: String::new() }, "`field` is \"\"; use a JSON pointer"),
        (FaultKind::Oversized { bytes: usize::MAX }, "use at most 268435456"),
    ]
}

#[test]
fn scripts_and_expectations_reject_impossible_faults() {
    let mock = Mock::new();
    for (kind, says) in impossible() {
        let fault = || Fault::new(kind.clone());
        for error in [
            panic_of(|| mock.script::<Search>([fault()])),
            panic_of(|| mock.script::<Search>([None, Some(fault())])),
            panic_of(|| drop(Expect::<Search>::any().then_fault(fault()))),
        ] {
            assert!(error.contains(says), "{kind:?}: {error}");
        }
        panic_of(|| mock.script_any([fault()]));
    }
    assert_eq!(mock.script_left(), 0, "a script is taken whole or not at all");
}

/// An API method that the mock does not answer.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Unknown {}

impl tgscan_mock::types::ApiMethod for Unknown {
    type Answer = SearchAnswer;
    const NAME: &'static str = "unknown";
    const PATH: &'static str = "/tgscan/v1/unknown";
    const TEST_PATH: Option<&'static str> = None;
    const CAN_COST: bool = true;

    fn op_cost(answer: &SearchAnswer) -> Option<u64> {
        Some(answer.meta.op_cost)
    }

    fn people(&self, _: Option<&Self::Answer>) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn method_that_the_mock_does_not_answer_is_rejected() {
    let mock = Mock::new();
    let says = "the mock does not answer `unknown`; use one of search, balance, similar_groups, user_check";
    for error in [
        panic_of(|| mock.script::<Unknown>([FaultKind::Reset])),
        panic_of(|| mock.expect(Expect::<Unknown>::any())),
    ] {
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn steps_for_many_requests_are_stored_once() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let steps = vec![r#"{"kind": "reset", "times": 100000}"#; 1000].join(",");
    let steps = format!(r#"[{{"kind": "close", "times": 2}}, {steps}]"#);
    assert_eq!(control(server.address(), "POST", "faults", &steps).1["faults_left"], 100_000_002);
    let ask = || match mock.respond(&post("/search", Mock::LIVE_KEY, "query=alice")).wire {
        Wire::Nothing(end) => end,
        other => panic!("{other:?}"),
    };
    assert_eq!([ask(), ask(), ask()], [End::Close, End::Close, End::Reset]);
    assert_eq!(mock.script_left(), 99_999_999);
    mock.clear_script();
}

#[test]
fn control_paths_reject_impossible_faults() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let expected = |fault: &str| format!(r#"[{{"method": "balance", "fault": {fault}}}]"#);
    for (path, body, says) in [
        (
            "faults",
            r#"[{"kind": "close"}, {"kind": "redirect", "status": 200}]"#.into(),
            "which is not a redirect",
        ),
        ("faults", r#"[{"kind": "error_envelope", "status": 204}]"#.into(), "allows no body"),
        ("faults", r#"[{"kind": "field_missing", "field": "result"}]"#.into(), "use a JSON pointer"),
        ("expectations", expected(r#"{"kind": "html_page", "status": 204}"#), "allows no body"),
        (
            "expectations",
            expected(r#"{"kind": "reset", "method": "search"}"#),
            "the fault is for `search`, and the call is of `balance`; leave its `method` out",
        ),
        (
            "expectations",
            expected(r#"{"kind": "reset", "times": 2}"#),
            "set `times` on the expectation, not on its fault",
        ),
    ] {
        let (status, error) = control(server.address(), "POST", path, &body);
        assert!(status == 400 && error["error"].as_str().unwrap().contains(says), "{body}: {error}");
    }
    assert_eq!(mock.script_left(), 0);
    mock.verify().unwrap();
    let own = expected(r#"{"kind": "reset", "method": "balance", "times": 1}"#);
    assert_eq!(control(server.address(), "POST", "expectations", &own).0, 200);
}
