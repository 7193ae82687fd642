//! The OpenAPI document of the control paths, from their list and their types.

use bytes::Bytes;
use schemars::generate::Contract;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Call, PREFIX, Refused};
use crate::schema::{generator, plain};

/// An HTTP method of a control path.
pub(super) struct Operation {
    pub(super) http_method: &'static str,
    /// The path without its prefix.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// The name and the description of the parameter in the URL.
    pub(super) parameter: Option<(&'static str, &'static str)>,
    /// The schema of the body.
    pub(super) body: Option<SchemaFn>,
    /// The schema of the answer.
    pub(super) answer: SchemaFn,
    pub(super) act: Box<Act>,
}

type Act = dyn Fn(&Call<'_>) -> Result<Bytes, Refused> + Send + Sync;
pub(super) type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// The answer to a refused request.
#[derive(Serialize, JsonSchema)]
struct Error {
    /// The fault in the request and how to correct it.
    error: String,
}

pub(super) fn control(operations: &[Operation]) -> Value {
    let mut read = generator(Contract::Deserialize);
    let mut written = generator(Contract::Serialize);
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(format!("{PREFIX}{}", operation.name)).or_insert_with(|| json!({}));
        path[operation.http_method.to_lowercase()] = describe(operation, &mut read, &mut written);
    }
    let mut schemas = read.take_definitions(true);
    schemas.append(&mut written.take_definitions(true));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Control paths of tgscan-mock",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Paths of the mock's server that tests in any language use to read and change its state. They \
                need no key, and faults and the recording do not apply to them.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas },
    });
    plain(&mut document);
    document
}

fn describe(operation: &Operation, read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Value {
    let Operation { http_method, name, summary, parameter, body, answer, .. } = operation;
    let error = written.subschema_for::<Error>();
    let answer = answer(written);
    let json = |description: &str, schema| json!({ "description": description, "content": { "application/json": { "schema": schema } } });
    let mut described = json!({
        "operationId": format!("{}_{}", http_method.to_lowercase(), name.replace('.', "_")),
        "summary": summary,
        "responses": { "200": json("The answer.", &answer) },
    });
    let responses = &mut described["responses"];
    if body.is_some() {
        responses["400"] = json("The body is invalid. Nothing is changed.", &error);
        responses["413"] = json("The body is larger than 64 KiB.", &error);
    }
    if *name == "request" {
        responses["400"] = json("The number is missing or invalid.", &error);
        responses["404"] = json("The request is not recorded, or no longer.", &error);
    }
    if let Some((name, description)) = parameter {
        let is_number = *name == "number";
        let schema =
            if is_number { json!({ "type": "integer", "minimum": 0 }) } else { json!({ "type": "string" }) };
        described["parameters"] = json!([
            { "name": name, "in": "query", "required": is_number, "description": description, "schema": schema }
        ]);
    }
    if let Some(body) = body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body(read) } } });
    }
    described
}
