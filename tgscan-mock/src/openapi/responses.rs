//! What every API method can answer.

use serde_json::{Map, Value, json};

/// Statuses of error envelopes, and what each means.
const ERRORS: [(u16, &str); 6] = [
    (400, "The form is wrong: an argument is missing, unknown, given twice, or not allowed."),
    (401, "There is not one API key, or it is unknown or was removed."),
    (402, "There are not enough credits on the balance. Free and test methods take none, but need some."),
    (403, "The kind of the key does not fit: a live key for a test method, or the reverse."),
    (413, "The form is larger than any that is allowed."),
    (415, "The body is not a form."),
];

const STATUS: &str = "The documentation does not say under which HTTP status errors come; it may be 200 too.";

/// The responses of a method whose answers have this schema.
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

/// The envelope of a failed request.
pub(super) fn error_envelope(result: &Value) -> Value {
    json!({
        "type": "object",
        "description": "A failed request. Assumption: whether it was charged is not documented; the mock charges none.",
        "required": ["status", "result"],
        "properties": { "status": { "const": "error" }, "result": result },
    })
}
