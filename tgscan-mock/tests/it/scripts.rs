//! Scripted faults that are rejected.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use tgscan_mock::outcome::{End, Wire};
use tgscan_mock::types::{Balance, Search, SearchAnswer};
use tgscan_mock::{Expect, Fault, FaultKind, Manner, Mock, MockServer, ScriptStep, ServerOptions};

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
        (FaultKind::FieldMissing { field: "/nowhere".into() }, "use a JSON pointer to a field of the answer"),
        (
            FaultKind::FieldMissing { field: "/result/meta/num_credits".into() },
            "use a JSON pointer to a field",
        ),
        (
            FaultKind::FieldMistyped { field: "/result/meta/op_cost/0".into() },
            "use a JSON pointer to a field",
        ),
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
            panic_of(|| mock.expect(Expect::<Search>::any().then_fault(fault()))),
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
fn long_script_answers_each_request_fast() {
    let mock = Mock::new();
    mock.script_any(vec![FaultKind::Close; 100_000]);
    mock.script::<Balance>(vec![FaultKind::Reset; 100_000]);
    let search = post("/search", Mock::LIVE_KEY, "query=alice");
    // With a scan of the script for each request, this takes minutes.
    for _ in 0..20_000 {
        assert!(matches!(mock.respond(&search).wire, Wire::Nothing(End::Close)));
    }
    assert_eq!(mock.script_left(), 180_000);
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
        (
            "faults",
            r#"[{"kind": "reset"}, {"kind": "field_missing", "field": "/no"}]"#.into(),
            "a field of the answer",
        ),
        ("expectations", expected(r#"{"kind": "html_page", "status": 204}"#), "allows no body"),
        (
            "expectations",
            expected(r#"{"kind": "field_missing", "field": "/result/meta/op_cost"}"#),
            "use a JSON pointer to a field of the answer",
        ),
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

/// A service can have fields that the documentation lacks, and lack some that it has.
#[test]
fn faults_can_have_the_fields_of_another_service() {
    let fields =
        json!({"status": "text", "result": "object", "result.extra": "integer", "result.a/b": "text"});
    let probe = json!({"name": "search", "status": 200, "body": "ok", "fields": fields});
    let manner: Manner = serde_json::from_value(json!({"version": 1, "probes": [probe]})).unwrap();
    let mock = Mock::builder().like(manner).build().unwrap();
    let missing = |field: &str| FaultKind::FieldMissing { field: field.into() };
    let ask = || {
        let outcome = mock.respond(&post("/search", Mock::LIVE_KEY, "query=alice"));
        let Wire::Whole(response) = outcome.wire else { panic!("{:?}", outcome.wire) };
        serde_json::from_slice::<Value>(response.body()).unwrap()["result"].clone()
    };
    mock.script::<Search>([None, Some(missing("/result/extra").into())]);
    mock.script_any([missing("/result/a~1b")]);
    assert_eq!([ask(), ask()], [json!({"extra": 0, "a/b": "text"}), json!({"a/b": "text"})]);
    assert_eq!(ask(), json!({"extra": 0}));
    mock.expect(Expect::<Search>::any().then_fault(missing("/result/extra")));
    assert_eq!(ask(), json!({"a/b": "text"}));
    let says = panic_of(|| mock.script::<Search>([missing("extra")]));
    assert!(says.contains("use a JSON pointer"), "{says}");
}

#[test]
fn every_step_is_read_as_it_is_written() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let worded = |kind| Fault::new(kind).with_message("no \"healthy\" upstream");
    let others = [
        Fault::new(FaultKind::Close).after(Duration::from_millis(250)),
        worded(FaultKind::ErrorEnvelope { status: 200 }),
        worded(FaultKind::GatewayJson { status: 503 }),
        Fault::new(FaultKind::Oversized { bytes: 268_435_456 }),
    ];
    let mut steps: Vec<Value> = Fault::all(1000).iter().chain(&others).map(|fault| json!(fault)).collect();
    steps.push(json!({"kind": "answer"}));
    for step in &mut steps {
        step["method"] = Value::Null;
    }
    let steps = json!(steps);
    assert_eq!(control(server.address(), "POST", "faults", &steps.to_string()).0, 200);
    assert_eq!(control(server.address(), "GET", "changes", "").1["script"], steps);
    mock.clear_script();
}

#[test]
fn errors_name_the_invalid_setting_of_a_step() {
    for (json, says) in [
        ("{}", "missing field `kind`"),
        ("[]", "expected an object"),
        (r#"{"kind":"explode"}"#, "unknown variant `explode`"),
        (r#"{"kind":"reset","at":3}"#, "unknown field `at`"),
        (r#"{"kind":"cut_body"}"#, "missing field `at`"),
        (r#"{"kind":"cut_body","at":-1}"#, "invalid value"),
        (r#"{"kind":"html_page","status":99}"#, "`status` is 99; use one from 200 to 599"),
        (r#"{"kind":"answer","at":3}"#, "unknown field `at`"),
        (r#"{"kind":"oversized","bytes":268435457}"#, "use at most 268435456"),
        (r#"{"kind":"slow_body","charged":false}"#, "`slow_body` is always charged"),
        (r#"{"kind":"answer","charged":true}"#, "`answer` is never charged"),
        (r#"{"kind":"reset","latency_ms":-1}"#, "invalid value: integer `-1`"),
        (r#"{"kind":"reset","latency_ms":3600001}"#, "must be a number from 0 to 3600000"),
        (r#"{"kind":"answer","latency_ms":1}"#, "set the mock's `latency_ms`"),
        (r#"{"kind":"answer","times":0}"#, "a number from 1 to 100000"),
        (r#"{"kind":"reset","message":"no"}"#, "`reset` has no `message`"),
        (r#"{"kind":"reset","charged":1}"#, "invalid type: integer `1`, expected a boolean"),
        (
            r#"{"kind":"reset","method":"nothing"}"#,
            "the mock does not answer `nothing`; use one of search, balance",
        ),
        (r#"{"kind":"reset","kind":"close"}"#, "`kind` is given twice"),
        (r#"{"kind":"cut_body","at":1,"at":2}"#, "`at` is given twice"),
        (r#"{"kind":"reset","times":1,"times":2}"#, "`times` is given twice"),
    ] {
        let error = serde_json::from_str::<ScriptStep>(json).unwrap_err().to_string();
        assert!(error.contains(says), "{json}: {error}");
    }
}
