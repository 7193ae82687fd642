//! The periods of budgets.
//!
//! A call counts in the period that contains its claim. If the book has a period that begins more than [`CLOCK_SLACK`] later,
//! the clock was ahead then or is behind now. The call still counts in the period that the clock shows, and the charges of
//! the later period are moved there, so that a wrong clock neither locks a budget nor makes room in it. If the clock
//! returns to the later period, they are moved back.

use super::admit::{CapReached, Limits};
use super::book::Tally;
use super::compare::CLOCK_SLACK;
use super::{Book, Budget, BudgetKey, Period, Totals};

/// The number of periods of a budget that are kept after they ended, to find their totals if the clock goes back.
const KEPT: usize = 2;

impl BudgetKey {
    fn is_same_budget(&self, other: &Self) -> bool {
        self.period == other.period && self.label == other.label
    }
}

impl Book {
    /// Returns the totals of a budget in its latest period, which may have ended; zero if no call has counted in it.
    pub fn budget(&self, label: &str, period: Period) -> Totals {
        let mine = || self.budgets.iter().filter(|(key, _)| key.label == label && key.period == period);
        // Without the periods that a clock which was ahead has begun.
        let is_ahead = |number: u32| {
            mine().any(|(key, tally)| {
                key.number < number && tally.moved_from.is_some_and(|from| from >= number)
            })
        };
        let latest = mine().map(|(key, _)| key.number).filter(|number| !is_ahead(*number)).max();
        latest.map_or_else(Totals::default, |number| {
            self.period_totals(&BudgetKey { label: label.to_owned(), period, number })
        })
    }

    /// Returns the totals of a budget in the period of a call that begins at `time`, in milliseconds since 1970; zero if
    /// no call has counted in it.
    pub fn budget_at(&self, label: &str, period: Period, time: u64) -> Totals {
        let number = self.period_number(label, period, time);
        self.period_totals(&BudgetKey { label: label.to_owned(), period, number })
    }

    /// Returns the periods of budgets in which a call counts.
    pub(super) fn budget_keys(
        &self,
        limits: &Limits,
        date: Option<u64>,
    ) -> Result<Vec<BudgetKey>, CapReached> {
        let key = |budget: &Budget| {
            let Budget { label, period, .. } = budget;
            let number = match (period, date) {
                (Period::Total, _) => 0,
                (_, Some(date)) => self.period_number(label, *period, date),
                (_, None) => {
                    return Err(CapReached {
                        budget: Some(label.clone()),
                        limit: budget.limit,
                        totals: self.budget(label, *period),
                        reserve: None,
                        is_undated: true,
                    });
                }
            };
            Ok(BudgetKey { label: label.clone(), period: *period, number })
        };
        // The usual case, without the cost of collecting results.
        if limits.budgets.is_empty() { Ok(Vec::new()) } else { limits.budgets.iter().map(key).collect() }
    }

    /// Returns the number of the period of a call. Within the slack of the clock, a budget never moves to an earlier period.
    fn period_number(&self, label: &str, period: Period, date: u64) -> u32 {
        let last = period.number(date.saturating_add(CLOCK_SLACK));
        let mine = self.budgets.iter().filter(|(key, _)| key.label == label && key.period == period);
        let latest = mine.map(|(key, _)| key.number).filter(|number| *number <= last).max();
        period.number(date).max(latest.unwrap_or(0))
    }

    /// Returns the tallies that count against a new call in a period: that of the period, those of later periods, and the
    /// one that has its charges because the clock went back.
    pub(super) fn counted(&self, key: &BudgetKey) -> impl Iterator<Item = &Tally> {
        let counts = |other: &BudgetKey, tally: &Tally| {
            other.is_same_budget(key) && (other.number >= key.number || tally.moved_from == Some(key.number))
        };
        self.budgets.iter().filter(move |(other, tally)| counts(other, tally)).map(|(_, tally)| tally)
    }

    /// Returns the totals that count against a new call in a period.
    pub(super) fn period_totals(&self, key: &BudgetKey) -> Totals {
        let mut sum = Tally::default();
        for tally in self.counted(key) {
            sum.charged += tally.charged;
            sum.exposures.extend(tally.exposures.iter().cloned());
        }
        self.totals_of(&sum)
    }

    /// Moves the charges that count in a period to its tally. The calls that are still open stay where they were claimed.
    pub(super) fn move_charges(&mut self, key: &BudgetKey) {
        let (mut moved, mut moved_from) = (0, None);
        for (other, tally) in self.budgets.iter_mut().filter(|(other, _)| other.is_same_budget(key)) {
            if other.number > key.number {
                moved_from = moved_from.max(Some(other.number));
                moved += std::mem::take(&mut tally.charged);
            } else if other.number < key.number && tally.moved_from.take() == Some(key.number) {
                moved += std::mem::take(&mut tally.charged);
            }
        }
        if moved_from.is_some() {
            self.budgets.retain(|(other, tally)| {
                !other.is_same_budget(key) || other.number <= key.number || !tally.exposures.is_empty()
            });
        }
        if moved_from.is_some() || moved > 0 {
            let tally = self.tally(key);
            tally.charged += moved;
            tally.moved_from = moved_from.max(tally.moved_from);
        }
    }

    /// Returns the tally of a period of a budget.
    pub(super) fn tally(&mut self, key: &BudgetKey) -> &mut Tally {
        let at = self.budgets.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.budgets.push((key.clone(), Tally::default()));
            self.budgets.len() - 1
        });
        &mut self.budgets[at].1
    }

    /// Removes earlier periods of a budget that can no longer change. Periods that a clock which was ahead has begun
    /// are not later than the period that has their charges.
    pub(super) fn remove_ended_periods(&mut self, budget: &BudgetKey) {
        let mine = self.budgets.iter().filter(|(key, _)| key.is_same_budget(budget));
        let periods: Vec<_> = mine.map(|(key, _)| key.number).collect();
        self.budgets.retain(|(key, tally)| {
            let now = tally.moved_from.max(Some(key.number));
            let later = periods.iter().filter(|number| Some(**number) > now).count();
            !key.is_same_budget(budget) || !tally.exposures.is_empty() || later < KEPT
        });
    }
}
