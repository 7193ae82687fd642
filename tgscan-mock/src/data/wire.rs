//! Unusual ways to write an answer that a tolerant reader must accept.

use serde_json::{Map, Value, json};

use super::rng::Rng;

/// Returns a successful envelope around `result`, written unusually but with the same meaning.
///
/// It has unknown fields anywhere, empty lists and strings as null or missing, `id_history[].id` as a number, white
/// space, and `result` before `status`.
pub(crate) fn unusual_form(result: &Value, seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut result = result.clone();
    if let Some(Value::Array(ids)) = result.get_mut("id_history") {
        for entry in ids {
            id_as_number(entry, &mut rng);
        }
    }
    vary(&mut result, &mut rng);
    let space = if rng.in_ten(5) { "\n \t" } else { "" };
    if rng.in_ten(5) {
        format!("{space}{{\"result\":{space}{result},{space}\"status\":\"ok\",\"v\":[]}}{space}")
    } else {
        format!("{{{space}\"v\":{{\"status\":0}},\"status\":{space}\"ok\",\"result\":{result}{space}}}")
    }
}

fn id_as_number(entry: &mut Value, rng: &mut Rng) {
    if !rng.in_ten(5) {
        return;
    }
    let Some(id) = entry.get_mut("id") else { return };
    if let Some(number) = id.as_str().and_then(|text| text.parse::<i64>().ok()) {
        *id = json!(number);
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
