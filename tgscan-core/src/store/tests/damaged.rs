//! Tests of operations on damaged rows.

use super::*;

/// Runs operations on an account with one damaged call, which is lost.
fn decide_with_damaged(account: AccountRow, operations: &[Operation]) -> (Vec<Done>, Changes) {
    let mut loaded = Loaded { account, lost: vec![1], now: 1_700_000_000_000, owner: 2, ..Loaded::default() };
    assert!(loaded.add_call(1, b"damaged").is_none());
    decide(operations, loaded, 2)
}

#[test]
fn damaged_row_of_a_lost_call_fails_only_the_operations_on_this_call() {
    let (_, changes) = decide(&[claim(1)], loaded(), 1);
    let settlement = Settlement::without_response(Cost::NONE, 1);
    let (done, changes) = decide_with_damaged(
        changes.account.unwrap(),
        &[claim(2), Operation::Settle { call: 1, settlement }, Operation::Purchase { credits: 5, token: 3 }],
    );
    assert!(matches!(done[..], [Done::Granted(2), Done::Damaged(_), Done::Booked]), "{done:?}");
    // The call is uncertain, so that a comparison can resolve it.
    let totals = changes.account.as_ref().unwrap().book.totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (1, 1));
    // It is counted once.
    let (_, changes) = decide_with_damaged(changes.account.unwrap(), &[claim(4)]);
    let totals = changes.account.as_ref().unwrap().book.totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (2, 1));
}

#[test]
fn damaged_call_stays_in_flight_while_others_are() {
    let (_, changes) = decide(&[claim(1), claim_of("query=other", 2)], loaded(), 1);
    let (_, changes) = decide_with_damaged(changes.account.unwrap(), &[claim(3)]);
    let totals = changes.account.unwrap().book.totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (3, 0));
}

#[test]
fn damaged_call_with_an_uncertain_attempt_does_not_stay_in_flight() {
    let renew = Operation::Renew { call: 1, uncertain: 1, limits: Arc::default(), fence: HOUR, token: 1 };
    let mut tables = Tables::default();
    run(&mut tables, 1, &[claim(1), renew]);
    let (done, changes) = decide_with_damaged(
        tables.account,
        &[Operation::StartComparison { token: 2, late_charge: Duration::ZERO }],
    );
    assert!(matches!(done[..], [Done::Started(ComparisonStart::TooEarly(_))]), "{done:?}");
    let totals = changes.account.unwrap().book.totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (0, 2));
}

#[test]
fn question_with_a_damaged_row_or_call_is_not_asked_again() {
    let blocking = |row: &[u8], call: Option<&[u8]>| {
        let mut loaded = loaded();
        loaded.add_question(Question::new(true, "search", "query=alice_1").key(), row);
        call.map(|row| loaded.add_call(1, row).is_some());
        decide(&[claim(1), claim_of("query=other", 2)], loaded, 1).0
    };
    for (row, call) in [(&b"damaged"[..], None), (br#"{"b":1}"#, Some(&b"damaged"[..]))] {
        let done = blocking(row, call);
        assert!(matches!(done[..], [Done::Damaged(_), Done::Granted(_)]), "{done:?}");
    }
}

#[test]
fn damaged_question_is_neither_replaced_by_an_answer_nor_reported_as_erased() {
    let (_, changes) = decide(&[claim(1)], loaded(), 1);
    let (_, call) = changes.calls.into_iter().next().unwrap();
    let run = |operation: Operation| {
        let mut loaded = Loaded { account: changes.account.clone().unwrap(), ..loaded() };
        loaded.add_question(Question::new(true, "search", "query=alice_1").key(), b"damaged");
        loaded.calls.extend(call.clone());
        let (done, changes) = decide(&[operation], loaded, 1);
        (done.into_iter().next().unwrap(), changes)
    };
    let (done, changes) = run(Operation::Settle { call: 1, settlement: answered(1) });
    assert!(matches!(done, Done::Settled { .. }), "{done:?}");
    assert!(changes.questions.is_empty() && changes.answers.len() == 1, "{changes:?}");
    let (done, changes) = run(Operation::Remove { calls: vec![1], is_erasing: true });
    assert!(matches!(done, Done::Damaged(_)) && changes.is_empty(), "{done:?}");
}
