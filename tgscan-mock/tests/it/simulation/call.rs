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

/// A request that can be made again and again.
pub(super) trait Query {
    fn name(&self) -> &'static str;
    /// Whether a call can cost credits.
    fn is_paid(&self, api: &Api) -> bool;
    fn begin(&self, api: &Api, now: Duration) -> (Box<dyn Call>, Next);
}

/// A call that has begun.
pub(super) trait Call {
    fn received(&mut self, result: Result<Response<Bytes>, TransportError>, now: Duration) -> Next;
    fn wait_over(&mut self, now: Duration) -> Next;
    /// Ends a wait.
    fn give_up(&mut self, now: Duration) -> Seen;
}

/// What a call wants next.
pub(super) enum Next {
    Send(Request<Bytes>),
    Wait(Duration, Seen),
    Done(Seen),
}

/// What the caller can see of the last attempt, in a reply or an error.
pub(super) struct Seen {
    pub(super) credits: Credits,
    pub(super) attempts: u32,
    pub(super) is_reply: bool,
    pub(super) is_timeout: bool,
    /// Whether it was refused before anything was sent.
    pub(super) is_refused: bool,
    pub(super) cap_reached: Option<CapReached>,
    pub(super) response: Option<Response<Bytes>>,
}

impl Seen {
    fn reply<A>(reply: &Reply<A>) -> Self {
        Self {
            credits: reply.credits,
            attempts: reply.attempts,
            is_reply: true,
            is_timeout: false,
            is_refused: false,
            cap_reached: None,
            response: Some(reply.response().clone()),
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
        }
    }
}

/// A request of `M` as the form that it is sent as.
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

    fn begin(&self, api: &Api, now: Duration) -> (Box<dyn Call>, Next) {
        let request: M = serde_html_form::from_str(&self.form).unwrap();
        let (stage, next) = Stage::of(Step::begin(api, request, at(now)));
        (Box::new(stage), next)
    }
}

fn at(now: Duration) -> Now {
    Now::new(now, None)
}

/// Where a call stands between two events.
enum Stage<M: Generate> {
    Sent(InFlight<M>),
    Waiting(Wait<M>),
    Over,
}

impl<M: Generate> Stage<M> {
    fn of(step: Step<M>) -> (Self, Next) {
        match step {
            Step::Send(request, sent) => (Self::Sent(sent), Next::Send(request)),
            Step::Wait(wait) => {
                let error = wait.error().expect("a call without a store waits for a reason");
                let next = Next::Wait(wait.duration(), Seen::error(error));
                (Self::Waiting(wait), next)
            }
            Step::Ask(_) => panic!("there is no store"),
            Step::Done(Ok(reply)) => (Self::Over, Next::Done(Seen::reply(&reply))),
            Step::Done(Err(error)) => (Self::Over, Next::Done(Seen::error(&error))),
        }
    }

    fn go_on(&mut self, step: impl FnOnce(Self) -> Step<M>) -> Next {
        let (stage, next) = Self::of(step(std::mem::replace(self, Self::Over)));
        *self = stage;
        next
    }
}

impl<M: Generate> Call for Stage<M> {
    fn received(&mut self, result: Result<Response<Bytes>, TransportError>, now: Duration) -> Next {
        self.go_on(|stage| match stage {
            Self::Sent(sent) => sent.received(result, at(now)),
            Self::Waiting(_) | Self::Over => panic!("nothing was sent"),
        })
    }

    fn wait_over(&mut self, now: Duration) -> Next {
        self.go_on(|stage| match stage {
            Self::Waiting(wait) => wait.resume(at(now)),
            Self::Sent(_) | Self::Over => panic!("not waiting"),
        })
    }

    fn give_up(&mut self, now: Duration) -> Seen {
        let next = self.go_on(|stage| match stage {
            Self::Waiting(wait) => wait.give_up(at(now)),
            Self::Sent(_) | Self::Over => panic!("not waiting"),
        });
        match next {
            Next::Done(seen) => seen,
            Next::Send(_) | Next::Wait(..) => panic!("it was given up"),
        }
    }
}
