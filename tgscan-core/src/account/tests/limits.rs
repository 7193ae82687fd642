//! Caps and budgets.

use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;

fn budgeted(label: &str, limit: u64, period: Period) -> Limits {
    let mut limits = Limits::default();
    limits.add(Budget::new(label, limit, period, Reserve::PerCall(2)));
    limits
}

fn admit(book: &mut Book, limits: &Limits) -> Result<Entry, CapReached> {
    book.admit(METHOD.into(), limits, None)
}

fn settled(book: &mut Book, limits: &Limits, cost: Cost) -> Entry {
    let mut entry = admit(book, limits).unwrap();
    book.settle(&mut entry, cost, None, Some(0));
    entry
}

#[test]
fn calls_count_at_the_maximum_of_price_and_reserve() {
    let mut book = Book::default();
    let limits = capped(100, 5);
    let mut first = admit(&mut book, &limits).unwrap();
    let mut second = admit(&mut book, &limits).unwrap();
    assert_eq!(amounts(book.totals()), (0, 10, 0, 0));
    // A lower price changes nothing.
    book.settle(&mut first, charged(3), None, None);
    assert_eq!(amounts(book.totals()), (3, 5, 0, 0));
    settled(&mut book, &limits, uncertain(2));
    assert_eq!(amounts(book.totals()), (3, 5, 10, 0));
    // A higher price applies to all calls in flight and uncertain calls.
    settled(&mut book, &limits, charged(9));
    assert_eq!(amounts(book.totals()), (12, 9, 18, 0));
    assert_eq!(book.price(METHOD), Some(9));
    let refused = admit(&mut book, &capped(47, 5)).unwrap_err();
    assert_eq!((refused.limit, refused.reserve, refused.totals), (47, Some(9), book.totals()));
    book.settle(&mut second, charged(9), None, None);
    assert_eq!(book.set_price(METHOD, Some(1)), Some(9));
    assert_eq!(amounts(book.totals()), (21, 0, 10, 0));
}

#[test]
fn first_call_of_a_method_without_a_price_reserves_the_rest_of_the_limit() {
    let mut book = Book::default();
    let limits = Limits { cap: Some((11, Reserve::OneAtATime)), budgets: Vec::new() };
    let full = Limits { cap: Some((0, Reserve::OneAtATime)), budgets: Vec::new() };
    admit(&mut book, &full).unwrap_err();
    let mut first = admit(&mut book, &limits).unwrap();
    let refused = book.admit("similar_groups".into(), &limits, None).unwrap_err();
    assert!(refused.totals.is_in_flight_open && refused.is_transient(), "{refused}");
    assert_eq!((refused.reserve, refused.totals.remaining(11)), (None, 0));
    // An uncertain call of unknown price leaves no room until it is resolved.
    book.settle(&mut first, uncertain(1), None, Some(0));
    let refused = admit(&mut book, &limits).unwrap_err();
    assert!(refused.would_fit_if_resolved() && !refused.is_transient(), "{refused}");
    book.resolve(&mut first, 3, None);
    settled(&mut book, &limits, charged(4));
    let (_second, refused) = (admit(&mut book, &limits).unwrap(), admit(&mut book, &limits).unwrap_err());
    assert_eq!((refused.reserve, amounts(book.totals())), (Some(4), (7, 4, 0, 0)));
}

#[test]
fn highest_reserve_of_all_limits_applies_and_zero_is_one() {
    let mut limits = budgeted("team", 100, Period::Total);
    limits.cap = Some((9, Reserve::PerCall(4)));
    let mut book = Book::default();
    let entry = admit(&mut book, &limits).unwrap();
    assert_eq!((entry.reserve(), book.budget("team", Period::Total).in_flight), (4, 4));
    let _second = admit(&mut book, &limits).unwrap();
    assert_eq!(admit(&mut book, &limits).unwrap_err().budget, None);
    for (limits, reserve) in [(capped(1, 0), 1), (Limits::default(), 0)] {
        assert_eq!(admit(&mut Book::default(), &limits).unwrap().reserve(), reserve);
    }
    // A price of zero is one too.
    let mut book = Book::default();
    book.set_price(METHOD, Some(0));
    admit(&mut book, &Limits::default()).unwrap();
    assert_eq!(book.totals().in_flight, 1);
}

