//! Odd but legal ways to write an answer: what a tolerant reader must read as the same.

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::{Map, Value, json};

use super::leaf::between;
use super::runner;

/// The body of a successful envelope around `result`, written in an odd form that reads as the same answer.
///
/// Unknown fields anywhere; null or nothing for empty lists and texts; `id_history[].id` as a number; spaces; `result`
/// before `status`.
pub(crate) fn hostile_form(result: &Value, seed: u64) -> String {
    let mut rng = runner(seed).new_rng();
    let mut result = result.clone();
    if let Some(Value::Array(ids)) = result.get_mut("id_history") {
        for entry in ids {
            id_as_number(entry, &mut rng);
        }
    }
    disturb(&mut result, &mut rng);
    let space = if rng.next_u32().is_multiple_of(2) { "\n \t" } else { "" };
    if rng.next_u32().is_multiple_of(2) {
        format!("{space}{{\"result\":{space}{result},{space}\"status\":\"ok\",\"v\":[]}}{space}")
    } else {
        format!("{{{space}\"v\":{{\"status\":0}},\"status\":{space}\"ok\",\"result\":{result}{space}}}")
    }
}

fn id_as_number(entry: &mut Value, rng: &mut TestRng) {
    if rng.next_u32().is_multiple_of(2)
        && let Some(id) = entry.get_mut("id")
        && let Some(number) = id.as_str().and_then(|text| text.parse::<i64>().ok())
    {
        *id = json!(number);
    }
}

fn disturb(value: &mut Value, rng: &mut TestRng) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| disturb(field, rng));
            empty_as_nothing(fields, rng);
            if rng.next_u32().is_multiple_of(4) {
                fields.insert("unknown".into(), json!([{"id": null, "op_cost": "x"}, 1.5e300, "\u{202e}"]));
            }
        }
        // A list's own items are never left out; texts within lists have no leniency.
        Value::Array(items) => items.iter_mut().for_each(|item| disturb(item, rng)),
        _ => {}
    }
}

/// Null, or nothing at all, for empty lists, empty texts and nulls.
fn empty_as_nothing(fields: &mut Map<String, Value>, rng: &mut TestRng) {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        _ => false,
    };
    let empty: Vec<String> =
        fields.iter().filter(|(_, value)| is_empty(value)).map(|(name, _)| name.clone()).collect();
    for name in empty {
        match between(rng, 0, 2) {
            0 => {}
            1 => _ = fields.insert(name, Value::Null),
            _ => _ = fields.remove(&name),
        }
    }
}
