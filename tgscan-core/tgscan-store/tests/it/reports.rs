//! What replies, errors and observers say of calls in a store.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use tgscan_core::account::BudgetUse;
use tgscan_core::call::{CallSummary, Observer};
use tgscan_core::{Budget, Period, Reserve};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{Subject, mock, with_each_store};

fn replies_and_errors_name_their_call(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    let client = subject.client(&mock);
    let paid = block_on(client.search("alice_1")).unwrap().call();
    let lost = block_on(client.search("bobby_1")).unwrap_err().call();
    let calls = block_on(subject.account().calls(0, 9)).unwrap();
    assert_eq!((paid, lost), (Some(calls[0].id), Some(calls[1].id)));
    assert_eq!(block_on(client.search("alice_1")).unwrap().call(), paid, "of a stored answer");
    assert_eq!(block_on(client.search("bobby_1")).unwrap_err().call(), lost, "of a blocked question");
    assert_eq!(block_on(client.balance()).unwrap().call(), None);
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(Vec<BudgetUse>, Vec<bool>)>>);

impl Observer for Seen {
    fn call_finished(&self, call: &CallSummary<'_>) {
        self.0.lock().unwrap().1.push(call.is_from_store());
    }

    fn budget_used(&self, usage: &BudgetUse) {
        self.0.lock().unwrap().0.push(usage.clone());
    }
}

fn observers_hear_of_budgets_and_of_stored_answers(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let seen = Seen::default();
    let budget = |label| Budget::new(label, 10, Period::Month, Reserve::PerCall(2));
    let client = subject.client(&mock).with_observer(seen.clone());
    // The clients of two processes share the budget.
    let (one, other) = (client.clone().with_budget(budget("team")), client.with_budget(budget("team")));
    for number in 0..5 {
        let client = if number % 2 == 0 { &one } else { &other };
        block_on(client.search(format!("alice_{number}").as_str())).unwrap();
    }
    block_on(one.search("alice_0")).unwrap();
    block_on(one.search("alice_9")).unwrap_err();
    let seen = seen.0.lock().unwrap();
    let budgets: Vec<_> = seen.0.iter().map(|usage| (usage.used, usage.is_exhausted)).collect();
    assert_eq!(budgets, [(8, false), (10, true)], "{}", subject.name);
    assert!(seen.0.iter().all(|usage| usage.budget == Some(("team".to_owned(), Period::Month))));
    assert_eq!(seen.1, [false, false, false, false, false, true, false]);
}

with_each_store! {
    replies_and_errors_name_their_call,
    observers_hear_of_budgets_and_of_stored_answers,
}
