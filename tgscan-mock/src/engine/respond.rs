//! Responding to requests.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};

use super::expect::Action;
use super::recording::RecordedRequest;
use super::redact::redact;
use super::refusal::Refusal;
use super::route::{self, Draw, Route};
use super::{Class, Fault, FaultKind, Mock, Outcome, Repeat, Settings, State, Wire, check};
use crate::data::Seed;

impl Mock {
    /// Responds to a request as the expectations and the script determine. Changes only these, the account and the
    /// recording.
    pub fn respond(&self, request: &Request<Bytes>) -> Outcome {
        self.respond_at(request, None)
    }

    /// Responds to a request that arrived at this time.
    pub(crate) fn respond_at(&self, request: &Request<Bytes>, now: Option<SystemTime>) -> Outcome {
        self.with_state(|state| {
            let settings = &*state.settings.clone();
            let (mut record, route) = check(request, settings);
            record.received = now;
            let (mut action, mut matched, mut latency) = (Action::Usual, None, settings.latency);
            if !state.expected.is_empty() {
                match state.expected.match_request(&record) {
                    Ok((index, expected, own)) => {
                        (action, matched, latency) = (expected, Some(index), own.or(latency));
                    }
                    Err(_) if settings.answers_unexpected => {}
                    Err(why) => {
                        let why = redact(&why, &settings.keys);
                        let refusal = Refusal::new(StatusCode::BAD_REQUEST, format!("tgscan-mock: {why}"));
                        state.expected.add_mismatch(why);
                        return finish(state, record, Err(refusal), settings, latency);
                    }
                }
            }
            let step = match (&action, &route) {
                (Action::Usual, Ok(route)) => state.script.next(route.info.name).cloned(),
                _ => None,
            };
            let fault = match &action {
                Action::Fault(fault) => Some(fault.clone()),
                _ => step.as_ref().and_then(|step| step.fault.clone()),
            };
            // An invalid request is refused even if a fault is scripted.
            let answered =
                route.and_then(|route| respond(state, route, &record, action, fault.as_ref(), settings));
            if let Some(index) = matched {
                state.expected.count(index, answered.is_err());
            }
            // If the request is refused, the fault did not happen: it is not recorded, and its step is for the next request.
            if answered.is_ok() {
                if let Some(step) = step {
                    state.script.use_step(step.method);
                }
                record.fault = fault;
            }
            finish(state, record, answered, settings, latency)
        })
    }

    /// Responds to a request with this fault, or without one. Expectations and script are not used.
    pub fn respond_with(&self, request: &Request<Bytes>, fault: Option<&Fault>) -> Outcome {
        self.with_state(|state| {
            let settings = &*state.settings.clone();
            let (mut record, route) = check(request, settings);
            let answered =
                route.and_then(|route| respond(state, route, &record, Action::Usual, fault, settings));
            record.fault = fault.filter(|_| answered.is_ok()).cloned();
            finish(state, record, answered, settings, settings.latency)
        })
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
        self.with_state(|state| {
            let settings = &*state.settings.clone();
            let (mut record, _) = check(request, settings);
            record.received = Some(now);
            finish(state, record, Err(Refusal::new(status, why)), settings, settings.latency)
        })
    }
}

/// Completes the outcome of a request, and records the request.
fn finish(
    state: &mut State,
    mut record: RecordedRequest,
    answered: Result<Outcome, Refusal>,
    settings: &Settings,
    latency: Option<Duration>,
) -> Outcome {
    let mut outcome = answered.unwrap_or_else(|refusal| {
        record.refusal = Some(redact(&refusal.message, &settings.keys));
        let stated = settings.manner.as_ref().and_then(|manner| manner.refusal(&refusal));
        let response = stated.unwrap_or_else(|| {
            let status = settings.error_status.of(refusal.status);
            let mut response = json(status, Bytes::from(refusal.envelope()));
            check::add_headers(status, response.headers_mut());
            response
        });
        Outcome::new(Wire::Whole(response), Class::Api)
    });
    outcome.latency = outcome.latency.or(latency);
    record.charged = outcome.charged;
    if let Wire::Whole(response) | Wire::Slow(response) | Wire::Partial(response, ..) = &outcome.wire {
        record.status = Some(response.status().as_u16());
    }
    record.form = redact(&record.form, &settings.keys);
    outcome.number = state.recording.push(record);
    outcome
}

