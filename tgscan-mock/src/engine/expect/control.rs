//! Expectations over the control paths, for tests in other languages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, Expected};
use crate::engine::object::from_object;
use crate::engine::step::{MOST_LATENCY_MS, checked_latency, required_method_schema};
use crate::engine::{Mock, ScriptStep, State, route};

/// An expected call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Expectation {
    #[schemars(schema_with = "required_method_schema")]
    method: String,
    /// Name in the report.
    name: Option<String>,
    /// The exact query; any if left out.
    query: Option<String>,
    /// Exact number of calls, refused ones included; 1 if left out.
    times: Option<u64>,
    /// Minimum number of calls, in place of `times`.
    at_least: Option<u64>,
    /// Maximum number of calls, refused ones included, in place of `times`.
    at_most: Option<u64>,
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
pub(crate) struct Verdict {
    satisfied: bool,
    /// The missing calls and the unexpected requests.
    report: Option<String>,
}

impl Mock {
    pub(crate) fn verdict(&self) -> Verdict {
        let report = self.verify().err().map(|unmet| unmet.to_string());
        Verdict { satisfied: report.is_none(), report }
    }

    /// Adds all expectations, or none if one is invalid, so that an invalid test does not run with a part of them. They
    /// are not verified on drop: a client of the control paths asks for the report.
    pub(crate) fn expect_by_control(&self, calls: Vec<Expectation>) -> Result<(), String> {
        let calls: Vec<Expected> = calls.into_iter().map(Expectation::read).collect::<Result<_, _>>()?;
        let State { expected, settings, .. } = &mut *self.state();
        calls.iter().try_for_each(|call| call.check_fields(settings))?;
        for call in calls {
            expected.push(call, None, 0);
        }
        Ok(())
    }
}

impl Expectation {
    fn read(self) -> Result<Expected, String> {
        let method = &*self.method;
        let route = route::checked(method)?;
        let form = self.query.map(|query| route.form_of(&query)).transpose();
        let fault = self.fault.map_or(Ok(None), |step| step.into_fault_of(method))?;
        let action = match (self.answer, fault) {
            (Some(_), Some(_)) => return Err("`answer` and `fault` exclude each other; use one".into()),
            (Some(answer), None) => {
                let pinned = (route.pin)(answer);
                let (body, op_cost) = pinned.map_err(|error| format!("the answer of `{method}`: {error}"))?;
                Action::Answer { body, op_cost }
            }
            (None, Some(fault)) => Action::Fault(fault),
            (None, None) => Action::Usual,
        };
        let times = match (self.times, self.at_least, self.at_most) {
            (times, None, None) => times.map(|times| (times, times)),
            (None, least, most) => Some((least.unwrap_or(0), most.unwrap_or(u64::MAX))),
            _ => return Err("`times` excludes `at_least` and `at_most`; leave it out".into()),
        };
        if times.is_some_and(|(least, most)| least > most) {
            return Err("`at_least` is larger than `at_most`; swap them".into());
        }
        Ok(Expected {
            name: self.name,
            method: route.info.name,
            form: form.map_err(|why| format!("the query of `{method}`: {why}"))?,
            times,
            is_ordered: self.in_order,
            latency: self.latency_ms.map(checked_latency).transpose()?,
            sequence: vec![action],
            is_repeated: times.is_some(),
        })
    }
}