#[test]
fn budget_refuses_only_its_calls() {
    let mut book = Book::default();
    let (team, other) = (budgeted("team", 3, Period::Total), budgeted("other", 3, Period::Total));
    settled(&mut book, &team, charged(2));
    let refused = admit(&mut book, &team).unwrap_err();
    assert_eq!((refused.budget.as_deref(), refused.limit, refused.totals.charged), (Some("team"), 3, 2));
    assert!(!refused.is_transient() && !refused.would_fit_if_resolved());
    settled(&mut book, &other, charged(2));
    settled(&mut book, &Limits::default(), charged(2));
    assert_eq!(book.budget("team", Period::Total).charged, 2);
    assert_eq!((book.budget("other", Period::Total).charged, book.totals().charged), (2, 6));
    for (label, period) in [("unknown", Period::Total), ("team", Period::Day)] {
        assert_eq!(book.budget(label, period), Totals::default());
    }
}

#[test]
fn budget_replaces_an_earlier_one_with_the_same_label_and_period() {
    let mut limits = budgeted("team", 3, Period::Total);
    limits.add(Budget::new("team", 7, Period::Day, Reserve::OneAtATime));
    limits.add(Budget::new("team", 9, Period::Total, Reserve::PerCall(1)));
    let ends: Vec<_> = limits.budgets.iter().map(|budget| (budget.period, budget.limit)).collect();
    assert_eq!(ends, [(Period::Day, 7), (Period::Total, 9)]);
}

#[test]
fn periodic_budget_is_refused_without_a_date() {
    let mut book = Book::default();
    for period in [Period::Day, Period::Month] {
        let refused = admit(&mut book, &budgeted("team", 9, period)).unwrap_err();
        assert!(refused.is_undated && !refused.is_transient() && !refused.would_fit_if_resolved());
        assert!(refused.to_string().contains("`Timer` with a date"), "{refused}");
    }
    assert_eq!(book, Book::default());
    admit(&mut book, &budgeted("team", 9, Period::Total)).unwrap();
}

#[test]
fn call_counts_in_the_period_in_which_it_was_claimed() {
    let mut book = Book::default();
    let limits = budgeted("team", 3, Period::Day);
    let mut late = book.admit(METHOD.into(), &limits, Some(DAY - 1)).unwrap();
    assert!(book.admit(METHOD.into(), &limits, Some(DAY - 1)).is_err());
    let mut next = book.admit(METHOD.into(), &limits, Some(DAY)).unwrap();
    book.settle(&mut next, charged(1), None, None);
    book.settle(&mut late, charged(2), None, None);
    assert_eq!(amounts(book.budget("team", Period::Day)), (1, 0, 0, 0));
    assert_eq!(book.totals().charged, 3);
}

/// Settles a call at this time, if its limits admit it.
fn spend(book: &mut Book, limits: &Limits, date: u64, credits: u64) -> Result<(), CapReached> {
    let mut entry = book.admit(METHOD.into(), limits, Some(date))?;
    book.settle(&mut entry, charged(credits), None, Some(0));
    Ok(())
}

#[test]
fn clock_that_was_ahead_for_a_call_neither_locks_a_budget_nor_empties_it() {
    for (period, ahead) in [(Period::Day, DAY), (Period::Day, 365 * DAY), (Period::Month, 365 * DAY)] {
        let today = 20_000 * DAY;
        let (mut book, limits) = (Book::default(), budgeted("team", 10, period));
        spend(&mut book, &limits, today, 3).unwrap();
        // A call of the wrong clock counts, and finds the rest of its period empty.
        spend(&mut book, &limits, today + ahead, 2).unwrap();
        assert_eq!(book.budget_at("team", period, today).charged, 5, "{period:?}");
        spend(&mut book, &limits, today, 2).unwrap();
        assert_eq!(
            (book.budget("team", period).charged, book.budget_at("team", period, today).charged),
            (7, 7)
        );
        spend(&mut book, &limits, today, 2).unwrap();
        let refused = spend(&mut book, &limits, today, 2).unwrap_err();
        assert_eq!((refused.totals.charged, refused.reserve), (9, Some(3)), "{period:?}");
        // The next period is a new one.
        let next = today + 40 * DAY;
        assert_eq!(book.budget_at("team", period, next).charged, 0);
        spend(&mut book, &limits, next, 3).unwrap();
        assert_eq!((book.budget("team", period).charged, book.totals().charged), (3, 12));
    }
}

