//! Reads single fields of a body that is truncated or does not match the schema.

use std::cell::Cell;
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
    match find(body, &["status"])? {
        Leaf::Ok => Some(Status::Ok),
        Leaf::Error => Some(Status::Error),
        Leaf::Number(_) => None,
    }
}

/// Returns the stated cost of an answer, even if the rest is broken: `result.meta.op_cost`, as in every documented answer
/// with a cost.
pub(crate) fn op_cost(body: &[u8]) -> Option<u64> {
    match find(body, &["result", "meta", "op_cost"])? {
        Leaf::Number(credits) => Some(credits),
        Leaf::Ok | Leaf::Error => None,
    }
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

#[derive(Clone, Copy)]
enum Leaf {
    Ok,
    Error,
    Number(u64),
}

fn find(body: &[u8], path: &[&str]) -> Option<Leaf> {
    let found = Cell::new(None);
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
    found.get()
}

#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [&'a str],
    found: &'a Cell<Option<Leaf>>,
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
        if self.path.is_empty() {
            // If a cost is repeated, the greater one counts, so that a paid answer never counts as free.
            let seen = if let Some(Leaf::Number(seen)) = self.found.get() { seen } else { 0 };
            self.found.set(Some(Leaf::Number(number.max(seen))));
        }
        Ok(())
    }

    // A whole number written as a float, which answers accept too.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, and within 2^53"
            )]
            return self.visit_u64(number as u64);
        }
        Ok(())
    }

    // A number as text, which answers accept too.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match text {
            _ if !self.path.is_empty() => {}
            "ok" => self.found.set(Some(Leaf::Ok)),
            "error" => self.found.set(Some(Leaf::Error)),
            _ => {
                return match (text.parse::<u64>(), text.parse::<f64>()) {
                    (Ok(number), _) => self.visit_u64(number),
                    (Err(_), Ok(number)) => self.visit_f64(number),
                    (Err(_), Err(_)) => Ok(()),
                };
            }
        }
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
