//! Reads single fields of a body that is truncated or does not match the schema.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The envelope's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Error,
}

/// Returns the `status` of an envelope, even if the rest is broken.
pub(crate) fn status(body: &[u8]) -> Option<Status> {
    find(body, &["status"]).iter().rev().find_map(|text| match text.as_str() {
        "ok" => Some(Status::Ok),
        "error" => Some(Status::Error),
        _ => None,
    })
}

/// Returns the stated cost of an answer, even if the rest is broken: `result.meta.op_cost`, as in every documented answer
/// with a cost. If a cost is repeated, the greatest one counts, so that a paid answer never counts as free.
pub(crate) fn op_cost(body: &[u8]) -> Option<u64> {
    find(body, &["result", "meta", "op_cost"]).iter().filter_map(|text| whole(text)).max()
}

/// Reads a whole number, also one written as a float, which answers accept too.
fn whole(text: &str) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        let number: f64 = text.parse().ok()?;
        // Without the sign of -0.
        if number <= EXACT { (number + 0.0).to_string().parse().ok() } else { None }
    };
    text.parse().ok().or_else(float)
}

/// Returns whether a body has an `op_cost` other than 0 at any place, even if its value cannot be read.
pub(crate) fn mentions_cost(body: &[u8]) -> bool {
    const NAME: &[u8] = br#""op_cost""#;
    let mentions = (0..body.len()).filter_map(|at| body[at..].strip_prefix(NAME));
    let mut values = mentions.map(|rest| rest.trim_ascii_start().strip_prefix(b":").unwrap_or(rest));
    let is_zero = |value: &[u8]| {
        value.strip_prefix(b"0").and_then(<[u8]>::first).is_some_and(|next| b",} \t\r\n".contains(next))
    };
    values.any(|value| !is_zero(value.trim_ascii_start()))
}

/// Returns the texts and numbers at a path of objects.
fn find(body: &[u8], path: &[&str]) -> Vec<String> {
    let found = RefCell::default();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // A number at the end may be truncated: `12` must not be read as 1.
    let whole = body.trim_ascii_end();
    let tail = whole
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
        .count();
    let body = if whole.len() == body.len() { &whole[..whole.len() - tail] } else { body };
    let mut json = serde_json::Deserializer::from_slice(body);
    // A later error does not affect a value that was already found.
    let _ = Probe { path, found: &found }.deserialize(&mut json);
    found.into_inner()
}

#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [&'a str],
    found: &'a RefCell<Vec<String>>,
}

impl Probe<'_> {
    fn push(self, value: String) {
        if self.path.is_empty() {
            self.found.borrow_mut().push(value);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of the envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.path.split_first() {
                Some((first, rest)) if *first == key => {
                    map.next_value_seed(Probe { path: rest, found: self.found })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.push(number.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.push(format!("{number:?}"));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push(text.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_in_broken_bodies() {
        for (body, cost) in [
            (r#"{"status":"ok","result":{"meta":{"op_cost":3},"groups":[{"#, Some(3)),
            (r#"{"result":{"groups":7,"meta":{"x":[],"op_cost":3}},"status":"ok"}"#, Some(3)),
            (r#"{"result":{"meta":{"op_cost":3}}} trailing"#, Some(3)),
            (r#"{"result":{"meta":{"op_cost":9.0}}}"#, Some(9)),
            (r#"{"result":{"meta":{"op_cost":1e1}}}"#, Some(10)),
            (r#"{"result":{"meta":{"op_cost":1.5}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":-0}}}"#, Some(0)),
            (r#"{"result":{"meta":{"op_cost":1e16}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"NaN"}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":9,"op_cost":0}}}"#, Some(9)),
            (r#"{"result":{"meta":{"op_cost":0,"op_cost":9}}}"#, Some(9)),
            (r#"{"result":{"meta":{"op_cost":9},"meta":{"op_cost":0}}}"#, Some(9)),
            (r#"{"op_cost":3,"meta":{"op_cost":3},"result":{"op_cost":3}}"#, None),
            (r#"{"result":{"meta":{"op_cost":{"op_cost":3}}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"3"}}}"#, Some(3)),
            (r#"{"result":{"meta":{"op_cost":"3.0"}}}"#, Some(3)),
            (r#"{"result":{"meta":{"op_cost":"3.5"}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"three"}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"3"#, None),
            (r#"{"result":{"meta":{"op_cost":-3}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"ok"}}}"#, None),
            (r#"{"result":{"meta":{"op_cost":"#, None),
            (r#"{"result":{"meta":{"op_cost":12"#, None),
            (r#"{"result":{"meta":{"op_cost":12,"#, Some(12)),
            (r#"{"result":{"meta":{"op_cost":12 "#, Some(12)),
            (r#"{"result":{"meta":{"op_cost":12}"#, Some(12)),
            ("", None),
            ("[[[[", None),
        ] {
            assert_eq!(op_cost(body.as_bytes()), cost, "{body}");
        }
        assert_eq!(status(br#"{"result":"#), None);
        assert_eq!(status(br#"{"status":"ok","result":"#), Some(Status::Ok));
        assert_eq!(status(br#"{"result":null,"status":"error"#), None);
        assert_eq!(status(br#"{"result":[1,"x"],"status":"error","#), Some(Status::Error));
        assert_eq!(status(br#"{"status":{"status":"ok"}}"#), None);
        assert_eq!(status(b"{\"x\":\"\xff\",\"status\":\"ok\"}"), Some(Status::Ok));
    }

    #[test]
    fn finds_costs_that_cannot_be_read() {
        for (body, expected) in [
            (r#"{"op_cost":3}"#, true),
            (r#"{"op_cost" : 2.5}"#, true),
            (r#"{"op_cost":0.5}"#, true),
            (r#"{"a":{"op_cost":0},"op_cost":"three"}"#, true),
            (r#"{"op_cost":0"#, true),
            (r#"{"op_cost""#, true),
            (r#"{"a":{"op_cost":0},"op_cost" : 0 }"#, false),
            (r#"{"message":"the \"op_cost\""}"#, false),
            ("", false),
        ] {
            assert_eq!(mentions_cost(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = format!(r#"{{"result":{}"#, "{\"a\":[".repeat(200_000));
        assert_eq!(op_cost(deep.as_bytes()), None);
    }
}
