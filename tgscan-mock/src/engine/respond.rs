//! Responding to requests.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};

use super::expect::{Action, AnyStrategy, Expectations, Match, Pinned};
use super::recording::{KeyUsed, RecordedRequest};
use super::refusal::Refusal;
use super::route::{self, Draw, Route};
use super::script::TakenStep;
use super::{Engine, Fault, Mock, Outcome, Repeat, Settings, State, Wire, check};
use crate::data::Seed;

/// The largest number of queries that [`Repeat::Varied`] counts.
const MOST_COUNTED: usize = 100_000;

/// The source of an answer.
#[derive(Default)]
enum Source {
    /// The mock's strategies.
    #[default]
    Usual,
    Pinned(Pinned),
    Sampled(AnyStrategy),
}

/// A request and the result of checking it.
struct CheckedRequest {
    /// The record of the request.
    record: RecordedRequest,
    /// The route of a valid request, or the first reason to refuse it.
    route: Result<&'static Route, Refusal>,
    /// The settings when the request arrived.
    settings: Arc<Settings>,
    /// The latency of the answer, unless a fault sets another.
    latency: Option<Duration>,
}

/// The response to a request. If the request is refused, the step and the match are returned.
#[derive(Default)]
struct Plan {
    source: Source,
    fault: Option<Fault>,
    /// The step of the script.
    step: Option<TakenStep>,
    /// The matched expectation.
    matched: Option<Match>,
}

impl Mock {
    /// Responds to a request as the expectations and the script determine. Changes only these, the account and the
    /// recording.
    pub fn respond(&self, request: &Request<Bytes>) -> Outcome {
        self.respond_at(request, None)
    }

    /// Responds to a request that arrived at this time.
    pub(crate) fn respond_at(&self, request: &Request<Bytes>, now: Option<SystemTime>) -> Outcome {
        let mut checked = self.engine.check(request);
        checked.record.received = now;
        let plan = {
            let State { expected, script, .. } = &mut *self.state();
            let matched = match_request(expected, &checked);
            matched.map(|matched| {
                let mut plan = Plan::default();
                let action = matched.map_or(Action::Usual, |(matched, action, latency)| {
                    checked.latency = latency.or(checked.latency);
                    plan.matched = Some(matched);
                    action
                });
                match action {
                    Action::Usual if checked.route.is_ok() => plan.step = script.take(checked.record.method),
                    Action::Usual => {}
                    Action::Fault(fault) => plan.fault = Some(fault),
                    Action::Answer(pinned) => plan.source = Source::Pinned(pinned),
                    Action::Sampled(strategy) => plan.source = Source::Sampled(strategy),
                }
                plan
            })
        };
        match plan {
            Ok(plan) => self.finish(checked, plan),
            Err(why) => {
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, format!("tgscan-mock: {why}"));
                self.recorded_refusal(checked.record, refusal, &checked.settings, checked.latency)
            }
        }
    }

    /// Responds to a request with this fault, or without one. Expectations and script are not used.
    pub fn respond_with(&self, request: &Request<Bytes>, fault: Option<&Fault>) -> Outcome {
        self.finish(self.engine.check(request), Plan { fault: fault.cloned(), ..Plan::default() })
    }

    fn finish(&self, checked: CheckedRequest, plan: Plan) -> Outcome {
        let CheckedRequest { mut record, route, settings, latency } = checked;
        let Plan { fault, source, step, matched } = plan;
        let fault = fault.or_else(|| step.as_ref()?.fault.clone());
        // An invalid request is refused even if a fault is scripted.
        let answered = route.and_then(|route| match &fault {
            Some(fault) if !fault.is_charged() => Ok(Outcome::without_answer(fault)),
            fault => self.answer(route, &record, source, fault.as_ref(), &settings),
        });
        match answered {
            Ok(outcome) => {
                record.fault = fault;
                self.recorded(record, outcome, latency)
            }
            // The fault did not happen, so it is not recorded and its step is for the next request.
            Err(refusal) => {
                self.give_back(step, matched);
                self.recorded_refusal(record, refusal, &settings, latency)
            }
        }
    }

    fn give_back(&self, step: Option<TakenStep>, matched: Option<Match>) {
        let State { expected, script, .. } = &mut *self.state();
        if let Some(step) = step {
            script.give_back(step);
        }
        if let Some(matched) = matched {
            expected.give_back(matched);
        }
    }

    fn recorded_refusal(
        &self,
        mut record: RecordedRequest,
        refusal: Refusal,
        settings: &Settings,
        latency: Option<Duration>,
    ) -> Outcome {
        record.refusal = Some(refusal.message.clone());
        let stated = settings.manner.as_ref().and_then(|manner| manner.refusal(&refusal));
        let response = stated.unwrap_or_else(|| {
            let status = settings.error_status.of(refusal.status);
            let mut response = json(status, Bytes::from(refusal.envelope()));
            check::headers_of(status, response.headers_mut());
            response
        });
        self.recorded(record, Outcome::refusal(response), latency)
    }

    fn recorded(
        &self,
        mut record: RecordedRequest,
        mut outcome: Outcome,
        latency: Option<Duration>,
    ) -> Outcome {
        outcome.latency = outcome.latency.or(latency);
        record.charged = outcome.charged;
        if let Wire::Whole(response) | Wire::Slow(response) | Wire::Partial(response, ..) = &outcome.wire {
            record.status = Some(response.status());
        }
        let waiting = {
            let mut state = self.state();
            outcome.number = state.recording.push(record);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        outcome
    }

    /// Answers a valid request, applies the fault, and charges the account.
    fn answer(
        &self,
        route: &Route,
        record: &RecordedRequest,
        source: Source,
        fault: Option<&Fault>,
        settings: &Settings,
    ) -> Result<Outcome, Refusal> {
        let is_pinned = matches!(source, Source::Pinned(_));
        let (body, cost) = self.draft(route, record, source, settings)?;
        let mut response = json(StatusCode::OK, body);
        if let Some(manner) = settings.manner.as_ref().filter(|_| !is_pinned) {
            manner.answer(route.info.name, &mut response);
        }
        // Before charging, since a fault that changes nothing is refused.
        let mut outcome = match fault {
            None => Outcome::answer(response),
            Some(fault) => Outcome::with_fault(fault, response).ok_or_else(|| changes_nothing(fault))?,
        };
        outcome.charged = self.state().account.charge(&route.info, cost, record.is_test)?;
        Ok(outcome)
    }

    /// Returns the body and the cost of the answer to a valid request.
    fn draft(
        &self,
        route: &Route,
        record: &RecordedRequest,
        source: Source,
        settings: &Settings,
    ) -> Result<(Bytes, u64), Refusal> {
        let RecordedRequest { ref path, ref form, .. } = *record;
        let from = match source {
            // The account must be charged the cost that the answer states.
            Source::Pinned(Pinned { body, op_cost }) => return Ok((body, op_cost.unwrap_or_default())),
            Source::Sampled(strategy) => Some(strategy),
            Source::Usual => None,
        };
        let mut seed = Seed::new(settings.world.seed).and_text(path).and_text(form);
        let mut world = settings.world.clone();
        let mut state = self.state();
        if settings.repeat == Repeat::Varied {
            if state.query_counts.len() >= MOST_COUNTED {
                // Counts begin again.
                state.query_counts.clear();
            }
            let count = state.query_counts.entry(format!("{path}?{form}")).or_default();
            (seed, world) = (seed.and(*count), world.other(*count));
            *count += 1;
        }
        // An answer with the balance is free, so the balance is the same before and after.
        let num_credits = state.account.credits;
        drop(state);
        (route.draw)(form, Draw { settings, seed: seed.value(), world, from, num_credits })
    }

    /// Refuses a request whose body could not be read.
    #[cfg(feature = "server")]
    pub(crate) fn refuse_unread(
        &self,
        request: &Request<Bytes>,
        now: SystemTime,
        status: StatusCode,
        why: &str,
    ) -> Outcome {
        let CheckedRequest { mut record, settings, latency, .. } = self.engine.check(request);
        record.received = Some(now);
        self.recorded_refusal(record, Refusal::new(status, why), &settings, latency)
    }
}

