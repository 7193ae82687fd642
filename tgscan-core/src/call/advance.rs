//! Advances a call to its next step. Asks the ledger for calls without a store.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use super::clock::{Clock, millis};
use super::machine::{Action, Claimed, Moment, Renewed};
use super::{Attempt, Call, Next, not_in_time, too_late};
use crate::account::{BudgetUse, CapReached, Cost, LedgerTime, NotAdmitted, Reservation};
use crate::panics::catch;
use crate::store::{CallId, StoreRefusal};
use crate::{Credits, Error, ErrorKind, Reply};

impl<M: ApiMethod> Call<M> {
    /// Performs the machine's actions, up to the next one that needs a driver.
    #[inline]
    pub(crate) fn step(&mut self, mut action: Action, clock: &impl Clock) -> Next<M> {
        loop {
            action = match action {
                Action::Send => {
                    if let Some(action) = self.postponed(clock) {
                        action
                    } else {
                        self.note_cost(1);
                        return Next::Send(self.request());
                    }
                }
                Action::Wait(duration) => return Next::Wait(duration),
                Action::Finish => return Next::Done(self.end()),
                action if self.concerns_store(action) => return self.ask(action, clock),
                // Without a store, the ledger answers.
                Action::Claim => self.admit(clock),
                Action::Renew => self.renew(clock),
                Action::Pause => {
                    self.reservation.iter_mut().for_each(Reservation::pause);
                    self.machine.paused(true)
                }
                Action::Settle => {
                    self.settle_in_ledger(clock);
                    self.machine.settled()
                }
                Action::Lookup(_) => self.machine.give_up(),
            }
        }
    }

    /// Returns whether the store performs an action. A free call has no claim to pause or to renew.
    #[inline]
    fn concerns_store(&self, action: Action) -> bool {
        let Some(stored) = &self.stored else { return false };
        stored.claim.is_some() || !matches!(action, Action::Pause | Action::Renew)
    }

    /// Returns the action to perform instead if the attempt has to wait for its turn.
    #[inline]
    fn postponed(&mut self, clock: &impl Clock) -> Option<Action> {
        if self.api.pace().is_limiting() { self.wait_for_turn(clock) } else { None }
    }

    #[cold]
    fn wait_for_turn(&mut self, clock: &impl Clock) -> Option<Action> {
        let now = self.now(clock);
        let wait = self.api.pace().begin(&mut self.turn, clock.origin(), now.time)?;
        let action = self.machine.postponed(wait, now);
        if action == Action::Settle && self.machine.attempts == 1 {
            self.last = Some(not_in_time::<M>(if self.machine.has_deadline() {
                "the deadline of the call passes before the service's pause or the rate limit allows an attempt"
            } else {
                "`max_elapsed` of the call passes before the service's pause or the rate limit allows an attempt"
            }));
        }
        Some(action)
    }

    #[inline]
    fn request(&self) -> Request<Bytes> {
        if !self.api.marks_attempts() {
            // Returned directly, because changing a request copies it.
            return self.api.request(self.method.get());
        }
        let mut request = self.api.request(self.method.get());
        request.extensions_mut().insert(Attempt { method: M::NAME, number: self.machine.attempts });
        request
    }

    /// Records the cost that the call has if it is dropped now, with `in_flight` attempts in flight.
    pub(super) fn note_cost(&mut self, in_flight: u32) {
        let Cost { charged, uncertain } = self.machine.cost;
        if let Some(claim) = self.stored.as_mut().and_then(|stored| stored.claim.as_mut()) {
            claim.settlement.cost = Cost { charged, uncertain: uncertain + in_flight };
        }
    }

    /// Returns the time, with the date only if it is needed: reading the date is the slowest part of a call in the ledger.
    pub(super) fn now(&self, clock: &impl Clock) -> Moment {
        let needs_date = self.stored.is_some() || self.api.limits().needs_date();
        if needs_date { clock.now() } else { Moment { time: clock.time(), date: None } }
    }

    /// Admits the call in the ledger.
    fn admit(&mut self, clock: &impl Clock) -> Action {
        let now = self.now(clock);
        let limits = self.api.limits();
        let claimed = match self.api.ledger().admit(M::NAME, limits, millis(now.time), now.date) {
            Ok(reservation) => {
                self.reservation = Some(reservation);
                (self.wants_balance, self.last) = (false, None);
                Claimed::Granted
            }
            Err(NotAdmitted::ComparisonRunning) => self.not_yet(None),
            Err(NotAdmitted::Cap(cap)) => self.not_yet(Some(cap)),
        };
        self.machine.claimed(claimed, now, now)
    }

