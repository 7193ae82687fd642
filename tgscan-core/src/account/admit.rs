//! Checks whether a call fits the limits of its account.

use std::borrow::Cow;
use std::fmt;

use super::amount::clamp;
use super::book::Tally;
use super::{Book, Budget, Entry, Period, Reserve, Totals};

/// The limits that a client's calls must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// The limit of the account.
    pub(crate) cap: Option<(u64, Reserve)>,
    pub(crate) budgets: Vec<Budget>,
}

impl Limits {
    pub(crate) fn add(&mut self, budget: Budget) {
        let is_same = |other: &Budget| other.label == budget.label && other.period == budget.period;
        self.budgets.retain(|other| !is_same(other));
        self.budgets.push(budget);
    }

    /// Returns whether there is no limit.
    pub(crate) fn is_empty(&self) -> bool {
        self.cap.is_none() && self.budgets.is_empty()
    }

    /// Returns whether a budget has a period, so that admission needs the date.
    pub(crate) fn needs_date(&self) -> bool {
        self.budgets.iter().any(|budget| budget.period != Period::Total)
    }

    /// Returns the minimum reserve of an attempt, in credits.
    fn reserve(&self) -> u64 {
        let all = self
            .cap
            .iter()
            .map(|(_, reserve)| reserve)
            .chain(self.budgets.iter().map(|budget| &budget.reserve));
        let least = |reserve: &Reserve| match reserve {
            Reserve::PerCall(credits) => (*credits).max(1),
            Reserve::OneAtATime => 0,
        };
        all.map(least).max().unwrap_or(0)
    }
}

/// A call that a cap or a budget refused before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapReached {
    /// The label of the budget; `None` for the cap of the account.
    pub budget: Option<String>,
    /// The limit, in credits.
    pub limit: u64,
    /// The totals that count against the limit.
    pub totals: Totals,
    /// The amount that the call would have reserved; `None` if the price of its method is unknown.
    pub reserve: Option<u64>,
    /// Whether the budget is periodic but the date is unknown.
    pub is_undated: bool,
}

impl CapReached {
    /// Returns whether waiting can help: the call may fit once the calls in flight have ended.
    pub fn is_transient(&self) -> bool {
        let ended = Totals { in_flight: 0, is_in_flight_open: false, ..self.totals };
        self.totals.in_flight_calls > 0 && self.fits(&ended)
    }

    /// Returns whether resolving uncertain calls can help; see [`Client::reconcile`](crate::Client::reconcile).
    pub fn would_fit_if_resolved(&self) -> bool {
        let resolved = Totals { uncertain: 0, is_uncertain_open: false, ..self.totals };
        self.totals.uncertain_attempts > 0 && self.fits(&resolved)
    }

    fn fits(&self, totals: &Totals) -> bool {
        !self.is_undated && totals.remaining(self.limit) >= self.reserve.unwrap_or(1)
    }
}

impl Book {
    /// Admits a call if it fits all limits. `date` is in milliseconds since 1970, if it is known. A refusal changes no
    /// amount, but may move charges of periods that a wrong clock has begun.
    pub(crate) fn admit(
        &mut self,
        method: Cow<'static, str>,
        limits: &Limits,
        date: Option<u64>,
    ) -> Result<Entry, CapReached> {
        let budgets = self.budget_keys(limits, date)?;
        let mut entry = Entry { method, reserve: limits.reserve(), budgets, ..Entry::default() };
        // Also if the call is refused, because otherwise they would refuse every later call.
        for key in &entry.budgets {
            self.move_charges(key);
        }
        let method = self.method(&entry);
        self.check(&entry, method, limits, 1, true)?;
        (entry.is_in_flight, entry.is_sending) = (true, true);
        self.add_call(&entry, method);
        Ok(entry)
    }

    /// Admits another attempt of a call with `uncertain` uncertain attempts.
    pub(crate) fn renew(
        &mut self,
        entry: &mut Entry,
        uncertain: u32,
        limits: &Limits,
    ) -> Result<(), CapReached> {
        let more = u64::from(uncertain.saturating_sub(entry.uncertain));
        let method = self.method(entry);
        let checked = self.check(entry, method, limits, more, false);
        checked.map_err(|cap| self.as_if_ended(cap, entry, method, more))?;
        // Counted as in flight until the call ends, so that a comparison does not resolve them earlier.
        self.update_counts(entry, method, |calls| calls.in_flight += more);
        entry.uncertain = entry.uncertain.max(uncertain);
        self.sending += u64::from(!std::mem::replace(&mut entry.is_sending, true));
        Ok(())
    }

