//! From a request to its outcome.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};

use super::expect::{Act, Drawn, Pinned, Seen};
use super::recording::{KeyUsed, RecordedRequest};
use super::refusal::Refusal;
use super::route::{self, Granted};
use super::{Engine, Fault, Mock, Outcome, Repeat, Wire, check};
use crate::data::{Seed, Terms};

/// Where an answer comes from.
enum Source {
    /// The strategies of the mock.
    Usual,
    Pinned(Pinned),
    Drawn(Drawn),
}

impl Mock {
    /// What becomes of one request, by the expectations and the script: pure but for these, the account and the
    /// recording.
    pub fn respond(&self, request: &Request<Bytes>) -> Outcome {
        let is_free = self.state().expected.is_empty();
        // Read only where it matters, because that is the larger part of a request's cost.
        let act =
            if is_free { Ok(Act::Usual) } else { self.state().expected.take(&self.engine.seen(request)) };
        match act {
            Ok(Act::Usual) => {
                let method = self.engine.method(request);
                let fault = self.state().script.next(method);
                self.respond_with(request, fault.as_ref())
            }
            Ok(Act::Fault(fault)) => self.respond_with(request, Some(&fault)),
            Ok(Act::Answer(pinned)) => self.finish(request, None, &Source::Pinned(pinned)),
            Ok(Act::Drawn(drawn)) => self.finish(request, None, &Source::Drawn(drawn)),
            Err(why) => {
                let mut record = RecordedRequest::begin(request);
                self.engine.fill(&mut record, request);
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, format!("the mock's test: {why}"));
                self.recorded(record, self.refused(refusal))
            }
        }
    }

    /// What becomes of one request under this fault, or without one. Expectations and script are left alone.
    pub fn respond_with(&self, request: &Request<Bytes>, fault: Option<&Fault>) -> Outcome {
        self.finish(request, fault, &Source::Usual)
    }

    fn finish(&self, request: &Request<Bytes>, fault: Option<&Fault>, source: &Source) -> Outcome {
        let mut record = RecordedRequest::begin(request);
        record.fault = fault.cloned();
        let outcome = match fault {
            Some(fault) if !fault.is_charged() => {
                self.engine.fill(&mut record, request);
                Outcome::instead(fault, 0)
            }
            fault => match (self.answer(request, source, &mut record), fault) {
                (Ok(body), None) => Outcome::answer(json(StatusCode::OK, body), record.charged),
                (Ok(body), Some(fault)) => Outcome::spoil(fault, json(StatusCode::OK, body), record.charged),
                // A request that is wrong in itself is refused whatever the script says.
                (Err(refusal), _) => self.refused(refusal),
            },
        };
        self.recorded(record, outcome)
    }

    fn refused(&self, refusal: Refusal) -> Outcome {
        let status = self.engine.settings.error_status.of(refusal.status);
        let mut response = json(status, Bytes::from(refusal.envelope()));
        check::headers_of(status, response.headers_mut());
        Outcome::refusal(response)
    }

    fn recorded(&self, mut record: RecordedRequest, outcome: Outcome) -> Outcome {
        if let Wire::Whole(response) | Wire::Drip(response) | Wire::Partial(response, ..) = &outcome.wire {
            record.status = Some(response.status());
        }
        self.state().recording.push(record);
        outcome
    }

    fn answer(
        &self,
        request: &Request<Bytes>,
        source: &Source,
        record: &mut RecordedRequest,
    ) -> Result<Bytes, Refusal> {
        let settings = &self.engine.settings;
        let (route, is_test) = route::find(&self.engine.routes, request.uri().path())?;
        (record.method, record.is_test) = (Some(route.info().name), is_test);
        check::http_method(request)?;
        let kind = check::key(request, &settings.keys)?;
        record.key = kind.into();
        check::key_fits(kind, is_test, &route.info())?;
        check::content_type(request)?;
        // What to keep the answer by, once it is written.
        let mut keep = None;
        let answer = route.answer(request.body(), settings.profile, &mut |form| {
            form.clone_into(&mut record.form);
            // A pinned answer states its cost, and the account must lose what the answers say.
            let stated = if let Source::Pinned(pinned) = source { pinned.op_cost } else { None };
            let usual = || settings.costs.get(route.info().name).map_or(0, |cost| cost.of(form));
            let cost = stated.unwrap_or_else(usual);
            let mut state = self.state();
            let charge = state.account.charge(&route.info(), cost, is_test)?;
            record.charged = charge;
            if let Source::Pinned(pinned) = source {
                return Ok(Granted::Written(pinned.body.clone()));
            }
            let terms = Terms::new(cost, state.account.credits);
            let mut seed = Seed::new(settings.seed).and_text(request.uri().path()).and_text(form);
            if settings.repeat == Repeat::Varied {
                let asked = state.asked.entry(format!("{}?{form}", request.uri().path())).or_default();
                seed = seed.and(*asked);
                *asked += 1;
            } else if let (Source::Usual, false) = (source, form.is_empty()) {
                // An answer to no query states the balance, which is another one each time.
                if let Some(body) = state.kept.find(seed.value(), cost, form) {
                    return Ok(Granted::Written(body));
                }
                keep = Some((seed.value(), cost));
            }
            let drawn = if let Source::Drawn(drawn) = source { Some(drawn.clone()) } else { None };
            Ok(Granted::Random { seed: seed.value(), terms, drawn })
        });
        if let (Ok(body), Some((seed, cost))) = (&answer, keep) {
            self.state().kept.keep(seed, cost, &record.form, body);
        }
        answer
    }

    /// Whether a path is that of an API method.
    #[cfg(feature = "server")]
    pub(crate) fn knows(&self, path: &str) -> bool {
        route::find(&self.engine.routes, path).is_ok()
    }

    /// Answers a request whose body is larger than the server reads.
    #[cfg(feature = "server")]
    pub(crate) fn refuse_body(&self, limit: usize) -> Response<Bytes> {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let refusal = Refusal::new(status, format!("the request's body is larger than {limit} bytes"));
        json(self.engine.settings.error_status.of(status), Bytes::from(refusal.envelope()))
    }
}

impl Engine {
    /// The API method of a request, if its path is one's.
    fn method(&self, request: &Request<Bytes>) -> Option<&'static str> {
        route::find(&self.routes, request.uri().path()).ok().map(|(route, _)| route.info().name)
    }

    /// What a request asks for, right or wrong as it may be.
    fn seen(&self, request: &Request<Bytes>) -> Seen {
        let Ok((route, is_test)) = route::find(&self.routes, request.uri().path()) else {
            return Seen::default();
        };
        let form = route.form(request.body()).unwrap_or_default();
        Seen { method: Some(route.info().name), is_test, form }
    }

    /// Says in the record of a request that is not answered what it asked for.
    fn fill(&self, record: &mut RecordedRequest, request: &Request<Bytes>) {
        let seen = self.seen(request);
        (record.method, record.is_test, record.form) = (seen.method, seen.is_test, seen.form);
        record.key = check::key(request, &self.settings.keys).map_or(KeyUsed::None, Into::into);
    }
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
