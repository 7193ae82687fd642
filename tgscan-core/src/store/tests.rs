//! Tests of the effect of operations on the rows of an account.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::decide::decide;
use super::operation::needs;
use super::{Call, Changes, Claim, Done, Loaded, Operation, Question, QuestionRow, Settlement};
use crate::Credits;
use crate::account::{Cost, Limits};

const HOUR: Duration = Duration::from_secs(3600);

fn claim(token: u64) -> Operation {
    Operation::Claim(Claim {
        question: Arc::new(Question::new(true, "search", "query=alice_1")),
        people: vec!["alice_1".to_owned()],
        limits: Arc::new(Limits::default()),
        max_age: Some(HOUR),
        stored_only: false,
        keep_for: HOUR,
        pay_again_after: None,
        joined: None,
        fence: Duration::from_secs(5),
        token,
    })
}

#[test]
fn comparisons_and_uncertain_attempts_need_the_exact_time() {
    let settle = |uncertain| Operation::Settle {
        call: 1,
        settlement: Settlement::without_response(Cost { charged: 0, uncertain }),
    };
    let charge =
        |uncertain| Operation::Charge { method: "a", cost: Cost { charged: 0, uncertain }, token: 1 };
    let start = Operation::StartComparison { token: 1, late_charge: HOUR };
    let cases = [
        (vec![claim(1), settle(0), charge(0), Operation::EndComparison { token: 1 }], false),
        (vec![start, claim(1)], true),
        (vec![settle(1), claim(1)], true),
        (vec![charge(1)], true),
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
    let received = Some((200, Bytes::from_static(b"{}"), Credits::Charged(1)));
    let cost = Cost { charged: 1, uncertain: 0 };
    let settlement =
        Settlement { cost, is_answered: true, received, people: Vec::new(), observed: None, token: None };
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
    assert!(matches!(done[..], [Done::Booked, Done::Answered, Done::Answered]));
    assert!(
        matches!(&changes.questions[..], [(_, Some(row))] if row.answered.is_some_and(|(call, ..)| call == 1))
    );
    assert!(matches!(&changes.calls[..], [(Some(_), Some(call))] if call.is_answered));
}
