//! Scripted faults in configuration files and in the server's control paths.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tgscan_core::types::registry::infos;

use super::fault::{Fault, FaultKind, MOST_BYTES, REDIRECTS};
use super::route;
use super::script::{Script, ScriptStep};

/// The largest number of requests per step.
const MOST_TIMES: usize = 100_000;
/// The longest latency in configuration: an hour.
pub(crate) const MOST_LATENCY_MS: u64 = 60 * 60 * 1000;

impl<'de> Deserialize<'de> for ScriptStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer.deserialize_map(Fields)?).map_err(Error::custom)
    }
}

/// Reads fields, each at most once.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` is given twice")));
            }
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

impl ScriptStep {
    /// Returns the fault for an expected call of this method, or `None` for a normal answer.
    ///
    /// # Errors
    /// If it is for another method, or has a number of requests.
    pub(crate) fn into_fault_of(self, method: &str) -> Result<Option<Fault>, String> {
        if let Some(other) = self.method.filter(|own| *own != method) {
            return Err(format!(
                "the fault is for `{other}`, and the call is of `{method}`; leave its `method` out"
            ));
        }
        if self.times != 1 {
            return Err("set `times` on the expectation, not on its fault".into());
        }
        Ok(self.fault)
    }

    fn read(mut fields: Map<String, Value>) -> Result<Self, String> {
        let method = take::<Option<String>>(&mut fields, "method")?.flatten();
        let method = method.map(|name| route::checked(&name)).transpose()?.map(|route| route.info.name);
        let times = take(&mut fields, "times")?.unwrap_or(1);
        let charged = take(&mut fields, "charged")?;
        let message: Option<String> = take(&mut fields, "message")?;
        let latency = take(&mut fields, "latency_ms")?;
        if !(1..=MOST_TIMES).contains(&times) {
            return Err(format!("`times` must be a number from 1 to {MOST_TIMES}"));
        }
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut fault = fault(&fields)?;
        // An impossible setting must not be dropped silently.
        if let Some(latency) = latency {
            let Some(fault) = &mut fault else {
                return Err("`answer` has no `latency_ms`; set the mock's `latency_ms`".into());
            };
            *fault = fault.clone().after(checked_latency(latency)?);
        }
        if let Some(message) = message {
            let Some(fault) = fault.as_mut().filter(|fault| fault.has_message()) else {
                return Err(format!("`{kind}` has no `message`; leave it out"));
            };
            *fault = fault.clone().with_message(message);
        }
        if charged == Some(true) {
            fault = fault.map(Fault::charged);
        }
        match (charged, fault.as_ref().is_some_and(Fault::is_charged)) {
            (Some(true), false) => Err(format!("`{kind}` is never charged; leave `charged` out")),
            (Some(false), true) => Err(format!("`{kind}` is always charged; leave `charged` out")),
            _ => Ok(Self { method, fault, times }),
        }
    }
}

/// Removes and reads a field, if it is given.
fn take<T: DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    fields.remove(name).map(serde_json::from_value).transpose().map_err(|error| format!("`{name}`: {error}"))
}

/// Returns a latency in milliseconds as a duration, if it is at most an hour.
pub(crate) fn checked_latency(milliseconds: u64) -> Result<Duration, String> {
    if milliseconds > MOST_LATENCY_MS {
        return Err(format!("`latency_ms` must be a number from 0 to {MOST_LATENCY_MS}"));
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Reads a kind of fault, or `None` for a normal answer.
fn fault(fields: &Map<String, Value>) -> Result<Option<Fault>, String> {
    let (fault, known) = if fields.get("kind").is_some_and(|kind| kind == "answer") {
        (None, json!({ "kind": "answer" }))
    } else {
        let kind: FaultKind =
            serde_json::from_value(Value::Object(fields.clone())).map_err(|error| error.to_string())?;
        let known = json!(kind);
        (Some(Fault::new(kind)), known)
    };
    if let Some(unknown) = fields.keys().find(|name| known.get(name).is_none()) {
        return Err(format!("unknown field `{unknown}` of {}", known["kind"]));
    }
    fault.as_ref().map_or(Ok(()), Fault::check)?;
    Ok(fault)
}

impl Script {
    /// Returns the next steps, at most this number, each with one request.
    pub(super) fn first_steps(&self, most: usize) -> Vec<Value> {
        let steps = self.first(most).flat_map(|step| std::iter::repeat_n(step, step.times));
        let json = |ScriptStep { method, fault, .. }: &ScriptStep| {
            let mut step = fault.as_ref().map_or_else(|| json!({ "kind": "answer" }), |fault| json!(fault));
            step["method"] = (*method).into();
            step
        };
        steps.take(most).map(json).collect()
    }
}

/// Returns the schema of an API method's name.
pub(crate) fn required_method_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": infos().into_iter().map(|method| method.name).collect::<Vec<_>>() })
}

/// Returns the schema of an API method's name, or null.
pub(super) fn method_schema(_: &mut SchemaGenerator) -> Schema {
    let names = infos().into_iter().map(|method| Value::from(method.name));
    json_schema!({ "enum": names.chain([Value::Null]).collect::<Vec<_>>() })
}

/// One object per kind, with the fields that each kind allows.
impl JsonSchema for ScriptStep {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = FaultKind::json_schema(generator).to_value()["oneOf"].take();
        let answer = json!({
            "type": "object",
            "description": "The request is answered normally.",
            "properties": { "kind": { "const": "answer" } },
            "required": ["kind"],
        });
        let mut variants = vec![answer];
        variants.extend(kinds.as_array().cloned().unwrap_or_default());
        for variant in &mut variants {
            let properties = &mut variant["properties"];
            let kind = properties["kind"]["const"].take();
            let mut faults = Fault::all(0);
            faults.retain(|fault| json!(fault)["kind"] == kind);
            let is_charged = |charged| faults.iter().any(|fault| fault.is_charged() == charged);
            properties["charged"] = match (is_charged(true), is_charged(false)) {
                (true, true) => json!({
                    "type": "boolean",
                    "description": "Whether the request is processed and charged before it fails.",
                }),
                (is_charged, _) => json!({ "const": is_charged }),
            };
            properties["method"] = json!(method_schema(generator));
            properties["method"]["description"] = "API method of the requests; any if left out.".into();
            properties["times"] = number(1, MOST_TIMES as u64, "Number of requests; 1 if left out.");
            if !faults.is_empty() {
                let about = "Latency in milliseconds, in place of the mock's.";
                properties["latency_ms"] = number(0, MOST_LATENCY_MS, about);
            }
            if faults.iter().any(Fault::has_message) {
                properties["message"] = json!({ "type": "string", "description": "Message in the body." });
            }
            if kind == "redirect" {
                properties["status"]["enum"] = json!(REDIRECTS);
            } else if properties["status"].is_object() {
                properties["status"] = number(200, 599, "HTTP status, which must allow a body.");
            }
            if kind == "oversized" {
                properties["bytes"]["maximum"] = MOST_BYTES.into();
            }
            properties["kind"] = json!({ "enum": [kind] });
            variant["additionalProperties"] = false.into();
        }
        json_schema!({ "description": "A step of the script.", "anyOf": variants })
    }
}

fn number(minimum: u64, maximum: u64, description: &str) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum, "description": description })
}