    /// Returns the refusal with the totals after the end of the call, because a call cannot wait for its own end.
    fn as_if_ended(&self, cap: CapReached, entry: &Entry, method: usize, uncertain: u64) -> CapReached {
        let reserve = self.reserved(method, entry.reserve);
        let credits = |attempts: u64| reserve.unwrap_or(1).saturating_mul(attempts);
        let booked = u64::from(entry.uncertain);
        let now = cap.totals;
        let in_flight_calls = now.in_flight_calls.saturating_sub(booked + 1);
        let totals = Totals {
            in_flight: now.in_flight.saturating_sub(credits(booked + 1)),
            in_flight_calls,
            is_in_flight_open: now.is_in_flight_open && in_flight_calls > 0,
            uncertain: now.uncertain.saturating_add(credits(booked + uncertain)),
            uncertain_attempts: now.uncertain_attempts.saturating_add(booked + uncertain),
            is_uncertain_open: now.is_uncertain_open || reserve.is_none(),
            ..now
        };
        CapReached { totals, ..cap }
    }

    /// Checks whether `attempts` more attempts of a call fit the limits. A call that `is_new` counts in the current period,
    /// and others in their own.
    #[inline]
    fn check(
        &self,
        entry: &Entry,
        method: usize,
        limits: &Limits,
        attempts: u64,
        is_new: bool,
    ) -> Result<(), CapReached> {
        if attempts == 0 || limits.is_empty() {
            return Ok(());
        }
        let reserve = self.reserved(method, entry.reserve);
        let needed = u128::from(reserve.unwrap_or(1)) * u128::from(attempts);
        let refused = |budget: Option<&Budget>, limit, totals| CapReached {
            budget: budget.map(|budget| budget.label.clone()),
            limit,
            totals,
            reserve: reserve.map(|_| clamp(needed)),
            is_undated: false,
        };
        if let Some((cap, _)) = limits.cap {
            let reserved = self.amount(&self.account, |calls| calls.in_flight + calls.uncertain);
            let committed = self.account.charged + self.unexplained + reserved.credits;
            if reserved.is_open || committed + needed > cap.into() {
                return Err(refused(None, cap, self.totals()));
            }
        }
        for (budget, key) in limits.budgets.iter().zip(&entry.budgets) {
            let (mut committed, mut is_open) = (needed, false);
            let mut add = |tally: &Tally| {
                let reserved = self.amount(tally, |calls| calls.in_flight + calls.uncertain);
                committed += tally.charged + reserved.credits;
                is_open |= reserved.is_open;
            };
            if is_new {
                self.counted(key).for_each(add);
            } else if let Some((_, tally)) = self.budgets.iter().find(|(known, _)| known == key) {
                add(tally);
            }
            if is_open || committed > budget.limit.into() {
                return Err(refused(Some(budget), budget.limit, self.period_totals(key)));
            }
        }
        Ok(())
    }
}

impl std::error::Error for CapReached {}

impl fmt::Display for CapReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = &self.totals;
        if let (Some(label), true) = (&self.budget, self.is_undated) {
            return write!(
                f,
                "not sent, because the budget {label:?} has a period and the date is unknown; use a `Timer` with a date"
            );
        }
        match &self.budget {
            Some(label) => {
                write!(
                    f,
                    "not sent, because it could exceed the budget {label:?} of {} credits",
                    self.limit
                )?;
            }
            None => write!(f, "not sent, because it could exceed the cap of {} credits", self.limit)?,
        }
        write!(f, ": {} charged, {} in flight, {} uncertain", now.charged, now.in_flight, now.uncertain)?;
        if now.unexplained > 0 {
            write!(f, ", {} unexplained", now.unexplained)?;
        }
        if now.is_in_flight_open || now.is_uncertain_open {
            f.write_str(", and the price of an earlier call is unknown")?;
        } else {
            write!(f, ", and this call reserves {}", self.reserve.unwrap_or(1))?;
        }
        f.write_str(if self.is_transient() {
            "; try again when the calls in flight have ended"
        } else if self.would_fit_if_resolved() {
            "; resolve the uncertain calls with `Client::reconcile`"
        } else {
            "; raise the limit to spend more"
        })
    }
}
