//! Checks that the fast parser of envelopes and plain `serde_json` agree.

use http::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tgscan_core::types::{ApiMethod, Envelope, ErrorResult, registry::MethodVisitor, repair_json};

use crate::support::{documented_request, live};

/// The definition of `Envelope` with serde's derive.
#[derive(Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
enum Derived<T> {
    Ok(T),
    Error(ErrorResult),
}

/// A parsed body, in a comparable form.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    Answer(Value),
    Message(String),
    Nothing,
}

pub(crate) fn plainly<M: ApiMethod>(body: &str) -> Read {
    match serde_json::from_str::<Derived<M::Answer>>(body) {
        Ok(Derived::Ok(answer)) => Read::Answer(serde_json::to_value(&answer).unwrap()),
        Ok(Derived::Error(result)) => Read::Message(result.message),
        Err(_) => Read::Nothing,
    }
}

pub(crate) fn fast<M: ApiMethod>(body: &str) -> Read {
    match serde_json::from_str::<Envelope<M::Answer>>(body) {
        Ok(Envelope::Ok(answer)) => Read::Answer(serde_json::to_value(&answer).unwrap()),
        Ok(Envelope::Error(result)) => Read::Message(result.message),
        Err(_) => Read::Nothing,
    }
}

/// Parses an `Envelope` in two steps: keeps the raw `result` until `status` is known.
///
/// Accepts any number and any escape in ignored fields, like the fast parser and unlike [`plainly`], which parses a `result`
/// before `status` as a tree.
fn in_two_steps<M: ApiMethod>(body: &str) -> Read {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        Ok,
        Error,
    }
    #[derive(Deserialize)]
    struct Raw {
        status: Status,
        result: Box<RawValue>,
    }
    // Serde also parses a struct from a list, which is not a documented form of the envelope.
    if body.trim_ascii_start().starts_with('[') {
        return Read::Nothing;
    }
    let Ok(raw) = serde_json::from_str::<Raw>(body) else { return Read::Nothing };
    let result = raw.result.get();
    match raw.status {
        Status::Ok => serde_json::from_str::<M::Answer>(result)
            .map_or(Read::Nothing, |answer| Read::Answer(serde_json::to_value(&answer).unwrap())),
        Status::Error => serde_json::from_str::<ErrorResult>(result)
            .map_or(Read::Nothing, |result| Read::Message(result.message)),
    }
}

/// Parses a body as the answer of every method: as text with each parser, and as bytes through the API.
pub(crate) struct Alike<'a>(pub(crate) &'a [u8]);

impl MethodVisitor for Alike<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let as_received = match std::str::from_utf8(self.0) {
            Ok(body) => {
                let expected = in_two_steps::<M>(body);
                assert_eq!(fast::<M>(body), expected, "{}: {body}", M::NAME);
                // A tree has further limits: numbers beyond f64, lone surrogates, 128 levels.
                if serde_json::from_str::<Value>(body).is_ok_and(|tree| !tree.is_array()) {
                    assert_eq!(plainly::<M>(body), expected, "{}: {body}", M::NAME);
                }
                if let (Read::Answer(answer), Ok(tree)) = (&expected, serde_json::from_str::<Value>(body)) {
                    assert!(comes_from(answer, tree.get("result")), "{}: {body} as {answer}", M::NAME);
                    assert_writes_itself::<M>(answer);
                }
                expected
            }
            Err(_) => Read::Nothing,
        };
        let mended = repair_json(self.0).and_then(|mended| String::from_utf8(mended).ok());
        let expected = match (as_received, mended) {
            (Read::Nothing, Some(mended)) => in_two_steps::<M>(&mended),
            (as_received, _) => as_received,
        };
        let response = Response::new(self.0.to_vec().into());
        let read = match live().parse::<M>(&documented_request(), response) {
            Ok(reply) => Read::Answer(serde_json::to_value(&reply.answer).unwrap()),
            // An error of the service stays an error if its message is invalid.
            Err(error) if expected != Read::Nothing => {
                error.message().map_or(Read::Nothing, |message| Read::Message(message.to_owned()))
            }
            Err(_) => Read::Nothing,
        };
        assert_eq!(read, expected, "{}: {:?}", M::NAME, String::from_utf8_lossy(self.0));
    }
}

/// Returns whether each parsed value is from the sent document, except for default empty lists and texts.
///
/// `read` is the serialised answer, in which the ids of a history are texts.
fn comes_from(read: &Value, sent: Option<&Value>) -> bool {
    match (read, sent.unwrap_or(&Value::Null)) {
        (Value::String(read), Value::Null) => read.is_empty(),
        (Value::Array(read), Value::Null) => read.is_empty(),
        (Value::String(read), Value::Number(sent)) => {
            *read == sent.to_string() || read.parse().ok() == sent.as_f64()
        }
        // An id may be written `+7` or `007`.
        (Value::String(read), Value::String(sent)) => {
            read == sent || sent.parse::<i64>().is_ok_and(|sent| *read == sent.to_string())
        }
        (Value::Array(read), Value::Array(sent)) => {
            read.len() == sent.len() && read.iter().zip(sent).all(|(read, sent)| comes_from(read, Some(sent)))
        }
        (Value::Object(read), Value::Object(sent)) => {
            read.iter().all(|(name, read)| comes_from(read, sent.get(name)))
        }
        (Value::Null, Value::Null) => true,
        // An empty user is parsed as no user.
        (Value::Null, Value::Object(sent)) => sent.get("id").and_then(Value::as_f64) == Some(0.0),
        // A whole number may be a float or a text, and a list of queries the sent text.
        (Value::Number(read), Value::Number(sent)) => read == sent || read.as_f64() == sent.as_f64(),
        (Value::Number(read), Value::String(sent)) => read.as_f64() == sent.parse().ok(),
        (Value::Array(read), Value::String(sent)) => {
            read.iter().map(Value::as_str).eq(sent.split(',').map(Some))
        }
        (Value::Array(read), sent @ Value::Number(_)) => {
            matches!(&read[..], [read] if comes_from(read, Some(sent)))
        }
        (Value::Bool(_), sent) => read == sent,
        _ => false,
    }
}

/// Asserts that serialising and parsing an answer does not change it.
fn assert_writes_itself<M: ApiMethod>(answer: &Value) {
    let envelope = format!(r#"{{"status":"ok","result":{answer}}}"#);
    let read: Envelope<M::Answer> = serde_json::from_str(&envelope).expect(M::NAME);
    let written = serde_json::to_string(&read).unwrap();
    let again: Envelope<M::Answer> = serde_json::from_str(&written).expect(M::NAME);
    assert_eq!(serde_json::to_string(&again).unwrap(), written, "{}", M::NAME);
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["result"], *answer, "{}", M::NAME);
}

#[test]
fn detects_values_that_were_not_sent() {
    let read = |read: Value, sent: Value| comes_from(&read, Some(&sent));
    assert!(read(
        serde_json::json!({"a": "", "b": [], "c": 7, "d": "7"}),
        serde_json::json!({"c": 7, "d": 7, "e": 1})
    ));
    for (made_up, sent) in [
        (serde_json::json!({"a": 0}), serde_json::json!({})),
        (serde_json::json!({"a": {}}), serde_json::json!({"a": null})),
        (serde_json::json!({"a": "x"}), serde_json::json!({})),
        (serde_json::json!({"a": false}), serde_json::json!({"a": null})),
        (serde_json::json!({"a": 1}), serde_json::json!({"a": 2})),
        (serde_json::json!(["a"]), serde_json::json!([])),
    ] {
        assert!(!read(made_up.clone(), sent), "{made_up}");
    }
}
