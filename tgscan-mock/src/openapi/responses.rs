//! The responses of API methods.

use serde_json::{Map, Value, json};

/// Statuses of error envelopes and their descriptions.
const ERRORS: [(u16, &str); 6] = [
    (400, "The form is invalid: an argument is missing, unknown, repeated, or not allowed."),
    (401, "The API key is missing, repeated, unknown or was removed."),
    (
        402,
        "There are not enough credits on the balance. Free and test methods take no credits, but need a balance.",
    ),
    (403, "The API key has the wrong kind: a live key for a test method, or a test key for a live method."),
    (413, "The form is too large."),
    (415, "The body is not a form."),
];

const STATUS: &str = "The documentation does not give the HTTP status of errors; it may be 200 too.";

/// Returns the responses of a method with this schema for its answers.
pub(super) fn all(result: &Value) -> Value {
    let mut responses = Map::new();
    let envelope = json!({
        "type": "object",
        "required": ["status", "result"],
        "properties": { "status": { "const": "ok" }, "result": result },
    });
    responses.insert("200".into(), response("The data.", &envelope));
    for (status, why) in ERRORS {
        let mut error = response(why, &json!({ "$ref": "#/components/schemas/ErrorEnvelope" }));
        error["x-assumption"] = STATUS.into();
        responses.insert(status.to_string(), error);
    }
    Value::Object(responses)
}

fn response(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// Returns the envelope of a failed request.
pub(super) fn error_envelope(result: &Value) -> Value {
    json!({
        "type": "object",
        "description": "A failed request. Assumption: it is not charged; the documentation does not say.",
        "required": ["status", "result"],
        "properties": { "status": { "const": "error" }, "result": result },
    })
}
