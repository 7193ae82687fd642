//! Parses successful envelopes, the common case, in one pass.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The `result` of a successful envelope; any other body is an error.
///
/// [`Envelope`](tgscan_types::Envelope) parses a `result` that precedes `status` twice, since its type depends on `status`. This
/// type expects success, and parses once. Bodies that it rejects are parsed again as an `Envelope`.
pub(crate) struct Success<A>(pub(crate) A);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Status,
    Result,
    #[serde(other)]
    Other,
}

impl<'de, A: DeserializeOwned> Deserialize<'de> for Success<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SuccessVisitor(PhantomData))
    }
}

struct SuccessVisitor<A>(PhantomData<A>);

impl<'de, A: DeserializeOwned> Visitor<'de> for SuccessVisitor<A> {
    type Value = Success<A>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a successful envelope")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Success<A>, M::Error> {
        let (mut status, mut result) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Status if status.is_some() => return Err(de::Error::duplicate_field("status")),
                Key::Status => status = Some(map.next_value::<Status>()?),
                Key::Result if result.is_some() => return Err(de::Error::duplicate_field("result")),
                Key::Result => result = Some(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Some(Status::Ok) = status else { return Err(de::Error::missing_field("status")) };
        result.map(Success).ok_or_else(|| de::Error::missing_field("result"))
    }
}

#[cfg(test)]
mod tests {
    use tgscan_types::{BalanceAnswer, Envelope};

    use super::*;

    #[test]
    fn parses_only_successful_envelopes() {
        let result = r#""result":{"num_credits":5}"#;
        let mut successes = 0;
        for body in [
            format!(r#"{{"status":"ok",{result}}}"#),
            format!(r#"{{{result},"status":"ok"}}"#),
            format!(r#" {{"v":[{{}}],{result},"x":null,"status":"ok","y":"\u00e9"}} "#),
            format!(r#"{{"status":"error",{result}}}"#),
            format!(r#"{{{result},"status":"error"}}"#),
            format!(r#"{{"status":"maybe",{result}}}"#),
            format!(r#"{{"status":"ok","status":"ok",{result}}}"#),
            format!(r#"{{{result},{result},"status":"ok"}}"#),
            format!(r#"{{{result},"status":"ok","#),
            format!("{{{result}}}"),
            r#"{"status":"ok","result":null}"#.to_owned(),
            r#"{"status":"ok"}"#.to_owned(),
            r#"["ok",{"num_credits":5}]"#.to_owned(),
            r#"["ok",[5]]"#.to_owned(),
            "null".to_owned(),
            String::new(),
        ] {
            let fast =
                serde_json::from_str::<Success<BalanceAnswer>>(&body).ok().map(|Success(answer)| answer);
            let exact = match serde_json::from_str(&body) {
                Ok(Envelope::Ok(answer)) => Some(answer),
                Ok(Envelope::Error(_)) | Err(_) => None,
            };
            assert_eq!(fast, exact, "{body}");
            successes += usize::from(fast.is_some());
        }
        assert_eq!(successes, 3);
    }

    #[test]
    fn missing_result_is_an_error_even_if_optional() {
        assert!(serde_json::from_str::<Success<Option<u8>>>(r#"{"status":"ok"}"#).is_err());
        assert!(serde_json::from_str::<Success<Option<u8>>>(r#"{"status":"ok","result":null}"#).is_ok());
    }
}
