//! Tests of uncertain calls whose question was paid for again.

use super::*;
use crate::store::CallId;

/// Claims the question as a policy allows that pays again immediately.
fn claim_again(token: u64) -> Operation {
    let pay_again_after = Some(Duration::ZERO);
    Operation::Claim(Claim { max_age: None, pay_again_after, ..Claim::of(QUERY, token) })
}

/// Settles the call with this number and token.
fn settle(call: CallId, charged: u64, uncertain: u32) -> Operation {
    let settlement = Settlement::without_response(Cost { charged, uncertain }, call);
    Operation::Settle { call, settlement }
}

/// Returns an account with two calls of the question: the first one is uncertain, and the second one replaces it.
fn paid_again() -> Tables {
    let mut tables = Tables::default();
    let done = run(&mut tables, 1, &[claim(1)]);
    assert!(matches!(done[..], [Done::Granted(1)]), "{done:?}");
    run(&mut tables, 1, &[settle(1, 0, 1)]);
    let done = run(&mut tables, 1, &[claim_again(2)]);
    assert!(matches!(done[..], [Done::Granted(2)]), "{done:?}");
    tables
}

/// Checks that the first call blocks the question for policies that do not pay again.
fn check_blocked(tables: &mut Tables) {
    let claim = [Operation::Claim(Claim { max_age: None, ..Claim::of(QUERY, 9) })];
    let mut done = run(tables, 1, &claim);
    while let [Done::Again] = done[..] {
        done = run(tables, 1, &claim);
    }
    assert!(matches!(done[..], [Done::Blocked { call: 1, .. }]), "{done:?}");
}

#[test]
fn free_call_of_a_lost_owner_leaves_the_call_that_it_replaced_blocking() {
    let mut tables = paid_again();
    run(&mut tables, 1, &[Operation::Pause { call: 2, token: 2 }]);
    let loaded = tables.load(&needs(&[claim(9)], Vec::new()), 2, 1, |_| false);
    let (done, changes) = decide(&[claim(9)], loaded, 2);
    tables.write(changes);
    assert!(matches!(done[..], [Done::Again]), "{done:?}");
    check_blocked(&mut tables);
}

#[test]
fn free_call_settled_in_the_same_transaction_leaves_the_call_that_it_replaced_blocking() {
    let mut tables = paid_again();
    let done = run(&mut tables, 1, &[settle(2, 0, 0), claim(9)]);
    assert!(matches!(done[..], [Done::Settled { .. }, Done::Again]), "{done:?}");
    check_blocked(&mut tables);
}

#[test]
fn call_that_ends_in_any_way_leaves_the_call_that_it_replaced_blocking() {
    let resolve = |call| Operation::Resolve { call, credits: 0 };
    let answer = |call| Operation::Settle { call, settlement: answered(call) };
    for third in [settle(3, 0, 0), settle(3, 0, 1), settle(3, 1, 0), answer(3)] {
        for second in [settle(2, 0, 0), settle(2, 1, 0), answer(2), resolve(2)] {
            let mut tables = paid_again();
            run(&mut tables, 1, &[settle(2, 0, 1)]);
            run(&mut tables, 1, &[claim_again(3)]);
            for operation in [&third, &second, &resolve(3), &resolve(2)] {
                run(&mut tables, 1, std::slice::from_ref(operation));
            }
            check_blocked(&mut tables);
        }
    }
}

#[test]
fn erasing_a_question_that_was_paid_for_again_leaves_nothing_of_it() {
    let answer = Operation::Settle { call: 2, settlement: answered(2) };
    for second in [settle(2, 0, 1), answer] {
        for pages in [vec![vec![1, 2]], vec![vec![1], vec![2]], vec![vec![2], vec![1]]] {
            let mut tables = paid_again();
            run(&mut tables, 1, std::slice::from_ref(&second));
            for calls in pages {
                let done = run(&mut tables, 1, &[Operation::Remove { calls, is_erasing: true }]);
                assert!(matches!(done[..], [Done::Removed(_)]), "{done:?}");
            }
            assert!(tables.questions.is_empty() && tables.answers.is_empty(), "{second:?}: {tables:?}");
        }
    }
}
