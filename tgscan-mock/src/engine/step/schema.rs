//! The JSON schema of a script step.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use tgscan_core::types::registry::infos;

use super::{Fault, Form, MOST_LATENCY_MS, MOST_TIMES, ScriptStep, fault_json};

/// Returns the schema of an API method's name.
pub(crate) fn required_method_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": infos().into_iter().map(|method| method.name).collect::<Vec<_>>() })
}

/// Returns the schema of an API method's name, or null.
pub(in crate::engine) fn method_schema(_: &mut SchemaGenerator) -> Schema {
    let names = infos().into_iter().map(|method| Value::from(method.name));
    json_schema!({ "enum": names.chain([Value::Null]).collect::<Vec<_>>() })
}

/// One object per kind, with the fields that each kind allows.
impl JsonSchema for ScriptStep {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut forms = Form::json_schema(generator).to_value();
        let mut variants = forms["oneOf"].take();
        for variant in variants.as_array_mut().into_iter().flatten() {
            let kind = variant["properties"]["kind"]["const"].take();
            let mut faults = Fault::all(0);
            faults.retain(|fault| fault_json(fault)["kind"] == kind);
            let is_charged = |charged| faults.iter().any(|fault| fault.is_charged() == charged);
            let properties = &mut variant["properties"];
            properties["charged"] = match (is_charged(true), is_charged(false)) {
                (true, true) => json!({
                    "type": "boolean",
                    "description": "Whether the request is processed and charged before it fails.",
                }),
                (is_charged, _) => json!({ "const": is_charged }),
            };
            properties["method"] = json!(method_schema(generator));
            properties["method"]["description"] = "API method of the requests; any if left out.".into();
            properties["times"] = json!({
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_TIMES,
                "description": "Number of requests; 1 if left out.",
            });
            if !faults.is_empty() {
                properties["latency_ms"] = json!({
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MOST_LATENCY_MS,
                    "description": "Latency in milliseconds, in place of the mock's.",
                });
            }
            if faults.iter().any(Fault::has_message) {
                properties["message"] = json!({ "type": "string", "description": "Message in the body." });
            }
            properties["kind"] = json!({ "enum": [kind] });
        }
        json_schema!({ "description": "A step of the script.", "anyOf": variants })
    }
}