/// Answers a valid request, applies the fault, and charges the account.
fn respond(
    state: &mut State,
    route: &Route,
    record: &RecordedRequest,
    action: Action,
    fault: Option<&Fault>,
    settings: &Settings,
) -> Result<Outcome, Refusal> {
    if let Some(fault) = fault.filter(|fault| !fault.is_charged()) {
        return Ok(Outcome::without_answer(fault));
    }
    let is_pinned = matches!(action, Action::Answer { .. });
    let (body, cost) = match action {
        // The account must be charged the cost that the answer states.
        Action::Answer { body, op_cost } => (body, op_cost.unwrap_or_default()),
        Action::Sampled(draw) => draw(&record.form, &inputs(state, record, settings))?,
        Action::Usual | Action::Fault(_) => (route.draw)(&record.form, &inputs(state, record, settings))?,
    };
    let mut response = json(StatusCode::OK, body);
    if let Some(manner) = settings.manner.as_ref().filter(|_| !is_pinned) {
        manner.answer(route.info.name, &mut response);
    }
    // Before charging, since a fault that changes nothing is refused.
    let mut outcome = match fault {
        None => Outcome::new(Wire::Whole(response), Class::Reply),
        Some(fault) => Outcome::with_fault(fault, response).ok_or_else(|| changes_nothing(fault))?,
    };
    outcome.charged = state.account.charge(&route.info, cost, record.is_test)?;
    // Only now, since a refused call gets no answer.
    if settings.repeat == Repeat::Varied && !is_pinned {
        *state.answers.of(question(record)) += 1;
    }
    Ok(outcome)
}

/// Returns the hash of a method and its query.
fn question(record: &RecordedRequest) -> u64 {
    Seed::new(0).and_text(&record.path).and_text(&record.form).value()
}

/// Returns the inputs of the answer to a request.
fn inputs<'a>(state: &mut State, record: &RecordedRequest, settings: &'a Settings) -> Draw<'a> {
    let mut world = settings.world.clone();
    if settings.repeat == Repeat::Varied {
        world = world.other(*state.answers.of(question(record)));
    }
    let seed = Seed::new(world.seed).and_text(&record.path).and_text(&record.form).value();
    // An answer with the balance is free, so the balance is the same before and after.
    Draw { settings, seed, world, num_credits: state.account.credits }
}

/// Checks a request. Returns its record, and its route or the first reason to refuse it.
fn check(
    request: &Request<Bytes>,
    settings: &Settings,
) -> (RecordedRequest, Result<&'static Route, Refusal>) {
    let key = check::key(request, &settings.keys);
    // A client that sends its key in the wrong place must not find it in the record.
    let redact = |text: &str| redact(text, &settings.keys);
    let mut record =
        RecordedRequest::new(check::method_name(request.method()), request.headers(), &settings.keys);
    record.key = key.as_ref().ok().copied();
    record.url_query = request.uri().query().map(redact);
    let path = request.uri().path();
    let found = route::find(path);
    record.path = if found.is_ok() { path.to_owned() } else { redact(path) };
    let form = found.as_ref().ok().map(|(route, _)| (route.form)(request.body()));
    if let Some(Ok(form)) = &form {
        record.form.clone_from(form);
    }
    if record.form.as_bytes() != request.body() {
        record.body = Some(redact(&String::from_utf8_lossy(request.body())));
    }
    let route = found.and_then(|(route, is_test)| {
        (record.method, record.is_test) = (Some(route.info.name), is_test);
        check::http_method(request)?;
        let (key, info) = (key?, &route.info);
        let manner = settings.manner.as_ref();
        let stated = manner.and_then(|manner| manner.key_fits(key, is_test, info.name));
        stated.unwrap_or_else(|| check::key_fits(key, is_test, info))?;
        if settings.is_strict {
            check::content_type(request)?;
        }
        form.transpose()?;
        Ok(route)
    });
    (record, route)
}

fn changes_nothing(fault: &Fault) -> Refusal {
    // Without the kind, because "missing" beside "query" is a refusal of the query.
    let field = match fault.kind() {
        FaultKind::FieldMissing { field } | FaultKind::FieldMistyped { field } => field,
        _ => "a field",
    };
    let message = format!("tgscan-mock: the fault changes nothing, because the answer lacks `{field}`");
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
