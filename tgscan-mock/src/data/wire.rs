//! Unusual ways to write an answer that a tolerant reader must accept.

use serde_json::{Map, Value, json};

use super::seed::Rng;

/// Returns a successful envelope around `result`, written unusually but with the same meaning.
///
/// It has unknown fields anywhere, empty lists and strings as null or missing, `id_history[].id` as a number, white
/// space, and `result` before `status`.
pub(crate) fn unusual_form(result: &Value, seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut result = result.clone();
    ids_as_numbers(&mut result, || rng.in_ten(5));
    vary(&mut result, &mut rng);
    let space = if rng.in_ten(5) { "\n \t" } else { "" };
    if rng.in_ten(5) {
        format!("{space}{{\"result\":{space}{result},{space}\"status\":\"ok\",\"v\":[]}}{space}")
    } else {
        format!("{{{space}\"v\":{{\"status\":0}},\"status\":{space}\"ok\",\"result\":{result}{space}}}")
    }
}

/// Replaces strings with numbers in those ids of the id history for which `is_chosen` returns true.
pub(crate) fn ids_as_numbers(result: &mut Value, mut is_chosen: impl FnMut() -> bool) {
    let entries = result.get_mut("id_history").and_then(Value::as_array_mut);
    for id in entries.into_iter().flatten().filter_map(|entry| entry.get_mut("id")) {
        if let Some(number) = id.as_str().and_then(|text| text.parse::<i64>().ok()).filter(|_| is_chosen()) {
            *id = json!(number);
        }
    }
}

fn vary(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| vary(field, rng));
            empty_as_nothing(fields, rng);
            if rng.between(1, 4) == 1 {
                fields.insert("unknown".into(), json!([{"id": null, "op_cost": "x"}, 1.5e300, "\u{202e}"]));
            }
        }
        // Items of a list are never removed; readers are not lenient about strings in lists.
        Value::Array(items) => items.iter_mut().for_each(|item| vary(item, rng)),
        _ => {}
    }
}

/// Replaces empty lists, empty strings and nulls with null, or removes them.
fn empty_as_nothing(fields: &mut Map<String, Value>, rng: &mut Rng) {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        _ => false,
    };
    let empty: Vec<String> =
        fields.iter().filter(|(_, value)| is_empty(value)).map(|(name, _)| name.clone()).collect();
    for name in empty {
        match rng.between(0, 2) {
            0 => {}
            1 => _ = fields.insert(name, Value::Null),
            _ => _ = fields.remove(&name),
        }
    }
}
