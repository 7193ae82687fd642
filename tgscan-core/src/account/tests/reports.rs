//! Reports of comparisons and entries, and charges of free methods in a ledger.

use std::time::Duration;

use super::*;

const WINDOW: Duration = Duration::from_millis(30);

fn compare(book: &mut Book, balance: i64, now: u64, entries: &mut [&mut Entry]) -> Reconciliation {
    let start = book.start_comparison(1, WINDOW, now);
    let ComparisonStart::Started(comparison) = start else { panic!("{start:?}") };
    book.finish_comparison(comparison, balance, now, 7, entries).0
}

/// Books a settled call.
fn call(book: &mut Book, cost: Cost) -> Entry {
    let mut entry = book.admit(METHOD.into(), &capped(1_000, 5), None).unwrap();
    book.settle(&mut entry, cost, None, Some(0));
    entry
}

#[test]
fn report_states_lost_charged_and_resolved_credits() {
    let mut book = Book::default();
    let first = compare(&mut book, 100, 0, &mut []);
    assert_eq!((first.lost, first.charged, first.outcome), (0, 0, Outcome::Baseline));
    call(&mut book, charged(2));
    let mut uncertain_call = call(&mut book, uncertain(3));
    let report = compare(&mut book, 110, 100, &mut []);
    assert_eq!((report.lost, report.charged, report.outcome), (-10, 2, Outcome::Purchased(12)));
    assert_eq!((report.resolved_attempts, report.uncertain_attempts, report.uncertain), (0, 3, 15));
    let report = compare(&mut book, 90, 100, &mut [&mut uncertain_call]);
    assert_eq!((report.lost, report.charged, report.outcome), (10, 2, Outcome::Resolved(8)));
    assert_eq!((report.resolved_attempts, report.uncertain_attempts, report.uncertain), (3, 0, 0));
    assert_eq!((uncertain_call.charged(), uncertain_call.comparison()), (8, Some(7)));
}

#[test]
fn every_change_of_charged_or_uncertain_credits_raises_the_revision() {
    let mut book = Book::default();
    let mut last = book.revision();
    let mut has_grown = |book: &Book| std::mem::replace(&mut last, book.revision()) < book.revision();
    compare(&mut book, 100, 0, &mut []);
    assert!(has_grown(&book), "a baseline");
    let mut entry = call(&mut book, uncertain(1));
    assert!(has_grown(&book), "an uncertain call");
    book.purchase(10);
    assert!(has_grown(&book), "a purchase");
    let start = book.start_comparison(1, WINDOW, 100);
    let ComparisonStart::Started(comparison) = start else { panic!("{start:?}") };
    let (_, joint) = book.finish_comparison(comparison, 107, 100, 7, &mut [&mut entry]);
    assert!(has_grown(&book), "a resolved call");
    book.settle(&mut entry, charged(4), Some(&mut joint.unwrap()), Some(200));
    assert!(has_grown(&book), "a late settlement");
    call(&mut book, uncertain(1));
    assert!(has_grown(&book), "another uncertain call");
    book.resolve_all(1);
    assert!(has_grown(&book), "a call resolved by hand");
    assert!(!has_grown(&book), "no change");
}

#[test]
fn calls_that_cost_nothing_together_cost_nothing_each() {
    for (lost, is_shared) in [(0, false), (3, true)] {
        let mut book = Book::default();
        compare(&mut book, 100, 0, &mut []);
        let mut calls = [call(&mut book, uncertain(1)), call(&mut book, uncertain(1))];
        let [one, two] = &mut calls;
        compare(&mut book, 100 - lost, 100, &mut [one, two]);
        assert_eq!(calls.map(|call| call.is_shared), [is_shared; 2], "{lost}");
    }
}

#[test]
fn entry_describes_its_call() {
    let mut book = Book::default();
    let mut limits = capped(1_000, 5);
    limits.add(Budget::new("a", 100, Period::Total, Reserve::PerCall(1)));
    let mut entry = book.admit(METHOD.into(), &limits, None).unwrap();
    let budgets = [BudgetKey { label: "a".to_owned(), period: Period::Total, number: 0 }];
    assert_eq!((entry.method(), entry.reserve(), entry.budgets()), (METHOD, 5, &budgets[..]));
    assert_eq!((entry.is_in_flight(), entry.charged(), entry.comparison()), (true, 0, None));
    book.settle(&mut entry, charged(2), None, None);
    assert_eq!((entry.is_in_flight(), entry.charged(), entry.comparison()), (false, 2, None));
}

#[test]
fn outcomes_are_conclusive_if_the_balance_was_compared() {
    use Outcome::*;
    for outcome in [Baseline, Agrees, Resolved(1), Unexplained(1), Purchased(1)] {
        assert!(outcome.is_conclusive(), "{outcome:?}");
    }
    for outcome in [CallsInFlight, Overlapped, TooEarly] {
        assert!(!outcome.is_conclusive(), "{outcome:?}");
    }
}

#[test]
fn charge_of_a_free_method_counts_from_the_beginning_of_its_call() {
    let ledger = crate::Ledger::new();
    for now in [1000, 1010] {
        let ComparisonStart::Started(comparison) = ledger.start_comparison(1, Duration::ZERO, now) else {
            panic!("busy")
        };
        ledger.finish_comparison(comparison, 5, now);
    }
    let now = LedgerTime { origin: 0, millis: 1020 };
    for (elapsed, attempts, has_baseline) in
        [(Duration::from_millis(5), 0, true), (Duration::from_millis(15), 1, true), (Duration::MAX, 2, false)]
    {
        ledger.charge(METHOD, charged(1), elapsed, now);
        assert_eq!(
            (ledger.book().totals().uncertain_attempts, ledger.has_baseline()),
            (attempts, has_baseline)
        );
    }
}

#[test]
fn charge_by_a_clock_with_another_origin_is_uncertain_after_a_comparison() {
    // The other clock is first read by the charge, or already during the comparisons.
    for is_read in [false, true] {
        let ledger = crate::Ledger::new();
        let time = |origin, millis| LedgerTime { origin, millis };
        for balance in [100, 97] {
            let start = ledger.start_comparison_at(1, WINDOW, time(1, 1_000_000));
            let ComparisonStart::Started(comparison) = start else { panic!("{start:?}") };
            if is_read {
                let other = ledger.start_comparison_at(2, WINDOW, time(2, 1_000_000 + 10));
                assert_eq!(other, ComparisonStart::Busy);
            }
            ledger.finish_comparison_at(comparison, balance, time(1, 1_000_000));
        }
        ledger.charge(METHOD, charged(3), Duration::ZERO, time(2, 1_000_000 + 20));
        assert_eq!(amounts(ledger.book().totals()), (0, 0, 3, 3), "{is_read}");
    }
}
