//! One call from its first request to its end: a state machine without I/O, clock or randomness, for drivers of your
//! own; and what a call looks like to an [`Observer`].

mod observe;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
pub use observe::{Attempt, AttemptSummary, CallSummary, Observer};
use tgscan_types::ApiMethod;

use crate::error::{Error, ErrorKind};
use crate::ledger::{CapReached, Reservation};
use crate::panics::Contained;
use crate::retry::{Decision, Failure, RetryContext, decide, random, retry_after};
use crate::{Api, Credits, Reply, TransportError};

/// The next thing to do in a call.
///
/// Each state is consumed to reach the next, so a call cannot be driven in the wrong order. Pass times as the duration
/// since a fixed moment of your choice.
///
/// [`blocking::call`](crate::blocking::call) drives it on a thread, and [`Client`](crate::Client) asynchronously.
pub enum Step<M: ApiMethod> {
    /// Send this request once, then report the outcome with [`InFlight::received`]. The body holds the query: do not
    /// print it.
    Send(Request<Bytes>, InFlight<M>),
    /// Wait, then continue with [`Backoff::resume`].
    Backoff(Backoff<M>),
    /// The call has finished.
    Done(Result<Reply<M::Answer>, Error>),
}

impl<M: ApiMethod> Step<M> {
    /// Starts a call at the time `now`. Returns [`Done`](Self::Done) at once if the ledger's cap refuses the call.
    #[inline]
    pub fn begin(api: &Api, method: M, now: Duration) -> Self {
        let mut call = Call::new(api, method, now);
        // Before anything is set aside: what runs here is the code of the method's type, and may panic.
        let request = call.request();
        match reserve::<M>(api) {
            Ok(reservation) => call.reservation = reservation,
            Err(cap) => return Self::Done(Err(refused::<M>(cap))),
        }
        Self::Send(request, InFlight { call })
    }
}

fn reserve<M: ApiMethod>(api: &Api) -> Result<Option<Reservation>, CapReached> {
    if api.can_cost::<M>() { api.ledger().reserve(M::NAME).map(Some) } else { Ok(None) }
}

/// The error of a call that the cap refused.
pub(crate) fn refused<M: ApiMethod>(cap: CapReached) -> Error {
    Error::new(M::NAME, ErrorKind::CapReached(cap), Credits::NotCharged, 0)
}

/// A request for which nothing is set aside yet.
pub(crate) struct Prepared<M: ApiMethod> {
    call: Call<M>,
    request: Request<Bytes>,
}

impl<M: ApiMethod> Prepared<M> {
    pub(crate) fn new(api: &Api, method: M, now: Duration) -> Self {
        let call = Call::new(api, method, now);
        let request = call.request();
        Self { call, request }
    }

    pub(crate) fn reserve(&self) -> Result<Option<Reservation>, CapReached> {
        reserve::<M>(&self.call.api)
    }

    /// The request, with what was set aside for it.
    pub(crate) fn send(mut self, reservation: Option<Reservation>) -> Step<M> {
        self.call.reservation = reservation;
        Step::Send(self.request, InFlight { call: self.call })
    }
}

/// What stays the same from attempt to attempt.
struct Call<M> {
    api: Api,
    method: Contained<M>,
    /// Held by calls that can cost credits. Dropped unsettled it books the attempt as uncertain.
    reservation: Option<Reservation>,
    began: Duration,
    attempts: u32,
    /// Whether an earlier attempt may have been charged, which only `resend_uncertain` lets happen.
    was_uncertain: bool,
    /// Which of the API's calls this is, so that each draws its own jitter.
    number: u64,
}

impl<M: ApiMethod> Call<M> {
    fn new(api: &Api, method: M, now: Duration) -> Self {
        let number = api.count_call();
        Self {
            api: api.clone(),
            method: Contained::new(method),
            reservation: None,
            began: now,
            attempts: 1,
            was_uncertain: false,
            number,
        }
    }

    /// The error of an attempt as that of the call: an earlier attempt that may have been charged makes the whole call
    /// uncertain, whatever the last one says of itself.
    fn last_word(&self, error: Error) -> Error {
        let error = error.with_attempts(self.attempts);
        match error.credits() {
            Credits::NotCharged if self.was_uncertain => error.with_credits(Credits::Uncertain),
            _ => error,
        }
    }

    /// Books what the answer cost.
    fn book(&mut self, reply: &mut Reply<M::Answer>) {
        self.settle(reply.credits);
        reply.attempts = self.attempts;
        if self.was_uncertain && reply.credits == Credits::NotCharged {
            reply.credits = Credits::Uncertain;
        }
    }

    #[inline]
    fn request(&self) -> Request<Bytes> {
        if !self.api.marks_attempts() {
            // At once, because a request that is changed is copied.
            return self.api.request(self.method.get());
        }
        let mut request = self.api.request(self.method.get());
        request.extensions_mut().insert(Attempt { method: M::NAME, number: self.attempts });
        request
    }

