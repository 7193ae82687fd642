//! Calls of a client with a store.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response, StatusCode};
use tgscan_core::ledger::ReconcileOutcome;
use tgscan_core::store::{
    CallState, Claim, ClaimRequest, Lookup, Settlement, Store, StoreError, StoreRefusal,
};
use tgscan_core::transport::Delivery;
use tgscan_core::{
    Api, ApiKey, Client, Credits, ErrorKind, Reserve, Storage, Timer, TransportError, async_trait,
    transport_fn,
};
use tgscan_mock::types::{Search, SimilarGroups};
use tgscan_mock::{Fault, FaultKind, VirtualTimer};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, searches, with_each_store};

fn refusal(error: &tgscan_core::Error) -> &StoreRefusal {
    error.store_refusal().unwrap_or_else(|| panic!("{error}"))
}

fn stored_answer_costs_nothing_and_tells_its_age(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let first = block_on(client.search("Some_Name")).unwrap();
    assert_eq!(first.credits, Credits::Charged(2));
    assert!(matches!(first.storage(), Some(Storage::Stored)));
    subject.clock.advance(HOUR / 2);
    let again = block_on(client.search("@some_name")).unwrap();
    assert_eq!((again.credits, again.attempts), (Credits::NotCharged, 0));
    assert_eq!((again.raw(), &again.answer), (first.raw(), &first.answer), "byte for byte");
    match again.storage() {
        Some(Storage::Cached { age, credits }) => {
            // A server's clock goes on by itself.
            assert_eq!((age.as_secs() / 60, *credits), (30, Credits::Charged(2)));
        }
        other => panic!("{}: {other:?}", subject.name),
    }
    assert_eq!((searches(&mock), mock.account().spent), (1, 2));
    assert_eq!(client.ledger().snapshot().charged, 2, "what this process was charged");
}

fn answers_expire_by_age_and_lookups_choose(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let only = |lookup| client.clone().with_lookup(lookup);
    let missing = block_on(only(Lookup::Stored).search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&missing), StoreRefusal::NotStored), "{missing}");
    assert_eq!((missing.attempts(), missing.credits(), searches(&mock)), (0, Credits::NotCharged, 0));
    block_on(client.search("alice_1")).unwrap();
    assert!(block_on(only(Lookup::Stored).search("alice_1")).is_ok());
    assert_eq!(searches(&mock), 1);
    block_on(only(Lookup::New).search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 2);
    subject.clock.advance(2 * HOUR);
    block_on(client.search("alice_1")).unwrap();
    assert_eq!(searches(&mock), 3, "too old");
    subject.clock.advance(11 * HOUR);
    assert_eq!(block_on(subject.store.expire()).unwrap(), 3);
    let calls = block_on(subject.store.calls(0, 100)).unwrap();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.question.is_none() && call.answer.is_none()));
    let bill = block_on(subject.store.bill()).unwrap();
    let sum = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
    assert_eq!(sum, (3, 6));
}

fn equal_groups_in_another_order_are_one_question(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    block_on(client.similar_groups(["group_a", "Group_B"])).unwrap();
    let again = block_on(client.similar_groups("GROUP_b,group_a")).unwrap();
    assert_eq!(again.credits, Credits::NotCharged);
    let other = block_on(client.similar_groups("group_a")).unwrap();
    assert_eq!(other.credits, Credits::Charged(1));
}

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
    let uncertain = block_on(subject.store.uncertain("main")).unwrap();
    assert_eq!(uncertain.len(), 1);
    assert_eq!(uncertain[0].state, CallState::Uncertain);
    assert!(block_on(subject.store.resolve(uncertain[0].id, 2)).unwrap());
    assert!(!block_on(subject.store.resolve(uncertain[0].id, 2)).unwrap(), "once");
    let client = subject.client(&mock);
    assert_eq!(block_on(client.search("alice_1")).unwrap().credits, Credits::Charged(2));
    assert_eq!(block_on(subject.store.book("main")).unwrap().charged, mock.account().spent);
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
    let book = block_on(subject.store.book("main")).unwrap();
    assert_eq!((book.charged, book.uncertain_calls()), (2, 1), "the first one still counts");
}

