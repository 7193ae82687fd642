//! The OpenAPI 3.1 document of the service, generated from the types.
//!
//! Facts from the documentation are in our own words; assumptions of the mock are under `x-assumption`.

use schemars::generate::Contract;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use tgscan_core::types::{ApiMethod, ErrorResult};

use crate::engine::route::each_method;
use crate::schema::{generator, plain};

/// Returns the OpenAPI document of all API methods and their test methods.
///
/// ```
/// let document = tgscan_mock::openapi();
/// assert!(document["paths"]["/tgscan/v1/search"]["post"].is_object());
/// ```
pub fn openapi() -> Value {
    // Written answers have every documented field.
    let mut document = Document { paths: Map::new(), schemas: generator(Contract::Serialize) };
    each_method!(document);
    document.finish()
}

struct Document {
    paths: Map<String, Value>,
    schemas: SchemaGenerator,
}

impl Document {
    fn visit<M: ApiMethod<Answer: JsonSchema> + JsonSchema>(&mut self) {
        let live = self.operation::<M>(false);
        self.paths.insert(M::PATH.into(), json!({ "post": live }));
        if let Some(path) = M::TEST_PATH {
            let test = self.operation::<M>(true);
            self.paths.insert(path.into(), json!({ "post": test }));
        }
    }

    fn operation<M: ApiMethod<Answer: JsonSchema> + JsonSchema>(&mut self, is_test: bool) -> Value {
        let mut form = self.schemas.root_schema_for::<M>().to_value();
        // The description of the request type is about the whole call.
        let about = form["description"].as_str().unwrap_or_default().to_owned();
        let takes_nothing = form.get("properties").is_none();
        let result = self.schemas.subschema_for::<M::Answer>();
        let security = match (is_test, M::TEST_PATH) {
            (true, _) => json!([{ "TestKey": [] }]),
            (false, Some(_)) => json!([{ "LiveKey": [] }]),
            (false, None) => json!([{ "LiveKey": [] }, { "TestKey": [] }]),
        };
        let (id, description) = if is_test {
            (format!("test_{}", M::NAME), format!("{TEST} The live method: {about}"))
        } else {
            (M::NAME.to_owned(), about)
        };
        let mut operation = json!({
            "operationId": id,
            "summary": id.replace('_', " "),
            "description": description,
            "security": security,
            "responses": responses(&json!(result)),
        });
        if !takes_nothing {
            // The definitions are shared under `components`.
            if let Some(fields) = form.as_object_mut() {
                for name in ["$defs", "components", "title", "description"] {
                    fields.remove(name);
                }
                fields.insert("additionalProperties".into(), false.into());
            }
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/x-www-form-urlencoded": { "schema": form } },
            });
        }
        if M::TEST_PATH.is_none() {
            operation["x-assumption"] =
                "It takes a live or a test key; the documentation does not say which.".into();
        } else if !is_test {
            operation["x-assumption"] = "It takes no test key; the documentation does not say.".into();
        }
        operation
    }

    fn finish(mut self) -> Value {
        let error = self.schemas.subschema_for::<ErrorResult>();
        let mut schemas = self.schemas.take_definitions(true);
        schemas.insert("ErrorEnvelope".into(), error_envelope(&json!(error)));
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "TgScan API",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "servers": [{ "url": "https://api.tgdev.io" }],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "LiveKey": key("A live key. One per account: generating a new one removes the old one. It can \
                        spend the account's credits."),
                    "TestKey": key("A test key, for test methods only."),
                },
            },
        });
        plain(&mut document);
        document
    }
}

const ABOUT: &str = "Unofficial description of the TgScan API, generated from the types of an SDK for Rust. Every method \
    is a POST of a form, with the API key in a header. Every answer is an envelope: `status` is `ok` or \
    `error`, and `result` holds the data or a short description of the error. Points that the \
    documentation leaves open are under `x-assumption`: they describe the mock of this SDK, so do not \
    rely on them.";

const TEST: &str = "Test method: takes test keys only, returns random data in the shape of the live method's answer, \
    and costs no credits, but the balance must not be zero.";

fn key(description: &str) -> Value {
    json!({ "type": "apiKey", "in": "header", "name": "Api-Key", "description": description })
}

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

fn responses(result: &Value) -> Value {
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

fn error_envelope(result: &Value) -> Value {
    json!({
        "type": "object",
        "description": "A failed request. Assumption: it is not charged; the documentation does not say.",
        "required": ["status", "result"],
        "properties": { "status": { "const": "error" }, "result": result },
    })
}