#[test]
fn budget_used_up_by_a_clock_that_was_ahead_is_full_for_one_period() {
    let (mut book, limits) = (Book::default(), budgeted("team", 5, Period::Day));
    spend(&mut book, &limits, 400 * DAY, 4).unwrap();
    assert!(spend(&mut book, &limits, 9 * DAY, 2).is_err());
    assert_eq!(book.budget("team", Period::Day).charged, 4);
    spend(&mut book, &limits, 10 * DAY, 2).unwrap();
    spend(&mut book, &limits, 400 * DAY, 2).unwrap();
}

#[test]
fn call_claimed_by_a_clock_that_was_ahead_counts_until_it_ends_and_is_charged_once() {
    let (mut book, limits) = (Book::default(), budgeted("team", 5, Period::Day));
    let mut ahead = book.admit(METHOD.into(), &limits, Some(400 * DAY)).unwrap();
    spend(&mut book, &limits, 9 * DAY, 2).unwrap();
    assert_eq!(amounts(book.budget_at("team", Period::Day, 9 * DAY)), (2, 2, 0, 0));
    let refused = spend(&mut book, &limits, 9 * DAY, 2).unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    book.renew(&mut ahead, 1, &limits).unwrap();
    book.settle(&mut ahead, Cost { charged: 2, uncertain: 0 }, None, Some(0));
    assert!(spend(&mut book, &limits, 9 * DAY, 2).is_err());
    assert_eq!(book.budget_at("team", Period::Day, 9 * DAY).charged, 4);
    spend(&mut book, &limits, 10 * DAY, 1).unwrap();
    assert_eq!(book.totals().charged, 5);
}

#[test]
fn clocks_that_differ_a_little_share_a_period() {
    let (mut book, limits) = (Book::default(), budgeted("team", 3, Period::Day));
    for day in [8, 9] {
        spend(&mut book, &limits, day * DAY, 2).unwrap();
    }
    assert!(spend(&mut book, &limits, 9 * DAY - 60_000, 2).is_err());
    assert_eq!(book.budget_at("team", Period::Day, 9 * DAY - 60_000).charged, 2);
    let periods: Vec<_> = book.budgets.iter().map(|(key, _)| key.number).collect();
    assert_eq!(periods, [8, 9], "the budget does not move to an earlier period");
}

#[test]
fn earlier_periods_are_removed_when_nothing_can_change_them() {
    let mut book = Book::default();
    let limits = budgeted("team", 9, Period::Day);
    let mut entries: Vec<_> =
        (0..5).map(|day| book.admit(METHOD.into(), &limits, Some(day * DAY)).unwrap()).collect();
    assert_eq!(book.budgets.len(), 5);
    for (entry, cost) in entries.iter_mut().zip([charged(1), uncertain(1), charged(1), charged(1)]) {
        book.settle(entry, cost, None, None);
    }
    let left: Vec<_> = book.budgets.iter().map(|(key, _)| key.number).collect();
    assert_eq!(left, [1, 3, 4], "the call of day 1 is uncertain");
}

#[test]
fn unexplained_credits_count_against_the_cap_and_no_budget() {
    let mut book = Book { unexplained: 8, ..Book::default() };
    let mut limits = budgeted("team", 9, Period::Total);
    limits.cap = Some((9, Reserve::PerCall(1)));
    let refused = admit(&mut book, &limits).unwrap_err();
    assert_eq!((refused.budget.as_deref(), refused.totals.unexplained), (None, 8));
    assert_eq!(refused.totals.committed(), 8);
    assert!(refused.to_string().contains("8 unexplained"), "{refused}");
    let (mut entry, limits) = (admit(&mut book, &budgeted("team", 9, Period::Total)).unwrap(), capped(20, 1));
    let raised = book.settle_with_warnings(&mut entry, Some(&limits), |book, entry| {
        book.settle(entry, charged(8), None, None);
    });
    assert!(matches!(&raised[..], [raised] if raised.used == 16), "{raised:?}");
}

#[test]
fn another_attempt_after_an_uncertain_one_needs_room() {
    let mut book = Book::default();
    let limits = capped(3, 1);
    let mut first = admit(&mut book, &limits).unwrap();
    // After a free attempt, it needs no room.
    book.pause(&mut first);
    assert_eq!(amounts(book.totals()), (0, 1, 0, 0));
    book.renew(&mut first, 0, &capped(0, 1)).unwrap();
    book.renew(&mut first, 1, &limits).unwrap();
    assert_eq!((amounts(book.totals()), book.totals().in_flight_calls), ((0, 2, 0, 0), 2));
    let mut second = admit(&mut book, &limits).unwrap();
    assert!(book.renew(&mut first, 2, &limits).unwrap_err().is_transient(), "the second call may end");
    book.settle(&mut second, charged(1), None, None);
    let refused = book.renew(&mut first, 2, &limits).unwrap_err();
    assert!(!refused.is_transient(), "a call cannot wait for its own end: {refused}");
    book.settle(&mut first, uncertain(2), None, None);
    assert_eq!(amounts(book.totals()), (1, 0, 2, 0));
}

