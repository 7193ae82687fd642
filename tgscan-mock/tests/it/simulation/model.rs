//! What a ledger must say, from the documentation of `Ledger` and from what callers were told, attempt by attempt.

use std::collections::BTreeMap;

use tgscan_mock::core::Reserve;
use tgscan_mock::core::ledger::ReconcileOutcome;

/// A paid attempt that the ledger holds credits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) call: usize,
    pub(super) number: usize,
    pub(super) method: &'static str,
    /// What the account lost so far by this attempt.
    pub(super) lost: u64,
    /// The number of the arrival by which it was lost.
    pub(super) lost_at: u64,
    /// What was set aside for it when an attempt was last allowed.
    pub(super) counted: u64,
}

pub(super) struct Model {
    pub(super) cap: Option<u64>,
    reserve: Reserve,
    /// The highest charge told of, by method.
    prices: BTreeMap<&'static str, u64>,
    pub(super) charged: u64,
    pub(super) unexplained: u64,
    pub(super) in_flight: Vec<Held>,
    pub(super) uncertain: Vec<Held>,
    /// Uncertain ones that no later balance can settle.
    stranded: Vec<Held>,
    /// What the account gained at least while those were uncertain, if there is a balance to compare with.
    gap: Option<i128>,
    baseline: Option<(i128, u64)>,
}

impl Model {
    pub(super) fn new(cap: Option<u64>, reserve: Reserve) -> Self {
        Self {
            cap,
            reserve,
            prices: BTreeMap::new(),
            charged: 0,
            unexplained: 0,
            in_flight: Vec::new(),
            uncertain: Vec::new(),
            stranded: Vec::new(),
            gap: None,
            baseline: None,
        }
    }

    pub(super) fn price(&self, method: &str) -> Option<u64> {
        self.prices.get(method).copied()
    }

    /// What a call sets aside, if anything is known about its price.
    pub(super) fn set_aside(&self, method: &str) -> Option<u64> {
        match self.reserve {
            Reserve::PerCall(least) => Some(self.price(method).unwrap_or(0).max(least).max(1)),
            Reserve::OneAtATime => self.price(method),
        }
    }

