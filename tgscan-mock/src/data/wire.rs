//! Odd but legal ways to write an answer: what a tolerant reader must read as the same.

use serde_json::{Map, Value, json};

use super::leaf::Dice;

/// The body of a successful envelope around `result`, written in an odd form that reads as the same answer.
///
/// Unknown fields anywhere; null or nothing for empty lists and texts; `id_history[].id` as a number; spaces; `result`
/// before `status`.
pub(crate) fn hostile_form(result: &Value, seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut result = result.clone();
    if let Some(Value::Array(ids)) = result.get_mut("id_history") {
        for entry in ids {
            id_as_number(entry, &mut dice);
        }
    }
    disturb(&mut result, &mut dice);
    let space = if dice.in_ten(5) { "\n \t" } else { "" };
    if dice.in_ten(5) {
        format!("{space}{{\"result\":{space}{result},{space}\"status\":\"ok\",\"v\":[]}}{space}")
    } else {
        format!("{{{space}\"v\":{{\"status\":0}},\"status\":{space}\"ok\",\"result\":{result}{space}}}")
    }
}

fn id_as_number(entry: &mut Value, dice: &mut Dice) {
    if !dice.in_ten(5) {
        return;
    }
    let Some(id) = entry.get_mut("id") else { return };
    if let Some(number) = id.as_str().and_then(|text| text.parse::<i64>().ok()) {
        *id = json!(number);
    }
}

fn disturb(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| disturb(field, dice));
            empty_as_nothing(fields, dice);
            if dice.between(1, 4) == 1 {
                fields.insert("unknown".into(), json!([{"id": null, "op_cost": "x"}, 1.5e300, "\u{202e}"]));
            }
        }
        // A list's own items are never left out; texts within lists have no leniency.
        Value::Array(items) => items.iter_mut().for_each(|item| disturb(item, dice)),
        _ => {}
    }
}

/// Null, or nothing at all, for empty lists, empty texts and nulls.
fn empty_as_nothing(fields: &mut Map<String, Value>, dice: &mut Dice) {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        _ => false,
    };
    let empty: Vec<String> =
        fields.iter().filter(|(_, value)| is_empty(value)).map(|(name, _)| name.clone()).collect();
    for name in empty {
        match dice.between(0, 2) {
            0 => {}
            1 => _ = fields.insert(name, Value::Null),
            _ => _ = fields.remove(&name),
        }
    }
}
