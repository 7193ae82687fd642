//! Books a call without a store in its ledger.

use tgscan_types::ApiMethod;

use super::Call;
use super::clock::{Clock, millis};
use super::machine::{Action, Claimed, Renewed};
use crate::ErrorKind;
use crate::account::{BudgetUse, CapReached, Cost, LedgerTime, NotAdmitted};
use crate::panics::catch;
use crate::store::StoreRefusal;

impl<M: ApiMethod> Call<M> {
    /// Admits the call in the ledger.
    #[inline]
    pub(super) fn admit(&mut self, clock: &impl Clock) -> Action {
        let now = self.now(clock);
        let claimed = match self.api.ledger().admit(M::NAME, self.api.limits(), millis(now.time), now.date) {
            Ok(reservation) => {
                self.reservation = Some(reservation);
                (self.wants_balance, self.last) = (false, None);
                Claimed::Granted
            }
            Err(refusal) => self.not_yet(refusal),
        };
        self.machine.claimed(claimed, now, now)
    }

    /// Renews the reservation for another attempt.
    pub(super) fn renew(&mut self, clock: &impl Clock) -> Action {
        let now = self.now(clock);
        let uncertain = self.machine.cost.uncertain;
        let renewed = match &mut self.reservation {
            Some(reservation) => reservation.renew(uncertain, self.api.limits(), millis(now.time)),
            None => Ok(()),
        };
        let renewed = renewed.map_or_else(|refusal| self.not_renewed(refusal), |()| Renewed::Confirmed);
        self.machine.renewed(renewed, now, now)
    }

    /// Books the settlement in the ledger.
    #[inline]
    pub(super) fn settle_in_ledger(&mut self, clock: &impl Clock) {
        let cost = self.machine.cost;
        // The time matters only for uncertain attempts.
        let now = (cost.uncertain > 0).then(|| LedgerTime::of(clock));
        match &mut self.reservation {
            Some(reservation) => {
                let observed = self.observer.is_some().then(|| &**self.api.limits());
                let raised = reservation.settle(cost, now, observed);
                self.report(&raised);
            }
            None if cost == Cost::NONE => {}
            // The method is documented as free, but charged.
            None => {
                let elapsed = clock.time().saturating_sub(self.began);
                self.api.ledger().charge(M::NAME, cost, elapsed, LedgerTime::of(clock));
            }
        }
    }

    /// Returns whether to wait for room for another attempt. If not, the call ends with the error of its last
    /// attempt, which is more specific than that of the cap.
    pub(super) fn not_renewed(&mut self, refusal: NotAdmitted) -> Renewed {
        match refusal {
            NotAdmitted::ComparisonRunning => return Renewed::NotYet,
            NotAdmitted::Cap(cap) if self.waits_at_cap && cap.is_transient() => return Renewed::NotYet,
            NotAdmitted::Cap(cap) if self.machine.attempts == 1 => self.refuse(ErrorKind::CapReached(cap)),
            NotAdmitted::Cap(_) => {}
        }
        Renewed::Refused
    }

    /// Returns whether to wait after a refusal. Sets the error with which the call ends otherwise.
    pub(super) fn not_yet(&mut self, refusal: NotAdmitted) -> Claimed {
        let (can_wait, kind) = match refusal {
            NotAdmitted::ComparisonRunning => {
                self.wants_balance = false;
                (true, ErrorKind::Store(StoreRefusal::ComparisonRunning))
            }
            NotAdmitted::Cap(cap) => {
                self.wants_balance = cap.would_fit_if_resolved() && std::mem::take(&mut self.reconciles);
                let is_transient = self.waits_at_cap && CapReached::is_transient(&cap);
                (is_transient || self.wants_balance, ErrorKind::CapReached(cap))
            }
        };
        self.refuse(kind);
        if can_wait { Claimed::NotYet } else { Claimed::Ended }
    }

    /// Reports budgets that are nearly or completely used to the observer.
    pub(super) fn report(&self, raised: &[BudgetUse]) {
        if let Some(observer) = &self.observer {
            for raised in raised {
                catch(|| observer.budget_used(raised));
            }
        }
    }
}
