//! The envelope around every answer: `{"status": …, "result": …}`.
//!
//! Documentation: "Result of Failed API Request", "Result of Successful API Request".

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

/// A response of the service: an answer, or a failure with a message.
///
/// Reads JSON only, with `status` and `result` in either order; other fields are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope<T> {
    /// `"status": "ok"`: the result data of the API method.
    Ok(T),
    /// `"status": "error"`: the failure.
    Error(ErrorResult),
}

/// The `result` of a failed API request.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct ErrorResult {
    /// Short error description from the service. It may repeat the query, so `Debug` hides it.
    pub message: String,
}

impl<'de> Deserialize<'de> for ErrorResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ErrorResultVisitor)
    }
}

impl Serialize for ErrorResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Reads the message from the documented object, or from a string.
///
/// A body without a message is not from the service: gateways answer `{"status":"error","message":…}`, even for
/// requests that the service processed.
struct ErrorResultVisitor;

impl<'de> de::Visitor<'de> for ErrorResultVisitor {
    type Value = ErrorResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `message`, or a text")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ErrorResult, A::Error> {
        ErrorResult::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_str<E: de::Error>(self, message: &str) -> Result<ErrorResult, E> {
        Ok(ErrorResult::new(message))
    }
}

impl ErrorResult {
    /// Creates a failure with this description.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

crate::debug::opaque_debug!(ErrorResult);

impl<T: Serialize> Serialize for Envelope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Envelope", 2)?;
        match self {
            Self::Ok(result) => {
                envelope.serialize_field("status", "ok")?;
                envelope.serialize_field("result", result)?;
            }
            Self::Error(result) => {
                envelope.serialize_field("status", "error")?;
                envelope.serialize_field("result", result)?;
            }
        }
        envelope.end()
    }
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Error,
}

// `field_identifier` shows the names of these keys to a deserializer that tracks paths.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Status,
    Result,
    #[serde(other)]
    Other,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Envelope<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Envelope", &["status", "result"], EnvelopeVisitor(PhantomData))
    }
}

