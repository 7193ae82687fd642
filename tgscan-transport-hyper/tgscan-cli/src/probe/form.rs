//! The form of a response: its parts and types, without its values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use tgscan_core::http::{Request, Response};

use super::file::Probe;

/// The longest text of an error that is kept, in characters.
const LONGEST: usize = 200;
/// The longest name of a field, and the maximum number of fields.
const LONGEST_NAME: usize = 60;
const MOST_FIELDS: usize = 200;

/// The key of a request, which its response may repeat.
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let key = request.headers().get("api-key").and_then(|key| key.to_str().ok());
        Self(key.unwrap_or_default().to_owned())
    }

    /// A text of an error without keys and numbers, which may be an account's, in one line.
    fn without(&self, text: &str) -> String {
        let text = if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "{key}") };
        let mut kept = String::new();
        let mut is_number = false;
        for c in text.chars().take(LONGEST) {
            match c {
                '0'..='9' if is_number => {}
                '0'..='9' => kept.push('N'),
                c if c.is_control() => kept.push(' '),
                c => kept.push(c),
            }
            is_number = c.is_ascii_digit();
        }
        kept
    }
}

pub(super) fn of(name: &str, response: &Response<Bytes>, secret: &Secret) -> Probe {
    let text =
        |name: HeaderName| response.headers().get(name)?.to_str().ok().map(|text| secret.without(text));
    // Compressed bodies are not read.
    let is_plain = !response.headers().contains_key(CONTENT_ENCODING);
    let json: Option<Value> = serde_json::from_slice(response.body()).ok().filter(|_| is_plain);
    let (body, message) = body(response.body(), json.as_ref(), is_plain);
    let mut fields = BTreeMap::new();
    if let Some(json) = &json {
        list(json, "", &mut fields);
    }
    let joined = |kinds: BTreeSet<String>| kinds.into_iter().collect::<Vec<_>>().join("|");
    Probe {
        name: name.to_owned(),
        status: response.status().as_u16(),
        http: Some(format!("{:?}", response.version())),
        content_type: text(CONTENT_TYPE),
        content_encoding: text(CONTENT_ENCODING),
        headers: response
            .headers()
            .keys()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        body,
        message: message.map(|message| secret.without(&message)),
        fields: fields.into_iter().map(|(path, kinds)| (path, joined(kinds))).collect(),
    }
}

/// The kind of a body, and the text of an error.
fn body(bytes: &[u8], json: Option<&Value>, is_plain: bool) -> (&'static str, Option<String>) {
    let owned = |text: &str| Some(text.to_owned());
    let Some(json) = json else {
        let start = bytes.trim_ascii_start();
        return match start.first() {
            None => ("empty", None),
            Some(_) if !is_plain => ("compressed", None),
            Some(b'<') => ("html", None),
            Some(_) => ("text", None),
        };
    };
    match (json["status"].as_str(), &json["result"]) {
        (Some("error"), result) if result["message"].is_string() => {
            ("error", result["message"].as_str().and_then(owned))
        }
        (Some("error"), Value::String(message)) => ("error_text", owned(message)),
        (Some("ok"), result) if !result.is_null() => ("ok", None),
        _ => ("json", json["message"].as_str().and_then(owned)),
    }
}

/// Lists the types of all fields by their paths.
fn list(value: &Value, path: &str, fields: &mut BTreeMap<String, BTreeSet<String>>) {
    if !path.is_empty() && !path.ends_with("[]") && (fields.len() < MOST_FIELDS || fields.contains_key(path))
    {
        let name = path.rsplit('.').next().unwrap_or_default();
        fields.entry(path.to_owned()).or_default().insert(kind(value, name));
    }
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                // A name that is not a plain word may be data.
                let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_uppercase() || c == '_';
                if name.len() <= LONGEST_NAME && !name.is_empty() && name.chars().all(is_plain) {
                    let dot = if path.is_empty() { "" } else { "." };
                    list(value, &format!("{path}{dot}{name}"), fields);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| list(value, &format!("{path}[]"), fields)),
        _ => {}
    }
}

fn kind(value: &Value, name: &str) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "flag".to_owned(),
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Array(_) => "list".to_owned(),
        Value::Object(_) => "object".to_owned(),
        Value::String(text) if name.contains("date") || name.contains("time") => pattern(text),
        Value::String(text)
            if name.ends_with("id") && text.trim_start_matches('-').parse::<u64>().is_ok() =>
        {
            "digits".to_owned()
        }
        Value::String(_) => "text".to_owned(),
    }
}

/// The pattern of a date: `9` for each digit and `a` for each letter, but `T` and `Z` as they are. `text` if it may be something
/// else.
fn pattern(date: &str) -> String {
    let is_date = (6..=40).contains(&date.len()) && date.bytes().filter(u8::is_ascii_digit).count() >= 4;
    if !is_date || !date.is_ascii() {
        return "text".to_owned();
    }
    let masked = |c: char| match c {
        '0'..='9' => '9',
        'T' | 'Z' => c,
        c if c.is_ascii_alphabetic() => 'a',
        '|' => '/',
        c => c,
    };
    format!("date {}", date.chars().map(masked).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_has_no_values() {
        let body = r#"{"status":"ok","result":{"user":{"id":136817688,"username":"alice_1"},"Jane Doe":1,
            "id_history":[{"id":"99","date":"2026-01-02 03:04:05"},{"id":98,"date":null}],"groups":[]}}"#;
        let mut response = Response::new(Bytes::from_static(body.as_bytes()));
        response.headers_mut().insert("x-request-id", "secret-42".parse().unwrap());
        let probe = of("search", &response, &Secret(String::new()));
        let found: Vec<_> = probe.fields.iter().map(|(path, kinds)| format!("{path}: {kinds}")).collect();
        assert_eq!(
            found,
            [
                "result: object",
                "result.groups: list",
                "result.id_history: list",
                "result.id_history[].date: date 9999-99-99 99:99:99|null",
                "result.id_history[].id: digits|integer",
                "result.user: object",
                "result.user.id: integer",
                "result.user.username: text",
                "status: text",
            ]
        );
        assert_eq!((probe.body, probe.headers), ("ok", vec!["x-request-id".to_owned()]));
    }

    #[test]
    fn texts_of_errors_lose_keys_and_numbers() {
        let mut request = Request::new(Bytes::new());
        request.headers_mut().insert("api-key", "s3cret".parse().unwrap());
        let secrets = Secret::of(&request);
        assert_eq!(secrets.without("the key s3cret has -1234 credits\n"), "the key {key} has -N credits ");
        assert!(secrets.without(&"x".repeat(1_000_000)).len() <= LONGEST);
    }
}
