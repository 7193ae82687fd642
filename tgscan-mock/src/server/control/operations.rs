//! The operations of the control paths. The server and their OpenAPI document read the same list.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

use super::document::{Operation, SchemaFn, control};
use super::{Call, Refused};
use crate::engine::change::Change;
use crate::engine::expect::control::Expectation;
use crate::{InvalidMock, ScriptStep};

pub(super) const CHANGES: &str = "changes";

/// An OpenAPI document.
#[derive(Serialize, JsonSchema)]
struct Document(#[schemars(with = "Map<String, Value>")] Box<RawValue>);

#[derive(Serialize, JsonSchema)]
struct FaultsLeft {
    /// Number of remaining steps of the script.
    faults_left: usize,
}

fn faults_left(call: &Call<'_>) -> FaultsLeft {
    FaultsLeft { faults_left: call.mock.script_left() }
}

/// All operations; those of a path follow each other.
pub(super) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    vec![
        operation("GET", "state", "Read settings, account and counts", |call| Ok(call.mock.current_state())),
        with_body("PUT", "state", "Change settings and the balance", |call, change: Change| {
            call.mock.change(change).map_err(|InvalidMock(why)| (StatusCode::BAD_REQUEST, why))?;
            Ok(call.mock.current_state())
        }),
        operation("GET", "requests", "Read the last requests, oldest first", |call| Ok(call.mock.requests())),
        Operation {
            parameter: Some(("number", "The number of the request.")),
            ..operation("GET", "request", "Read a request with its answer", |call| {
                let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
                let number = call.parameter("number").ok_or_else(|| bad("pass the `number` of a request"))?;
                let number = number.parse().map_err(|_| bad("`number` must be a number from 0"))?;
                let missing = || (StatusCode::NOT_FOUND, "this request is not recorded, or no longer".into());
                call.mock.answered_request(number).ok_or_else(missing)
            })
        },
        Operation {
            parameter: Some((
                "after",
                "The `cursor` of an earlier answer. Waits up to a second for a request that comes or ends after it. \
                 Without it, or with one of an earlier server, everything is returned immediately.",
            )),
            ..operation("GET", CHANGES, "Wait for changes, and read them", |call| {
                Ok(call.mock.changes(call.started_ms, call.cursor().unwrap_or_default()))
            })
        },
        operation("POST", "reset", "Restore the state at the start", |call| {
            call.mock.reset();
            Ok(call.mock.current_state())
        }),
        operation("GET", "faults", "Count the remaining steps of the script", |call| Ok(faults_left(call))),
        with_body("POST", "faults", "Script the next requests", |call, steps: Vec<ScriptStep>| {
            call.mock.script_steps(steps).map_err(|InvalidMock(why)| (StatusCode::BAD_REQUEST, why))?;
            Ok(faults_left(call))
        }),
        operation("DELETE", "faults", "Remove the remaining steps of the script", |call| {
            call.mock.clear_script();
            Ok(faults_left(call))
        }),
        operation("GET", "expectations", "Check whether all expectations are met", |call| {
            Ok(call.mock.verdict())
        }),
        with_body(
            "POST",
            "expectations",
            "Expect calls and refuse all others",
            |call, calls: Vec<Expectation>| {
                call.mock.expect_by_control(calls).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
                Ok(call.mock.verdict())
            },
        ),
        operation("DELETE", "expectations", "Remove all expectations", |call| {
            call.mock.clear_expectations();
            Ok(call.mock.verdict())
        }),
        operation("GET", "openapi.json", "Read the OpenAPI document of the API", |_| {
            document(include_str!("../../../openapi.json").to_owned())
        }),
        operation("GET", "control.json", "Read this document", |_| {
            document(control(&OPERATIONS).to_string())
        }),
    ]
});

fn document(text: String) -> Result<Document, Refused> {
    RawValue::from_string(text)
        .map(Document)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn json(answer: &impl Serialize) -> Result<Bytes, Refused> {
    serde_json::to_vec(answer)
        .map(Bytes::from)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn operation<A: Serialize + JsonSchema + 'static>(
    http_method: &'static str,
    name: &'static str,
    summary: &'static str,
    act: fn(&Call<'_>) -> Result<A, Refused>,
) -> Operation {
    let answer = SchemaGenerator::subschema_for::<A>;
    let act = Box::new(move |call: &Call<'_>| json(&act(call)?));
    Operation { http_method, name, summary, parameter: None, body: None, answer, act }
}

fn with_body<B: DeserializeOwned + JsonSchema + 'static, A: Serialize + JsonSchema + 'static>(
    http_method: &'static str,
    name: &'static str,
    summary: &'static str,
    act: fn(&Call<'_>, B) -> Result<A, Refused>,
) -> Operation {
    let body: Option<SchemaFn> = Some(SchemaGenerator::subschema_for::<B>);
    let answer = SchemaGenerator::subschema_for::<A>;
    let act = Box::new(move |call: &Call<'_>| {
        let body = serde_json::from_slice(call.body);
        json(&act(call, body.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?)?)
    });
    Operation { http_method, name, summary, parameter: None, body, answer, act }
}
