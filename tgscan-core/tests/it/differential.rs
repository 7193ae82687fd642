//! Compares the fast parser of envelopes with a derived, adjacently tagged enum.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};

use crate::checks::decode::{Alike, Read, fast, plainly};
use crate::generate;
use crate::json::{both_orders, places, removed, replaced};
use crate::support::{documented_answer, runs};

/// Counts successes, so that a test that compares only failures is noticed.
#[derive(Default)]
struct Compare<'a> {
    body: &'a str,
    answers: usize,
    messages: usize,
}

impl MethodVisitor for Compare<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let (plain, fast) = (plainly::<M>(self.body), fast::<M>(self.body));
        assert_eq!(fast, plain, "{}: {}", M::NAME, self.body);
        self.answers += usize::from(matches!(fast, Read::Answer(_)));
        self.messages += usize::from(matches!(fast, Read::Message(_)));
    }
}

#[test]
fn parsers_agree_on_every_changed_field() {
    struct Changed(usize);
    impl MethodVisitor for Changed {
        fn visit<M: ApiMethod>(&mut self) {
            let answer: Value = serde_json::from_str(&documented_answer::<M>()).unwrap();
            let wrong = [
                json!(null),
                json!(true),
                json!(7),
                json!(-1),
                json!(1.5),
                json!("ok"),
                json!("error"),
                json!(""),
                json!({}),
                json!([]),
                json!([7]),
                json!(["ok"]),
                json!({"ok": null}),
                json!({"message": "no"}),
                json!(u64::MAX),
                json!({"message": null}),
            ];
            for place in places(&answer) {
                let removed = [removed(&answer, &place)];
                let replaced = wrong.iter().map(|with| replaced(&answer, &place, with));
                for body in replaced.chain(removed).flat_map(|changed| both_orders(&changed)) {
                    assert_eq!(fast::<M>(&body), plainly::<M>(&body), "{}: {body}", M::NAME);
                    self.0 += 1;
                }
            }
        }
    }
    let mut compared = Changed(0);
    visit_all(&mut compared);
    assert!(compared.0 > 1000, "{} bodies", compared.0);
}

#[test]
fn parsers_agree_on_generated_changes() {
    let (answers, messages) = (Cell::new(0), Cell::new(0));
    TestRunner::new(runs(4000))
        .run(&generate::text(), |body| {
            let mut compare = Compare { body: &body, ..Compare::default() };
            visit_all(&mut compare);
            visit_all(&mut Alike(body.as_bytes()));
            answers.set(answers.get() + compare.answers);
            messages.set(messages.get() + compare.messages);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let (answers, messages) = (answers.get(), messages.get());
    assert!(answers > 300 && messages > 300, "{answers} answers and {messages} messages");
}

#[test]
fn parsers_agree_on_any_bytes() {
    TestRunner::new(runs(3000))
        .run(&generate::body(), |body| {
            visit_all(&mut Alike(&body));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn ignored_fields_may_contain_any_number_or_escape() {
    for ignored in [r#""\ud800""#, "1e999", "18446744073709551616", &"[".repeat(200)] {
        let closed = format!("{ignored}{}", "]".repeat(ignored.matches('[').count()));
        for fields in [
            format!(r#""status":"ok","result":{{"num_credits":5,"x":{closed}}}"#),
            format!(r#""result":{{"num_credits":5,"x":{closed}}},"status":"ok""#),
            format!(r#""x":{closed},"status":"ok","result":{{"num_credits":5}}"#),
        ] {
            let body = format!("{{{fields}}}");
            visit_all(&mut Alike(body.as_bytes()));
            let five = Read::Answer(json!({"num_credits": 5}));
            assert_eq!(fast::<tgscan_core::types::Balance>(&body), five, "{body}");
        }
    }
}

/// The only difference, which is intended: serde also parses a derived enum from a list, which is not documented.
#[test]
fn list_is_not_an_envelope() {
    let body = r#"["ok",{"num_credits":5}]"#;
    assert_eq!(plainly::<tgscan_core::types::Balance>(body), Read::Answer(json!({"num_credits": 5})));
    assert_eq!(fast::<tgscan_core::types::Balance>(body), Read::Nothing);
}