// Implemented by hand: a derived adjacently tagged enum buffers the whole `result` as a tree if `result` comes first.
struct EnvelopeVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> de::Visitor<'de> for EnvelopeVisitor<T> {
    type Value = Envelope<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope with `status` and `result`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<T>, A::Error> {
        let mut status = None;
        // Owned, because `from_reader` and `from_value` cannot lend it.
        let mut early: Option<Box<RawValue>> = None;
        let mut read = None;
        while let Some(key) = map.next_key()? {
            match (key, status) {
                (Key::Status, None) => status = Some(map.next_value::<Status>()?),
                (Key::Status, Some(_)) => return Err(de::Error::duplicate_field("status")),
                (Key::Result, _) if early.is_some() || read.is_some() => {
                    return Err(de::Error::duplicate_field("result"));
                }
                (Key::Result, None) => early = Some(map.next_value()?),
                (Key::Result, Some(Status::Ok)) => read = Some(Envelope::Ok(map.next_value()?)),
                (Key::Result, Some(Status::Error)) => read = Some(Envelope::Error(map.next_value()?)),
                (Key::Other, _) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let status = status.ok_or_else(|| de::Error::missing_field("status"))?;
        match (read, early, status) {
            (Some(envelope), _, _) => Ok(envelope),
            (None, None, _) => Err(de::Error::missing_field("result")),
            (None, Some(raw), Status::Ok) => reread(&raw).map(Envelope::Ok),
            (None, Some(raw), Status::Error) => reread(&raw).map(Envelope::Error),
        }
    }
}

fn reread<T: DeserializeOwned, E: de::Error>(raw: &RawValue) -> Result<T, E> {
    serde_json::from_str(raw.get()).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BalanceAnswer;

    fn read(body: &str) -> Result<Envelope<BalanceAnswer>, String> {
        serde_json::from_str(body).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_both_orders_and_ignores_unknown_fields() {
        for body in [
            r#"{"status":"ok","result":{"num_credits":5}}"#,
            r#"{"result":{"num_credits":5},"status":"ok"}"#,
            r#"{"v":[{}],"result":{"num_credits":5},"x":null,"status":"ok","y":"\u00e9"}"#,
        ] {
            let Ok(Envelope::Ok(answer)) = read(body) else { panic!("{body}") };
            assert_eq!(answer.num_credits, 5);
        }
        for body in [
            r#"{"status":"error","result":{"message":"no"}}"#,
            r#"{"result":{"message":"no","code":7},"status":"error"}"#,
        ] {
            assert_eq!(read(body), Ok(Envelope::Error(ErrorResult { message: "no".into() })), "{body}");
        }
    }

    #[test]
    fn reads_a_result_before_its_status_from_any_json_source() {
        let body = r#"{"result":{"num_credits":5},"status":"ok"}"#;
        let ok = Envelope::Ok(BalanceAnswer { num_credits: 5 });
        assert_eq!(serde_json::from_reader::<_, Envelope<_>>(body.as_bytes()).unwrap(), ok);
        // A `Value` sorts its fields, so `result` comes before `status`.
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(serde_json::from_value::<Envelope<_>>(value).unwrap(), ok);
    }

    #[test]
    fn refuses_an_error_without_a_message() {
        for body in [
            r#"{"status":"error","message":"upstream request timeout"}"#,
            r#"{"message":"no","status":"error","result":{}}"#,
            r#"{"status":"error","result":{"message":null}}"#,
            r#"{"status":"error","result":{"message":7}}"#,
            r#"{"status":"error","result":null}"#,
        ] {
            read(body).expect_err(body);
        }
        assert_eq!(
            read(r#"{"status":"error","result":{"message":""}}"#),
            Ok(Envelope::Error(ErrorResult::new("")))
        );
    }

    #[test]
    fn reads_a_text_as_the_message_of_an_error() {
        for body in [r#"{"status":"error","result":"no"}"#, r#"{"result":"no","status":"error"}"#] {
            assert_eq!(read(body), Ok(Envelope::Error(ErrorResult::new("no"))), "{body}");
        }
    }

    #[test]
    fn refuses_other_json() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"status":"ok"}"#,
            r#"{"result":{"num_credits":5}}"#,
            r#"{"status":"maybe","result":{"num_credits":5}}"#,
            r#"{"status":1,"result":{"num_credits":5}}"#,
            r#"{"status":"ok","result":null}"#,
            r#"{"status":"ok","result":[5]}"#,
            r#"["ok",{"num_credits":5}]"#,
            r#"{"status":"error","result":["no"]}"#,
            r#"{"status":"error","result":7}"#,
            r#"{"status":"error","result":{"message":["no"]}}"#,
            r#"{"status":"error","result":{"message":"no","message":"yes"}}"#,
            r#"{"result":{"num_credits":"five"},"status":"ok"}"#,
            r#"{"status":"ok","status":"ok","result":{"num_credits":5}}"#,
            r#"{"status":"ok","result":{"num_credits":5},"result":{"num_credits":5}}"#,
            r#"{"result":{"num_credits":5},"status":"ok","result":{"num_credits":5}}"#,
            r#"{"status":"ok","result":{"num_credits":5}} x"#,
        ] {
            read(body).expect_err(body);
        }
        assert!(read("5").unwrap_err().contains("expected an envelope with `status` and `result`"));
    }

    #[test]
    fn writes_the_documented_form() {
        let ok = Envelope::Ok(BalanceAnswer { num_credits: 5 });
        assert_eq!(serde_json::to_string(&ok).unwrap(), r#"{"status":"ok","result":{"num_credits":5}}"#);
        let error: Envelope<BalanceAnswer> = Envelope::Error(ErrorResult::new("no"));
        assert_eq!(serde_json::to_string(&error).unwrap(), r#"{"status":"error","result":{"message":"no"}}"#);
    }
}
