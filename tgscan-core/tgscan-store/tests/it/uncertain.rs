//! Uncertain calls, and the limits that they count against.

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::Step;
use tgscan_core::http::{Request, StatusCode};
use tgscan_core::store::{CallState, Lookup, StoreRefusal};
use tgscan_core::{Api, ApiKey, Credits, ErrorKind, Storage};
use tgscan_core::{Outcome, Reserve};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{HOUR, Subject, mock, policy, refusal, searches, with_each_store};

fn uncertain_question_is_not_sent_again_until_it_is_settled(open: fn() -> Subject) {
    let mut subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    let lost = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!(lost.credits(), Credits::Uncertain);
    drop(client);
    for _ in 0..2 {
        let client = subject.client(&mock);
        let refused = block_on(client.search("ALICE_1")).unwrap_err();
        let StoreRefusal::Uncertain { charged: None, .. } = refusal(&refused) else { panic!("{refused}") };
        assert_eq!(searches(&mock), 1);
        // Another process finds it the same.
        drop(client);
        subject.reopen();
    }
    let uncertain = block_on(subject.account().unresolved()).unwrap();
    assert_eq!(uncertain.len(), 1);
    assert_eq!(uncertain[0].state(), CallState::Uncertain);
    assert_eq!(block_on(subject.account().resolve(uncertain[0].id, 2)).unwrap(), Some(0));
    let client = subject.client(&mock);
    assert_eq!(block_on(client.search("alice_1")).unwrap().credits, Credits::Charged(2));
    assert_eq!(block_on(subject.account().book()).unwrap().totals().charged, mock.account().spent);
}

fn policy_may_pay_again_after_a_time(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = mock.client().with_store(subject.store.clone(), policy().pay_again_after(HOUR));
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.search("alice_1")).unwrap_err();
    assert!(block_on(client.search("alice_1")).is_err());
    subject.clock.advance(HOUR);
    assert!(block_on(client.search("alice_1")).is_ok());
    assert_eq!(mock.account().spent, 4, "paid twice, as allowed");
    let book = block_on(subject.account().book()).unwrap().totals();
    assert_eq!((book.charged, book.uncertain_attempts), (2, 1), "the first one still counts");
}

fn balance_settles_what_is_uncertain_also_after_a_purchase(open: fn() -> Subject) {
    for (is_charged, bought) in [(true, 0), (false, 0), (true, 50), (false, 50)] {
        let subject = open();
        let mock = mock();
        let client = subject.client(&mock);
        assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Baseline);
        block_on(client.search("bob_1")).unwrap();
        let fault = Fault::new(FaultKind::Reset);
        mock.script::<Search>([if is_charged { fault.charged() } else { fault }]);
        block_on(client.search("alice_1")).unwrap_err();
        if bought > 0 {
            mock.set_credits(mock.account().credits + bought);
            let seen = block_on(client.reconcile()).unwrap();
            assert!(matches!(seen.outcome, Outcome::TooEarly | Outcome::Purchased(_)), "{seen:?}");
            block_on(subject.account().record_purchase(50)).unwrap();
        }
        subject.clock.advance(HOUR);
        let seen = block_on(client.reconcile()).unwrap();
        let spent = if is_charged { 2 } else { 0 };
        assert_eq!(seen.outcome, Outcome::Resolved(spent), "{}", subject.name);
        assert_eq!((seen.resolved_attempts, seen.uncertain_attempts), (1, 0));
        let book = block_on(subject.account().book()).unwrap().totals();
        assert_eq!(book.charged, mock.account().spent);
        assert!(block_on(client.search("alice_1")).is_ok(), "free to be asked again");
        subject.clock.advance(HOUR);
        assert_eq!(block_on(client.reconcile()).unwrap().outcome, Outcome::Agrees);
    }
}

