//! Exchanges operations of a call with its account in the store.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use tgscan_types::ApiMethod;

use super::clock::{Clock, millis};
use super::machine::{Action, Claimed, Moment, Renewed};
use super::{Call, Next, too_late};
use crate::account::{Cost, NotAdmitted};
use crate::reply::Storage;
use crate::store::{
    self, Account, AccountReply, Answered, CallId, Claim, Done, Lookup, Operation, Question, Request,
    Settlement, StoreError, StorePolicy, StoreRefusal, Unwritten,
};
use crate::{Api, Credits, Error, ErrorKind, Reply};

/// The account of a call in a store, with the call's options for it.
#[derive(Clone, Debug)]
pub(crate) struct InStore {
    pub(crate) account: Account,
    pub(crate) policy: StorePolicy,
    pub(crate) lookup: Lookup,
}

/// The additional state of a call with a store.
pub(super) struct Stored<M: ApiMethod> {
    pub(super) place: InStore,
    token: u64,
    /// The claimed call.
    pub(super) call: Option<CallId>,
    /// The settlement of the claimed call as of now, or the charge of a free call.
    pub(super) unwritten: Option<Unwritten>,
    /// The time of the last request to the store; at first, that of the call's beginning.
    pub(super) asked: Moment,
    pub(super) reply: Option<Reply<M::Answer>>,
}

impl<M: ApiMethod> Stored<M> {
    pub(super) fn new(place: InStore) -> Self {
        let token = store::next_token();
        Self { place, token, call: None, unwritten: None, asked: Moment::default(), reply: None }
    }
}

impl<M: ApiMethod> Call<M> {
    /// Returns whether the store performs an action. A free call has no claim, and is settled only if it was charged.
    #[inline]
    pub(super) fn concerns_store(&self, action: Action) -> bool {
        let Some(stored) = &self.stored else { return false };
        match action {
            Action::Claim | Action::Lookup(_) => true,
            Action::Settle => stored.unwritten.is_some() || self.machine.cost != Cost::NONE,
            _ => stored.unwritten.is_some(),
        }
    }

    /// Creates the request to the account for an action.
    #[cold]
    pub(crate) fn store_request(&mut self, action: Action, clock: &impl Clock) -> Option<(Account, Request)> {
        let now = self.now(clock);
        let Self { api, method, machine, observer, stored, .. } = self;
        let stored = stored.as_deref_mut()?;
        let (cost, account) = (machine.cost, stored.place.account.clone());
        if action == Action::Settle && stored.unwritten.is_none() {
            // A free call that was charged. All other charged calls have a claim.
            api.note_charge(M::NAME, cost.charged);
            let charge = Operation::Charge { method: M::NAME, cost, began: 0, token: stored.token };
            stored.unwritten = Some(Unwritten::new(&account, charge));
            return Some((account, Request::Time));
        }
        stored.asked = now;
        let operation = match (action, stored.call) {
            (Action::Lookup(call), _) => return Some((account, Request::Lookup(call))),
            (Action::Claim, _) => Operation::Claim(claim(api, method.get(), stored, machine.joined)),
            (Action::Renew, Some(call)) => {
                let (limits, fence) = (api.limits().clone(), account.store().fence());
                Operation::Renew { call, uncertain: cost.uncertain, limits, fence, token: stored.token }
            }
            (Action::Pause, Some(call)) => Operation::Pause { call, token: stored.token },
            _ => {
                let mut unwritten = stored.unwritten.take()?;
                if let Some(settlement) = unwritten.settlement() {
                    settlement.cost = cost;
                    settlement.observed = observer.is_some().then(|| api.limits().clone());
                }
                return Some((account, Request::Write(unwritten)));
            }
        };
        Some((account, Request::Perform(operation)))
    }

    /// Reports that the account did not reply before the deadline.
    pub(crate) fn not_answered(&mut self, action: Action, clock: &impl Clock) -> Next {
        if matches!(action, Action::Claim | Action::Lookup(_)) {
            self.last = Some(too_late::<M>());
            return Next::Done;
        }
        let error = StoreError::new("the store did not answer before the deadline of the call");
        self.answered(action, Answered(Err(error)), clock)
    }