fn balance_settles_what_is_uncertain_also_after_a_purchase(open: fn() -> Subject) {
    for (is_charged, bought) in [(true, 0), (false, 0), (true, 50), (false, 50)] {
        let subject = open();
        let mock = mock();
        let client = subject.client(&mock);
        assert_eq!(block_on(client.reconcile_store()).unwrap().outcome, ReconcileOutcome::Baseline);
        block_on(client.search("bob_1")).unwrap();
        let fault = Fault::new(FaultKind::Reset);
        mock.script::<Search>([if is_charged { fault.charged() } else { fault }]);
        block_on(client.search("alice_1")).unwrap_err();
        if bought > 0 {
            mock.set_credits(mock.account().credits + bought);
            let seen = block_on(client.reconcile_store()).unwrap();
            assert!(matches!(seen.outcome, ReconcileOutcome::TooEarly | ReconcileOutcome::ToppedUp(_)));
            block_on(subject.store.record_top_up("main", 50)).unwrap();
        }
        subject.clock.advance(HOUR);
        let seen = block_on(client.reconcile_store()).unwrap();
        let spent = if is_charged { 2 } else { 0 };
        assert_eq!(seen.outcome, ReconcileOutcome::Settled(spent), "{}", subject.name);
        assert_eq!((seen.uncertain, seen.uncertain_left), (1, 0));
        let book = block_on(subject.store.book("main")).unwrap();
        assert_eq!(book.charged, mock.account().spent);
        assert!(block_on(client.search("alice_1")).is_ok(), "free to be asked again");
        subject.clock.advance(HOUR);
        assert_eq!(block_on(client.reconcile_store()).unwrap().outcome, ReconcileOutcome::Agrees);
    }
}

fn cap_on_the_store_counts_across_restarts(open: fn() -> Subject) {
    let mut subject = open();
    let mock = mock();
    let policy = || policy().with_cap(5, Reserve::PerCall(2));
    let client = mock.client().with_store(subject.store.clone(), policy());
    block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.search("bob_1")).unwrap_err();
    drop(client);
    subject.reopen();
    let client = mock.client().with_store(subject.store.clone(), policy());
    let refused = block_on(client.search("carol_1")).unwrap_err();
    let StoreRefusal::CapReached(reached) = refusal(&refused) else { panic!("{refused}") };
    assert_eq!((reached.charged, reached.uncertain, reached.cap), (2, 2, 5));
    assert!(reached.would_fit_if_settled() && !reached.is_transient());
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
        .with_store(subject.store.clone(), policy().with_cap(5, Reserve::PerCall(2)));
    mock.script::<Search>([Fault::new(FaultKind::Reset), Fault::new(FaultKind::Reset)]);
    block_on(client.search("alice_1")).unwrap_err();
    block_on(client.search("bob_1")).unwrap_err();
    assert!(block_on(client.search("carol_1")).is_ok());
    let book = block_on(subject.store.book("main")).unwrap();
    assert_eq!((book.charged, book.uncertain_calls()), (2, 0));
}

fn undecodable_answer_is_kept_and_not_asked_for_again(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::FieldMissing("/result/meta".into()))]);
    let first = block_on(client.search("alice_1")).unwrap_err();
    assert!(first.is_decode(), "{first}");
    let again = block_on(client.search("alice_1")).unwrap_err();
    assert!(again.is_decode() && again.attempts() == 0 && again.credits() == Credits::NotCharged);
    assert_eq!(again.response().unwrap().body(), first.response().unwrap().body());
    assert_eq!(searches(&mock), 1);
}

fn refused_call_leaves_nothing_behind(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope(StatusCode::UNAUTHORIZED))]);
    let refused = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!(refused.credits(), Credits::NotCharged);
    assert!(block_on(subject.store.calls(0, 10)).unwrap().is_empty());
    assert!(block_on(subject.store.bill()).unwrap().is_empty());
    assert!(block_on(client.search("alice_1")).is_ok());
}

