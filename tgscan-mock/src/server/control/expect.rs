//! Expectations over the control paths: what calls a test in another language wants to see, and what they get.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tgscan_core::types::registry::infos;

use super::{Answer, read};
use crate::data::{Generate, GenerateVisitor, visit_all};
use crate::engine::{MOST_LATENCY_MS, from_object};
use crate::{Expect, Mock, ScriptStep};

/// One expected call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct Wanted {
    /// The API method.
    method: String,
    /// What the report calls it.
    name: Option<String>,
    /// Exactly this query; any, if there is none.
    query: Option<String>,
    /// Exactly so many calls.
    times: Option<u64>,
    /// Whether it comes after those before it.
    #[serde(default)]
    in_order: bool,
    /// The `result` of each answer, instead of a random one.
    answer: Option<Value>,
    /// How each call fails.
    fault: Option<ScriptStep>,
    /// How long each call takes.
    latency_ms: Option<u64>,
}

from_object!(Wanted);

pub(super) fn expectations(http_method: &Method, mock: &Mock, body: &[u8]) -> Option<Answer> {
    match *http_method {
        Method::GET => {}
        Method::POST => {
            let wanted = match read::<Vec<Wanted>>(body) {
                Ok(wanted) => wanted,
                Err(wrong) => return Some(Err(wrong)),
            };
            // All or none, so that a test that is wrong does not go on with half of them.
            let mut add = Vec::new();
            for wanted in wanted {
                match Adding::of(wanted) {
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
    let verdict = mock.verify();
    Some(Ok(json!({
        "satisfied": verdict.is_ok(),
        "report": verdict.err().map(|unmet| unmet.to_string()),
    })))
}

type Add = Box<dyn FnOnce(&Mock)>;

/// Reads an expectation with the types of its method.
struct Adding {
    wanted: Option<Wanted>,
    add: Option<Result<Add, String>>,
}

impl Adding {
    fn of(wanted: Wanted) -> Result<Add, String> {
        let name = wanted.method.clone();
        let mut adding = Self { wanted: Some(wanted), add: None };
        visit_all(&mut adding);
        adding.add.unwrap_or_else(|| {
            let known: Vec<&str> = infos().into_iter().map(|method| method.name).collect();
            Err(format!("`method` is {name:?}; give one of {}", known.join(", ")))
        })
    }
}

impl GenerateVisitor for Adding {
    fn visit<M: Generate>(&mut self) {
        if let Some(wanted) = self.wanted.take_if(|wanted| wanted.method == M::NAME) {
            self.add = Some(
                expect::<M>(wanted)
                    .map(|expect| -> Add { Box::new(move |mock: &Mock| mock.expect_by_control(expect)) }),
            );
        }
    }
}

fn expect<M: Generate>(wanted: Wanted) -> Result<Expect<M>, String> {
    let Wanted { method, name, query, times, in_order, answer, fault, latency_ms } = wanted;
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
        (Some(_), Some(_)) => return Err("give an `answer` or a `fault`, and not both".into()),
        (Some(answer), None) => expect.always_answer(
            serde_json::from_value(answer).map_err(|error| format!("the answer of `{method}`: {error}"))?,
        ),
        (None, Some(fault)) => expect.always_fault(fault),
        (None, None) => expect.always_default(),
    };
    if let Some(latency) = latency_ms {
        if latency > MOST_LATENCY_MS {
            return Err(format!("`latency_ms` is a number from 0 to {MOST_LATENCY_MS}"));
        }
        expect = expect.after(Duration::from_millis(latency));
    }
    if in_order {
        expect = expect.in_order();
    }
    Ok(expect.times(times.unwrap_or(1)))
}
