//! Comparisons with the balance.

use std::time::Duration;

use super::*;

const LATE: Duration = Duration::from_secs(30);
/// A time after which no late charge is possible.
const LATER: u64 = 1_000_000;

/// A book with the entries and joint resolutions that a store keeps.
#[derive(Default)]
struct StoredBook {
    book: Book,
    entries: Vec<Entry>,
    joints: Vec<JointResolution>,
}

fn limits(labels: &[&str]) -> Limits {
    let mut limits = capped(1_000, 5);
    for label in labels {
        limits.add(Budget::new(*label, 100, Period::Total, Reserve::PerCall(1)));
    }
    limits
}

impl StoredBook {
    /// Returns a book with this baseline.
    fn with_baseline(balance: i64) -> Self {
        let mut stored = Self::default();
        assert_eq!(stored.compare(balance), Outcome::Baseline);
        stored
    }

    /// Books a settled call with these labels. Returns its index.
    fn call(&mut self, labels: &[&str], cost: Cost) -> usize {
        let mut entry = self.book.admit(METHOD.into(), &limits(labels), None).unwrap();
        self.book.settle(&mut entry, cost, None, Some(0));
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn compare(&mut self, balance: i64) -> Outcome {
        let start = self.book.start_comparison(1, LATE, LATER);
        let ComparisonStart::Started(comparison) = start else { panic!("{start:?}") };
        let mut open: Vec<_> = self.entries.iter_mut().filter(|entry| entry.is_comparable()).collect();
        let number = self.joints.len() as u64;
        let (report, joint) = self.book.finish_comparison(comparison, balance, LATER, number, &mut open);
        self.joints.push(joint.unwrap_or_default());
        report.outcome
    }

    /// Settles a call that may be resolved.
    fn settle(&mut self, call: usize, cost: Cost) {
        let entry = &mut self.entries[call];
        let joint = entry.comparison.map(|number| &mut self.joints[usize::try_from(number).unwrap()]);
        self.book.settle(entry, cost, joint, Some(LATER));
    }

    /// (charged, in flight, uncertain, unexplained)
    fn account(&self) -> (u64, u64, u64, u64) {
        amounts(self.book.totals())
    }

    fn budget(&self, label: &str) -> u64 {
        self.book.budget(label, Period::Total).charged
    }
}

#[test]
fn first_balance_is_a_baseline_and_resolves_nothing() {
    let mut stored = StoredBook::default();
    let before = stored.call(&["first"], uncertain(1));
    assert_eq!(stored.compare(100), Outcome::Baseline);
    assert_eq!(stored.account(), (0, 0, 5, 0));
    stored.call(&[], charged(2));
    assert_eq!(stored.compare(98), Outcome::Agrees);
    let mut by_hand = stored.book.clone();
    let budget = |book: &Book, label| amounts(book.budget(label, Period::Total));
    // A later comparison resolves the later calls only.
    stored.call(&["second"], uncertain(1));
    assert_eq!((stored.compare(95), stored.account()), (Outcome::Resolved(3), (5, 0, 5, 0)));
    let budgets = ["first", "second"].map(|label| budget(&stored.book, label));
    assert_eq!(budgets, [(0, 0, 5, 0), (3, 0, 0, 0)]);
    // The baseline already reflects the cost of the call that is resolved by hand.
    by_hand.resolve(&mut stored.entries[before], 4, None);
    stored.book = by_hand;
    assert_eq!((stored.account(), stored.compare(98)), ((6, 0, 0, 0), Outcome::Agrees));
}

#[test]
fn calls_resolved_by_one_balance_share_its_loss() {
    let mut stored = StoredBook::with_baseline(100);
    let calls = [stored.call(&["first"], uncertain(1)), stored.call(&["second"], uncertain(1))];
    assert_eq!(stored.compare(93), Outcome::Resolved(7));
    assert_eq!(stored.account(), (7, 0, 0, 0));
    // Each may have cost up to its reserve.
    assert_eq!((stored.budget("first"), stored.budget("second")), (5, 5));
    for call in calls {
        let entry = &stored.entries[call];
        assert!(entry.is_shared() && !entry.is_uncertain() && entry.charged() == 0);
        assert_eq!(entry.comparison(), Some(1));
    }
    assert_eq!(stored.joints[1].credits(), 7);
    assert!(stored.book.account.exposures.is_empty());
}

#[test]
fn late_settlements_leave_a_budget_the_possible_cost_of_its_other_calls() {
    // Both calls of one budget.
    let mut stored = StoredBook::with_baseline(100);
    let first = stored.call(&["first"], Cost { charged: 1, uncertain: 1 });
    stored.call(&["first"], uncertain(1));
    assert_eq!((stored.compare(92), stored.budget("first")), (Outcome::Resolved(7), 8));
    stored.settle(first, charged(2));
    assert_eq!((stored.account(), stored.joints[1].credits()), ((8, 0, 0, 0), 6));
    assert_eq!(stored.budget("first"), 7, "2 for one call, and at most 5 for the other");

    // The only call of each budget, of unknown price.
    let mut stored = StoredBook::with_baseline(100);
    for label in ["first", "second"] {
        let mut limits = Limits::default();
        limits.add(Budget::new(label, 100, Period::Total, Reserve::OneAtATime));
        let mut entry = stored.book.admit(METHOD.into(), &limits, None).unwrap();
        stored.book.settle(&mut entry, uncertain(1), None, Some(0));
        stored.entries.push(entry);
    }
    assert_eq!((stored.compare(93), stored.budget("first")), (Outcome::Resolved(7), 7));
    stored.settle(0, charged(2));
    assert_eq!((stored.budget("first"), stored.budget("second")), (2, 5));
}

#[test]
fn calls_of_damaged_entries_become_uncertain_if_no_other_call_is_in_flight() {
    let mut book = Book::default();
    let _calls = [(); 2].map(|()| book.admit(METHOD.into(), &limits(&["first"]), None).unwrap());
    let before = book.clone();
    assert!(!book.lose_last(1, LATER) && book == before);
    assert!(book.lose_last(2, LATER) && book.revision() > before.revision());
    let budget = book.budget("first", Period::Total);
    assert_eq!((amounts(book.totals()), amounts(budget)), ((0, 0, 10, 0), (0, 0, 10, 0)));
    assert_eq!(book.start_comparison(1, LATE, LATER), ComparisonStart::TooEarly(LATE));
    assert!(matches!(book.start_comparison(1, LATE, LATER + 30_000), ComparisonStart::Started(_)));
}

#[test]
fn call_that_a_comparison_resolved_alone_is_revised_by_a_late_settlement_or_by_hand() {
    use Outcome::{Resolved, Unexplained};
    // The first balance with its outcome and totals, a later cost with its totals, and the next balance.
    for (balance, outcome, before, cost, after, next) in [
        // The reserve explains 5 credits at most.
        (92, Unexplained(3), (5, 0, 0, 3), charged(8), (8, 0, 0, 0), 92),
        (92, Unexplained(3), (5, 0, 0, 3), charged(6), (6, 0, 0, 2), 92),
        (96, Resolved(4), (4, 0, 0, 0), charged(1), (1, 0, 0, 3), 96),
        // Charged after the comparison.
        (100, Resolved(0), (0, 0, 0, 0), charged(4), (4, 0, 0, 0), 96),
        (98, Resolved(2), (2, 0, 0, 0), uncertain(1), (2, 0, 0, 0), 98),
    ] {
        for is_by_hand in [false, cost.uncertain == 0] {
            let mut stored = StoredBook::with_baseline(100);
            let call = stored.call(&["first"], uncertain(1));
            assert_eq!((stored.compare(balance), stored.account()), (outcome, before));
            let entry = &stored.entries[call];
            assert_eq!((entry.charged(), entry.is_shared()), (before.0, false));
            assert_eq!(stored.joints[1].credits(), 0);
            assert_eq!(stored.budget("first"), before.0);
            let unchanged = (cost.uncertain > 0).then(|| stored.book.clone());
            if is_by_hand {
                let StoredBook { book, entries, joints } = &mut stored;
                book.resolve(&mut entries[call], cost.charged, Some(&mut joints[1]));
            } else {
                stored.settle(call, cost);
                assert_eq!(stored.book.price(METHOD), (cost.charged > 0).then_some(cost.charged));
            }
            assert!(unchanged.is_none_or(|book| book == stored.book));
            assert_eq!((stored.account(), stored.budget("first")), (after, after.0));
            assert!(!stored.entries[call].is_shared());
            assert_eq!(stored.compare(next), Outcome::Agrees);
        }
    }
}

#[test]
fn call_resolved_together_with_one_of_damaged_entry_has_no_known_cost() {
    let mut stored = StoredBook::with_baseline(100);
    let [damaged, known] = [0, 1].map(|_| stored.call(&["first"], uncertain(1)));
    stored.entries.swap_remove(damaged);
    assert_eq!(stored.compare(93), Outcome::Resolved(7));
    let (entry, joint) = (&stored.entries[known - 1], &stored.joints[1]);
    assert_eq!((entry.is_shared(), entry.charged(), joint.calls, joint.credits()), (true, 0, 2, 7));
    stored.settle(known - 1, charged(2));
    assert_eq!((stored.account(), stored.budget("first")), ((7, 0, 0, 0), 7));
}

#[test]
fn late_settlement_of_one_call_revises_the_share_of_the_others() {
    let mut stored = StoredBook::with_baseline(100);
    let first = stored.call(&["first"], uncertain(1));
    let second = stored.call(&["second"], uncertain(1));
    let third = stored.call(&["second"], uncertain(1));
    assert_eq!(stored.compare(92), Outcome::Resolved(8));
    assert_eq!((stored.budget("first"), stored.budget("second")), (5, 8));
    stored.settle(first, charged(2));
    assert_eq!(stored.account(), (8, 0, 0, 0));
    assert_eq!((stored.budget("first"), stored.budget("second"), stored.joints[1].credits()), (2, 6, 6));
    stored.settle(second, charged(5));
    assert_eq!((stored.budget("second"), stored.joints[1].credits()), (6, 1));
    // The last call cost less than the rest of the share, which becomes unexplained.
    stored.settle(third, charged(0));
    assert_eq!((stored.account(), stored.budget("second")), ((7, 0, 0, 1), 5));
    assert_eq!((stored.compare(92), stored.joints[1].credits()), (Outcome::Agrees, 0));
    // A person corrects it.
    stored.settle(third, charged(1));
    assert_eq!(stored.account(), (8, 0, 0, 0));
}

#[test]
fn negative_balances_are_compared_too() {
    let mut stored = StoredBook::with_baseline(1);
    stored.call(&[], uncertain(1));
    assert_eq!((stored.compare(-3), stored.account()), (Outcome::Resolved(4), (4, 0, 0, 0)));
    stored.book.purchase(u64::MAX);
    assert_eq!(stored.compare(i64::MIN), Outcome::Unexplained(u64::MAX));
}

#[test]
fn comparison_waits_for_attempts_and_blocks_new_ones() {
    let mut book = Book::default();
    let mut entry = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
    // The barrier ends after its limit, although the comparison tries again.
    for now in [LATER, LATER + 30_000] {
        assert_eq!(book.start_comparison(1, LATE, now), ComparisonStart::Busy);
    }
    assert!(
        book.blocks_attempts(LATER)
            && book.blocks_attempts(LATER + 39_999)
            && !book.blocks_attempts(LATER + 40_000)
    );
    // Another comparison waits for the first, and does not replace it.
    let mut lost = book.clone();
    lost.lose_owner(&mut entry.clone(), Some(LATER));
    assert_eq!(lost.start_comparison(1, LATE, LATER), ComparisonStart::TooEarly(LATE));
    assert!(!lost.blocks_attempts(LATER), "not while it waits for late charges");
    book.pause(&mut entry);
    assert_eq!(book.start_comparison(2, LATE, LATER), ComparisonStart::Busy);
    book.end_comparison(2);
    assert!(book.blocks_attempts(LATER));
    assert!(matches!(book.start_comparison(1, LATE, LATER), ComparisonStart::Started(_)));
    book.end_comparison(1);
    assert!(!book.blocks_attempts(LATER));
    assert!(matches!(book.start_comparison(2, LATE, LATER), ComparisonStart::Started(_)));
}

#[test]
fn barrier_of_a_clock_that_was_ahead_is_ignored() {
    let mut book = Book::default();
    assert!(matches!(book.start_comparison(1, LATE, LATER), ComparisonStart::Started(_)));
    assert!(!book.blocks_attempts(0), "it would last until {LATER}");
    assert!(matches!(book.start_comparison(2, LATE, 0), ComparisonStart::Started(_)));
}

#[test]
fn comparison_is_inconclusive_if_the_book_changed_or_its_barrier_ended() {
    let mut book = Book::default();
    let start = |book: &mut Book| match book.start_comparison(1, LATE, LATER) {
        ComparisonStart::Started(comparison) => comparison,
        other => panic!("{other:?}"),
    };
    let finish =
        |book: &mut Book, comparison, now| book.finish_comparison(comparison, 10, now, 1, &mut []).0.outcome;
    let comparison = start(&mut book);
    book.charge(METHOD.into(), charged(1), 0, LATER);
    assert_eq!(finish(&mut book, comparison, LATER), Outcome::Overlapped);
    let comparison = start(&mut book);
    assert_eq!(finish(&mut book, comparison, LATER + 40_000), Outcome::Overlapped);
    let comparison = start(&mut book);
    let _running = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
    assert_eq!(finish(&mut book, comparison, LATER), Outcome::CallsInFlight);
    assert_eq!(book.balance(), None);
}

#[test]
fn comparison_waits_until_no_late_charge_is_possible() {
    let mut book = Book::default();
    let lose = |book: &mut Book, at| {
        let mut entry = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
        assert!(!book.lose_owner(&mut entry, at));
    };
    lose(&mut book, Some(LATER));
    lose(&mut book, Some(LATER - 9));
    let wait = |book: &mut Book, now| match book.start_comparison(1, LATE, now) {
        ComparisonStart::TooEarly(wait) => u64::try_from(wait.as_millis()).unwrap(),
        ComparisonStart::Started(_) => 0,
        ComparisonStart::Busy => panic!("no attempt runs"),
    };
    assert_eq!([wait(&mut book, LATER), wait(&mut book, LATER + 29_999)], [30_000, 1]);
    // A call that ended at an unknown time may have ended just now.
    lose(&mut book, None);
    assert_eq!([wait(&mut book, LATER + 40_000), wait(&mut book, LATER + 69_999)], [30_000, 1]);
    assert_eq!(wait(&mut book, LATER + 70_000), 0);
    book.end_comparison(1);
    // After a clock that was ahead, it waits for one full delay.
    lose(&mut book, Some(u64::MAX));
    assert_eq!([wait(&mut book, LATER), wait(&mut book, LATER + 30_000)], [30_000, 0]);
}

#[test]
fn resolving_all_calls_by_hand_counts_their_cost_once_and_discards_the_baseline() {
    let mut book = Book::default();
    for label in ["first", "second"] {
        let mut entry = book.admit(METHOD.into(), &limits(&[label]), None).unwrap();
        book.settle(&mut entry, uncertain(1), None, Some(0));
    }
    let mut running = book.admit(METHOD.into(), &limits(&["first"]), None).unwrap();
    book.renew(&mut running, 1, &limits(&["first"])).unwrap();
    assert_eq!(book.resolve_all(7), 2);
    // The call in flight continues, with its uncertain attempt.
    assert_eq!((amounts(book.totals()), book.totals().in_flight_calls), ((7, 10, 0, 0), 2));
    book.settle(&mut running, uncertain(1), None, Some(0));
    assert_eq!((amounts(book.totals()), book.balance()), ((7, 0, 5, 0), None));
    assert_eq!(book.budget("second", Period::Total).charged, 5);
}

#[test]
fn charge_that_a_comparison_may_have_counted_is_uncertain_until_the_next() {
    let compare = |book: &mut Book, balance, now| match book.start_comparison(1, LATE, now) {
        ComparisonStart::Started(comparison) => {
            book.finish_comparison(comparison, balance, now, 1, &mut []).0.outcome
        }
        other => panic!("{other:?}"),
    };
    let charge = |book: &mut Book, began, now| drop(book.charge(METHOD.into(), charged(1), began, now));
    let mut book = Book::default();
    compare(&mut book, 100, LATER);
    compare(&mut book, 95, LATER + 10);
    compare(&mut book, 95, LATER + 12);
    // The second comparison may have counted this one, or it was charged later.
    charge(&mut book, LATER, LATER + 20);
    assert_eq!((amounts(book.totals()), book.price(METHOD)), ((0, 0, 1, 5), Some(1)));
    charge(&mut book, LATER + 12, LATER + 20);
    assert_eq!(amounts(book.totals()), (1, 0, 1, 5), "it began after the comparisons");
    for (balance, charged) in [(94, 1), (93, 2)] {
        let mut book = book.clone();
        assert!(matches!(compare(&mut book, balance, LATER + 60_000), Outcome::Resolved(_)));
        assert_eq!(amounts(book.totals()), (charged, 0, 0, 5));
    }
    // This one may be older than the baseline, or a comparison may have counted it.
    charge(&mut book, LATER - 1, LATER + 20);
    assert_eq!((amounts(book.totals()), book.balance()), ((1, 0, 2, 5), None));
    // Nothing was compared since this baseline.
    let mut book = Book::default();
    compare(&mut book, 100, LATER);
    charge(&mut book, LATER - 1, LATER + 20);
    assert_eq!((amounts(book.totals()), book.balance()), ((1, 0, 0, 0), None));
}
