//! The totals of an account, and their changes by calls.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::amount::clamp;
use super::barrier::Barrier;
use super::joint::JointResolution;
use super::{BudgetKey, Cost, Entry};

/// The totals of an account and its budgets: the charged, uncertain and reserved credits of its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Book {
    pub(super) methods: Vec<Method>,
    pub(super) account: Tally,
    pub(super) budgets: Vec<(BudgetKey, Tally)>,
    /// Credits that the account lost and that no call explains.
    pub(super) unexplained: u128,
    pub(super) baseline: Option<Baseline>,
    /// The times of the first and the last conclusive comparison since the baseline was unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared: Option<(u64, u64)>,
    /// The number of calls in flight.
    pub(super) in_flight: u64,
    /// The number of those that may have a running attempt.
    pub(super) sending: u64,
    /// Counts changes of charged and uncertain amounts, so that a comparison detects them.
    pub(super) revision: u64,
    pub(super) barrier: Option<Barrier>,
    /// The last time at which a call became uncertain, in milliseconds.
    pub(super) uncertain_at: Option<u64>,
    /// Whether a call became uncertain at an unknown time since then.
    pub(super) has_undated: bool,
}

/// The balance that later ones are compared with, and the charged credits at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) balance: i128,
    pub(super) charged: u128,
}

/// An API method in a book.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Method {
    pub(super) name: Cow<'static, str>,
    /// The highest `op_cost` seen.
    pub(super) price: Option<u64>,
}

/// The calls of the account, or of one period of a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) charged: u128,
    pub(super) exposures: Vec<Exposure>,
    /// The later period whose charges were moved here, because the clock went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moved_from: Option<u32>,
}

/// Calls of one method with the same reserve, counted in attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Exposure {
    method: usize,
    reserve: u64,
    pub(super) in_flight: u64,
    pub(super) uncertain: u64,
    /// The uncertain attempts that ended before the first balance, so that no balance can resolve them.
    pub(super) before_baseline: u64,
}

/// The possible cost of some attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) credits: u128,
    pub(super) attempts: u64,
    /// Whether the price of an attempt is unknown, so that it may cost any amount.
    pub(super) is_open: bool,
}

/// The totals of an account or a budget, in credits. An attempt of unknown price counts as 1 credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Credits that were certainly charged.
    pub charged: u64,
    /// Credits reserved for calls that have not ended.
    pub in_flight: u64,
    /// The number of attempts that calls in flight may be charged for: the current one of each call, plus its uncertain
    /// ones.
    pub in_flight_calls: u64,
    /// Credits reserved for attempts that ended without a known cost.
    pub uncertain: u64,
    /// The number of attempts that ended without a known cost.
    pub uncertain_attempts: u64,
    /// Credits that the account lost and that no call explains; 0 for a budget.
    pub unexplained: u64,
    /// Whether a call in flight has no known price, so that it may cost any amount.
    pub is_in_flight_open: bool,
    /// Whether an uncertain attempt has no known price, so that it may have cost any amount.
    pub is_uncertain_open: bool,
}

impl Totals {
    /// Returns the credits that count against a limit: charged, in flight, uncertain and unexplained.
    pub fn committed(&self) -> u64 {
        let reserved = self.in_flight.saturating_add(self.uncertain);
        self.charged.saturating_add(self.unexplained).saturating_add(reserved)
    }

    /// Returns how many credits of a limit are left for further calls; 0 while a call of unknown price is in flight or
    /// uncertain.
    pub fn remaining(&self, limit: u64) -> u64 {
        let is_open = self.is_in_flight_open || self.is_uncertain_open;
        if is_open { 0 } else { limit.saturating_sub(self.committed()) }
    }
}

impl Book {
    /// Returns the totals of the account.
    pub fn totals(&self) -> Totals {
        Totals { unexplained: clamp(self.unexplained), ..self.totals_of(&self.account) }
    }

    /// Returns the price of an API method, given its `ApiMethod::NAME`: the highest `op_cost` so far. `None` before the
    /// first charge.
    pub fn price(&self, method: &str) -> Option<u64> {
        self.methods.iter().find(|known| known.name == method)?.price
    }

    /// Returns the API methods that were charged, with their prices.
    pub(crate) fn prices(&self) -> impl Iterator<Item = (&str, u64)> {
        self.methods.iter().filter_map(|method| Some((&*method.name, method.price?)))
    }

    /// Returns the balance that the next comparison starts from: that of the last conclusive comparison other than
    /// [`Outcome::Purchased`](crate::Outcome), plus the purchases recorded since. `None` before the first comparison,
    /// and after [`Ledger::resolve_uncertain`](crate::Ledger::resolve_uncertain).
    pub fn balance(&self) -> Option<i128> {
        self.baseline.map(|baseline| baseline.balance)
    }