fn older_answer_stands_again_when_a_new_one_cannot_be_had(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let first = block_on(client.search("alice_1")).unwrap();
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope(StatusCode::UNAUTHORIZED))]);
    block_on(client.clone().with_lookup(Lookup::New).search("alice_1")).unwrap_err();
    assert_eq!(block_on(client.search("alice_1")).unwrap().raw(), first.raw());
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    block_on(client.clone().with_lookup(Lookup::New).search("alice_1")).unwrap_err();
    assert_eq!(block_on(client.search("alice_1")).unwrap().raw(), first.raw(), "also while uncertain");
    assert_eq!(searches(&mock), 3);
}

fn answer_to_another_question_is_not_stored(open: fn() -> Subject) {
    let subject = open();
    let body = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"bob_1","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
    let transport = transport_fn(move |_| async move { Ok(Response::new(Bytes::from(body))) });
    let client = Client::new(Api::new(ApiKey::live("k3y").unwrap()), transport, VirtualTimer::new())
        .with_store(subject.store.clone(), policy());
    let reply = block_on(client.search("alice_1")).unwrap();
    assert!(reply.is_mismatched() && reply.storage().is_none());
    let again = block_on(client.search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&again), StoreRefusal::Uncertain { charged: Some(2), .. }), "{again}");
    assert_eq!(block_on(subject.store.book("main")).unwrap().charged, 2);
}

fn test_keys_and_free_methods_do_not_go_through_the_store(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = mock.test_client().with_store(subject.store.clone(), policy());
    let reply = block_on(client.search("alice_1")).unwrap();
    assert!(reply.storage().is_none());
    let reply = block_on(subject.client(&mock).user_check("alice_1")).unwrap();
    assert!(reply.storage().is_none());
    assert!(block_on(subject.store.calls(0, 10)).unwrap().is_empty());
}

/// A transport that never answers.
fn silent() -> Client {
    let transport =
        transport_fn(|_: Request<Bytes>| std::future::pending::<Result<Response<Bytes>, TransportError>>());
    Client::new(Api::new(ApiKey::live("k3y").unwrap()), transport, VirtualTimer::new())
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn dropped_call_in_flight_is_uncertain_and_equal_ones_wait_for_it() {
    let subject = Subject::memory();
    let client = silent().with_store(subject.store.clone(), policy());
    let mut call = Box::pin(client.search("alice_1"));
    assert!(!poll_once(call.as_mut()));
    let in_time = client.clone().with_deadline(Duration::from_secs(5));
    let refused = block_on(in_time.search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&refused), StoreRefusal::InFlight { .. }), "{refused}");
    drop(call);
    let refused = block_on(client.search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&refused), StoreRefusal::Uncertain { .. }), "{refused}");
}

