//! Exchanges operations of a call with its account in the store.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::machine::{Action, Claimed, Renewed};
use super::{Asking, Call, InStore, Next, Now, Step, Stored, too_late};
use crate::account::Cost;
use crate::reply::Storage;
use crate::store::{
    self, AccountReply, Answered, Claim, ClaimGuard, Done, Lookup, Operation, Question,
    Request as StoreRequest, Settlement, StoreError, StoreRefusal,
};
use crate::{Credits, Error, ErrorKind, Reply};

impl<M: ApiMethod> Call<M> {
    /// Creates the request to the store for an action.
    #[cold]
    pub(super) fn ask(&mut self, action: Action, clock: &impl Clock) -> Next<M> {
        let now = clock.now();
        let Some(mut stored) = self.stored.take() else { return Next::Done(self.end()) };
        stored.asked = now;
        let cost = self.machine.cost;
        let claim = stored.claim.as_ref().map(|claim| claim.call);
        let request = match (action, claim) {
            (Action::Claim, _) => StoreRequest::Perform(Operation::Claim(self.claim(&stored))),
            (Action::Lookup(call), _) => StoreRequest::Lookup(call),
            (Action::Renew, Some(call)) => {
                let (limits, fence) = (self.api.limits().clone(), stored.place.account.store().fence());
                StoreRequest::Perform(Operation::Renew { call, uncertain: cost.uncertain, limits, fence })
            }
            (Action::Pause, Some(call)) => StoreRequest::Perform(Operation::Pause { call }),
            (_, Some(call)) => {
                let settlement = stored.claim.take().map(ClaimGuard::disarm);
                let settlement = settlement.unwrap_or_else(|| Settlement::without_response(cost));
                let observed = self.observer.is_some().then(|| self.api.limits().clone());
                let settlement = Settlement { cost, observed, ..settlement };
                StoreRequest::Perform(Operation::Settle { call, settlement })
            }
            // A free call that was charged. All other charged calls have a claim.
            (_, None) if cost != Cost::NONE => {
                self.api.note_charge(M::NAME, cost.charged);
                StoreRequest::Perform(Operation::Charge { method: M::NAME, cost, token: stored.token })
            }
            (_, None) => {
                self.stored = Some(stored);
                return Next::Done(self.end());
            }
        };
        self.stored = Some(stored);
        Next::Ask(action, request)
    }

    /// Asks the account. The returned future does not borrow from `self`.
    pub(crate) fn ask_account(
        &self,
        request: StoreRequest,
    ) -> impl Future<Output = Answered> + Send + use<M> {
        store::ask(self.stored.as_ref().map(|stored| stored.place.account.clone()), request)
    }

    /// Returns the known cost after the last attempt.
    pub(crate) fn credits(&self) -> Option<Credits> {
        let reply = self.stored.as_ref().and_then(|stored| stored.reply.as_ref());
        reply.map(|reply| reply.credits).or_else(|| Some(self.error()?.credits()))
    }

    /// Returns the backoff before the next attempt, if there is one.
    pub(crate) fn backoff(&self) -> Option<Duration> {
        self.machine.pause()
    }

    fn claim(&self, stored: &Stored<M>) -> Claim {
        let InStore { account, policy, lookup } = &stored.place;
        Claim {
            question: Arc::new(Question::of(&self.api, self.method.get())),
            people: store::people_of(self.method.get(), None),
            limits: self.api.limits().clone(),
            max_age: (*lookup != Lookup::New).then_some(policy.max_age.min(policy.keep_for)),
            stored_only: *lookup == Lookup::Stored,
            keep_for: policy.keep_for,
            pay_again_after: policy.pay_again_after,
            joined: self.machine.joined,
            fence: account.store().fence(),
            token: stored.token,
        }
    }
}

impl<M: ApiMethod> Asking<M> {
    /// Asks the account. The returned future does not borrow from `self`.
    pub fn ask(&self) -> impl Future<Output = Answered> + Send + use<M> {
        self.call.ask_account(self.request.clone())
    }

    /// Reports the result of [`ask`](Self::ask).
    pub fn answered(self, answered: Answered, now: Now) -> Step<M> {
        self.answered_at(answered, &now)
    }

    pub(crate) fn answered_at(mut self, answered: Answered, clock: &impl Clock) -> Step<M> {
        let next = self.call.asked(self.action, answered, clock);
        Step::of(self.call, next, clock)
    }
}

