//! Tests of the effect of operations on the rows of an account.

mod damaged;
mod replaced;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::decide::decide;
use super::explore::Tables;
use super::operation::needs;
use super::{
    AccountRow, Call, Changes, Claim, Done, Loaded, Operation, OwnerId, Question, QuestionRow, Settlement,
};
use crate::Credits;
use crate::account::{Book, ComparisonStart, Cost, Outcome};

const HOUR: Duration = Duration::from_secs(3600);
const QUERY: &str = "query=alice_1";

fn claim(token: u64) -> Operation {
    claim_of(QUERY, token)
}

fn claim_of(form: &str, token: u64) -> Operation {
    Operation::Claim(Claim { people: vec!["alice_1".to_owned()], ..Claim::of(form, token) })
}

#[test]
fn comparisons_and_uncertain_attempts_need_the_exact_time() {
    let settle = |uncertain| Operation::Settle {
        call: 1,
        settlement: Settlement::without_response(Cost { charged: 0, uncertain }, 1),
    };
    let cost = Cost { charged: 1, uncertain: 0 };
    let charge = Operation::Charge { method: "a", cost, began: 0, token: 1 };
    let start = Operation::StartComparison { token: 1, late_charge: HOUR };
    let cases = [
        (vec![claim(1), settle(0), Operation::EndComparison { token: 1 }], false),
        (vec![start, claim(1)], true),
        (vec![settle(1), claim(1)], true),
        (vec![charge], true),
    ];
    for (operations, expected) in cases {
        assert_eq!(needs(&operations, Vec::new()).exact_time, expected, "{operations:?}");
    }
}

/// Returns the stored rows after these changes of an empty account.
fn rows(changes: Changes) -> (Vec<(String, QuestionRow)>, Vec<Call>) {
    let questions = changes.questions.into_iter().filter_map(|(key, row)| Some((key, row?)));
    (questions.collect(), changes.calls.into_iter().filter_map(|(_, call)| call).collect())
}

fn loaded() -> Loaded {
    Loaded { now: 1_700_000_000_000, owner: 1, ..Loaded::default() }
}

#[test]
fn equal_claims_in_one_transaction_use_one_row() {
    let settlement = answered(1);
    let operations = [claim(1), claim(2), claim(3)];
    assert_eq!(
        (needs(&operations, Vec::new()).questions.len(), needs(&operations, Vec::new()).calls.len()),
        (1, 0)
    );
    let (done, changes) = decide(&operations[..1], loaded(), 1);
    assert!(matches!(done[..], [Done::Granted(1)]));
    let account = changes.account.clone().unwrap();
    let (questions, calls) = rows(changes);
    // A store may load a row once for each mention in the needs.
    let doubled = Loaded {
        account,
        questions: [questions.clone(), questions].concat(),
        calls: [calls.clone(), calls].concat(),
        ..loaded()
    };
    let operations = [Operation::Settle { call: 1, settlement }, claim(2), claim(3)];
    let (done, changes) = decide(&operations, doubled, 1);
    assert!(matches!(done[..], [Done::Settled { .. }, Done::Answered, Done::Answered]));
    assert!(
        matches!(&changes.questions[..], [(_, Some(row))] if row.answered.is_some_and(|(call, ..)| call == 1))
    );
    assert!(matches!(&changes.calls[..], [(Some(_), Some(call))] if call.is_answered));
}

/// Runs operations of a process on the stored rows.
fn run(tables: &mut Tables, owner: OwnerId, operations: &[Operation]) -> Vec<Done> {
    let (done, changes) =
        decide(operations, tables.load(&needs(operations, Vec::new()), owner, 1, |_| true), owner);
    tables.write(changes);
    done
}

fn answered(token: u64) -> Settlement {
    let received = Some((200, Bytes::from_static(b"{}"), Credits::Charged(1)));
    let cost = Cost { charged: 1, uncertain: 0 };
    Settlement { is_answered: true, received, ..Settlement::without_response(cost, token) }
}

#[test]
fn answer_to_an_erased_question_is_not_reported_as_stored() {
    for is_erased in [false, true] {
        let mut tables = Tables::default();
        run(&mut tables, 1, &[claim(1)]);
        if is_erased {
            run(&mut tables, 1, &[Operation::Remove { calls: vec![1], is_erasing: true }]);
        }
        let done = run(&mut tables, 1, &[Operation::Settle { call: 1, settlement: answered(1) }]);
        let reported = matches!(&done[..], [Done::Settled { is_erased, .. }] if *is_erased);
        assert_eq!((reported, tables.answers.is_empty()), (is_erased, is_erased));
    }
}

#[test]
fn operations_of_a_claim_do_not_change_another_call_with_its_id() {
    let mut tables = Tables::default();
    // A restored database gives the id again, to the same owner.
    run(&mut tables, 1, &[claim(1)]);
    let mut operations = |token| {
        let (limits, fence) = (Arc::default(), HOUR);
        run(
            &mut tables,
            1,
            &[
                Operation::Pause { call: 1, token },
                Operation::Renew { call: 1, uncertain: 1, limits, fence, token },
                Operation::Settle { call: 1, settlement: answered(token) },
            ],
        )
    };
    assert!(matches!(operations(2)[..], [Done::Lost, Done::Lost, Done::Lost]));
    assert!(matches!(operations(1)[..], [Done::Booked, Done::Booked, Done::Settled { .. }]));
}

#[test]
fn answer_of_a_call_that_has_the_id_of_the_joined_one_is_not_taken_for_its_answer() {
    let mut tables = Tables::default();
    // A restored database gave the id to another question.
    run(&mut tables, 1, &[claim_of("query=other", 1)]);
    run(&mut tables, 1, &[Operation::Settle { call: 1, settlement: answered(1) }]);
    let join =
        |form, token| Operation::Claim(Claim { joined: Some(1), max_age: None, ..Claim::of(form, token) });
    let done = run(&mut tables, 1, &[join("query=other", 2), join(QUERY, 3)]);
    assert!(matches!(done[..], [Done::Answered, Done::Granted(2)]), "{done:?}");
}

#[test]
fn charge_of_a_free_method_during_a_comparison_counts_once() {
    let cost = Cost { charged: 3, uncertain: 0 };
    let compare = |book: &mut Book, now, balance, charge_first| {
        let start = book.start_comparison(1, HOUR, now);
        let ComparisonStart::Started(comparison) = start else { panic!("{start:?}") };
        if charge_first {
            book.charge("user_check".into(), cost, now - 10, now);
        }
        book.finish_comparison(comparison, balance, now, 1, &mut []).0.outcome
    };
    for (began, expected) in [(150, (0, 3, 5)), (201, (3, 0, 5))] {
        let mut book = Book::default();
        assert_eq!(compare(&mut book, 100, 50, false), Outcome::Baseline);
        // The balance reflects the charge, which is booked later, and 2 credits of another program.
        assert_eq!(compare(&mut book, 200, 45, false), Outcome::Unexplained(5));
        book.charge("user_check".into(), cost, began, 300);
        let totals = book.totals();
        assert_eq!(
            (totals.charged, totals.uncertain, totals.unexplained),
            expected,
            "a call that began at {began}"
        );
        let (balance, outcome) =
            if began <= 200 { (45, Outcome::Resolved(0)) } else { (42, Outcome::Agrees) };
        assert_eq!(compare(&mut book, 4_000_000, balance, false), outcome);
        assert_eq!(book.totals().charged, expected.0);
        assert_eq!(compare(&mut book, 5_000_000, balance, true), Outcome::Overlapped);
    }
}
