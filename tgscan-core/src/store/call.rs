//! One call with a store: what comes before and after [`Step`](crate::call::Step), without I/O or clock.

use std::fmt;
use std::time::Duration;

use http::{Response, StatusCode};
use tgscan_types::ApiMethod;

use super::{
    CallId, Claim, ClaimRequest, Lookup, Question, Settlement, StoreError, StorePolicy, StoreRefusal,
    wait_before,
};
use crate::call::Step;
use crate::reply::Storage;
use crate::{Api, Credits, Error, ErrorKind, Reply};

/// A paid call that asks its store first.
///
/// [`blocking::call_stored`](crate::blocking::call_stored) drives it on a thread, and
/// [`Client`](crate::Client::with_store) asynchronously.
#[must_use = "ask the store with `request`, and report its answer with `claimed`"]
pub struct PendingClaim<M> {
    api: Api,
    policy: StorePolicy,
    lookup: Lookup,
    method: M,
    began: Duration,
    /// How often the same question was found in flight elsewhere.
    waits: u32,
}

impl<M: ApiMethod> PendingClaim<M> {
    /// Begins a call at the time `now`. Only for calls that [can cost](Api::can_cost) credits.
    pub fn new(api: &Api, policy: &StorePolicy, lookup: Lookup, method: M, now: Duration) -> Self {
        Self { api: api.clone(), policy: policy.clone(), lookup, method, began: now, waits: 0 }
    }

    /// Returns what to ask the store, at the time `now`.
    pub fn request(&self, now: Duration) -> ClaimRequest {
        let question = Question::of(&self.api, self.policy.account(), &self.method);
        let waited = (self.waits > 0).then(|| now.saturating_sub(self.began));
        self.policy.request(question, self.lookup, waited)
    }

    /// Reports what the store said.
    pub fn claimed(mut self, claim: Result<Claim, StoreError>) -> ClaimStep<M> {
        let refusal = match claim {
            Ok(Claim::Granted(call)) => {
                return ClaimStep::Granted(GrantedCall { api: self.api, method: self.method, call });
            }
            Ok(Claim::InFlight { age }) => {
                let duration = wait_before(self.waits);
                self.waits += 1;
                return ClaimStep::Backoff(duration, ClaimBackoff { age, claim: self });
            }
            Ok(Claim::Stored(stored)) => {
                let mut response = Response::new(stored.body);
                *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or_default();
                let storage = Storage::Cached { age: stored.age, credits: stored.credits };
                let result = self.api.parse(&self.method, response);
                return ClaimStep::Done(
                    result
                        .map(|reply| reply.into_stored(storage))
                        .map_err(|error| error.with_attempts(0).with_credits(Credits::NotCharged)),
                );
            }
            Ok(Claim::Uncertain { call, age, charged }) => StoreRefusal::Uncertain { call, age, charged },
            Ok(Claim::CapReached(refused)) => StoreRefusal::CapReached(refused),
            Ok(Claim::NotStored) => StoreRefusal::NotStored,
            Err(error) => StoreRefusal::Failed(error),
        };
        ClaimStep::Done(Err(refused::<M>(refusal)))
    }
}

fn refused<M: ApiMethod>(refusal: StoreRefusal) -> Error {
    Error::new(M::NAME, ErrorKind::Store(refusal), Credits::NotCharged, 0)
}

/// The next thing to do, after the store was asked.
#[derive(Debug)]
pub enum ClaimStep<M: ApiMethod> {
    /// Send the question, with [`GrantedCall::begin`].
    Granted(GrantedCall<M>),
    /// The same question is in flight elsewhere: wait this long, then ask again with [`ClaimBackoff::resume`].
    Backoff(Duration, ClaimBackoff<M>),
    /// The call has finished: with a stored answer, or with a refusal.
    Done(Result<Reply<M::Answer>, Error>),
}

/// A call that waits, because its question is in flight elsewhere.
#[must_use = "ask again with `resume`, or end the call with `give_up`"]
pub struct ClaimBackoff<M> {
    age: Duration,
    claim: PendingClaim<M>,
}

impl<M: ApiMethod> ClaimBackoff<M> {
    /// Returns the call, to ask the store again.
    pub fn resume(self) -> PendingClaim<M> {
        self.claim
    }

    /// Ends the call instead of waiting. Nothing was sent.
    pub fn give_up(self) -> Error {
        refused::<M>(StoreRefusal::InFlight { age: self.age })
    }
}

/// A call that the store granted: settle or abandon it, whatever happens.
#[must_use = "send it with `begin`"]
pub struct GrantedCall<M> {
    api: Api,
    method: M,
    call: CallId,
}

impl<M: ApiMethod> GrantedCall<M> {
    /// Returns the name of the claimed call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Starts to send it at the time `now`.
    pub fn begin(self, now: Duration) -> (Step<M>, RunningCall) {
        (Step::begin(&self.api, self.method, now), RunningCall { call: self.call })
    }

    /// For a driver that begins calls itself.
    pub(crate) fn into_parts(self) -> (M, RunningCall) {
        (self.method, RunningCall { call: self.call })
    }
}

/// A granted call that has started.
#[must_use = "report the result with `finished`, or abandon the call"]
#[derive(Debug)]
pub struct RunningCall {
    call: CallId,
}

impl RunningCall {
    /// Reports the result of the call. Returns what to settle.
    pub fn finished<A>(self, result: Result<Reply<A>, Error>) -> (CallId, Settlement, PendingSettlement<A>) {
        let settlement = match &result {
            // Somebody else's answer is none to this question.
            Ok(reply) if reply.is_mismatched() => match Settlement::without_answer(reply.credits) {
                // An answer came, so that the request was processed, whatever that answer says of its cost.
                Settlement::NotCharged => Settlement::Unanswered(None),
                settlement => settlement,
            },
            Ok(reply) => answered(reply.response(), reply.credits),
            Err(error) => match (error.kind(), error.response()) {
                (ErrorKind::Decode(_), Some(response)) => answered(response, error.credits()),
                _ => Settlement::without_answer(error.credits()),
            },
        };
        (self.call, settlement, PendingSettlement { result })
    }
}

fn answered(response: &Response<bytes::Bytes>, credits: Credits) -> Settlement {
    Settlement::Answered { status: response.status().as_u16(), body: response.body().clone(), credits }
}

/// A call that has finished, and whose settlement goes to the store.
#[must_use = "report what the store said with `settled`"]
pub struct PendingSettlement<A> {
    result: Result<Reply<A>, Error>,
}

impl<A> PendingSettlement<A> {
    /// Reports what the store said. The answer reaches the caller either way.
    ///
    /// # Errors
    /// The error of the call itself.
    pub fn settled(self, stored: Result<(), StoreError>) -> Result<Reply<A>, Error> {
        self.result.map(|reply| {
            let is_mismatched = reply.is_mismatched();
            match stored {
                Ok(()) if is_mismatched => reply,
                Ok(()) => reply.stored(Storage::Stored),
                Err(error) => reply.stored(Storage::NotStored(error)),
            }
        })
    }
}

impl<M: ApiMethod> fmt::Debug for PendingClaim<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingClaim")
            .field("method", &M::NAME)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

impl<M: ApiMethod> fmt::Debug for ClaimBackoff<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimBackoff")
            .field("method", &M::NAME)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}

impl<M: ApiMethod> fmt::Debug for GrantedCall<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedCall")
            .field("method", &M::NAME)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for PendingSettlement<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSettlement").field("result", &self.result).finish()
    }
}