fn equal_questions_at_once_are_sent_once(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let calls = (0..64).map(|n| client.search(if n % 2 == 0 { "alice_1" } else { "ALICE_1" }));
    let replies = block_on(futures_util::future::join_all(calls));
    let charged: u64 = replies.iter().map(|reply| reply.as_ref().unwrap().credits.charged()).sum();
    assert_eq!((charged, searches(&mock), mock.account().spent), (2, 1, 2));
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

fn call_goes_on_and_is_stored_when_its_caller_is_gone(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let tasks: Arc<Mutex<Vec<Task>>> = Arc::default();
    let spawned = tasks.clone();
    let client = subject.client(&mock).with_spawn(move |task| spawned.lock().unwrap().push(task));
    let mut call = Box::pin(client.search("alice_1"));
    // The claim of a file is made by another thread.
    while tasks.lock().unwrap().is_empty() {
        assert!(!poll_once(call.as_mut()));
        std::thread::yield_now();
    }
    drop(call);
    for task in tasks.lock().unwrap().drain(..) {
        block_on(task);
    }
    let stored = block_on(client.with_lookup(Lookup::Stored).search("alice_1")).unwrap();
    assert_eq!((stored.credits, searches(&mock)), (Credits::NotCharged, 1));
}

fn call_whose_task_is_dropped_is_uncertain(open: fn() -> Subject) {
    let subject = open();
    let client = silent().with_store(subject.store.clone(), policy()).with_spawn(drop);
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!(error.credits(), Credits::Uncertain, "{error}");
    // The task never began, so that nothing was sent.
    assert!(block_on(subject.store.uncertain("main")).unwrap().is_empty());
}

#[test]
fn paused_call_keeps_its_claim_and_costs_nothing_if_dropped() {
    struct Never;
    #[tgscan_core::async_trait]
    impl tgscan_core::Timer for Never {
        fn now(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
        async fn sleep(&self, _: std::time::Duration) {
            std::future::pending::<()>().await;
        }
    }
    let subject = Subject::memory();
    let mock = mock();
    mock.script::<Search>([Fault::new(FaultKind::TooManyRequests(Some(1)))]);
    let client = subject.client(&mock).with_timer(Never);
    let mut call = Box::pin(client.search("alice_1"));
    assert!(!poll_once(call.as_mut()));
    assert_eq!(block_on(subject.store.book("main")).unwrap().in_flight_calls(), 1);
    drop(call);
    assert!(block_on(subject.store.calls(0, 10)).unwrap().is_empty());
}

fn erased_person_is_gone_under_every_name_and_the_bill_stays(open: fn() -> Subject) {
    let subject = open();
    let body = |query: &str| {
        let history =
            r#""username_history":[{"username":"Old_Name","date":""}],"id_history":[{"id":"77","date":""}]"#;
        let user = match query {
            "alice_1" | "77" => format!(r#"{{"id":77,"username":"alice_1"}},{history}"#),
            _ => r#"{"id":5,"username":"bob_1"}"#.to_owned(),
        };
        format!(
            r#"{{"status":"ok","result":{{"user":{user},"meta":{{"search_query":"{query}","known_num_groups":0,"num_groups":0,"op_cost":2}}}}}}"#
        )
    };
    let transport = transport_fn(move |request: Request<Bytes>| {
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        let body = body(form.strip_prefix("query=").unwrap());
        async move { Ok(Response::new(Bytes::from(body))) }
    });
    let client = Client::new(Api::new(ApiKey::live("k3y").unwrap()), transport, VirtualTimer::new())
        .with_store(subject.store.clone(), policy());
    for query in ["alice_1", "77", "bob_1", "old_name"] {
        block_on(client.search(query)).unwrap();
    }
    let erased = block_on(subject.store.erase(&"OLD_name".parse().unwrap())).unwrap();
    // The answer for `old_name` tells about Bob: it is one of a person who was asked for by that name.
    assert_eq!((erased.questions, erased.answers), (4, 4), "{}", subject.name);
    let bill = block_on(subject.store.bill()).unwrap();
    assert_eq!((bill[0].calls, bill[0].charged), (4, 8));
    let book = block_on(subject.store.book("main")).unwrap();
    assert_eq!(book.charged, 8);
}

fn nothing_prints_query_or_answer(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let client = subject.client(&mock);
    let reply = block_on(client.search("private_name")).unwrap();
    let calls = block_on(subject.store.calls(0, 10)).unwrap();
    let claim = block_on(
        subject.store.claim(&tgscan_core::store::ClaimRequest::new(calls[0].question.clone().unwrap(), HOUR)),
    )
    .unwrap();
    mock.script::<SimilarGroups>([Fault::new(FaultKind::Reset)]);
    block_on(client.similar_groups("private_name")).unwrap_err();
    let error = block_on(client.similar_groups("private_name")).unwrap_err();
    let settlement =
        Settlement::Answered { status: 200, body: "private_name".into(), credits: Credits::Uncertain };
    assert!(matches!(error.kind(), ErrorKind::Store(_)));
    let printed = format!("{reply:?} {calls:?} {claim:?} {error} {error:?} {client:?} {settlement:?}");
    assert!(!printed.contains("private_name"), "{printed}");
}

/// A store that never says anything to a claim.
struct Silent(Arc<dyn Store>);

#[async_trait]
impl Change for Silent {
    fn below(&self) -> &Arc<dyn Store> {
        &self.0
    }

    async fn claim(&self, _: &ClaimRequest) -> Result<Claim, StoreError> {
        std::future::pending().await
    }
}

#[test]
fn deadline_ends_the_wait_for_a_store_that_does_not_answer() {
    let (mock, timer) = (mock(), VirtualTimer::new());
    let store = Arc::new(Over(Silent(Subject::memory().store)));
    let client = mock.client().with_timer(timer.clone()).with_store(store, policy());
    let error = block_on(client.with_deadline(HOUR).search("alice_1")).unwrap_err();
    assert!(error.is_timeout() && error.delivery() == Some(Delivery::NeverSent), "{error}");
    assert_eq!((error.credits(), error.attempts(), searches(&mock)), (Credits::NotCharged, 0, 0));
    assert_eq!(timer.now(), HOUR);
}

#[test]
fn waits_for_an_equal_question_with_its_timer() {
    let subject = Subject::memory();
    let client = silent().with_timer(VirtualTimer::new()).with_store(subject.store.clone(), policy());
    let mut first = Box::pin(client.search("alice_1"));
    assert!(!poll_once(first.as_mut()));
    let store = subject.store.clone();
    let second = async {
        // The first one is given up while this one waits.
        let mut call = Box::pin(client.search("alice_1"));
        drop(first);
        call.as_mut().await
    };
    let refused = block_on(second).unwrap_err();
    assert!(matches!(refusal(&refused), StoreRefusal::Uncertain { .. }), "{refused}");
    drop(store);
}

fn blocking_calls_go_through_the_store_too(open: fn() -> Subject) {
    let subject = open();
    let mock = mock();
    let api = Api::new(mock.live_key());
    let send = |request: Request<Bytes>| block_on(tgscan_core::Transport::send(&mock, request));
    let search = |name: &str| {
        let query = Search { query: name.parse().unwrap() };
        let lookup = Lookup::default();
        tgscan_core::blocking::call_stored(&api, &*subject.store, &policy(), lookup, query, send)
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
    let api = Api::new(ApiKey::live("k3y").unwrap());
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let query = Search { query: "alice_1".parse().unwrap() };
        let send = |_: Request<Bytes>| panic!("the HTTP client failed");
        tgscan_core::blocking::call_stored(&api, &*subject.store, &policy(), Lookup::New, query, send)
    }));
    assert!(panics.is_err());
    // A server books it soon after.
    while block_on(subject.store.book("main")).unwrap().in_flight_calls() > 0 {}
    assert_eq!(block_on(subject.store.uncertain("main")).unwrap().len(), 1);
}

with_each_store! {
    stored_answer_costs_nothing_and_tells_its_age,
    answers_expire_by_age_and_lookups_choose,
    equal_groups_in_another_order_are_one_question,
    uncertain_question_is_not_sent_again_until_it_is_settled,
    policy_may_pay_again_after_a_time,
    balance_settles_what_is_uncertain_also_after_a_purchase,
    cap_on_the_store_counts_across_restarts,
    client_settles_by_itself_when_the_cap_refuses,
    undecodable_answer_is_kept_and_not_asked_for_again,
    refused_call_leaves_nothing_behind,
    older_answer_stands_again_when_a_new_one_cannot_be_had,
    answer_to_another_question_is_not_stored,
    test_keys_and_free_methods_do_not_go_through_the_store,
    equal_questions_at_once_are_sent_once,
    call_goes_on_and_is_stored_when_its_caller_is_gone,
    call_whose_task_is_dropped_is_uncertain,
    erased_person_is_gone_under_every_name_and_the_bill_stays,
    nothing_prints_query_or_answer,
    blocking_calls_go_through_the_store_too,
    blocking_call_that_panics_in_flight_is_uncertain,
}
