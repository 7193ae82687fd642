//! Wrong clocks, and the time of removal.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{Account, Loaded, Lookup, StorePolicy};
use tgscan_core::{Client, Outcome, transport_fn};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, searches, with_each_store};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn questions(account: &Account) -> usize {
    let calls = block_on(account.calls(0, 5000)).unwrap();
    calls.iter().filter(|call| call.question.is_some()).count()
}

fn clock_that_was_a_year_ahead_blocks_neither_comparisons_nor_expiry(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Baseline);
    subject.clock.advance(YEAR);
    block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.search("bob_1")).unwrap_err();
    subject.clock.set_back(YEAR);
    // The answer is not young, and is asked for again.
    block_on(client.search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 3, "{}", subject.name);
    // The uncertain call is not one of the future. It may be charged late, counted from now.
    subject.clock.advance(HOUR);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::TooEarly, "{}", subject.name);
    subject.clock.advance(HOUR);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Resolved(2), "{}", subject.name);
    assert_eq!(block_on(client.book()).unwrap().totals().charged, mock.account().spent);
    // The first look at the wrong times counts them from now.
    block_on(subject.account().expire(10 * HOUR)).unwrap();
    subject.clock.advance(11 * HOUR);
    block_on(subject.account().expire(10 * HOUR)).unwrap();
    assert_eq!(questions(&subject.account()), 0, "{}", subject.name);
}

fn clock_that_was_a_year_behind_blocks_neither_comparisons_nor_expiry(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Baseline);
    subject.clock.set_back(YEAR);
    block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::Reset)]);
    block_on(client.search("bob_1")).unwrap_err();
    subject.clock.advance(YEAR);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Resolved(0), "{}", subject.name);
    assert_eq!(block_on(subject.account().expire(10 * HOUR)).unwrap(), 2, "{}", subject.name);
    assert_eq!(questions(&subject.account()), 0);
}

fn uncertain_calls_that_are_due_do_not_hold_up_others(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    mock.set_credits(10_000);
    let client = subject.client(&mock);
    // More than are removed together, and the oldest.
    mock.script::<Search>((0..260).map(|_| Fault::new(FaultKind::Reset).charged()));
    for number in 0..260 {
        block_on(client.search(format!("lost_{number}").as_str())).unwrap_err();
    }
    for number in 0..10 {
        block_on(client.search(format!("name_{number}").as_str())).unwrap();
    }
    subject.clock.advance(11 * HOUR);
    let account = subject.account();
    assert_eq!(block_on(account.expire(10 * HOUR)).unwrap(), 10, "{}", subject.name);
    assert_eq!((questions(&account), block_on(account.unresolved()).unwrap().len()), (260, 260));
    // The resolved call is due.
    let first = block_on(account.unresolved()).unwrap()[0].id;
    block_on(account.resolve(first, 2)).unwrap();
    assert_eq!(block_on(account.expire(10 * HOUR)).unwrap(), 1);
}

fn lowering_the_time_to_keep_applies_to_existing_answers(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let client = subject.client(&mock);
    block_on(client.search("alice_1")).unwrap();
    subject.clock.advance(2 * HOUR);
    block_on(client.search("bob_1")).unwrap();
    let account = subject.account();
    assert_eq!(block_on(account.expire(10 * HOUR)).unwrap(), 0);
    assert_eq!(block_on(account.expire(HOUR)).unwrap(), 1, "{}", subject.name);
    subject.clock.advance(HOUR);
    assert_eq!(block_on(account.expire(HOUR)).unwrap(), 1, "{}", subject.name);
    assert_eq!(questions(&account), 0);
    assert_eq!(block_on(account.book()).unwrap().totals().charged, 4, "the bill stays");
}

fn answer_of_a_call_that_took_longer_than_answers_are_kept_is_not_paid_for_again(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let clock = subject.clock.clone();
    let service = mock.clone();
    let transport = transport_fn(
        move |request: Request<Bytes>| -> std::pin::Pin<
            Box<dyn Future<Output = Result<Response<Bytes>, tgscan_core::TransportError>> + Send>,
        > {
            clock.advance(HOUR);
            let service = service.clone();
            Box::pin(async move { tgscan_core::Transport::send(&service, request).await })
        },
    );
    let policy = StorePolicy::new("main", HOUR, Duration::ZERO);
    let client: Client = mock.client().with_transport(transport).with_store(subject.store.clone(), policy);
    block_on(client.search("alice_1")).unwrap();
    assert!(
        block_on(client.clone().with_lookup(Lookup::Stored).search("alice_1")).is_ok(),
        "{}",
        subject.name
    );
    assert!(block_on(client.search("alice_1")).is_ok());
    assert_eq!((searches(&mock), mock.account().spent), (1, 2));
}

/// Counts the rows that transactions loaded.
#[derive(Default)]
struct Counting(Mutex<usize>);

impl Change for Counting {
    fn loaded(&self, loaded: &mut Loaded) {
        *self.0.lock().unwrap() += loaded.calls.len() + loaded.questions.len();
    }
}

fn question_asked_often_costs_the_same_as_one_asked_once(open: fn() -> Subject) {
    let (subject, mock) = (open(), mock());
    let store = Arc::new(Over::new(subject.store.clone(), Counting::default()));
    let client = mock.client().with_store(store.clone(), policy()).with_lookup(Lookup::New);
    let mut loaded = Vec::new();
    for _ in 0..40 {
        block_on(client.search("alice_1")).unwrap();
        // Those of the claim and the settlement.
        loaded.push(std::mem::take(&mut *store.change.0.lock().unwrap()));
    }
    assert_eq!(loaded[1..], vec![loaded[1]; 39], "{}", subject.name);
    assert_eq!(searches(&mock), 40);
}

with_each_store! {
    clock_that_was_a_year_ahead_blocks_neither_comparisons_nor_expiry,
    clock_that_was_a_year_behind_blocks_neither_comparisons_nor_expiry,
    uncertain_calls_that_are_due_do_not_hold_up_others,
    lowering_the_time_to_keep_applies_to_existing_answers,
    answer_of_a_call_that_took_longer_than_answers_are_kept_is_not_paid_for_again,
    question_asked_often_costs_the_same_as_one_asked_once,
}
