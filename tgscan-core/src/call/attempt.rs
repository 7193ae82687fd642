//! Handles the outcome of an attempt.

use bytes::Bytes;
use http::Response;
use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::machine::{Action, Moment};
use super::{Call, Next};
use crate::retry::{Decision, Failure, RetryContext, decide, random, retry_after};
use crate::store::{self, Settlement};
use crate::{Credits, Error, Reply, TransportError};

impl<M: ApiMethod> Call<M> {
    /// Parses the outcome of the request; `None` if the transport panicked.
    #[inline]
    pub(crate) fn parse(
        &self,
        response: Option<Result<Response<Bytes>, TransportError>>,
    ) -> Result<Reply<M::Answer>, Error> {
        let panicked = || TransportError::new("the transport panicked").with_trusted_text();
        match response {
            Some(Ok(response)) => self.api.parse(self.method.get(), response),
            Some(Err(error)) => self.api.parse_failed(self.method.get(), error),
            None => self.api.parse_failed(self.method.get(), panicked()),
        }
    }

    /// Settles the call in its ledger if the result is a reply. Returns whether this ended the call. Otherwise, report the
    /// result with [`received`](Self::received).
    // A reply is expensive to move, so it stays where it is.
    #[inline]
    pub(crate) fn settle_reply(
        &mut self,
        result: &mut Result<Reply<M::Answer>, Error>,
        clock: &impl Clock,
    ) -> bool {
        match result {
            Ok(reply) if self.stored.is_none() => {
                self.succeeded(reply);
                self.settle_in_ledger(clock);
                true
            }
            _ => false,
        }
    }

    /// Reports the result of an attempt.
    pub(crate) fn received(&mut self, result: Result<Reply<M::Answer>, Error>, clock: &impl Clock) -> Next {
        match result {
            Ok(mut reply) => {
                self.succeeded(&mut reply);
                if let Some(stored) = &mut self.stored {
                    stored.reply = Some(reply);
                }
                self.step(Action::Settle, clock)
            }
            Err(error) => self.failed(error, clock),
        }
    }

    /// Records a successful answer.
    #[inline]
    fn succeeded(&mut self, reply: &mut Reply<M::Answer>) {
        // A mismatched answer does not show that this call was free.
        if reply.is_mismatched() && reply.credits == Credits::NotCharged && self.api.can_cost::<M>() {
            reply.credits = Credits::Uncertain;
        }
        // That of an earlier attempt.
        self.last = None;
        self.machine.attempted(reply.credits, Decision::GiveUp, Moment::default());
        reply.attempts = self.machine.attempts;
        if self.machine.cost.uncertain > 0 && reply.credits == Credits::NotCharged {
            reply.credits = Credits::Uncertain;
        }
        if self.settlement().is_some() {
            let people = store::people_of(self.method.get(), Some(&reply.answer));
            if let (cost, Some(settlement)) = (self.machine.cost, self.settlement()) {
                let response = reply.response();
                *settlement = Settlement {
                    cost,
                    is_answered: !reply.is_mismatched(),
                    received: Some((response.status().as_u16(), response.body().clone(), reply.credits)),
                    people,
                    observed: None,
                    token: settlement.token,
                };
            }
        }
    }

    #[cold]
    fn failed(&mut self, error: Error, clock: &impl Clock) -> Next {
        let longest = self.api.retry().max_backoff;
        let retry_after =
            |response: &Response<Bytes>| retry_after(response.headers(), || clock.date(), longest);
        let now = self.now(clock);
        // Every error of an attempt has a failure.
        let failure = Failure::of(&error).unwrap_or(Failure::MaybeSent);
        let context = RetryContext {
            can_cost: self.api.can_cost::<M>(),
            failure,
            is_charged: match error.credits() {
                Credits::Charged(_) => true,
                // A refusal that states a cost, which cannot be read.
                Credits::Uncertain => failure.not_processed(),
                Credits::NotCharged => false,
            },
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
        if let (Some(settlement), Some(response)) = (self.settlement(), response) {
            keep(settlement, response, error.credits());
            // Stored, so that an answer that this version cannot parse is not paid for again.
            settlement.is_answered = error.is_decode();
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
