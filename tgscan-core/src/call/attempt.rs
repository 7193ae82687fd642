//! Handles the outcome of an attempt.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::machine::Moment;
use super::{Call, InFlight, Next, Now, Step};
use crate::account::Reservation;
use crate::retry::{Decision, Failure, RetryContext, decide, random, retry_after};
use crate::store::{self, Settlement};
use crate::{Credits, Error, Reply, TransportError};

impl<M: ApiMethod> InFlight<M> {
    /// Reports the outcome of the request.
    ///
    /// Compares a `Retry-After` date with the response's `Date`, or else with the date of `now`.
    pub fn received(self, response: Result<Response<Bytes>, TransportError>, now: Now) -> Step<M> {
        self.received_at(response, &now)
    }

    /// Returns whether it is too late to begin to write the request, because its claim in the store may have expired.
    ///
    /// Check this directly before writing, for example after waiting for a connection. If it returns `true`, do not
    /// write the request, and report [`TransportError::never_sent`] to [`received`](Self::received). Always `false`
    /// without a store.
    pub fn is_late(&self, now: Now) -> bool {
        self.send_by().is_some_and(|(confirmed, fence)| now.now().since(confirmed) > fence)
    }

    /// Returns until when the request may be written; see [`Call::send_by`].
    pub(crate) fn send_by(&self) -> Option<(Moment, Duration)> {
        self.call.send_by()
    }

    pub(crate) fn received_at(
        mut self,
        response: Result<Response<Bytes>, TransportError>,
        clock: &impl Clock,
    ) -> Step<M> {
        let next = self.call.received(response, clock);
        Step::of(self.call, next, clock)
    }
}

impl<M: ApiMethod> Call<M> {
    /// Ends the call without sending the attempt.
    pub(crate) fn cancel(&mut self) {
        self.note_cost(0);
        self.reservation.iter_mut().for_each(Reservation::pause);
    }

    /// Returns when the claim was last confirmed, and how long the confirmation is valid; `None` without a claim. The
    /// request must not be written later.
    pub(crate) fn send_by(&self) -> Option<(Moment, Duration)> {
        let stored = self.stored.as_ref().filter(|stored| stored.claim.is_some())?;
        Some((self.machine.confirmed(), stored.place.account.store().fence()))
    }

    /// Reports the outcome of the request. Reads the clock only if necessary.
    pub(crate) fn received(
        &mut self,
        response: Result<Response<Bytes>, TransportError>,
        clock: &impl Clock,
    ) -> Next<M> {
        let result = match response {
            Ok(response) => self.api.parse(self.method.get(), response),
            Err(error) => self.api.parse_failed(self.method.get(), error),
        };
        match result {
            Ok(reply) => self.answered(reply, clock),
            Err(error) => self.not_answered(error, clock),
        }
    }

    #[inline]
    fn answered(&mut self, mut reply: Reply<M::Answer>, clock: &impl Clock) -> Next<M> {
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
            return Next::Done(Ok(reply));
        };
        let response = reply.response();
        if let Some(claim) = &mut stored.claim {
            claim.settlement = Settlement {
                cost: self.machine.cost,
                is_answered: !reply.is_mismatched(),
                received: Some((response.status().as_u16(), response.body().clone(), reply.credits)),
                people: store::people_of(self.method.get(), Some(&reply.answer)),
                observed: None,
            };
        }
        stored.reply = Some(reply);
        self.step(action, clock)
    }

    fn not_answered(&mut self, error: Error, clock: &impl Clock) -> Next<M> {
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
        if context.failure.is_too_many_requests() {
            // A call that gives up still pauses the others, for its `Retry-After`.
            let asked = context.retry_after.unwrap_or_default().min(longest);
            let pause = if let Decision::RetryAfter(wait) = decision { wait } else { asked };
            self.api.pace().pause(pause, clock.origin(), now.time);
        }
        let action = self.machine.attempted(error.credits(), decision, now);
        let response = error.response().filter(|response| !response.body().is_empty());
        let claim = self.stored.as_mut().and_then(|stored| stored.claim.as_mut());
        if let (Some(claim), Some(response)) = (claim, response) {
            keep(&mut claim.settlement, response, error.credits());
            // Stored, so that an answer that this version cannot parse is not paid for again.
            claim.settlement.is_answered = error.is_decode();
        }
        self.note_cost(0);
        let error = error.with_earlier(self.received_responses());
        self.last = Some(if self.machine.cost.uncertain > 0 { error.of_uncertain_call() } else { error });
        self.step(action, clock)
    }
}

/// Keeps a response with a settlement, unless that of an earlier attempt is more likely to be the paid answer.
fn keep(settlement: &mut Settlement, response: &Response<Bytes>, credits: Credits) {
    let rank = |status: u16, credits: Credits| (credits != Credits::NotCharged, (200..300).contains(&status));
    let status = response.status().as_u16();
    let earlier = settlement.received.as_ref().map(|(status, _, credits)| rank(*status, *credits));
    if earlier.is_none_or(|earlier| earlier <= rank(status, credits)) {
        settlement.received = Some((status, response.body().clone(), credits));
        settlement.people = store::people_in(response.body());
    }
}