    fn sum<'a>(&self, held: impl Iterator<Item = &'a Held>) -> u64 {
        held.map(|held| self.set_aside(held.method).unwrap_or(1)).sum()
    }

    fn is_open<'a>(&self, mut held: impl Iterator<Item = &'a Held>) -> bool {
        held.any(|held| self.set_aside(held.method).is_none())
    }

    pub(super) fn in_flight_credits(&self) -> u64 {
        self.sum(self.in_flight.iter())
    }

    pub(super) fn uncertain_credits(&self) -> u64 {
        self.sum(self.uncertain.iter().chain(&self.stranded))
    }

    pub(super) fn uncertain_calls(&self) -> usize {
        self.uncertain.len() + self.stranded.len()
    }

    pub(super) fn has_stranded(&self) -> bool {
        !self.stranded.is_empty() && self.gap.is_some()
    }

    fn held(&self) -> impl Iterator<Item = &Held> {
        self.in_flight.iter().chain(&self.uncertain).chain(&self.stranded)
    }

    fn held_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.in_flight.iter_mut().chain(&mut self.uncertain).chain(&mut self.stranded)
    }

    pub(super) fn committed(&self) -> u64 {
        self.charged + self.unexplained + self.sum(self.held())
    }

    /// What is left of the cap.
    pub(super) fn room(&self) -> u64 {
        match self.cap {
            None => u64::MAX,
            Some(_) if self.is_open(self.held()) => 0,
            Some(cap) => cap.saturating_sub(self.committed()),
        }
    }

    pub(super) fn allows(&self, method: &str) -> bool {
        self.room() >= self.set_aside(method).unwrap_or(1)
    }

    /// An attempt is allowed: all that is held counts for what it is worth now.
    pub(super) fn begin(&mut self, call: usize, number: usize, method: &'static str) {
        let room = self.room();
        let counted = self.set_aside(method).unwrap_or(room);
        self.in_flight.push(Held { call, number, method, lost: 0, lost_at: 0, counted });
        let worth: Vec<u64> =
            self.held().map(|held| self.set_aside(held.method).unwrap_or(held.counted)).collect();
        for (held, worth) in self.held_mut().zip(worth) {
            held.counted = worth;
        }
    }

    /// The account lost credits by an attempt. Returns whether the ledger still holds something for it.
    pub(super) fn lose(&mut self, call: usize, number: usize, credits: u64, arrival: u64) -> bool {
        let held = self.held_mut().find(|held| (held.call, held.number) == (call, number));
        held.map(|held| (held.lost, held.lost_at) = (credits, arrival)).is_some()
    }

    /// An attempt in flight ends. Returns it.
    pub(super) fn end(&mut self, call: usize, number: usize) -> Held {
        let at = self.in_flight.iter().position(|held| (held.call, held.number) == (call, number));
        self.in_flight.remove(at.expect("it is in flight"))
    }

    pub(super) fn charge(&mut self, method: &'static str, credits: u64) {
        self.charged += credits;
        let price = self.prices.entry(method).or_default();
        *price = credits.max(*price);
    }

    /// What the account lost beyond what the ledger counts now for the attempts that it does not know the cost of.
    pub(super) fn beyond(&self) -> u64 {
        self.held().map(|held| held.lost.saturating_sub(self.set_aside(held.method).unwrap_or(1))).sum()
    }

    /// The same, with what was counted when an attempt was last allowed.
    pub(super) fn beyond_counted(&self) -> u64 {
        self.held().map(|held| held.lost.saturating_sub(held.counted)).sum()
    }

    /// What the account lost since the last comparison beyond what was charged, if there was one.
    pub(super) fn excess(&self, balance: i64) -> Option<i128> {
        let (before, charged) = self.baseline?;
        Some(before - i128::from(balance) - i128::from(self.charged - charged))
    }

    /// What the account lost by the attempts that a balance can settle.
    pub(super) fn open_truth(&self) -> u64 {
        self.uncertain.iter().map(|held| held.lost).sum()
    }

    /// What the account lost by stranded attempts after this arrival: a balance shows it, but cannot tell whose it is.
    pub(super) fn stranded_since(&self, arrival: u64) -> u64 {
        self.stranded.iter().filter(|held| held.lost_at > arrival).map(|held| held.lost).sum()
    }

    /// What stranded attempts took between these arrivals is counted now, as somebody's.
    pub(super) fn show_stranded(&mut self, from: u64, to: u64) {
        for held in self.stranded.iter_mut().filter(|held| held.lost_at > from && held.lost_at <= to) {
            held.lost = 0;
        }
    }

    /// What follows from a balance, by the documentation. The attempts that are settled by it are returned.
    pub(super) fn compare(&mut self, balance: i64) -> (ReconcileOutcome, Vec<Held>) {
        let (excess, balance) = (self.excess(balance), i128::from(balance));
        let Some(excess) = excess else {
            self.strand(None);
            self.baseline = Some((balance, self.charged));
            return (ReconcileOutcome::Baseline, Vec::new());
        };
        let held = self.sum(self.uncertain.iter());
        let is_open = self.is_open(self.uncertain.iter());
        let mut settled = Vec::new();
        let outcome = match u64::try_from(excess) {
            Ok(0) if self.uncertain.is_empty() => ReconcileOutcome::Agrees,
            Ok(spent) if !self.uncertain.is_empty() && (is_open || spent <= held) => {
                if let ([only], true) = (&self.uncertain[..], spent > 0) {
                    let method = only.method;
                    self.charge(method, spent);
                } else {
                    self.charged += spent;
                }
                settled = std::mem::take(&mut self.uncertain);
                ReconcileOutcome::Settled(spent)
            }
            Ok(spent) => {
                self.unexplained += spent;
                settled = std::mem::take(&mut self.uncertain);
                ReconcileOutcome::Differs(spent.saturating_sub(held))
            }
            Err(_) => {
                self.strand(Some(-excess));
                ReconcileOutcome::ToppedUp(u64::try_from(-excess).unwrap())
            }
        };
        self.baseline = Some((balance, self.charged));
        (outcome, settled)
    }

    fn strand(&mut self, gain: Option<i128>) {
        self.gap = match (self.stranded.is_empty(), self.gap, gain) {
            (true, _, gain) if !self.uncertain.is_empty() => gain,
            (false, Some(gap), Some(gain)) => Some(gap + gain),
            _ => None,
        };
        self.stranded.append(&mut self.uncertain);
    }

    /// The ledger is told of a purchase before it sees it.
    pub(super) fn top_up(&mut self, credits: u64) {
        if let Some((balance, _)) = &mut self.baseline {
            *balance += i128::from(credits);
        }
    }

    /// The ledger is told what was bought while calls were uncertain. Returns what is settled by it.
    pub(super) fn explain(&mut self, credits: u64) -> Vec<Held> {
        let (held, is_open) = (self.sum(self.stranded.iter()), self.is_open(self.stranded.iter()));
        let spent = self.gap.and_then(|gap| u64::try_from(i128::from(credits) - gap).ok());
        let Some(spent) = spent.filter(|spent| is_open || *spent <= held) else { return Vec::new() };
        self.charged += spent;
        if let Some((_, charged)) = &mut self.baseline {
            *charged += spent;
        }
        self.gap = None;
        std::mem::take(&mut self.stranded)
    }

    /// A person settles all that is uncertain. Returns it.
    pub(super) fn settle_by_hand(&mut self, credits: u64) -> Vec<Held> {
        self.charged += credits;
        (self.baseline, self.gap) = (None, None);
        let mut settled = std::mem::take(&mut self.uncertain);
        settled.append(&mut self.stranded);
        settled
    }

    /// What the account really lost by all that is uncertain.
    pub(super) fn uncertain_truth(&self) -> u64 {
        self.uncertain.iter().chain(&self.stranded).map(|held| held.lost).sum()
    }
}
