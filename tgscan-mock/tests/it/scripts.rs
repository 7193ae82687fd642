//! Scripted faults that are rejected.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::StatusCode;
use serde_json::{Value, json};
use tgscan_mock::types::{Balance, Search, SearchAnswer, SimilarGroups, UserCheck};
use tgscan_mock::{Expect, Fault, FaultKind, Mock, MockServer, ScriptStep, ServerOptions};

use crate::support::control;

/// Returns the message of a panic.
fn panic_of(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).expect_err("it was accepted");
    panic.downcast_ref::<String>().cloned().expect("a text")
}

fn missing(field: &'static str) -> FaultKind {
    FaultKind::FieldMissing(field.into())
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap()
}

/// Returns faults that are impossible for a search, and the expected messages.
fn impossible() -> Vec<(FaultKind, &'static str)> {
    vec![
        (missing("result"), "`field` is \"result\", which no answer of `search` has; give one of /result, "),
        (missing(""), "`field` is \"\", which no answer of `search` has"),
        (missing("/"), "which no answer of `search` has"),
        (missing("/result/"), "which no answer of `search` has"),
        (missing("/result/num_credits"), "/result/meta/op_cost"),
        (FaultKind::FieldMistyped("/nowhere/at/all".into()), "/result/groups/0/title"),
        (missing("/result/groups/title"), "/result/groups/0/title"),
        (missing("/result/groups/0"), "/result/groups/0/title"),
        (missing("/result/groups/00/title"), "/result/groups/0/title"),
        (missing("/result/groups/-/title"), "/result/groups/0/title"),
        (FaultKind::HtmlPage(status(100)), "`status` is 100; give one from 200 to 599"),
        (FaultKind::ErrorEnvelope(status(600)), "give one from 200 to 599"),
        (FaultKind::ErrorEnvelope(status(204)), "`status` is 204, which allows no body; give another status"),
        (FaultKind::GatewayJson(status(204)), "which allows no body"),
        (FaultKind::HtmlPage(status(304)), "`status` is 304, which allows no body"),
        (
            FaultKind::Redirect(status(200)),
            "`status` is 200, which is not a redirect; give 301, 302, 303, 307 or 308",
        ),
        (FaultKind::Redirect(status(304)), "`status` is 304, which is not a redirect"),
        (FaultKind::Oversized(usize::MAX), "give at most 268435456"),
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
            panic_of(|| drop(Expect::<Search>::any().always_fault(fault()))),
        ] {
            assert!(error.contains(says), "{kind:?}: {error}");
        }
        let field = matches!(kind, FaultKind::FieldMissing(_) | FaultKind::FieldMistyped(_));
        if !(field && format!("{kind:?}").contains("num_credits")) {
            panic_of(|| mock.script_any([fault()]));
        }
    }
    assert_eq!(mock.script_left(), 0, "a script is taken whole or not at all");
}

#[test]
fn field_of_another_method_is_rejected() {
    let mock = Mock::new();
    let error = panic_of(|| mock.script::<Balance>([missing("/result/meta/op_cost")]));
    let says = "FieldMissing(\"/result/meta/op_cost\") cannot be scripted: `field` is \"/result/meta/op_cost\", which no \
                answer of `balance` has; give one of /result, /result/num_credits, /status";
    assert_eq!(error, says);
    panic_of(|| mock.script::<UserCheck>([missing("/result/groups")]));
    panic_of(|| mock.script::<SimilarGroups>([missing("/result/user")]));
    // A request of any method can be one that has the field.
    mock.script_any([missing("/result/num_credits")]);
    let error = panic_of(|| mock.script_any([missing("/result/credits")]));
    assert!(error.contains("which no answer has; give one of /result, "), "{error}");
    assert_eq!(mock.script_left(), 1);
    mock.clear_script();
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
    let says =
        "the mock does not answer `unknown`; its methods are search, balance, similar_groups, user_check";
    for error in [
        panic_of(|| mock.script::<Unknown>([FaultKind::Reset])),
        panic_of(|| mock.expect(Expect::<Unknown>::any())),
    ] {
        assert!(error.contains(says), "{error}");
    }
}

/// Every field of the documented answers is accepted.
#[test]
fn fields_of_the_documented_answers_are_accepted() {
    fn pointers(value: &Value, at: &str, fields: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    let at = format!("{at}/{name}");
                    pointers(value, &at, fields);
                    fields.push(at);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| pointers(item, &format!("{at}/0"), fields)),
            _ => {}
        }
    }
    let mut count = 0;
    for info in tgscan_mock::types::registry::infos() {
        let path =
            format!("{}/../tgscan-types/fixtures/{}/answer.json", env!("CARGO_MANIFEST_DIR"), info.name);
        let documented: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut fields = Vec::new();
        pointers(&documented, "", &mut fields);
        for field in fields {
            for kind in ["field_missing", "field_mistyped"] {
                let step = json!({"kind": kind, "field": field, "method": info.name});
                serde_json::from_value::<ScriptStep>(step.clone())
                    .unwrap_or_else(|error| panic!("{step}: {error}"));
                count += 1;
            }
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn control_paths_reject_impossible_faults() {
    let mock = Mock::new();
    let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
    let expected = |fault: &str| format!(r#"[{{"method": "balance", "fault": {fault}}}]"#);
    let missing_field = r#"{"kind": "field_missing", "field": "/result/meta/op_cost"}"#;
    for (path, body, says) in [
        (
            "faults",
            r#"[{"kind": "close"}, {"kind": "field_missing", "field": "result"}]"#.into(),
            "`field` is \"result\", which no answer has",
        ),
        (
            "faults",
            r#"[{"kind": "field_mistyped", "method": "balance", "field": "/result/meta/op_cost"}]"#.into(),
            "which no answer of `balance` has",
        ),
        ("faults", r#"[{"kind": "redirect", "status": 200}]"#.into(), "which is not a redirect"),
        ("faults", r#"[{"kind": "error_envelope", "status": 204}]"#.into(), "allows no body"),
        ("expectations", expected(missing_field), "which no answer of `balance` has"),
        (
            "expectations",
            expected(r#"{"kind": "reset", "method": "search"}"#),
            "the fault is for `search`, and the call is of `balance`; leave its `method` out",
        ),
        (
            "expectations",
            expected(r#"{"kind": "reset", "times": 2}"#),
            "give `times` to the expectation instead of its fault",
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