    fn settle(&mut self, credits: Credits) {
        match (self.reservation.take(), credits) {
            (Some(reservation), credits) => reservation.settle(credits),
            (None, Credits::Charged(credits)) => self.api.ledger().charge(M::NAME, credits),
            // Another call has shown since that this method charges.
            (None, Credits::Uncertain) => self.api.ledger().uncertain(M::NAME),
            (None, Credits::NotCharged) => {}
        }
    }
}

/// A request in flight.
///
/// If dropped, the attempt counts as uncertain in the ledger.
#[must_use = "report the outcome with `received`"]
pub struct InFlight<M: ApiMethod> {
    call: Call<M>,
}

impl<M: ApiMethod> InFlight<M> {
    /// Reports the outcome of the request, at the time `now`.
    ///
    /// A `Retry-After` that is a date is compared with the response's own `Date`; without one it asks for the longest
    /// backoff. [`received_on`](Self::received_on) compares it with a clock.
    pub fn received(self, response: Result<Response<Bytes>, TransportError>, now: Duration) -> Step<M> {
        self.received_at(response, || now, || None)
    }

    /// As [`received`](Self::received), by a driver that knows the time of day.
    pub fn received_on(
        self,
        response: Result<Response<Bytes>, TransportError>,
        now: Duration,
        date: SystemTime,
    ) -> Step<M> {
        self.received_at(response, || now, || Some(date))
    }

    /// As [`received`](Self::received), for clocks that are only read if the attempt failed.
    pub(crate) fn received_at(
        self,
        response: Result<Response<Bytes>, TransportError>,
        now: impl FnOnce() -> Duration,
        date: impl FnOnce() -> Option<SystemTime>,
    ) -> Step<M> {
        let mut call = self.call;
        let error = match response {
            Ok(response) => {
                let mut result = call.api.parse(call.method.get(), response);
                if let Ok(reply) = &mut result {
                    call.book(reply);
                }
                match result {
                    // As it is, because a reply is large to be moved.
                    Ok(_) => return Step::Done(result),
                    Err(error) => error,
                }
            }
            Err(error) => match call.api.parse_failed(call.method.get(), error) {
                Ok(mut reply) => {
                    call.book(&mut reply);
                    return Step::Done(Ok(reply));
                }
                Err(error) => error,
            },
        };
        let context = RetryContext {
            can_cost: call.api.can_cost::<M>(),
            // Every error of an attempt has one.
            failure: Failure::of(&error).unwrap_or(Failure::MaybeSent),
            is_charged: matches!(error.credits(), Credits::Charged(_)),
            retry_after: error
                .response()
                .and_then(|response| retry_after(response.headers(), date, call.api.retry().max_backoff)),
            attempts: call.attempts,
            elapsed: now().saturating_sub(call.began),
            random: random(random(call.api.retry().seed, call.number), u64::from(call.attempts)),
        };
        let decision = decide(call.api.retry(), &context);
        // Settled at once, so that a pause holds no credits back from other calls.
        call.settle(error.credits());
        let is_uncertain = error.credits() == Credits::Uncertain;
        let error = call.last_word(error);
        call.was_uncertain |= is_uncertain;
        match decision {
            Decision::GiveUp => Step::Done(Err(error)),
            Decision::RetryAfter(duration) => Step::Backoff(Backoff { call, duration, error }),
        }
    }
}

/// The backoff before the next attempt.
#[must_use = "continue with `resume`, or end the call with `give_up`"]
pub struct Backoff<M: ApiMethod> {
    call: Call<M>,
    duration: Duration,
    error: Error,
}

impl<M: ApiMethod> Backoff<M> {
    /// Returns how long to wait.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns why the last attempt failed: the call's error if it is given up now.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Starts the next attempt, after the backoff.
    pub fn resume(self) -> Step<M> {
        let (prepared, error) = self.prepare();
        match prepared.reserve() {
            Ok(reservation) => prepared.send(reservation),
            // Why the call failed says more than that the cap leaves no room for another attempt.
            Err(_) => Step::Done(Err(error)),
        }
    }

    /// The next attempt, and the call's error if there is no room for it.
    pub(crate) fn prepare(self) -> (Prepared<M>, Error) {
        let Self { mut call, error, .. } = self;
        call.attempts += 1;
        let request = call.request();
        (Prepared { call, request }, error)
    }

    /// Ends the call with the last attempt's error instead of waiting.
    pub fn give_up(self) -> Error {
        self.error
    }
}

impl<M: ApiMethod> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Not the request, whose body is the query.
            Self::Send(_, sent) => f.debug_tuple("Send").field(sent).finish(),
            Self::Backoff(wait) => f.debug_tuple("Backoff").field(wait).finish(),
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
        }
    }
}

impl<M: ApiMethod> fmt::Debug for InFlight<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("method", &M::NAME)
            .field("attempts", &self.call.attempts)
            .finish_non_exhaustive()
    }
}

impl<M: ApiMethod> fmt::Debug for Backoff<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backoff")
            .field("duration", &self.duration)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
