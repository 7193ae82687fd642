//! Refusals, and the ways out of them.

use super::*;

const OTHER: &str = "similar_groups";

#[test]
fn only_limits_of_a_period_need_the_date() {
    let budgeted = |period| {
        let mut limits = Limits::default();
        limits.add(Budget::new("a", 1, period, Reserve::OneAtATime));
        limits
    };
    assert!(Limits::default().is_empty() && !Limits::default().needs_date());
    assert!(!capped(1, 1).is_empty() && !capped(1, 1).needs_date());
    assert!(!budgeted(Period::Total).is_empty() && !budgeted(Period::Total).needs_date());
    assert!(!budgeted(Period::Day).is_empty() && budgeted(Period::Day).needs_date());
}

#[test]
fn refusal_states_whether_waiting_or_resolving_can_help() {
    let refusal = |in_flight: u64, uncertain: u64, is_undated| {
        let (in_flight_calls, uncertain_attempts) = (in_flight.min(1), uncertain.min(1));
        let totals = Totals {
            charged: 4,
            in_flight,
            in_flight_calls,
            uncertain,
            uncertain_attempts,
            ..Totals::default()
        };
        let cap = CapReached { budget: None, limit: 10, totals, reserve: Some(3), is_undated };
        (cap.is_transient(), cap.would_fit_if_resolved())
    };
    assert_eq!(refusal(4, 0, false), (true, false));
    assert_eq!(refusal(0, 4, false), (false, true));
    assert_eq!(refusal(1, 3, false), (true, true));
    assert_eq!(refusal(4, 4, false), (false, false), "each alone leaves 2 credits");
    assert_eq!(refusal(0, 0, false), (false, false), "there is nothing to wait for or resolve");
    assert_eq!(refusal(1, 3, true), (false, false), "the date is missing");
    let totals = Totals { charged: 10, in_flight: 1, in_flight_calls: 1, ..Totals::default() };
    let cap = CapReached { budget: None, limit: 10, totals, reserve: None, is_undated: false };
    assert!(!cap.is_transient(), "a call of unknown price needs a credit");
    assert!(cap.to_string().contains("this call reserves 1;"), "{cap}");
}

#[test]
fn refused_attempt_counts_the_earlier_ones_of_its_call_as_uncertain() {
    let mut book = Book::default();
    let [enough, tight] = [capped(20, 5), capped(14, 5)];
    let _other = book.admit(METHOD.into(), &enough, None).unwrap();
    let mut call = book.admit(METHOD.into(), &enough, None).unwrap();
    let attempts = |totals: Totals| (totals.in_flight_calls, totals.uncertain_attempts);

    let refused = book.renew(&mut call, 1, &tight).unwrap_err();
    assert_eq!((amounts(refused.totals), attempts(refused.totals)), ((0, 5, 5, 0), (1, 1)));
    assert!(refused.is_transient(), "the other call may end");

    book.renew(&mut call, 1, &enough).unwrap();
    let refused = book.renew(&mut call, 2, &tight).unwrap_err();
    assert_eq!((amounts(refused.totals), attempts(refused.totals)), ((0, 5, 10, 0), (1, 2)));
    assert!(!refused.totals.is_in_flight_open && !refused.totals.is_uncertain_open);
}

#[test]
fn refused_attempt_of_unknown_price_is_uncertain_without_a_limit() {
    let mut book = Book::default();
    let limits = Limits { cap: Some((11, Reserve::OneAtATime)), budgets: Vec::new() };
    let mut alone = book.admit(METHOD.into(), &limits, None).unwrap();
    let refused = book.renew(&mut alone, 1, &limits).unwrap_err();
    assert!(refused.totals.is_uncertain_open && !refused.totals.is_in_flight_open);
    assert_eq!((amounts(refused.totals), refused.totals.uncertain_attempts), ((0, 0, 1, 0), 1));
    assert_eq!(refused.totals.in_flight_calls, 0);

    // With another call of unknown price, the rest of the limit is in flight.
    let mut book = Book::default();
    book.set_price(METHOD, Some(3));
    let mut priced = book.admit(METHOD.into(), &limits, None).unwrap();
    let _open = book.admit(OTHER.into(), &limits, None).unwrap();
    let refused = book.renew(&mut priced, 1, &limits).unwrap_err();
    assert!(refused.totals.is_in_flight_open && !refused.totals.is_uncertain_open);
    assert_eq!(refused.totals.uncertain, 3);
}

#[test]
fn another_attempt_needs_room_in_the_period_of_its_call_only() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let mut book = Book::default();
    let mut limits = Limits::default();
    limits.add(Budget::new("a", 10, Period::Day, Reserve::PerCall(5)));
    for _ in 0..2 {
        let mut full = book.admit(METHOD.into(), &limits, Some(DAY)).unwrap();
        book.settle(&mut full, charged(5), None, None);
    }
    let mut call = book.admit(METHOD.into(), &limits, Some(2 * DAY)).unwrap();
    book.renew(&mut call, 1, &limits).unwrap();
    let refused = book.renew(&mut call, 2, &limits).unwrap_err();
    assert_eq!(refused.budget.as_deref(), Some("a"));
}

#[test]
fn call_of_unknown_price_fills_its_budget() {
    let mut book = Book::default();
    let mut limits = Limits::default();
    limits.add(Budget::new("a", 100, Period::Total, Reserve::OneAtATime));
    let first = book.admit(METHOD.into(), &limits, None).unwrap();
    assert!(book.admit(METHOD.into(), &limits, None).unwrap_err().is_transient());
    book.lose_owner(&mut { first }, None);
    assert!(book.admit(METHOD.into(), &limits, None).unwrap_err().would_fit_if_resolved());
}

#[test]
fn refusal_is_worded_by_what_fills_the_limit() {
    let text = |unexplained, is_in_flight_open, is_uncertain_open| {
        let totals = Totals { unexplained, is_in_flight_open, is_uncertain_open, ..Totals::default() };
        CapReached { budget: None, limit: 1, totals, reserve: Some(2), is_undated: false }.to_string()
    };
    let start = "not sent, because it could exceed the cap of 1 credits: 0 charged, 0 in flight, 0 uncertain";
    let end = "; raise the limit to spend more";
    assert_eq!(text(0, false, false), format!("{start}, and this call reserves 2{end}"));
    assert_eq!(text(3, false, false), format!("{start}, 3 unexplained, and this call reserves 2{end}"));
    for (in_flight, uncertain) in [(true, false), (false, true), (true, true)] {
        let expected = format!("{start}, and the price of an earlier call is unknown{end}");
        assert_eq!(text(0, in_flight, uncertain), expected);
    }
}
