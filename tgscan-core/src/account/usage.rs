//! Warns before a limit is reached.

use super::book::{Part, clamp};
use super::{Book, Entry, Limits, Period};

/// A budget, or the cap of the account, that a call has nearly or wholly used up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BudgetUse {
    /// The label and the period of the budget; `None` for the cap.
    pub budget: Option<(String, Period)>,
    /// The limit, in credits.
    pub limit: u64,
    /// Credits that are charged, uncertain or unexplained.
    pub used: u64,
    /// Whether a call like this one no longer fits, also when all calls in flight turn out to be free. Else at least 80 % of
    /// the limit is used.
    pub is_exhausted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Below,
    Nearly,
    Exhausted,
}

impl Book {
    /// As [`settle`](Self::settle) without a comparison, and returns the limits of the call that it raised to 80 % or used up.
    pub(crate) fn settle_and_watch(
        &mut self,
        entry: &mut Entry,
        limits: &Limits,
        settle: impl FnOnce(&mut Self, &mut Entry),
    ) -> Vec<BudgetUse> {
        let before = self.levels(entry, limits);
        settle(self, entry);
        let after = self.levels(entry, limits);
        let raised = before.into_iter().zip(after).filter(|((before, _), (after, _))| after > before);
        raised.map(|(_, (_, usage))| usage).collect()
    }

    /// How far each limit of a call is used.
    fn levels(&mut self, entry: &Entry, limits: &Limits) -> Vec<(Level, BudgetUse)> {
        let method = self.method(entry.method.clone());
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
        let used = |part: &Part| part.charged + self.amount(part, |calls| calls.uncertain).credits;
        let cap = limits.cap.map(|(cap, _)| level(None, cap, used(&self.account) + self.unexplained));
        let budgets = limits.budgets.iter().zip(&entry.budgets).map(|(budget, key)| {
            let part = self.budgets.iter().find(|(known, _)| known == key);
            let used = part.map_or(0, |(_, part)| used(part));
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

    /// Settles a call, and returns which limits it raised, and whether they are exhausted.
    fn settle(book: &mut Book, limits: &Limits, cost: Cost) -> Vec<(bool, u64, bool)> {
        let mut entry = book.admit("search".into(), limits, Some(0)).unwrap();
        let raised = book.settle_and_watch(&mut entry, limits, |book, entry| {
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
            let raised = book.settle_and_watch(&mut entry, &limits, |book, entry| {
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
    fn free_calls_raise_nothing() {
        let (mut book, limits) = (Book::default(), limits(2, 2));
        assert_eq!(settle(&mut book, &limits, Cost::NONE), []);
    }
}
