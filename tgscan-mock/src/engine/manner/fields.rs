//! Gives an answer of the mock the fields and types of another service.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value};

type Types<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns the body with these fields, or `None` if it does not change.
pub(super) fn reshaped(body: &Bytes, types: &Types<'_>) -> Option<Bytes> {
    if types.is_empty() {
        return None;
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let before = value.clone();
    reshape(&mut value, "", types);
    // Unchanged bytes keep the order of their fields.
    if value == before {
        return None;
    }
    // The status comes first, as in the documentation.
    let status = value.get("status").map(|status| format!("\"status\":{status},")).unwrap_or_default();
    value.as_object_mut()?.remove("status");
    let rest = value.to_string();
    Some(Bytes::from(format!("{{{status}{}", rest.strip_prefix('{')?)))
}

fn reshape(value: &mut Value, path: &str, types: &Types<'_>) {
    match value {
        Value::Object(fields) => reshape_object(fields, path, types),
        Value::Array(elements) => {
            let path = format!("{path}[]");
            for element in elements {
                reshape(element, &path, types);
            }
        }
        _ => {
            if let Some(kinds) = types.get(path) {
                convert(value, kinds);
            }
        }
    }
}

fn reshape_object(fields: &mut Map<String, Value>, path: &str, types: &Types<'_>) {
    let start = if path.is_empty() { String::new() } else { format!("{path}.") };
    let known: Vec<&str> = types
        .keys()
        .filter_map(|path| path.strip_prefix(&*start))
        .filter(|name| !name.contains(['.', '[']))
        .collect();
    // Without any, the service had no such object, for instance in an empty list.
    if !known.is_empty() {
        fields.retain(|name, _| known.contains(&&**name));
        for name in known.iter().filter(|name| !fields.contains_key(**name)).copied().collect::<Vec<_>>() {
            let kinds = types.get(&*format!("{start}{name}"));
            fields.insert(name.to_owned(), kinds.map_or(Value::Null, sample));
        }
    }
    for (name, value) in fields {
        reshape(value, &format!("{start}{name}"), types);
    }
}

/// A value for a field that the mock does not have.
fn sample(kinds: &BTreeSet<&str>) -> Value {
    match kinds.iter().find(|kind| **kind != "null").copied().unwrap_or("null") {
        "integer" => Value::from(0),
        "number" => Value::from(0.5),
        "flag" => Value::from(false),
        "list" => Value::Array(Vec::new()),
        "object" => Value::Object(Map::new()),
        "null" => Value::Null,
        "digits" => Value::from("0"),
        _ => Value::from("text"),
    }
}

fn convert(value: &mut Value, kinds: &BTreeSet<&str>) {
    match value {
        Value::String(text) if kinds.contains("integer") && !kinds.iter().any(|kind| is_text(kind)) => {
            if let Ok(number) = text.parse::<i64>() {
                *value = number.into();
            }
        }
        Value::String(text) => {
            let pattern = kinds.iter().find_map(|kind| kind.strip_prefix("date "));
            if let Some(date) = pattern.and_then(|pattern| date_in(text, pattern)) {
                *text = date;
            }
        }
        Value::Number(number) if kinds.contains("digits") && !kinds.contains("integer") => {
            *value = number.to_string().into();
        }
        _ => {}
    }
}

fn is_text(kind: &str) -> bool {
    kind == "text" || kind == "digits" || kind.starts_with("date ")
}

/// Writes a date such as `2026-01-02` in a pattern such as `99.99.9999 99:99`, whose first group of four digits is the year. `None`
/// for a pattern with names of months and the like.
fn date_in(date: &str, pattern: &str) -> Option<String> {
    let mut parts = date.get(..10)?.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_year_first = pattern.starts_with("9999");
    let mut small = if is_year_first { [month, day] } else { [day, month] }.into_iter();
    let mut written = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if c == '9' {
            let length = rest.chars().take_while(|c| *c == '9').count();
            rest = &rest[length..];
            match length {
                4 if !written.contains(year) => written.push_str(year),
                2 => written.push_str(small.next().unwrap_or("00")),
                _ => written.push_str(&"0".repeat(length)),
            }
        } else if c.is_alphabetic() && !matches!(c, 'T' | 'Z') {
            return None;
        } else {
            written.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(written)
}
