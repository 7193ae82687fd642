//! Expectations over the control paths, for tests in other languages.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tgscan_core::types::registry::infos;

use crate::data::{Generate, GenerateVisitor, visit_all};
use crate::engine::{MOST_LATENCY_MS, from_object, required_method_schema};
use crate::{Expect, Mock, ScriptStep};

/// An expected call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct Expectation {
    #[schemars(schema_with = "required_method_schema")]
    method: String,
    /// Name in the report.
    name: Option<String>,
    /// The exact query; any if left out.
    query: Option<String>,
    /// Exact number of calls; 1 if left out.
    times: Option<u64>,
    /// Whether the calls come after those of earlier expectations in order.
    #[serde(default)]
    in_order: bool,
    /// The `result` of each answer, in place of a random one.
    #[schemars(with = "Option<Map<String, Value>>")]
    answer: Option<Value>,
    /// Fault of each call. Excludes `answer`. Leave out its `method` and `times`, which are those of the expectation.
    fault: Option<ScriptStep>,
    /// Latency of each call in milliseconds, in place of the mock's.
    #[schemars(range(max = MOST_LATENCY_MS))]
    latency_ms: Option<u64>,
}

from_object!(Expectation);

#[derive(Serialize, JsonSchema)]
pub(super) struct Verdict {
    satisfied: bool,
    /// The missing calls and the unexpected requests.
    report: Option<String>,
}

impl Verdict {
    pub(super) fn of(mock: &Mock) -> Self {
        let report = mock.verify().err().map(|unmet| unmet.to_string());
        Self { satisfied: report.is_none(), report }
    }
}

/// Adds all expectations, or none if one is invalid, so that an invalid test does not run with a part of them.
pub(super) fn expect(mock: &Mock, calls: Vec<Expectation>) -> Result<(), String> {
    let adding: Vec<Add> = calls.into_iter().map(AddVisitor::of).collect::<Result<_, _>>()?;
    for add in adding {
        add(mock);
    }
    Ok(())
}

type Add = Box<dyn FnOnce(&Mock)>;

/// A visitor that reads an expectation with the types of its method.
struct AddVisitor {
    call: Option<Expectation>,
    add: Option<Result<Add, String>>,
}

impl AddVisitor {
    fn of(call: Expectation) -> Result<Add, String> {
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
                typed::<M>(call)
                    .map(|expect| -> Add { Box::new(move |mock: &Mock| mock.expect_by_control(expect)) }),
            );
        }
    }
}

fn typed<M: Generate>(call: Expectation) -> Result<Expect<M>, String> {
    let Expectation { method, name, query, times, in_order, answer, fault, latency_ms } = call;
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
