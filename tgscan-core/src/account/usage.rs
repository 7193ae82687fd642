//! Warns before a limit is reached.

use super::amount::clamp;
use super::book::Tally;
use super::{Book, Entry, Limits, Period};

/// A budget or cap that is nearly or completely used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BudgetUse {
    /// The label and the period of the budget; `None` for the cap.
    pub budget: Option<(String, Period)>,
    /// The limit, in credits.
    pub limit: u64,
    /// Credits that are charged, uncertain or unexplained.
    pub used: u64,
    /// Whether no further call of the same API method fits, even if all calls in flight turn out to be free. If
    /// `false`, at least 80% of the limit is used.
    pub is_exhausted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Below,
    Nearly,
    Exhausted,
}

impl Book {
    /// Calls `settle` for a call, and returns the `observed` limits whose use this raised to 80% or to the limit.
    pub(crate) fn settle_with_warnings(
        &mut self,
        entry: &mut Entry,
        observed: Option<&Limits>,
        settle: impl FnOnce(&mut Self, &mut Entry),
    ) -> Vec<BudgetUse> {
        let before = observed.map(|limits| (limits, self.levels(entry, limits)));
        settle(self, entry);
        let Some((limits, before)) = before else { return Vec::new() };
        let after = self.levels(entry, limits);
        let raised = before.into_iter().zip(after).filter(|((before, _), (after, _))| after > before);
        raised.map(|(_, (_, usage))| usage).collect()
    }

    /// Returns the use of each limit of a call.
    fn levels(&mut self, entry: &Entry, limits: &Limits) -> Vec<(Level, BudgetUse)> {
        let method = self.method(entry);
        let next = self.reserved(method, entry.reserve).unwrap_or(1);
        let level = |budget, limit: u64, used: u128| {
            let level = if used + u128::from(next) > limit.into() {
                Level::Exhausted
            } else if used * 5 >= u128::from(limit) * 4 {
                Level::Nearly
            } else {
                Level::Below
            };
            let is_exhausted = level == Level::Exhausted;
            (level, BudgetUse { budget, limit, used: clamp(used), is_exhausted })
        };
        let used = |tally: &Tally| tally.charged + self.amount(tally, |calls| calls.uncertain).credits;
        let cap = limits.cap.map(|(cap, _)| level(None, cap, used(&self.account) + self.unexplained));
        let budgets = limits.budgets.iter().zip(&entry.budgets).map(|(budget, key)| {
            let tally = self.budgets.iter().find(|(known, _)| known == key);
            let used = tally.map_or(0, |(_, tally)| used(tally));
            level(Some((budget.label.clone(), budget.period)), budget.limit, used)
        });
        cap.into_iter().chain(budgets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Budget, Cost, Reserve};

    fn limits(cap: u64, budget: u64) -> Limits {
        let mut limits = Limits { cap: Some((cap, Reserve::PerCall(2))), budgets: Vec::new() };
        limits.add(Budget::new("team", budget, Period::Total, Reserve::PerCall(2)));
        limits
    }

    /// Settles a call. Returns for each raised limit whether it is a budget, its use, and whether it is exhausted.
    fn settle(book: &mut Book, limits: &Limits, cost: Cost) -> Vec<(bool, u64, bool)> {
        let mut entry = book.admit("search".into(), limits, Some(0)).unwrap();
        let raised = book.settle_with_warnings(&mut entry, Some(limits), |book, entry| {
            book.settle(entry, cost, None, Some(0));
        });
        raised.iter().map(|raised| (raised.budget.is_some(), raised.used, raised.is_exhausted)).collect()
    }

    #[test]
    fn each_limit_warns_once_at_80_percent_and_once_when_no_call_fits() {
        let (mut book, limits) = (Book::default(), limits(1000, 20));
        let raised: Vec<_> =
            (0..10).map(|_| settle(&mut book, &limits, Cost { charged: 2, uncertain: 0 })).collect();
        for (number, raised) in (1_u64..).zip(&raised) {
            let expected: &[_] = match number {
                8 => &[(true, 16, false)],
                10 => &[(true, 20, true)],
                _ => &[],
            };
            assert_eq!(raised, expected, "call {number}");
        }
        assert!(book.admit("search".into(), &limits, Some(0)).is_err());
    }

    #[test]
    fn uncertain_calls_count_and_calls_in_flight_do_not() {
        let (mut book, limits) = (Book::default(), limits(10, 1000));
        let in_flight: Vec<_> =
            (0..4).map(|_| book.admit("search".into(), &limits, Some(0)).unwrap()).collect();
        assert_eq!(settle(&mut book, &limits, Cost { charged: 0, uncertain: 1 }), []);
        for (number, mut entry) in (2_u64..).zip(in_flight) {
            let raised = book.settle_with_warnings(&mut entry, Some(&limits), |book, entry| {
                book.settle(entry, Cost { charged: 0, uncertain: 1 }, None, Some(0));
            });
            let expected: Vec<_> = match number {
                4 => vec![(None, 8, false)],
                5 => vec![(None, 10, true)],
                _ => Vec::new(),
            };
            let raised: Vec<_> =
                raised.into_iter().map(|raised| (raised.budget, raised.used, raised.is_exhausted)).collect();
            assert_eq!(raised, expected, "call {number}");
        }
    }

    #[test]
    fn uncertain_call_of_unknown_price_exhausts_a_limit_of_one() {
        let limits = Limits { cap: Some((1, Reserve::OneAtATime)), budgets: Vec::new() };
        let raised = settle(&mut Book::default(), &limits, Cost { charged: 0, uncertain: 1 });
        assert_eq!(raised, [(false, 1, true)]);
    }
}