    /// Renews the reservation for another attempt.
    fn renew(&mut self, clock: &impl Clock) -> Action {
        let now = self.now(clock);
        let uncertain = self.machine.cost.uncertain;
        let renewed = match &mut self.reservation {
            Some(reservation) => reservation.renew(uncertain, self.api.limits(), millis(now.time)),
            None => Ok(()),
        };
        let renewed = match renewed {
            Ok(()) => Renewed::Confirmed,
            Err(NotAdmitted::ComparisonRunning) => Renewed::NotYet,
            Err(NotAdmitted::Cap(cap)) => self.not_renewed(cap),
        };
        self.machine.renewed(renewed, now, now)
    }

    /// Returns whether to wait for room for another attempt. If not, the call ends with the error of its last
    /// attempt, which is more specific than that of the cap.
    pub(super) fn not_renewed(&mut self, cap: CapReached) -> Renewed {
        if self.waits_at_cap && cap.is_transient() {
            return Renewed::NotYet;
        }
        if self.machine.attempts == 1 {
            self.refuse(ErrorKind::CapReached(cap));
        }
        Renewed::Refused
    }

    /// Returns whether to wait after a refusal. Sets the error with which the call ends otherwise.
    pub(super) fn not_yet(&mut self, cap: Option<CapReached>) -> Claimed {
        let would_fit = cap.as_ref().is_some_and(CapReached::would_fit_if_resolved);
        self.wants_balance = would_fit && std::mem::take(&mut self.reconciles);
        let can_wait =
            cap.as_ref().is_none_or(|cap| self.waits_at_cap && cap.is_transient()) || self.wants_balance;
        self.refuse(cap.map_or(ErrorKind::Store(StoreRefusal::ComparisonRunning), ErrorKind::CapReached));
        if can_wait { Claimed::NotYet } else { Claimed::Ended }
    }

    /// Returns the responses of the attempts so far that may have been charged.
    pub(crate) fn received_responses(&self) -> Vec<Response<Bytes>> {
        self.last.as_ref().map_or_else(Vec::new, Error::paid_responses)
    }

    /// Returns the number of attempts, including the one in flight.
    pub(crate) fn attempts(&self) -> u32 {
        self.machine.attempts
    }

    /// Returns the number of the claimed call in the store.
    pub(crate) fn id(&self) -> Option<CallId> {
        self.stored.as_ref()?.call
    }

    /// Returns the error of the call if it ends now.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.last.as_ref()
    }

    pub(super) fn refuse(&mut self, kind: ErrorKind) {
        self.last = Some(Error::new(M::NAME, kind, Credits::NotCharged, 0));
    }

    pub(super) fn settle_in_ledger(&mut self, clock: &impl Clock) {
        let cost = self.machine.cost;
        if let Some(reservation) = self.reservation.take() {
            // The time matters only for uncertain attempts.
            let now = (cost.uncertain > 0).then(|| LedgerTime::of(clock));
            if self.observer.is_some() {
                let raised = reservation.settle_with_warnings(cost, now, self.api.limits());
                self.report(&raised);
            } else {
                reservation.settle(cost, now);
            }
        } else if cost != Cost::NONE {
            // The method is documented as free, but charged.
            self.api.ledger().charge(M::NAME, cost, LedgerTime::of(clock));
        }
    }

    /// Reports budgets that are nearly or completely used to the observer.
    pub(super) fn report(&self, raised: &[BudgetUse]) {
        if let Some(observer) = &self.observer {
            for raised in raised {
                catch(|| observer.budget_used(raised));
            }
        }
    }

    fn late(&self) -> Error {
        if self.machine.has_deadline() {
            return too_late::<M>();
        }
        not_in_time::<M>("`max_elapsed` of the call passed before the store confirmed its claim")
    }

    /// Returns the result of the call.
    pub(super) fn end(&mut self) -> Result<Reply<M::Answer>, Error> {
        if let Some(reply) = self.stored.as_mut().and_then(|stored| stored.reply.take()) {
            return Ok(reply);
        }
        // Without an error, a time limit passed before the first attempt.
        let error = self.last.take().unwrap_or_else(|| self.late());
        Err(match self.stored.as_ref().and_then(|stored| stored.call) {
            Some(call) => error.with_call(call),
            None => error,
        })
    }
}