    /// Reports the account's reply.
    pub(crate) fn answered(&mut self, action: Action, answered: Answered, clock: &impl Clock) -> Next {
        let now = self.now(clock);
        let asked = self.stored.as_ref().map_or(now, |stored| stored.asked);
        if let (Action::Settle, Some(stored)) = (action, self.stored.as_deref_mut()) {
            let operation = stored.unwritten.as_mut().map(|unwritten| &mut unwritten.operation);
            if let Some(Operation::Charge { began, .. }) = operation {
                // Measured after the store's time was read, so that the call did not begin earlier.
                if let Ok(AccountReply::Time(time)) = answered.0 {
                    *began = time.saturating_sub(millis(now.since(asked)));
                }
                return self.step(action, clock);
            }
        }
        let next = match (action, answered.0) {
            (Action::Lookup(_), Ok(AccountReply::Ended(has_ended))) => self.machine.looked_up(has_ended, now),
            (Action::Claim, Ok(AccountReply::Stored(id, answer, age))) => {
                self.read_stored(id, answer, age);
                return Next::Done;
            }
            (Action::Claim, Ok(AccountReply::Granted(call, settle))) => {
                if let Some(stored) = &mut self.stored {
                    (stored.call, stored.unwritten) = (Some(call), Some(settle));
                }
                // Discards earlier refusals.
                (self.wants_balance, self.last) = (false, None);
                self.machine.claimed(Claimed::Granted, asked, now)
            }
            (Action::Claim, Ok(AccountReply::Done(done))) => {
                let claimed = self.not_granted(done);
                self.machine.claimed(claimed, asked, now)
            }
            (Action::Renew, Ok(AccountReply::Done(done))) => {
                let renewed = match done {
                    Done::Booked => Renewed::Confirmed,
                    Done::ComparisonRunning => Renewed::NotYet,
                    Done::CapReached(cap) => self.not_renewed(NotAdmitted::Cap(cap)),
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
                let result = match result {
                    Ok(AccountReply::Done(Done::Lost)) => Err(StoreError::new(
                        "the store no longer has this call; a backup may have been restored",
                    )),
                    Ok(AccountReply::Done(Done::Settled { raised, is_erased })) => {
                        self.report(&raised);
                        let error = || {
                            StoreError::new("the question was erased or expired before its answer arrived")
                        };
                        if is_erased { Err(error()) } else { Ok(()) }
                    }
                    result => result.map(drop),
                };
                if let Some(Stored { call: Some(id), reply: Some(reply), .. }) = self.stored.as_deref_mut() {
                    let storage = result.map_or_else(Storage::NotStored, |()| Storage::Stored);
                    reply.set_stored(*id, (!reply.is_mismatched()).then_some(storage));
                }
                self.machine.settled()
            }
            (_, result) => {
                if let Err(error) = result {
                    self.refuse(ErrorKind::Store(StoreRefusal::Failed(error)));
                }
                self.machine.claimed(Claimed::Ended, asked, now)
            }
        };
        self.step(next, clock)
    }

    fn not_granted(&mut self, done: Done) -> Claimed {
        self.wants_balance = false;
        let (refusal, claimed) = match done {
            Done::ComparisonRunning => return self.not_yet(NotAdmitted::ComparisonRunning),
            Done::CapReached(cap) => return self.not_yet(NotAdmitted::Cap(cap)),
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
    fn read_stored(&mut self, call: CallId, answer: store::Answer, age: Duration) {
        let mut response = Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
        match self.api.parse(self.method.get(), response) {
            Ok(reply) => {
                let storage = Storage::Cached { age, credits: answer.credits };
                if let Some(stored) = &mut self.stored {
                    stored.reply = Some(reply.into_stored(call, storage));
                }
            }
            Err(error) => {
                self.last = Some(error.with_attempts(0).with_credits(Credits::NotCharged).with_call(call));
            }
        }
    }

    /// Returns the settlement of a claimed call as of now.
    pub(super) fn settlement(&mut self) -> Option<&mut Settlement> {
        self.stored.as_mut()?.unwritten.as_mut()?.settlement()
    }

    /// Records the cost that the call has if it is dropped now, with `in_flight` attempts in flight.
    #[inline]
    pub(super) fn note_cost(&mut self, in_flight: u32) {
        let Cost { charged, uncertain } = self.machine.cost;
        if let Some(settlement) = self.settlement() {
            settlement.cost = Cost { charged, uncertain: uncertain + in_flight };
        }
    }

    /// Returns the confirmation of the claim; `None` without a claim. The request must not be written after its end.
    #[inline]
    pub(crate) fn confirmation(&self) -> Option<Confirmation> {
        let stored = self.stored.as_ref().filter(|stored| stored.unwritten.is_some())?;
        Some(Confirmation { at: self.machine.confirmed(), fence: stored.place.account.store().fence() })
    }
}

fn claim<M: ApiMethod>(api: &Api, method: &M, stored: &Stored<M>, joined: Option<CallId>) -> Claim {
    let InStore { account, policy, lookup } = &stored.place;
    Claim {
        question: Arc::new(Question::of(api, method)),
        people: store::people_of(method, None),
        limits: api.limits().clone(),
        max_age: (*lookup != Lookup::New).then_some(policy.max_age.min(policy.keep_for)),
        stored_only: *lookup == Lookup::Stored,
        keep_for: policy.keep_for,
        pay_again_after: policy.pay_again_after,
        joined,
        fence: account.store().fence(),
        token: stored.token,
    }
}

/// When the claim of a call was last confirmed, and how long the confirmation is valid.
#[derive(Clone, Copy)]
pub(crate) struct Confirmation {
    at: Moment,
    fence: Duration,
}

impl Confirmation {
    /// Returns whether it is too late to write a request of the call.
    pub(crate) fn has_passed(self, clock: &impl Clock) -> bool {
        clock.now().since(self.at) > self.fence
    }
}
