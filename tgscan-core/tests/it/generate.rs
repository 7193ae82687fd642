//! Generates bodies, from random bytes to slightly changed documented answers.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};

use crate::json::{both_orders, places, removed, replaced};
use crate::support::documented_answer;

/// Returns the documented answer of every method.
fn answers() -> Vec<String> {
    struct Collect(Vec<String>);
    impl MethodVisitor for Collect {
        fn visit<M: ApiMethod>(&mut self) {
            self.0.push(documented_answer::<M>());
        }
    }
    let mut all = Collect(Vec::new());
    visit_all(&mut all);
    all.0
}

/// Generates random bytes, tokens of answers in any order, and documented answers with some bytes changed.
pub(crate) fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => vec(any::<u8>(), 0..200), 2 => pieces(), 3 => edited()]
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip]
    let pieces = select(vec![
        "{", "}", "[", "]", ",", ":", "\"status\"", "\"ok\"", "\"error\"", "\"result\"", "\"meta\"", "\"op_cost\"",
        "\"op\\u005fcost\"", "\"user\"", "\"groups\"", "\"message\"", "\"num_credits\"", "\"\\ud800\"", "0", "7",
        "18446744073709551616", "-1", "1e999", "null", "true", " ", "\n", "\"", "\\", "\u{feff}", "\u{0}",
    ]);
    vec(pieces, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Generates documented answers with some bytes removed or inserted.
fn edited() -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<Index>(), 0_usize..4, vec(any::<u8>(), 0..4)), 1..6);
    (select(answers()), edits).prop_map(|(answer, edits)| {
        let mut bytes = answer.into_bytes();
        for (at, gone, new) in edits {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + gone).min(bytes.len()), new);
        }
        bytes
    })
}

/// Generates JSON with numbers and texts that every JSON parser accepts.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0_u64..3).prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        select(vec!["", "ok", "error", "7", "-7", "a"]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let keys = select(vec!["id", "username", "message", "op_cost", "status", "result", "x"]);
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys.clone(), inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Generates documented answers and error envelopes with fields removed, replaced or repeated, in either order.
pub(crate) fn mutated() -> impl Strategy<Value = String> {
    let mut all = answers();
    all.push(r#"{"status":"error","result":{"message":"no"}}"#.to_owned());
    let change = (any::<Index>(), prop_oneof![1 => Just(None), 3 => json().prop_map(Some)]);
    let again = prop_oneof![
        6 => Just(None),
        1 => (select(vec!["status", "result", "x"]), json()).prop_map(Some)
    ];
    (select(all), vec(change, 0..4), any::<bool>(), again).prop_map(|(answer, changes, is_swapped, again)| {
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        for (at, with) in changes {
            let places = places(&answer);
            if !places.is_empty() {
                let place = at.get(&places);
                answer = with.map_or_else(|| removed(&answer, place), |with| replaced(&answer, place, &with));
            }
        }
        let [ordered, swapped] = both_orders(&answer);
        let mut text = if is_swapped { swapped } else { ordered };
        if let Some((key, value)) = again {
            text.pop();
            let comma = if text.len() > 1 { "," } else { "" };
            text = format!("{text}{comma}\"{key}\":{value}}}");
        }
        text
    })
}

/// Generates [`mutated`] answers, and [`edited`] answers as text.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => mutated(), 1 => edited().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())]
}
