//! From a request to its outcome.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};

use super::check::Refusal;
use super::expect::{Act, Call, Drawn, Pinned};
use super::recording::{KeyUsed, Record};
use super::route::{self, Draw, Route};
use super::script::Taken;
use super::{Engine, Fault, Mock, Outcome, Repeat, Settings, State, UnknownAccounts, Wire, check};
use crate::data::{Billing, Profile, Seed};

/// How many queries are counted for [`Repeat::Varied`].
const MOST_ASKED: usize = 100_000;

/// Where an answer comes from.
#[derive(Default)]
enum Source {
    /// The strategies of the mock.
    #[default]
    Usual,
    Pinned(Pinned),
    Drawn(Drawn),
}

/// A request, right or wrong as it may be.
struct Asked<'a> {
    /// What it asks for, and all else that is kept of it.
    record: Record,
    /// The method to answer it; the first thing that is wrong with it, if anything is.
    checked: Result<&'a Route, Refusal>,
    /// Those of the moment when it came.
    settings: Arc<Settings>,
    /// How long its answer takes, unless a fault says otherwise.
    latency: Option<Duration>,
}

/// What a request meets. If it is refused, it gives back its step and that of its call.
#[derive(Default)]
struct Met {
    source: Source,
    fault: Option<Fault>,
    /// Of the script.
    step: Option<Taken>,
    /// Of the expectations.
    call: Option<Call>,
}

impl Mock {
    /// What becomes of one request, by the expectations and the script: pure but for these, the account and the
    /// recording.
    pub fn respond(&self, request: &Request<Bytes>) -> Outcome {
        self.respond_at(request, None)
    }

