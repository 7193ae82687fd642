//! Finds the people named by an answer that its method cannot parse.

use serde_json::Value;
use tgscan_types::repair_json;

/// The maximum length of a recorded name, in bytes. Usernames and ids are shorter, and databases limit the length of an
/// index entry.
const MAX_LENGTH: usize = 255;

/// Returns a username or id in the form of the index of people. Returns `None` for texts that name no person: an empty
/// one and the id 0, as in answers about unknown users, and one that is too long.
pub(crate) fn fold(name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches('@').to_ascii_lowercase();
    (!matches!(&*name, "" | "0") && name.len() <= MAX_LENGTH).then_some(name)
}

/// Returns the people in a body that does not match its schema, by the names of its fields.
pub(crate) fn in_body(body: &[u8]) -> Vec<String> {
    let mut people = Vec::new();
    let repaired = repair_json(body);
    if let Ok(value) = serde_json::from_slice::<Value>(repaired.as_deref().unwrap_or(body)) {
        for part in ["user", "username_history", "id_history"] {
            collect(&value["result"][part], &mut people);
        }
    }
    people
}

/// Collects the values of all fields `id` and `username` below a value.
fn collect(value: &Value, people: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, people)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "username" || name == "id" => people.extend(fold(text)),
                    Value::Number(number) if name == "id" => people.extend(fold(&number.to_string())),
                    _ => collect(value, people),
                }
            }
        }
        _ => {}
    }
}
