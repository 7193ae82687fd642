//! Every documented example answer, with its typing errors corrected, round-trips to the same bytes.

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use tgscan_types::{
    ApiMethod, BalanceAnswer, Envelope, ErrorResult, IdEntry, SearchAnswer, SearchGroup, SearchMeta,
    SearchUser, SimilarGroup, SimilarGroupsAnswer, SimilarGroupsMeta, UserCheckAnswer, UserCheckMeta,
    UserCheckUser, UsernameEntry,
    registry::{MethodVisitor, infos, visit_all},
};

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
fn op_cost_returns_the_cost_in_the_answer() {
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
fn the_registry_lists_the_documented_methods() {
    let seven: Vec<&str> = infos().iter().flat_map(|m| [Some(m.path), m.test_path]).flatten().collect();
    // More may come; the documentation has these seven.
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
fn refuses_a_list_in_place_of_an_object() {
    // Each list has the values of a type in the order of its fields, which serde's derive would accept.
    fn refuses<T: DeserializeOwned>(list: &str) {
        assert!(serde_json::from_str::<T>(list).is_err(), "{list}");
    }
    let (user, meta) = (r#"{"id":7,"username":null,"last_name":null}"#, r#"{"op_cost":1}"#);
    let counts = r#"{"known_num_groups":1,"num_groups":1,"op_cost":1}"#;
    refuses::<BalanceAnswer>("[5]");
    refuses::<SearchAnswer>(&format!("[{user},[],[],{counts},[]]"));
    refuses::<SearchUser>(r#"[7,"name","first","last"]"#);
    refuses::<UsernameEntry>(r#"["name","2021-03-04"]"#);
    refuses::<IdEntry>(r#"["7","2021-03-04"]"#);
    refuses::<SearchMeta>(r#"["name",1,1,1]"#);
    refuses::<SearchGroup>(r#"[7,"name","title","2021-03-04"]"#);
    refuses::<SimilarGroupsAnswer>(&format!("[{meta},[]]"));
    refuses::<SimilarGroupsMeta>("[[],1]");
    refuses::<SimilarGroup>(r#"["name","title",1]"#);
    refuses::<UserCheckAnswer>(
        r#"[{"username":true,"first_name":true,"last_name":true},{"known_num_groups":1,"op_cost":0}]"#,
    );
    refuses::<UserCheckUser>("[true,true,true]");
    refuses::<UserCheckMeta>(r#"["name",1,0]"#);
    refuses::<ErrorResult>(r#"["no"]"#);
    refuses::<Envelope<BalanceAnswer>>(r#"["ok",{"num_credits":5}]"#);
    let inner = format!(r#"{{"user":[7,"name","first","last"],"meta":{counts}}}"#);
    refuses::<SearchAnswer>(&inner);
}

#[test]
fn reads_every_number_from_a_float_or_a_text() {
    fn replace(value: &mut Value, number: fn(&Number) -> Value) -> usize {
        match value {
            Value::Number(old) => {
                *value = number(old);
                1
            }
            Value::Object(fields) => fields.values_mut().map(|field| replace(field, number)).sum(),
            Value::Array(items) => items.iter_mut().map(|item| replace(item, number)).sum(),
            _ => 0,
        }
    }
    struct Replaced(usize);
    impl MethodVisitor for Replaced {
        fn visit<M: ApiMethod>(&mut self) {
            let plain: Value = serde_json::from_str(&fixture::<M>()).unwrap();
            let float = |number: &Number| Value::from(number.as_f64().unwrap());
            let text = |number: &Number| Value::from(number.to_string());
            for number in [float, text] {
                let mut other = plain.clone();
                self.0 += replace(&mut other, number);
                let answer: Envelope<M::Answer> = serde_json::from_str(&other.to_string()).expect(M::NAME);
                assert_eq!(serde_json::to_value(&answer).unwrap(), plain, "{}", M::NAME);
            }
        }
    }
    let mut replaced = Replaced(0);
    visit_all(&mut replaced);
    assert!(replaced.0 >= 18, "{} numbers", replaced.0);
}