fn cap_on_the_store_counts_across_restarts(open: fn() -> Subject) {
    let mut subject = open();
    let mock = mock();
    let client = subject.client(&mock).with_cap(5, Reserve::PerCall(2));
    block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.search("bob_1")).unwrap_err();
    drop(client);
    subject.reopen();
    let client = subject.client(&mock).with_cap(5, Reserve::PerCall(2));
    let refused = block_on(client.search("carol_1")).unwrap_err();
    let ErrorKind::CapReached(reached) = refused.kind() else { panic!("{refused}") };
    assert_eq!((reached.totals.charged, reached.totals.uncertain, reached.limit), (2, 2, 5));
    assert!(reached.would_fit_if_resolved() && !reached.is_transient());
    assert_eq!(mock.account().spent, 4);
    assert!(block_on(client.search("alice_1")).is_ok(), "stored answers are free");
}

fn client_settles_by_itself_when_the_cap_refuses(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    // The store's clock moves with the client's pauses.
    let client = mock
        .client()
        .with_late_charge_window(std::time::Duration::ZERO)
        .with_auto_reconcile()
        .with_store(subject.store.clone(), policy())
        .with_cap(5, Reserve::PerCall(2));
    mock.script::<Search>([Fault::new(FaultKind::Reset), Fault::new(FaultKind::Reset)]);
    block_on(client.search("alice_1")).unwrap_err();
    block_on(client.search("bob_1")).unwrap_err();
    assert!(block_on(client.search("carol_1")).is_ok());
    let book = block_on(subject.account().book()).unwrap().totals();
    assert_eq!((book.charged, book.uncertain_attempts), (2, 0));
}

fn refused_call_leaves_nothing_behind(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope(StatusCode::UNAUTHORIZED))]);
    let refused = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!(refused.credits(), Credits::NotCharged);
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
    assert!(block_on(subject.account().bill()).unwrap().is_empty());
    assert!(block_on(client.search("alice_1")).is_ok());
}

fn blocking_calls_go_through_the_store_too(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let (api, account) = (Api::new(mock.live_key()), subject.account());
    let send = |request: Request<Bytes>| block_on(tgscan_core::Transport::send(&mock, request));
    let search = |name: &str| {
        let query = Search { query: name.parse().unwrap() };
        let lookup = Lookup::default();
        tgscan_core::blocking::drive(
            |now| Step::begin_stored(&api, &account, &policy(), lookup, query, now),
            send,
        )
    };
    assert_eq!(search("alice_1").unwrap().credits, Credits::Charged(2));
    let again = search("ALICE_1").unwrap();
    assert!(again.credits == Credits::NotCharged && matches!(again.storage(), Some(Storage::Cached { .. })));
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    assert_eq!(search("bob_1").unwrap_err().credits(), Credits::Uncertain);
    let refused = search("bob_1").unwrap_err();
    assert!(matches!(refusal(&refused), StoreRefusal::Uncertain { .. }), "{refused}");
    assert_eq!(searches(&mock), 2);
}

fn blocking_call_that_panics_in_flight_is_uncertain(open: fn() -> Subject) {
    let subject = open();
    let (api, account) = (Api::new(ApiKey::live("k3y").unwrap()), subject.account());
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let query = Search { query: "alice_1".parse().unwrap() };
        let send = |_: Request<Bytes>| panic!("the HTTP client failed");
        tgscan_core::blocking::drive(
            |now| Step::begin_stored(&api, &account, &policy(), Lookup::New, query, now),
            send,
        )
    }));
    assert!(panics.is_err());
    // A server books it soon after.
    while block_on(subject.account().book()).unwrap().totals().in_flight_calls > 0 {}
    assert_eq!(block_on(subject.account().unresolved()).unwrap().len(), 1);
}

with_each_store! {
    uncertain_question_is_not_sent_again_until_it_is_settled,
    policy_may_pay_again_after_a_time,
    balance_settles_what_is_uncertain_also_after_a_purchase,
    cap_on_the_store_counts_across_restarts,
    client_settles_by_itself_when_the_cap_refuses,
    refused_call_leaves_nothing_behind,
    blocking_calls_go_through_the_store_too,
    blocking_call_that_panics_in_flight_is_uncertain,
}
