//! Every documented example answer (its typing slips mended) reads and writes back to the same bytes.

use serde_json::Value;
use tgscan_types::{ApiMethod, BalanceAnswer, Envelope, MethodVisitor, SearchGroup, infos, visit_all};

fn fixture<M: ApiMethod>() -> String {
    let path = format!("{}/fixtures/{}/answer.json", env!("CARGO_MANIFEST_DIR"), M::NAME);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_documented_answer_round_trips_byte_for_byte() {
    struct RoundTrip(usize);
    impl MethodVisitor for RoundTrip {
        fn visit<M: ApiMethod>(&mut self) {
            let text = fixture::<M>();
            let answer: Envelope<M::Answer> = serde_json::from_str(&text).expect(M::NAME);
            let written = serde_json::to_string_pretty(&answer).unwrap() + "\n";
            assert_eq!(written, text, "{}", M::NAME);
            self.0 += 1;
        }
    }
    let mut visited = RoundTrip(0);
    visit_all(&mut visited);
    assert_eq!(visited.0, infos().len());
}

#[test]
fn unknown_fields_are_ignored_everywhere() {
    fn strew(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(strew);
                fields.insert("surprise".into(), serde_json::json!({"a": [1.5, null, "x"]}));
            }
            Value::Array(items) => items.iter_mut().for_each(strew),
            _ => {}
        }
    }
    struct Strewn;
    impl MethodVisitor for Strewn {
        fn visit<M: ApiMethod>(&mut self) {
            let plain: Value = serde_json::from_str(&fixture::<M>()).unwrap();
            let mut strewn = plain.clone();
            strew(&mut strewn);
            let answer: Envelope<M::Answer> = serde_json::from_str(&strewn.to_string()).expect(M::NAME);
            assert_eq!(serde_json::to_value(&answer).unwrap(), plain, "{}", M::NAME);
        }
    }
    visit_all(&mut Strewn);
}

#[test]
fn the_cost_is_what_the_answer_states() {
    struct Cost(usize);
    impl MethodVisitor for Cost {
        fn visit<M: ApiMethod>(&mut self) {
            let mut answer: Value = serde_json::from_str(&fixture::<M>()).unwrap();
            let stated = answer.pointer_mut("/result/meta/op_cost").map(|cost| *cost = 7.into());
            let Envelope::Ok(answer) = serde_json::from_value::<Envelope<M::Answer>>(answer).unwrap() else {
                panic!("{} fails", M::NAME)
            };
            assert_eq!(M::op_cost(&answer), stated.map(|()| 7), "{}", M::NAME);
            self.0 += usize::from(stated.is_some());
        }
    }
    let mut costs = Cost(0);
    visit_all(&mut costs);
    assert!(costs.0 >= 3, "three documented answers state a cost");
}

#[test]
fn the_registry_is_the_documented_list() {
    let seven: Vec<&str> = infos().iter().flat_map(|m| [Some(m.path), m.test_path]).flatten().collect();
    // More may come; these seven are documented.
    assert_eq!(
        seven[..7],
        [
            "/tgscan/v1/search",
            "/tgscan/v1/test/search",
            "/tgscan/v1/balance",
            "/tgscan/v1/chat/similar",
            "/tgscan/v1/test/chat/similar",
            "/tgscan/v1/user/check",
            "/tgscan/v1/test/user/check",
        ]
    );
    let is_paid = |name| infos().iter().any(|m| m.name == name && m.can_cost);
    assert_eq!(
        ["search", "balance", "similar_groups", "user_check"].map(is_paid),
        [true, false, true, false]
    );
}

#[test]
fn a_list_reads_as_an_object_only_with_every_promised_value() {
    let read = |json: &str| serde_json::from_str::<BalanceAnswer>(json).ok().map(|answer| answer.num_credits);
    assert_eq!(read("[5]"), Some(5));
    for wrong in ["[]", "[null]", r#"["5"]"#, "[5,6]"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
    serde_json::from_str::<SearchGroup>("[]").unwrap_err();
}
