//! The fast way of reading an envelope against the plain one: a derived enum, tagged beside its content.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::{Value, json};
use tgscan_core::types::{ApiMethod, Envelope, ErrorResult, MethodVisitor, visit_all};

use crate::generate;
use crate::json::{both_orders, places, removed, replaced};
use crate::support::{documented_answer, runs};

/// What `Envelope` means, in serde's own words.
#[derive(Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
enum Derived<T> {
    Ok(T),
    Error(ErrorResult),
}

/// What was read, in a form that can be compared.
#[derive(Debug, PartialEq)]
enum Read {
    Answer(Value),
    Message(String),
    Nothing,
}

fn plainly<M: ApiMethod>(body: &str) -> Read {
    match serde_json::from_str::<Derived<M::Answer>>(body) {
        Ok(Derived::Ok(answer)) => Read::Answer(serde_json::to_value(&answer).unwrap()),
        Ok(Derived::Error(result)) => Read::Message(result.message),
        Err(_) => Read::Nothing,
    }
}

fn fast<M: ApiMethod>(body: &str) -> Read {
    match serde_json::from_str::<Envelope<M::Answer>>(body) {
        Ok(Envelope::Ok(answer)) => Read::Answer(serde_json::to_value(&answer).unwrap()),
        Ok(Envelope::Error(result)) => Read::Message(result.message),
        Err(_) => Read::Nothing,
    }
}

/// Counts how often each way of reading was taken, so that a test that compares nothing but failures is noticed.
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
fn every_changed_field_reads_alike() {
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
fn generated_changes_read_alike() {
    let (answers, messages) = (Cell::new(0), Cell::new(0));
    TestRunner::new(runs(4000))
        .run(&generate::text(), |body| {
            let mut compare = Compare { body: &body, ..Compare::default() };
            visit_all(&mut compare);
            answers.set(answers.get() + compare.answers);
            messages.set(messages.get() + compare.messages);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let (answers, messages) = (answers.get(), messages.get());
    assert!(answers > 300 && messages > 300, "{answers} answers and {messages} messages");
}

/// The one difference, on purpose: serde also reads a derived enum from a list, which is no documented form.
#[test]
fn a_list_is_no_envelope() {
    let body = r#"["ok",{"num_credits":5}]"#;
    assert_eq!(plainly::<tgscan_core::types::Balance>(body), Read::Answer(json!({"num_credits": 5})));
    assert_eq!(fast::<tgscan_core::types::Balance>(body), Read::Nothing);
}
