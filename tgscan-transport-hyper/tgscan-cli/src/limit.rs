//! The limit of `--max-credits` on one run.
//!
//! Unlike the budgets of a store, it belongs to the process: concurrent runs have separate limits, and uncertain calls
//! of earlier runs do not count.

use tgscan_core::Credits;

/// The highest expected cost of a call while several are in flight, as a multiple of the highest cost so far.
const HEADROOM: u64 = 4;

/// Whether a call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// Ask again when a call in flight has ended.
    Wait,
    Refused,
}

/// The maximum cost of a run, and its cost so far.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// `None` without `--max-credits`.
    credits: Option<u64>,
    /// The maximum cost of one call, from `--max-cost-per-search`.
    per_call: Option<u64>,
    highest: Option<u64>,
    charged: u64,
    uncertain: u64,
    in_flight: u64,
    ended: u64,
}

impl Limit {
    /// Creates a limit; `highest` is the highest cost that the store has seen.
    pub(crate) fn new(credits: Option<u64>, per_call: Option<u64>, highest: Option<u64>) -> Self {
        Self { credits, per_call, highest, charged: 0, uncertain: 0, in_flight: 0, ended: 0 }
    }

    /// Returns whether another call may begin, and counts it if it may.
    ///
    /// With a maximum cost per call, all calls in flight must fit at that cost. Without one, a single call in flight
    /// must fit at the highest cost so far, and several at four times that. The number of calls in flight is at most the
    /// number of calls that have ended, but at least one, so that costs are learned first.
    pub(crate) fn begin(&mut self) -> Verdict {
        if self.has_room() {
            self.in_flight += 1;
            return Verdict::Go;
        }
        // Calls in flight may cost less than is assumed.
        if self.in_flight > 0 { Verdict::Wait } else { Verdict::Refused }
    }

    fn has_room(&self) -> bool {
        let Some(credits) = self.credits else { return true };
        let left = credits.saturating_sub(self.charged).saturating_sub(self.uncertain_credits());
        let fits = |calls: u64, cost: u64| calls.saturating_mul(cost.max(1)) <= left;
        let alone = self.per_call.or(self.highest).unwrap_or(1);
        match (self.per_call, self.highest) {
            (Some(cost), _) => fits(self.in_flight + 1, cost),
            (None, _) if self.in_flight == 0 => fits(1, alone),
            (None, Some(highest)) => {
                self.in_flight < self.ended
                    && fits(self.in_flight + 1, highest.max(1).saturating_mul(HEADROOM))
            }
            (None, None) => false,
        }
    }

    /// Returns the possible cost of this run's uncertain calls: unlimited while no cost is known.
    fn uncertain_credits(&self) -> u64 {
        match self.highest() {
            _ if self.uncertain == 0 => 0,
            Some(cost) => self.uncertain.saturating_mul(cost.max(1)),
            None => u64::MAX,
        }
    }

    /// Ends a call that [`begin`](Self::begin) counted.
    pub(crate) fn end(&mut self, credits: Credits) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // A stored answer teaches nothing about costs.
        self.ended += u64::from(credits != Credits::NotCharged);
        match credits {
            Credits::Charged(credits) => {
                self.charged = self.charged.saturating_add(credits);
                self.highest = self.highest.max(Some(credits));
            }
            Credits::Uncertain => self.uncertain += 1,
            Credits::NotCharged => {}
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.credits.is_some()
    }

    /// Returns the maximum cost of an uncertain call, if that is known.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.per_call.max(self.highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs calls of these costs with as many jobs as fit, and returns their cost.
    fn run(mut limit: Limit, jobs: usize, costs: &[u64]) -> u64 {
        let (mut costs, mut running, mut spent) = (costs.iter(), Vec::new(), 0);
        loop {
            while running.len() < jobs && limit.begin() == Verdict::Go {
                match costs.next() {
                    Some(cost) => running.push(*cost),
                    None => return spent,
                }
            }
            if running.is_empty() {
                return spent;
            }
            let cost = running.remove(0);
            spent += cost;
            limit.end(Credits::Charged(cost));
        }
    }

    #[test]
    fn costs_within_four_times_the_highest_overshoot_by_less_than_one_call() {
        for jobs in [1, 3, 8, 256] {
            for (start, step) in [(1, 3), (0, 1), (7, 2), (2, 5)] {
                let costs: Vec<u64> = (0..500).map(|number| 3 + (start + number * step) % 10).collect();
                for credits in [1, 10, 55, 56, 200, 999] {
                    let spent = run(Limit::new(Some(credits), None, None), jobs, &costs);
                    assert!(spent < credits + 12, "{jobs} jobs, {credits}: {spent}");
                }
            }
        }
    }

    #[test]
    fn known_cost_per_call_makes_it_exact() {
        let costs: Vec<u64> = (0..500).map(|number| 1 + (number * 7) % 51).collect();
        for jobs in [1, 16, 256] {
            for credits in [50, 51, 300, 1000] {
                let spent = run(Limit::new(Some(credits), Some(51), None), jobs, &costs);
                assert!(spent <= credits && (credits < 51) == (spent == 0), "{jobs} {credits}: {spent}");
            }
        }
    }

    #[test]
    fn price_above_the_limit_refuses_and_an_unknown_one_tries_a_single_call() {
        let mut known = Limit::new(Some(2), None, Some(51));
        assert_eq!(known.begin(), Verdict::Refused);
        let mut unknown = Limit::new(Some(2), None, None);
        assert_eq!((unknown.begin(), unknown.begin()), (Verdict::Go, Verdict::Wait));
        unknown.end(Credits::Uncertain);
        assert_eq!(unknown.begin(), Verdict::Refused, "it may have cost anything");
        let mut none = Limit::new(Some(0), None, None);
        assert_eq!(none.begin(), Verdict::Refused);
        let mut unlimited = Limit::new(None, None, None);
        assert!((0..1000).all(|_| unlimited.begin() == Verdict::Go));
    }
}
