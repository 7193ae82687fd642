//! Expectations over the control paths, for tests in other languages.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tgscan_core::types::registry::infos;

use super::{Answer, Call, bytes, read};
use crate::data::{Generate, GenerateVisitor, visit_all};
use crate::engine::{MOST_LATENCY_MS, from_object};
use crate::{Expect, Mock, ScriptStep};

/// One expected call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct ExpectedCall {
    /// The API method.
    method: String,
    /// The name in reports.
    name: Option<String>,
    /// The exact query, or `None` for any.
    query: Option<String>,
    /// The exact number of calls.
    times: Option<u64>,
    /// Whether it comes after the earlier ones.
    #[serde(default)]
    in_order: bool,
    /// The `result` of each answer, in place of a random one.
    answer: Option<Value>,
    /// The fault of each call.
    fault: Option<ScriptStep>,
    /// The latency of each call.
    latency_ms: Option<u64>,
}

from_object!(ExpectedCall);

pub(super) fn expectations(call: &Call<'_>) -> Option<Answer> {
    let mock = call.mock;
    match *call.http_method {
        Method::GET => {}
        Method::POST => {
            let calls = match read::<Vec<ExpectedCall>>(call.body) {
                Ok(calls) => calls,
                Err(wrong) => return Some(Err(wrong)),
            };
            // All or none, so that an invalid test does not run with a part of its expectations.
            let mut add = Vec::new();
            for call in calls {
                match AddVisitor::of(call) {
                    Ok(adding) => add.push(adding),
                    Err(why) => return Some(Err((StatusCode::BAD_REQUEST, why))),
                }
            }
            for add in add {
                add(mock);
            }
        }
        Method::DELETE => mock.clear_expectations(),
        _ => return None,
    }
    let result = mock.verify();
    Some(Ok(bytes(&json!({
        "satisfied": result.is_ok(),
        "report": result.err().map(|unmet| unmet.to_string()),
    }))))
}

type Add = Box<dyn FnOnce(&Mock)>;

/// A visitor that reads an expectation with the types of its method.
struct AddVisitor {
    call: Option<ExpectedCall>,
    add: Option<Result<Add, String>>,
}

impl AddVisitor {
    fn of(call: ExpectedCall) -> Result<Add, String> {
        let name = call.method.clone();
        let mut adding = Self { call: Some(call), add: None };
        visit_all(&mut adding);
        adding.add.unwrap_or_else(|| {
            let known: Vec<&str> = infos().into_iter().map(|method| method.name).collect();
            Err(format!("`method` is {name:?}; give one of {}", known.join(", ")))
        })
    }
}

impl GenerateVisitor for AddVisitor {
    fn visit<M: Generate>(&mut self) {
        if let Some(call) = self.call.take_if(|call| call.method == M::NAME) {
            self.add = Some(
                expect::<M>(call)
                    .map(|expect| -> Add { Box::new(move |mock: &Mock| mock.expect_by_control(expect)) }),
            );
        }
    }
}

fn expect<M: Generate>(call: ExpectedCall) -> Result<Expect<M>, String> {
    let ExpectedCall { method, name, query, times, in_order, answer, fault, latency_ms } = call;
    let mut expect = match query {
        None => Expect::<M>::any(),
        Some(query) => {
            let form = serde_html_form::to_string([("query", query)]).map_err(|error| error.to_string())?;
            let request = serde_html_form::from_str::<M>(&form);
            Expect::call(&request.map_err(|error| format!("the query of `{method}`: {error}"))?)
        }
    };
    if let Some(name) = name {
        expect = expect.named(name);
    }
    let fault = fault.map_or(Ok(None), |step| step.into_fault_of(&method))?;
    expect = match (answer, fault) {
        (Some(_), Some(_)) => return Err("`answer` and `fault` exclude each other; give one".into()),
        (Some(answer), None) => expect.always_answer(
            serde_json::from_value(answer).map_err(|error| format!("the answer of `{method}`: {error}"))?,
        ),
        (None, Some(fault)) => expect.always_fault(fault),
        (None, None) => expect.always_default(),
    };
    if let Some(latency) = latency_ms {
        if latency > MOST_LATENCY_MS {
            return Err(format!("`latency_ms` must be a number from 0 to {MOST_LATENCY_MS}"));
        }
        expect = expect.after(Duration::from_millis(latency));
    }
    if in_order {
        expect = expect.in_order();
    }
    Ok(expect.times(times.unwrap_or(1)))
}
