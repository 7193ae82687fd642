//! Handles the outcome of an attempt.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::machine::Moment;
use super::{Call, InFlight, Now, Step};
use crate::account::Reservation;
use crate::retry::{Decision, Failure, RetryContext, decide, random, retry_after};
use crate::store::{self, Settlement};
use crate::{Credits, Error, Reply, TransportError};

impl<M: ApiMethod> InFlight<M> {
    /// Reports the outcome of the request.
    ///
    /// A `Retry-After` that is a date is compared with the response's `Date`, or else with the date of `now`.
    pub fn received(self, response: Result<Response<Bytes>, TransportError>, now: Now) -> Step<M> {
        self.received_at(response, &now)
    }

    /// Ends the call without sending the attempt.
    pub(crate) fn cancel(mut self) {
        self.call.note_cost(0);
        self.call.reservation.iter_mut().for_each(Reservation::pause);
    }

    /// Returns the time and the duration of the claim's last confirmation. The request must not be written after that.
    pub(crate) fn send_by(&self) -> Option<(Moment, Duration)> {
        let stored = self.call.stored.as_ref().filter(|stored| stored.claim.is_some())?;
        Some((self.call.machine.confirmed(), stored.place.account.store().fence()))
    }

    /// Like [`received`](Self::received), but reads the clock only if necessary.
    pub(crate) fn received_at(
        self,
        response: Result<Response<Bytes>, TransportError>,
        clock: &impl Clock,
    ) -> Step<M> {
        let call = self.call;
        let result = match response {
            Ok(response) => call.api.parse(call.method.get(), response),
            Err(error) => call.api.parse_failed(call.method.get(), error),
        };
        match result {
            Ok(reply) => call.answered(reply, clock),
            Err(error) => call.not_answered(error, clock),
        }
    }
}

impl<M: ApiMethod> Call<M> {
    #[inline]
    fn answered(mut self, mut reply: Reply<M::Answer>, clock: &impl Clock) -> Step<M> {
        // A mismatched answer does not show that this call was free.
        if reply.is_mismatched() && reply.credits == Credits::NotCharged && self.api.can_cost::<M>() {
            reply.credits = Credits::Uncertain;
        }
        let action = self.machine.attempted(reply.credits, Decision::GiveUp, Moment::default());
        reply.attempts = self.machine.attempts;
        if self.machine.cost.uncertain > 0 && reply.credits == Credits::NotCharged {
            reply.credits = Credits::Uncertain;
        }
        let Some(stored) = &mut self.stored else {
            self.settle_in_ledger(clock);
            return Step::Done(Ok(reply));
        };
        let response = reply.response();
        stored.settlement = Some(Settlement {
            cost: self.machine.cost,
            is_answered: !reply.is_mismatched(),
            received: Some((response.status().as_u16(), response.body().clone(), reply.credits)),
            people: store::people_of(self.method.get(), Some(&reply.answer)),
            observed: None,
        });
        stored.reply = Some(reply);
        self.step(action, clock)
    }

    fn not_answered(mut self, error: Error, clock: &impl Clock) -> Step<M> {
        let longest = self.api.retry().max_backoff;
        let retry_after =
            |response: &Response<Bytes>| retry_after(response.headers(), || clock.date(), longest);
        let now = self.now(clock);
        let context = RetryContext {
            can_cost: self.api.can_cost::<M>(),
            // Every error of an attempt has a failure.
            failure: Failure::of(&error).unwrap_or(Failure::MaybeSent),
            is_charged: matches!(error.credits(), Credits::Charged(_)),
            retry_after: error.response().and_then(retry_after),
            attempts: self.machine.attempts,
            elapsed: now.time.saturating_sub(self.began),
            random: random(random(self.api.retry().seed, self.number), u64::from(self.machine.attempts)),
        };
        let decision = decide(self.api.retry(), &context);
        let error = error.with_attempts(self.machine.attempts);
        let action = self.machine.attempted(error.credits(), decision, now);
        if let Some(stored) = &mut self.stored {
            let received = error.response().filter(|response| !response.body().is_empty());
            stored.settlement = Some(Settlement {
                cost: self.machine.cost,
                // Stored, so that an answer that this version cannot parse is not paid for again.
                is_answered: error.is_decode(),
                received: received
                    .map(|response| (response.status().as_u16(), response.body().clone(), error.credits())),
                people: received.map_or_else(Vec::new, |response| store::people_in(response.body())),
                observed: None,
            });
        }
        self.note_cost(0);
        // An earlier uncertain attempt makes the whole call uncertain.
        self.last = Some(match error.credits() {
            Credits::NotCharged if self.machine.cost.uncertain > 0 => error.with_credits(Credits::Uncertain),
            _ => error,
        });
        self.step(action, clock)
    }
}
