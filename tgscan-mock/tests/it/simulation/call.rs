//! Calls of any API method as values of one type, driven step by step.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_mock::core::{
    Api, Credits, Error, ErrorKind, Reply, TransportError,
    account::CapReached,
    call::{InFlight, Now, Step, Wait},
};
use tgscan_mock::data::Generate;

/// A request that can be repeated.
pub(super) trait Query {
    fn name(&self) -> &'static str;
    /// Whether a call can cost credits.
    fn is_paid(&self, api: &Api) -> bool;
    fn begin(&self, api: &Api, now: Duration) -> (Box<dyn Call>, NextStep);
}

/// A started call.
pub(super) trait Call {
    fn received(&mut self, result: Result<Response<Bytes>, TransportError>, now: Duration) -> NextStep;
    fn wait_over(&mut self, now: Duration) -> NextStep;
    /// Ends a wait.
    fn give_up(&mut self, now: Duration) -> Reported;
}

/// The next step of a call.
pub(super) enum NextStep {
    Send(Request<Bytes>),
    /// Without an attempt so far, a call that waits for its turn has nothing to report.
    Wait(Duration, Option<Reported>),
    Done(Reported),
}

/// The last attempt as reported by a reply or an error.
pub(super) struct Reported {
    pub(super) credits: Credits,
    pub(super) attempts: u32,
    pub(super) is_reply: bool,
    pub(super) is_timeout: bool,
    /// Whether it was refused before anything was sent.
    pub(super) is_refused: bool,
    pub(super) cap_reached: Option<CapReached>,
    pub(super) response: Option<Response<Bytes>>,
    /// The responses of earlier attempts.
    pub(super) earlier: Vec<Response<Bytes>>,
}

impl Reported {
    fn reply<A>(reply: &Reply<A>) -> Self {
        Self {
            credits: reply.credits,
            attempts: reply.attempts,
            is_reply: true,
            is_timeout: false,
            is_refused: false,
            cap_reached: None,
            response: Some(reply.response().clone()),
            earlier: Vec::new(),
        }
    }

    fn error(error: &Error) -> Self {
        Self {
            credits: error.credits(),
            attempts: error.attempts(),
            is_reply: false,
            is_timeout: error.is_timeout(),
            is_refused: error.is_cap_reached() || error.store_refusal().is_some(),
            cap_reached: match error.kind() {
                ErrorKind::CapReached(cap) => Some(cap.clone()),
                _ => None,
            },
            response: error.response().cloned(),
            earlier: error.earlier_responses().to_vec(),
        }
    }
}

/// A request of `M`, as its form body.
pub(super) struct Form<M> {
    form: String,
    method: PhantomData<fn() -> M>,
}

impl<M: Generate> Form<M> {
    pub(super) fn of(request: &M) -> Self {
        Self { form: serde_html_form::to_string(request).unwrap(), method: PhantomData }
    }
}

impl<M: Generate> Query for Form<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn is_paid(&self, api: &Api) -> bool {
        api.can_cost::<M>()
    }

    fn begin(&self, api: &Api, now: Duration) -> (Box<dyn Call>, NextStep) {
        let request: M = serde_html_form::from_str(&self.form).unwrap();
        let (stage, next) = Stage::of(Step::begin(api, request, at(now)));
        (Box::new(stage), next)
    }
}

fn at(now: Duration) -> Now {
    Now::new(now, None)
}

/// The state of a call between two events.
enum Stage<M: Generate> {
    Sent(InFlight<M>),
    Waiting(Wait<M>),
    Ended,
}

impl<M: Generate> Stage<M> {
    fn of(step: Step<M>) -> (Self, NextStep) {
        match step {
            Step::Send(request, sent) => (Self::Sent(sent), NextStep::Send(request)),
            Step::Wait(wait) => {
                let next = NextStep::Wait(wait.duration(), wait.error().map(Reported::error));
                (Self::Waiting(wait), next)
            }
            Step::Ask(_) => panic!("there is no store"),
            Step::Done(Ok(reply)) => (Self::Ended, NextStep::Done(Reported::reply(&reply))),
            Step::Done(Err(error)) => (Self::Ended, NextStep::Done(Reported::error(&error))),
        }
    }

    fn advance(&mut self, step: impl FnOnce(Self) -> Step<M>) -> NextStep {
        let (stage, next) = Self::of(step(std::mem::replace(self, Self::Ended)));
        *self = stage;
        next
    }
}

impl<M: Generate> Call for Stage<M> {
    fn received(&mut self, result: Result<Response<Bytes>, TransportError>, now: Duration) -> NextStep {
        self.advance(|stage| match stage {
            Self::Sent(sent) => sent.received(result, at(now)),
            Self::Waiting(_) | Self::Ended => panic!("nothing was sent"),
        })
    }

    fn wait_over(&mut self, now: Duration) -> NextStep {
        self.advance(|stage| match stage {
            Self::Waiting(wait) => wait.resume(at(now)),
            Self::Sent(_) | Self::Ended => panic!("not waiting"),
        })
    }

    fn give_up(&mut self, now: Duration) -> Reported {
        let next = self.advance(|stage| match stage {
            Self::Waiting(wait) => wait.give_up(at(now)),
            Self::Sent(_) | Self::Ended => panic!("not waiting"),
        });
        match next {
            NextStep::Done(reported) => reported,
            NextStep::Send(_) | NextStep::Wait(..) => panic!("the call continues after it was given up"),
        }
    }
}