    /// Returns a number that grows with each change of charged or uncertain amounts.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Replaces the price of a method, for example after a wrong `op_cost`. Returns the old price.
    pub(crate) fn set_price(&mut self, method: &str, price: Option<u64>) -> Option<u64> {
        let method = self.method(&Entry { method: method.to_owned().into(), ..Entry::default() });
        std::mem::replace(&mut self.methods[method].price, price)
    }

    pub(super) fn totals_of(&self, tally: &Tally) -> Totals {
        let (in_flight, uncertain) =
            (self.amount(tally, |calls| calls.in_flight), self.amount(tally, |calls| calls.uncertain));
        Totals {
            charged: clamp(tally.charged),
            in_flight: clamp(in_flight.credits),
            in_flight_calls: in_flight.attempts,
            uncertain: clamp(uncertain.credits),
            uncertain_attempts: uncertain.attempts,
            unexplained: 0,
            is_in_flight_open: in_flight.is_open,
            is_uncertain_open: uncertain.is_open,
        }
    }

    /// Returns the possible cost of the attempts in `tally` that `count` selects.
    pub(super) fn amount(&self, tally: &Tally, count: impl Fn(&Exposure) -> u64) -> Amount {
        let mut sum = Amount::default();
        for exposure in &tally.exposures {
            let attempts = count(exposure);
            let price = self.reserved(exposure.method, exposure.reserve);
            sum.attempts += attempts;
            sum.is_open |= attempts > 0 && price.is_none();
            sum.credits += u128::from(attempts) * u128::from(price.unwrap_or(1));
        }
        sum
    }

    /// Returns the reserve of an attempt; `None` if its price is unknown.
    pub(super) fn reserved(&self, method: usize, reserve: u64) -> Option<u64> {
        match self.methods.get(method).and_then(|method| method.price) {
            Some(price) => Some(price.max(reserve).max(1)),
            None => (reserve > 0).then_some(reserve),
        }
    }

    /// Returns the index of a call's method. Adds the method if it is new.
    #[inline]
    pub(super) fn method(&mut self, entry: &Entry) -> usize {
        let name = &entry.method;
        // Usually the same static string, so comparing the pointers is enough.
        let is_same =
            |known: &Method| std::ptr::eq(&raw const *known.name, &raw const **name) || known.name == *name;
        let known = self.methods.iter().position(is_same);
        known.unwrap_or_else(|| {
            self.methods.push(Method { name: name.clone(), price: None });
            self.methods.len() - 1
        })
    }

    /// Changes the counts of an entry in the account and in each of its budgets.
    pub(super) fn update_counts(&mut self, entry: &Entry, method: usize, change: impl Fn(&mut Exposure)) {
        self.account.change(method, entry.reserve, &change);
        for key in &entry.budgets {
            self.tally(key).change(method, entry.reserve, &change);
        }
    }

    /// Counts an admitted call and its first attempt.
    pub(super) fn add_call(&mut self, entry: &Entry, method: usize) {
        self.update_counts(entry, method, |calls| calls.in_flight += 1);
        (self.in_flight, self.sending) = (self.in_flight + 1, self.sending + 1);
    }

    /// Records that no attempt of a call is running; the next attempt needs a renewal. Has no effect after an uncertain
    /// attempt: it may still be charged, so a comparison must wait for the end of the call.
    pub(crate) fn pause(&mut self, entry: &mut Entry) {
        if entry.uncertain == 0 {
            self.stop_sending(entry);
        }
    }

    fn stop_sending(&mut self, entry: &mut Entry) {
        let was_sending = u64::from(std::mem::take(&mut entry.is_sending));
        self.sending = self.sending.saturating_sub(was_sending);
    }

    /// Books the settlement of a call, at time `at` if it is known. Raises the price of its method if the cost is higher.
    ///
    /// Replaces the cost of a call that was resolved in the meantime; `joint` is the resolution by a comparison.
    pub(crate) fn settle(
        &mut self,
        entry: &mut Entry,
        cost: Cost,
        joint: Option<&mut JointResolution>,
        at: Option<u64>,
    ) {
        let method = self.method(entry);
        self.raise_price(method, cost.charged);
        self.set_cost(entry, method, cost, joint, at);
    }

    /// Books the loss of the owner of a call in flight. Returns whether the call certainly cost nothing.
    pub(crate) fn lose_owner(&mut self, entry: &mut Entry, at: Option<u64>) -> bool {
        let uncertain = entry.uncertain + u32::from(entry.is_sending);
        let cost = Cost { charged: entry.charged, uncertain };
        let method = self.method(entry);
        self.set_cost(entry, method, cost, None, at);
        cost == Cost::NONE
    }

    /// Books the loss of the owners of all calls in flight, if `calls` is their number. Returns whether it is. For calls
    /// whose entries are damaged.
    pub(crate) fn lose_last(&mut self, calls: usize, at: u64) -> bool {
        if self.in_flight != calls as u64 {
            return false;
        }
        let tallies =
            std::iter::once(&mut self.account).chain(self.budgets.iter_mut().map(|(_, tally)| tally));
        for calls in tallies.flat_map(|tally| &mut tally.exposures) {
            calls.uncertain += std::mem::take(&mut calls.in_flight);
        }
        (self.in_flight, self.sending) = (0, 0);
        self.uncertain_at = self.uncertain_at.max(Some(at));
        self.revision += 1;
        true
    }

