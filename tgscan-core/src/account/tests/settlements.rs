//! Settlements, also those that arrive late.

use std::time::Duration;

use super::*;

const LIMITS: Limits = Limits { cap: None, budgets: Vec::new() };
const WINDOW: Duration = Duration::from_millis(30);

/// Admits a call that reserves one credit for each attempt.
fn admit(book: &mut Book) -> Entry {
    book.admit(METHOD.into(), &capped(100, 1), None).unwrap()
}

/// Returns the time for which a comparison that begins at `now` waits for late charges.
fn wait(book: &Book, now: u64) -> u64 {
    match book.clone().start_comparison(1, WINDOW, now) {
        ComparisonStart::Started(_) => 0,
        ComparisonStart::TooEarly(wait) => u64::try_from(wait.as_millis()).unwrap(),
        ComparisonStart::Busy => panic!("an attempt is running"),
    }
}

#[test]
fn charge_of_a_free_method_sets_its_price_and_ends_the_call() {
    let mut book = Book::default();
    let _other = book.admit("other".into(), &capped(100, 1), None).unwrap();
    book.charge(METHOD.into(), charged(3), 0, 0);
    assert_eq!((book.price(METHOD), amounts(book.totals())), (Some(3), (3, 1, 0, 0)));
    assert_eq!(book.totals().in_flight_calls, 1);
    book.charge(METHOD.into(), uncertain(1), 0, 0);
    assert_eq!(amounts(book.totals()), (3, 1, 3, 0));
    assert_eq!(book.start_comparison(1, Duration::ZERO, 0), ComparisonStart::Busy, "the other call is sent");
}

#[test]
fn comparison_waits_after_the_last_end_of_an_uncertain_attempt() {
    let mut book = Book::default();
    let mut call = admit(&mut book);
    book.renew(&mut call, 1, &LIMITS).unwrap();
    book.settle(&mut call, uncertain(1), None, Some(100));
    assert_eq!(wait(&book, 110), 20, "the earlier attempt may be charged until now");

    book.settle(&mut call, uncertain(1), None, Some(105));
    assert_eq!(wait(&book, 110), 20, "no more attempts are uncertain");
    book.settle(&mut call, uncertain(3), None, Some(105));
    assert_eq!(wait(&book, 110), 25, "more attempts are uncertain");
    book.settle(&mut call, uncertain(2), None, Some(109));
    assert_eq!(wait(&book, 110), 25, "fewer attempts are uncertain");
}

#[test]
fn calls_of_known_cost_do_not_delay_a_comparison() {
    let mut book = Book::default();
    let mut uncertain_call = admit(&mut book);
    book.settle(&mut uncertain_call, uncertain(1), None, Some(100));
    for cost in [Cost::NONE, charged(2)] {
        let mut call = admit(&mut book);
        book.settle(&mut call, cost, None, Some(105));
    }
    assert_eq!(wait(&book, 110), 20);
    let mut call = admit(&mut book);
    book.settle(&mut call, Cost::NONE, None, None);
    assert_eq!(wait(&book, 110), 20, "the time of a free end does not matter");
    let mut call = admit(&mut book);
    book.settle(&mut call, uncertain(1), None, None);
    assert_eq!(wait(&book, 110), 30, "an unknown time may be now");
}

#[test]
fn time_in_the_future_delays_a_comparison_within_the_slack_of_the_clock_only() {
    for (ahead, expected) in [(CLOCK_SLACK, CLOCK_SLACK + 30), (CLOCK_SLACK + 1, 30)] {
        let mut book = Book::default();
        let mut call = admit(&mut book);
        book.settle(&mut call, uncertain(1), None, Some(110 + ahead));
        assert_eq!(wait(&book, 110), expected);
    }
}

#[test]
fn only_changes_of_the_cost_overlap_a_comparison() {
    let outcome = |cost, is_lost: bool| {
        let mut book = Book::default();
        let mut call = admit(&mut book);
        book.pause(&mut call);
        if is_lost {
            book.renew(&mut call, 0, &LIMITS).unwrap();
            book.lose_owner(&mut call, Some(0));
        }
        let ComparisonStart::Started(comparison) = book.start_comparison(1, WINDOW, 1000) else {
            panic!("an attempt is running")
        };
        book.settle(&mut call, cost, None, Some(1000));
        book.finish_comparison(comparison, 50, 1000, 1, &mut []).0.outcome
    };
    assert_eq!(outcome(Cost::NONE, false), Outcome::Baseline);
    assert_eq!(outcome(uncertain(1), true), Outcome::Baseline);
    for (cost, is_lost) in [
        (charged(1), false),
        (uncertain(1), false),
        (Cost::NONE, true),
        (Cost { charged: 1, uncertain: 1 }, true),
    ] {
        assert_eq!(outcome(cost, is_lost), Outcome::Overlapped, "{cost:?}");
    }
}

#[test]
fn late_settlement_of_a_call_before_the_baseline_leaves_it_to_a_person() {
    let mut book = Book::default();
    let mut call = admit(&mut book);
    book.settle(&mut call, uncertain(2), None, Some(0));
    let compare = |book: &mut Book, entries: &mut [&mut Entry]| {
        let ComparisonStart::Started(comparison) = book.start_comparison(1, WINDOW, 1000) else {
            panic!("not started")
        };
        book.finish_comparison(comparison, 50, 1000, 1, entries).0
    };
    let report = compare(&mut book, &mut [&mut call]);
    assert_eq!(
        (report.outcome, report.resolved_attempts, report.uncertain_attempts),
        (Outcome::Baseline, 0, 2)
    );
    book.settle(&mut call, uncertain(1), None, Some(500));
    let report = compare(&mut book, &mut []);
    assert_eq!((report.outcome, report.uncertain_attempts), (Outcome::Agrees, 1));
    assert_eq!((book.resolve_all(1), amounts(book.totals())), (1, (1, 0, 0, 0)));
}