#[test]
fn amounts_saturate() {
    let mut book = Book::default();
    for _ in 0..3 {
        settled(&mut book, &Limits::default(), charged(u64::MAX));
    }
    settled(&mut book, &Limits::default(), uncertain(u32::MAX));
    let now = book.totals();
    assert_eq!(
        (now.charged, now.uncertain, now.committed(), now.remaining(9)),
        (u64::MAX, u64::MAX, u64::MAX, 0)
    );
    assert!(admit(&mut book, &capped(u64::MAX, 1)).is_err());
}

#[test]
fn attempts_of_a_method_that_a_damaged_book_does_not_name_have_no_known_price() {
    let mut book = Book::default();
    let call = admit(&mut book, &Limits::default()).unwrap();
    book.methods.clear();
    assert!(book.totals().is_in_flight_open, "{call:?}");
}

#[test]
fn latest_totals_include_calls_that_clocks_ahead_have_claimed() {
    let (mut book, limits) = (Book::default(), budgeted("a", 9, Period::Day));
    for day in [3, 5, 1] {
        book.admit(METHOD.into(), &limits, Some(day * DAY)).unwrap();
        assert_eq!(book.budget("a", Period::Day), book.budget_at("a", Period::Day, day * DAY), "{day}");
    }
    assert_eq!(book.budget("a", Period::Day).in_flight_calls, 3);
}

#[test]
fn period_of_a_budget_does_not_depend_on_another_budget() {
    let mut book = Book::default();
    book.admit(METHOD.into(), &budgeted("b", 9, Period::Day), Some(2 * DAY + 10_000)).unwrap();
    let call = book.admit(METHOD.into(), &budgeted("a", 9, Period::Day), Some(2 * DAY - 10_000)).unwrap();
    assert_eq!(call.budgets()[0].number, 1);
}

#[test]
fn clock_that_returns_after_several_calls_gives_no_new_budget() {
    let (mut book, limits) = (Book::default(), budgeted("a", 9, Period::Day));
    for day in [5, 1, 1] {
        spend(&mut book, &limits, day * DAY, 3).unwrap();
    }
    assert_eq!(book.budget_at("a", Period::Day, 5 * DAY).charged, 9);
    spend(&mut book, &limits, 5 * DAY, 3).unwrap_err();
}

#[test]
fn uncertain_calls_of_a_clock_that_was_ahead_for_days_leave_later_charges_in_the_budget() {
    let (mut book, limits) = (Book::default(), budgeted("a", 10, Period::Day));
    for day in [400, 401] {
        let mut ahead = book.admit(METHOD.into(), &limits, Some(day * DAY)).unwrap();
        book.settle(&mut ahead, uncertain(1), None, Some(0));
    }
    for charged in [2, 4, 6] {
        spend(&mut book, &limits, 9 * DAY, 2).unwrap();
        assert_eq!(amounts(book.budget_at("a", Period::Day, 9 * DAY)), (charged, 0, 4, 0));
    }
    spend(&mut book, &limits, 9 * DAY, 2).unwrap_err();
}

#[test]
fn refused_call_begins_no_period() {
    let (mut book, limits) = (Book::default(), budgeted("a", 1, Period::Day));
    book.set_price(METHOD, Some(2));
    let before = book.clone();
    book.admit(METHOD.into(), &limits, Some(DAY)).unwrap_err();
    assert_eq!(book, before);
}

#[test]
fn two_latest_periods_of_each_budget_are_kept() {
    let mut book = Book::default();
    for day in 0..5 {
        spend(&mut book, &budgeted("a", 9, Period::Day), day * DAY, 1).unwrap();
        spend(&mut book, &budgeted("b", 9, Period::Day), (day + 10) * DAY, 1).unwrap();
    }
    let mut left: Vec<_> = book.budgets.iter().map(|(key, _)| (&*key.label, key.number)).collect();
    left.sort_unstable();
    assert_eq!(left, [("a", 3), ("a", 4), ("b", 13), ("b", 14)]);
    // Each has its latest period.
    assert_eq!(["a", "b"].map(|label| book.budget(label, Period::Day).charged), [1, 1]);
}