    /// Resolves a call by hand: sets its total cost to `credits`.
    pub(crate) fn resolve(&mut self, entry: &mut Entry, credits: u64, joint: Option<&mut JointResolution>) {
        let method = self.method(entry);
        self.set_cost(entry, method, Cost { charged: credits, uncertain: 0 }, joint, None);
    }

    /// Books a charged call that was considered free when it began, at the time `began`.
    ///
    /// If a comparison ended in the meantime, it may have counted the charge, so it is uncertain until the next comparison. No
    /// comparison can resolve a charge that may be older than the baseline, so it discards the baseline too.
    pub(crate) fn charge(&mut self, method: Cow<'static, str>, cost: Cost, began: u64, now: u64) -> Entry {
        let is_doubtful = self.compared.is_some_and(|(first, last)| first != last && began < last);
        if self.compared.is_some_and(|(first, _)| began < first) {
            (self.baseline, self.compared) = (None, None);
        }
        let (charged, reserve) = if is_doubtful { (0, cost.charged) } else { (cost.charged, 0) };
        let mut entry = Entry { method, reserve, is_in_flight: true, is_sending: true, ..Entry::default() };
        let method = self.method(&entry);
        self.raise_price(method, cost.charged);
        self.add_call(&entry, method);
        let uncertain = cost.uncertain + u32::from(reserve > 0);
        self.settle(&mut entry, Cost { charged, uncertain }, None, Some(now));
        entry
    }

    fn raise_price(&mut self, method: usize, charged: u64) {
        if charged > 0 {
            self.methods[method].price = self.methods[method].price.max(Some(charged));
        }
    }

    /// Replaces the known cost of a call.
    fn set_cost(
        &mut self,
        entry: &mut Entry,
        method: usize,
        cost: Cost,
        joint: Option<&mut JointResolution>,
        at: Option<u64>,
    ) {
        let is_resolved = !entry.is_in_flight && entry.uncertain == 0;
        if is_resolved && cost.uncertain > 0 {
            // The book already has the exact cost.
            return;
        }
        if let (Some(_), Some(joint)) = (entry.comparison, joint) {
            return self.revise(entry, cost.charged, joint);
        }
        let (was, is) = (u64::from(entry.uncertain), u64::from(cost.uncertain));
        let (ends_now, is_old) = (entry.is_in_flight, entry.is_before_baseline);
        self.update_counts(entry, method, |calls| {
            // Saturating, because a store may have lost the totals but not the call.
            if ends_now {
                calls.in_flight = calls.in_flight.saturating_sub(1 + was);
                calls.uncertain += is;
            } else {
                calls.uncertain = (calls.uncertain + is).saturating_sub(was);
            }
            if is_old {
                calls.before_baseline = (calls.before_baseline + is).saturating_sub(was);
            }
        });
        self.stop_sending(entry);
        self.in_flight = self.in_flight.saturating_sub(ends_now.into());
        let (from, to) = (u128::from(entry.charged), u128::from(cost.charged));
        let replace = |charged: &mut u128| *charged = (*charged + to).saturating_sub(from);
        replace(&mut self.account.charged);
        entry.budgets.iter().for_each(|key| replace(&mut self.tally(key).charged));
        if let (Some(baseline), true) = (&mut self.baseline, is_old) {
            // The first balance already reflected this charge.
            replace(&mut baseline.charged);
        }
        if is > was || ends_now && is > 0 {
            self.uncertain_at = self.uncertain_at.max(at);
            self.has_undated |= at.is_none();
        }
        self.revision += u64::from(was != is || entry.charged != cost.charged);
        (entry.is_in_flight, entry.uncertain, entry.charged) = (false, cost.uncertain, cost.charged);
        entry.budgets.iter().for_each(|key| self.remove_ended_periods(key));
    }

    /// Discards the time at which calls became uncertain, because the clock now counts from another moment.
    pub(super) fn discard_times(&mut self) {
        self.has_undated |= self.uncertain_at.is_some();
        self.compared = self.compared.map(|_| (0, u64::MAX));
    }
}

impl Tally {
    fn change(&mut self, method: usize, reserve: u64, change: impl Fn(&mut Exposure)) {
        let is_same = |calls: &Exposure| calls.method == method && calls.reserve == reserve;
        let at = self.exposures.iter().position(is_same).unwrap_or_else(|| {
            self.exposures.push(Exposure { method, reserve, in_flight: 0, uncertain: 0, before_baseline: 0 });
            self.exposures.len() - 1
        });
        let calls = &mut self.exposures[at];
        change(calls);
        if (calls.in_flight, calls.uncertain) == (0, 0) {
            self.exposures.swap_remove(at);
        }
    }
}