impl Engine {
    fn check(&self, request: &Request<Bytes>) -> CheckedRequest {
        let settings = self.settings();
        let latency = settings.latency;
        let key = check::key(request, &settings.keys);
        let mut record = RecordedRequest::new(request.headers());
        record.key = key.as_ref().map_or(KeyUsed::None, |key| (*key).into());
        record.url_query = request.uri().query().map(str::to_owned);
        let path = request.uri().path();
        let (route, is_test) = match route::find(path) {
            Ok(found) => found,
            Err(refusal) => {
                path.clone_into(&mut record.path);
                return CheckedRequest { record, route: Err(refusal), settings, latency };
            }
        };
        let info = &route.info;
        (record.method, record.is_test) = (Some(info.name), is_test);
        record.path = info.test_path.filter(|_| is_test).unwrap_or(info.path).into();
        let read = (route.form)(request.body()).map(|form| {
            record.is_exact = form.as_bytes() == request.body();
            record.form = form;
        });
        let route = check::http_method(request)
            .and(key)
            .and_then(|key| {
                let manner = settings.manner.as_ref();
                let stated = manner.and_then(|manner| manner.key_fits(key, is_test, info.name));
                stated.unwrap_or_else(|| check::key_fits(key, is_test, info))
            })
            .and_then(|()| if settings.is_strict { check::content_type(request) } else { Ok(()) })
            .and(read)
            .map(|()| route);
        CheckedRequest { record, route, settings, latency }
    }
}

/// Finds the expectation for a request. `Ok(None)` stands for the usual answer.
fn match_request(
    expected: &mut Expectations,
    checked: &CheckedRequest,
) -> Result<Option<(Match, Action, Option<Duration>)>, String> {
    if expected.is_empty() {
        return Ok(None);
    }
    let target = checked.record.target();
    if checked.settings.answers_unexpected && !expected.accepts(&target) {
        return Ok(None);
    }
    expected.match_request(&target).map(Some)
}

fn changes_nothing(fault: &Fault) -> Refusal {
    let kind = fault.kind();
    let message = format!("tgscan-mock: {kind:?} changes nothing, because the answer lacks this field");
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