impl<M: ApiMethod> Call<M> {
    /// Reports that the store did not answer before the deadline. The store still writes a settlement later.
    pub(crate) fn too_late(&mut self, action: Action, clock: &impl Clock) -> Next<M> {
        if matches!(action, Action::Claim | Action::Lookup(_)) {
            return Next::Done(Err(too_late::<M>()));
        }
        let error = StoreError::new("the store did not answer before the deadline of the call");
        self.asked(action, Answered(Err(error)), clock)
    }

    /// Reports the account's answer.
    pub(crate) fn asked(&mut self, action: Action, answered: Answered, clock: &impl Clock) -> Next<M> {
        let now = clock.now();
        let asked = self.stored.as_ref().map_or(now, |stored| stored.asked);
        let next = match (action, answered.0) {
            (Action::Lookup(_), Ok(AccountReply::Ended(has_ended))) => self.machine.looked_up(has_ended, now),
            (Action::Claim, Ok(AccountReply::Stored(id, answer, age))) => {
                return Next::Done(self.read_stored(id, answer, age));
            }
            (Action::Claim, Ok(AccountReply::Done(done))) => {
                let claimed = self.claimed(done);
                self.machine.claimed(claimed, asked, now)
            }
            (Action::Renew, Ok(AccountReply::Done(done))) => {
                let renewed = match done {
                    Done::Booked => Renewed::Confirmed,
                    Done::ComparisonRunning => Renewed::NotYet,
                    Done::CapReached(cap) => self.not_renewed(cap),
                    _ => {
                        self.last = Some(self.claim_lost());
                        Renewed::Lost
                    }
                };
                self.machine.renewed(renewed, asked, now)
            }
            (Action::Renew, Err(error)) => {
                if self.last.is_none() {
                    self.refuse(ErrorKind::Store(StoreRefusal::Failed(error)));
                }
                self.machine.renewed(Renewed::Refused, asked, now)
            }
            (Action::Pause, result) => self.machine.paused(result.is_ok()),
            (Action::Settle, result) => {
                if let Ok(AccountReply::Done(Done::Raised(raised))) = &result {
                    self.report(raised);
                }
                if let Some(Stored { call: Some(id), reply: Some(reply), .. }) = self.stored.as_deref_mut() {
                    let storage = result.map_or_else(Storage::NotStored, |_| Storage::Stored);
                    reply.set_stored(*id, (!reply.is_mismatched()).then_some(storage));
                }
                self.machine.settled()
            }
            (_, Err(error)) => {
                self.refuse(ErrorKind::Store(StoreRefusal::Failed(error)));
                self.machine.claimed(Claimed::Ended, asked, now)
            }
            (_, Ok(_)) => self.machine.claimed(Claimed::Ended, asked, now),
        };
        self.step(next, clock)
    }

    fn claimed(&mut self, done: Done) -> Claimed {
        self.wants_balance = false;
        let (refusal, claimed) = match done {
            Done::Granted(call) => {
                if let Some(stored) = &mut self.stored {
                    stored.claim = Some(ClaimGuard::new(&stored.place.account, call));
                    stored.call = Some(call);
                }
                // Discards earlier refusals.
                self.last = None;
                return Claimed::Granted;
            }
            Done::ComparisonRunning => return self.not_yet(None),
            Done::CapReached(cap) => return self.not_yet(Some(cap)),
            Done::InFlight { call, age } => (StoreRefusal::InFlight { call, age }, Claimed::InFlight(call)),
            Done::Blocked { call, age, charged } => {
                (StoreRefusal::Uncertain { call, age, charged }, Claimed::Ended)
            }
            _ => (StoreRefusal::NotStored, Claimed::Ended),
        };
        self.refuse(ErrorKind::Store(refusal));
        claimed
    }

    /// Returns the error of a call that sends no further attempt because its claim was lost.
    fn claim_lost(&self) -> Error {
        let uncertain = self.machine.cost.uncertain;
        let credits = if uncertain > 0 { Credits::Uncertain } else { Credits::NotCharged };
        // The attempt that was to be sent next is already counted.
        let sent = self.machine.attempts.saturating_sub(1);
        let error = Error::new(M::NAME, ErrorKind::Store(StoreRefusal::ClaimLost), credits, sent);
        error.with_earlier(self.received_responses())
    }

    /// Parses a stored answer.
    fn read_stored(
        &self,
        call: store::CallId,
        answer: store::Answer,
        age: Duration,
    ) -> Result<Reply<M::Answer>, Error> {
        let mut response = Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
        match self.api.parse(self.method.get(), response) {
            Ok(reply) => Ok(reply.into_stored(call, Storage::Cached { age, credits: answer.credits })),
            Err(error) => Err(error.with_attempts(0).with_credits(Credits::NotCharged).with_call(call)),
        }
    }
}
