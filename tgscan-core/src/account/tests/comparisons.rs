//! Comparisons with the balance.

use std::time::Duration;

use super::*;

const LATE: Duration = Duration::from_secs(30);
/// A time at which no late charge can come any more.
const LATER: u64 = 1_000_000;

/// A book with the entries and the comparisons that a store keeps.
#[derive(Default)]
struct Kept {
    book: Book,
    entries: Vec<Entry>,
    joints: Vec<Joint>,
}

fn limits(labels: &[&str]) -> Limits {
    let mut limits = capped(1_000, 5);
    for label in labels {
        limits.add(Budget::new(*label, 100, Period::Total, Reserve::PerCall(1)));
    }
    limits
}

impl Kept {
    /// A book that was compared with this balance.
    fn since(balance: i64) -> Self {
        let mut kept = Self::default();
        assert_eq!(kept.compare(balance), Outcome::Baseline);
        kept
    }

    /// Books a call with these labels that ended so. Returns its number.
    fn call(&mut self, labels: &[&str], cost: Cost) -> usize {
        let mut entry = self.book.admit(METHOD.into(), &limits(labels), None).unwrap();
        self.book.settle(&mut entry, cost, None, Some(0));
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn compare(&mut self, balance: i64) -> Outcome {
        let start = self.book.start_comparison(1, LATE, LATER);
        let Start::Begun(comparison) = start else { panic!("{start:?}") };
        let mut open: Vec<_> = self.entries.iter_mut().filter(|entry| entry.is_comparable()).collect();
        let number = self.joints.len() as u64;
        let (report, joint) = self.book.finish_comparison(comparison, balance, LATER, number, &mut open);
        self.joints.push(joint.unwrap_or_default());
        report.outcome
    }

    /// Books what a call cost after it was resolved.
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
fn first_balance_resolves_nothing_and_explains_what_was_uncertain_before() {
    let mut kept = Kept::default();
    let before = kept.call(&[], uncertain(1));
    assert_eq!(kept.compare(100), Outcome::Baseline);
    assert_eq!(kept.account(), (0, 0, 5, 0));
    kept.call(&[], charged(2));
    assert_eq!(kept.compare(98), Outcome::Agrees);
    // Resolved by hand, what it cost is not missing from a later balance.
    kept.book.resolve(&mut kept.entries[before], 4, None);
    assert_eq!((kept.account(), kept.compare(98)), ((6, 0, 0, 0), Outcome::Agrees));
}

#[test]
fn calls_that_one_balance_resolves_share_what_they_cost() {
    let mut kept = Kept::since(100);
    let calls = [kept.call(&["first"], uncertain(1)), kept.call(&["second"], uncertain(1))];
    assert_eq!(kept.compare(93), Outcome::Resolved(7));
    assert_eq!(kept.account(), (7, 0, 0, 0));
    // Each may have cost up to its reserve.
    assert_eq!((kept.budget("first"), kept.budget("second")), (5, 5));
    for call in calls {
        let entry = &kept.entries[call];
        assert!(entry.is_shared() && !entry.is_uncertain() && entry.charged() == 0);
        assert_eq!(entry.comparison(), Some(1));
    }
    assert_eq!(kept.joints[1].credits(), 7);
}

#[test]
fn only_call_that_a_balance_resolves_cost_all_of_it() {
    let mut kept = Kept::since(100);
    let call = kept.call(&["first"], uncertain(1));
    assert_eq!(kept.compare(96), Outcome::Resolved(4));
    let entry = &kept.entries[call];
    assert_eq!((entry.charged(), entry.is_shared(), kept.budget("first")), (4, false, 4));
}

#[test]
fn late_settlement_of_one_call_revises_what_the_others_shared() {
    let mut kept = Kept::since(100);
    let first = kept.call(&["first"], uncertain(1));
    let second = kept.call(&["second"], uncertain(1));
    let third = kept.call(&["second"], uncertain(1));
    assert_eq!(kept.compare(92), Outcome::Resolved(8));
    assert_eq!((kept.budget("first"), kept.budget("second")), (5, 8));
    kept.settle(first, charged(2));
    assert_eq!(kept.account(), (8, 0, 0, 0));
    assert_eq!((kept.budget("first"), kept.budget("second"), kept.joints[1].credits()), (2, 6, 6));
    kept.settle(second, charged(5));
    assert_eq!((kept.budget("second"), kept.joints[1].credits()), (6, 1));
    // The last one cost less than what is left: no call explains the rest.
    kept.settle(third, charged(0));
    assert_eq!((kept.account(), kept.budget("second")), ((7, 0, 0, 1), 5));
    assert_eq!((kept.compare(92), kept.joints[1].credits()), (Outcome::Agrees, 0));
}

#[test]
fn late_settlement_explains_what_no_call_explained() {
    let mut kept = Kept::since(100);
    let call = kept.call(&["first"], uncertain(1));
    // 5 at most by its reserve; 3 remain.
    assert_eq!(kept.compare(92), Outcome::Unexplained(3));
    assert_eq!((kept.account(), kept.budget("first")), ((5, 0, 0, 3), 5));
    kept.settle(call, charged(8));
    assert_eq!((kept.account(), kept.budget("first")), ((8, 0, 0, 0), 8));
    assert_eq!((kept.compare(92), kept.book.price(METHOD)), (Outcome::Agrees, Some(8)));
}

#[test]
fn late_settlement_of_a_call_that_was_charged_after_the_comparison_counts_in_the_next_one() {
    let mut kept = Kept::since(100);
    let call = kept.call(&["first"], uncertain(1));
    assert_eq!(kept.compare(100), Outcome::Resolved(0));
    kept.settle(call, charged(4));
    assert_eq!((kept.account(), kept.budget("first")), ((4, 0, 0, 0), 4));
    assert_eq!(kept.compare(96), Outcome::Agrees);
}

#[test]
fn late_settlement_that_knows_no_cost_changes_nothing() {
    let mut kept = Kept::since(100);
    let call = kept.call(&[], uncertain(1));
    assert_eq!(kept.compare(98), Outcome::Resolved(2));
    let before = kept.book.clone();
    kept.settle(call, uncertain(1));
    assert_eq!(kept.book, before);
}

#[test]
fn correction_by_hand_moves_the_rest_to_unexplained() {
    let mut kept = Kept::since(100);
    let call = kept.call(&["first"], uncertain(1));
    assert_eq!(kept.compare(96), Outcome::Resolved(4));
    let Kept { book, entries, joints } = &mut kept;
    book.resolve(&mut entries[call], 1, Some(&mut joints[1]));
    assert_eq!((kept.account(), kept.budget("first")), ((1, 0, 0, 3), 1));
    assert_eq!(kept.compare(96), Outcome::Agrees);
}

#[test]
fn what_no_call_explains_is_unexplained() {
    let mut kept = Kept::since(100);
    kept.call(&["first"], charged(2));
    assert_eq!(kept.compare(90), Outcome::Unexplained(8));
    assert_eq!((kept.account(), kept.budget("first")), ((2, 0, 0, 8), 2));
    assert_eq!(kept.compare(90), Outcome::Agrees);
}

#[test]
fn balance_that_is_too_high_resolves_nothing_until_the_purchase_is_recorded() {
    let mut kept = Kept::since(10);
    kept.call(&[], uncertain(1));
    assert_eq!(kept.compare(60), Outcome::Purchased(50));
    assert_eq!((kept.account(), kept.book.balance()), ((0, 0, 5, 0), Some(10)));
    kept.book.purchase(53);
    assert_eq!(kept.compare(60), Outcome::Resolved(3));
    assert_eq!((kept.account(), kept.book.balance()), ((3, 0, 0, 0), Some(60)));
}

#[test]
fn negative_balances_are_compared_too() {
    let mut kept = Kept::since(1);
    kept.call(&[], uncertain(1));
    assert_eq!((kept.compare(-3), kept.account()), (Outcome::Resolved(4), (4, 0, 0, 0)));
    kept.book.purchase(u64::MAX);
    assert_eq!(kept.compare(i64::MIN), Outcome::Unexplained(u64::MAX));
}

#[test]
fn comparison_waits_for_attempts_and_holds_new_ones_back() {
    let mut book = Book::default();
    let mut entry = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
    assert_eq!(book.start_comparison(1, LATE, LATER), Start::Busy);
    assert!(book.is_held(LATER) && book.is_held(LATER + 39_999) && !book.is_held(LATER + 40_000));
    // Another one waits for the first, and does not take its place.
    book.pause(&mut entry);
    assert_eq!(book.start_comparison(2, LATE, LATER), Start::Busy);
    book.end_comparison(2);
    assert!(book.is_held(LATER));
    assert!(matches!(book.start_comparison(1, LATE, LATER), Start::Begun(_)));
    book.end_comparison(1);
    assert!(!book.is_held(LATER));
    assert!(matches!(book.start_comparison(2, LATE, LATER), Start::Begun(_)));
}

#[test]
fn barrier_of_a_clock_that_was_ahead_holds_nothing_back() {
    let mut book = Book::default();
    assert!(matches!(book.start_comparison(1, LATE, LATER), Start::Begun(_)));
    assert!(!book.is_held(0), "it would last until {LATER}");
    assert!(matches!(book.start_comparison(2, LATE, 0), Start::Begun(_)));
}

#[test]
fn comparison_concludes_nothing_if_the_book_changed_or_its_barrier_ended() {
    let mut book = Book::default();
    let start = |book: &mut Book| match book.start_comparison(1, LATE, LATER) {
        Start::Begun(comparison) => comparison,
        other => panic!("{other:?}"),
    };
    let finish =
        |book: &mut Book, comparison, now| book.finish_comparison(comparison, 10, now, 1, &mut []).0.outcome;
    let comparison = start(&mut book);
    book.charge(METHOD.into(), charged(1), Some(LATER));
    assert_eq!(finish(&mut book, comparison, LATER), Outcome::Overlapped);
    let comparison = start(&mut book);
    assert_eq!(finish(&mut book, comparison, LATER + 40_000), Outcome::Overlapped);
    let comparison = start(&mut book);
    let _running = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
    assert_eq!(finish(&mut book, comparison, LATER), Outcome::CallsInFlight);
    assert_eq!(book.balance(), None);
}

#[test]
fn comparison_waits_until_no_late_charge_can_come() {
    let mut book = Book::default();
    let lose = |book: &mut Book, at| {
        let mut entry = book.admit(METHOD.into(), &limits(&[]), None).unwrap();
        assert!(!book.lose(&mut entry, at));
    };
    lose(&mut book, Some(LATER));
    lose(&mut book, Some(LATER - 9));
    let wait = |book: &mut Book, now| match book.start_comparison(1, LATE, now) {
        Start::TooEarly(wait) => u64::try_from(wait.as_millis()).unwrap(),
        Start::Begun(_) => 0,
        Start::Busy => panic!("no attempt runs"),
    };
    assert_eq!([wait(&mut book, LATER), wait(&mut book, LATER + 29_999)], [30_000, 1]);
    // One that ended at an unknown time may have ended now.
    lose(&mut book, None);
    assert_eq!([wait(&mut book, LATER + 40_000), wait(&mut book, LATER + 69_999)], [30_000, 1]);
    assert_eq!(wait(&mut book, LATER + 70_000), 0);
    book.end_comparison(1);
    // A clock that was ahead makes it wait once, and no longer.
    lose(&mut book, Some(u64::MAX));
    assert_eq!([wait(&mut book, LATER), wait(&mut book, LATER + 30_000)], [30_000, 0]);
}

#[test]
fn lost_call_costs_nothing_if_no_attempt_ran() {
    let mut book = Book::default();
    let mut entry = book.admit(METHOD.into(), &limits(&["first"]), None).unwrap();
    book.pause(&mut entry);
    assert!(book.lose(&mut entry, Some(0)));
    assert_eq!(
        (amounts(book.totals()), book.budget("first", Period::Total)),
        ((0, 0, 0, 0), Totals::default())
    );
}

#[test]
fn calls_resolved_by_hand_together_count_once_and_begin_a_new_comparison() {
    let mut book = Book::default();
    for label in ["first", "second"] {
        let mut entry = book.admit(METHOD.into(), &limits(&[label]), None).unwrap();
        book.settle(&mut entry, uncertain(1), None, Some(0));
    }
    let mut running = book.admit(METHOD.into(), &limits(&["first"]), None).unwrap();
    book.renew(&mut running, 1, &limits(&["first"])).unwrap();
    assert_eq!(book.resolve_all(7), 2);
    // The call in flight goes on, with its uncertain attempt.
    assert_eq!((amounts(book.totals()), book.totals().in_flight_calls), ((7, 10, 0, 0), 2));
    book.settle(&mut running, uncertain(1), None, Some(0));
    assert_eq!((amounts(book.totals()), book.balance()), ((7, 0, 5, 0), None));
    assert_eq!(book.budget("second", Period::Total).charged, 5);
}

#[test]
fn outcomes_say_whether_the_balance_was_compared() {
    use Outcome::*;
    for outcome in [Baseline, Agrees, Resolved(1), Unexplained(1), Purchased(1)] {
        assert!(outcome.is_conclusive(), "{outcome:?}");
    }
    for outcome in [CallsInFlight, Overlapped, TooEarly] {
        assert!(!outcome.is_conclusive(), "{outcome:?}");
    }
}
