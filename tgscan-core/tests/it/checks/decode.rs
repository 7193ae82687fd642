//! The fast way of reading an envelope reads what plain `serde_json` reads, and nothing else.

use http::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tgscan_core::types::{ApiMethod, Envelope, ErrorResult, MethodVisitor};

use crate::support::{documented_request, live};

/// What `Envelope` means, in serde's own words.
#[derive(Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
enum Derived<T> {
    Ok(T),
    Error(ErrorResult),
}

/// What was read, in a form that can be compared.
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

/// What `Envelope` means, read in two steps: `result` is kept as it stands until `status` is known.
///
/// Unlike [`plainly`], which keeps a `result` that stands first as a tree, this reads any number and any escape in
/// fields that are ignored, as reading straight away does.
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
    // Serde also reads a struct from a list, which is no documented form of the envelope.
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

/// Reads one body as the answer of every method: as text in each way, and as bytes through the API.
pub(crate) struct Alike<'a>(pub(crate) &'a [u8]);

impl MethodVisitor for Alike<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        let expected = match std::str::from_utf8(self.0) {
            Ok(body) => {
                let expected = in_two_steps::<M>(body);
                assert_eq!(fast::<M>(body), expected, "{}: {body}", M::NAME);
                // A tree has bounds of its own: numbers beyond f64, lone surrogates, 128 levels.
                if serde_json::from_str::<Value>(body).is_ok_and(|tree| !tree.is_array()) {
                    assert_eq!(plainly::<M>(body), expected, "{}: {body}", M::NAME);
                }
                expected
            }
            // JSON is UTF-8 (RFC 8259, 8.1), in fields that are ignored too.
            Err(_) => Read::Nothing,
        };
        let response = Response::new(self.0.to_vec().into());
        let read = match live().parse::<M>(&documented_request(), response) {
            Ok(reply) => Read::Answer(serde_json::to_value(&reply.answer).unwrap()),
            // An error of the service stays one when its message does not fit.
            Err(error) if expected != Read::Nothing => {
                error.message().map_or(Read::Nothing, |message| Read::Message(message.to_owned()))
            }
            Err(_) => Read::Nothing,
        };
        assert_eq!(read, expected, "{}: {:?}", M::NAME, String::from_utf8_lossy(self.0));
    }
}