    /// As [`respond`](Self::respond), to a request that came at this time.
    pub(crate) fn respond_at(&self, request: &Request<Bytes>, now: Option<SystemTime>) -> Outcome {
        let mut asked = self.engine.asked(request);
        asked.record.received = now;
        let met = {
            let State { expected, script, .. } = &mut *self.state();
            let taken =
                if expected.is_empty() { Ok(None) } else { expected.take(&asked.record.seen()).map(Some) };
            taken.map(|call| {
                let mut met = Met::default();
                let act = call.map_or(Act::Usual, |(call, act, latency)| {
                    asked.latency = latency.or(asked.latency);
                    met.call = Some(call);
                    act
                });
                match act {
                    Act::Usual if asked.checked.is_ok() => met.step = script.take(asked.record.method),
                    Act::Usual => {}
                    Act::Fault(fault) => met.fault = Some(fault),
                    Act::Answer(pinned) => met.source = Source::Pinned(pinned),
                    Act::Drawn(drawn) => met.source = Source::Drawn(drawn),
                }
                met
            })
        };
        match met {
            Ok(met) => self.finish(asked, met),
            Err(why) => {
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, format!("the mock's test: {why}"));
                self.recorded_refusal(asked.record, refusal, &asked.settings, asked.latency)
            }
        }
    }

    /// What becomes of one request under this fault, or without one. Expectations and script are left alone.
    pub fn respond_with(&self, request: &Request<Bytes>, fault: Option<&Fault>) -> Outcome {
        self.finish(self.engine.asked(request), Met { fault: fault.cloned(), ..Met::default() })
    }

    fn finish(&self, asked: Asked<'_>, met: Met) -> Outcome {
        let Asked { mut record, checked, settings, latency } = asked;
        let Met { fault, source, step, call } = met;
        let fault = fault.or_else(|| step.as_ref()?.fault.clone());
        // A request that is wrong in itself is refused, whatever it would have met.
        let answered = checked.and_then(|route| match &fault {
            Some(fault) if !fault.is_charged() => Ok(Outcome::instead(fault)),
            fault => self.answer(route, &record, source, fault.as_ref(), &settings),
        });
        match answered {
            Ok(outcome) => {
                record.fault = fault;
                self.recorded(record, outcome, latency)
            }
            // What did not happen is not recorded, and may happen to the next request.
            Err(refusal) => {
                self.give_back(step, call);
                self.recorded_refusal(record, refusal, &settings, latency)
            }
        }
    }

    fn give_back(&self, step: Option<Taken>, call: Option<Call>) {
        let State { expected, script, .. } = &mut *self.state();
        if let Some(step) = step {
            script.give_back(step);
        }
        if let Some(call) = call {
            expected.give_back(call);
        }
    }

    fn recorded_refusal(
        &self,
        mut record: Record,
        refusal: Refusal,
        settings: &Settings,
        latency: Option<Duration>,
    ) -> Outcome {
        record.refusal = Some(refusal.message.clone());
        let status = settings.error_status.of(refusal.status);
        let mut response = json(status, Bytes::from(refusal.envelope()));
        check::headers_of(status, response.headers_mut());
        self.recorded(record, Outcome::refusal(response), latency)
    }

    fn recorded(&self, mut record: Record, mut outcome: Outcome, latency: Option<Duration>) -> Outcome {
        outcome.latency = outcome.latency.or(latency);
        record.charged = outcome.charged;
        if let Wire::Whole(response) | Wire::Slow(response) | Wire::Partial(response, ..) = &outcome.wire {
            record.status = Some(response.status());
        }
        let waiting = {
            let mut state = self.state();
            state.recording.push(record);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        outcome
    }

    /// What a request that is right gets: an answer, perhaps spoilt by a fault. Charges it.
    fn answer(
        &self,
        route: &Route,
        asked: &Record,
        source: Source,
        fault: Option<&Fault>,
        settings: &Settings,
    ) -> Result<Outcome, Refusal> {
        let (body, cost) = self.draft(route, asked, source, settings)?;
        let response = json(StatusCode::OK, body);
        // Before it is charged: a fault that changes nothing is refused.
        let mut outcome = match fault {
            None => Outcome::answer(response),
            Some(fault) => Outcome::spoil(fault, response).ok_or_else(|| changes_nothing(fault))?,
        };
        outcome.charged = self.state().account.charge(&route.info(), cost, asked.is_test)?;
        Ok(outcome)
    }

    /// The answer to a request that is right, and what it costs.
    fn draft(
        &self,
        route: &Route,
        asked: &Record,
        source: Source,
        settings: &Settings,
    ) -> Result<(Bytes, u64), Refusal> {
        let Record { ref path, ref form, .. } = *asked;
        let mut seed = Seed::new(settings.seed).and_text(path).and_text(form);
        // An answer to no query states the balance, which is another one each time.
        let is_kept = matches!(source, Source::Usual) && settings.repeat == Repeat::Same && !form.is_empty();
        let kept = if is_kept { self.state().kept.find(seed.value(), form) } else { None };
        if let Some((cost, body)) = kept {
            return Ok((body, cost));
        }
        let mut world = settings.world.clone();
        if settings.repeat == Repeat::Varied && !matches!(source, Source::Pinned(_)) {
            let mut state = self.state();
            if state.asked.len() >= MOST_ASKED {
                // What was asked before begins anew.
                state.asked.clear();
            }
            let asked = state.asked.entry(format!("{path}?{form}")).or_default();
            (seed, world) = (seed.and(*asked), world.other(*asked));
            *asked += 1;
        }
        let is_usual = matches!(source, Source::Usual) && settings.profile == Profile::Typical;
        let is_unknown = || {
            is_usual && settings.unknown == UnknownAccounts::Error && route.num_groups(form, &world).is_none()
        };
        if is_unknown() {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing is known about this account"));
        }
        let num_groups = || if is_usual { route.num_groups(form, &world).unwrap_or_default() } else { 0 };
        let usual = || settings.costs.get(route.info().name).map_or(0, |cost| cost.of(form, num_groups));
        let (cost, from) = match source {
            // A pinned answer states its cost, and the account must lose what the answers say.
            Source::Pinned(Pinned { body, op_cost }) => return Ok((body, op_cost.unwrap_or_else(usual))),
            Source::Drawn(drawn) => (usual(), Some(drawn)),
            Source::Usual => (usual(), None),
        };
        // Answers that state the balance are those of a free method: nothing is taken from it.
        let billing = Billing::new(cost, self.state().account.credits);
        let Settings { profile, writes_numbers, .. } = *settings;
        let draw = Draw { profile, seed: seed.value(), billing, world, from, writes_numbers };
        let body = route.draw(form, &draw)?;
        if is_kept {
            let mut state = self.state();
            // Unless the settings were changed meanwhile, and with them what is kept.
            if std::ptr::eq(settings, &raw const *self.engine.settings()) {
                state.kept.keep(draw.seed, cost, form, &body);
            }
        }
        Ok((body, cost))
    }

    /// Whether a path is that of an API method.
    #[cfg(feature = "server")]
    pub(crate) fn knows(&self, path: &str) -> bool {
        route::find(&self.engine.routes, path).is_ok()
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
        let Asked { mut record, settings, latency, .. } = self.engine.asked(request);
        record.received = Some(now);
        self.recorded_refusal(record, Refusal::new(status, why), &settings, latency)
    }
}

impl Engine {
    fn asked(&self, request: &Request<Bytes>) -> Asked<'_> {
        let settings = self.settings();
        let latency = settings.latency;
        let key = check::key(request, &settings.keys);
        let mut record = Record::new(request.headers());
        record.key = key.as_ref().map_or(KeyUsed::None, |key| (*key).into());
        record.url_query = request.uri().query().map(str::to_owned);
        let path = request.uri().path();
        let (route, is_test) = match route::find(&self.routes, path) {
            Ok(found) => found,
            Err(refusal) => {
                record.path = path.to_owned().into();
                return Asked { record, checked: Err(refusal), settings, latency };
            }
        };
        let info = route.info();
        (record.method, record.is_test) = (Some(info.name), is_test);
        record.path = info.test_path.filter(|_| is_test).unwrap_or(info.path).into();
        let read = route.form(request.body()).map(|form| {
            record.is_exact = form.as_bytes() == request.body();
            record.form = form;
        });
        let checked = check::http_method(request)
            .and(key)
            .and_then(|key| check::key_fits(key, is_test, &info))
            .and_then(|()| if settings.is_strict { check::content_type(request) } else { Ok(()) })
            .and(read)
            .map(|()| route);
        Asked { record, checked, settings, latency }
    }
}

fn changes_nothing(fault: &Fault) -> Refusal {
    let kind = fault.kind();
    let message = format!("the mock's test: {kind:?} changes nothing, because the answer lacks this field");
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
