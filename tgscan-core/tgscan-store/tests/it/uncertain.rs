//! Uncertain calls, and the limits that they count against.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{AttemptSummary, CallSummary, Now, Observer, Step};
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{CallState, Lookup, StoreError, StoreRefusal};
use tgscan_core::{
    Api, ApiKey, Credits, ErrorKind, RetryPolicy, Storage, Transport, TransportError, transport_fn,
};
use tgscan_core::{Outcome, Reserve};
use tgscan_mock::types::{Search, UserCheck};
use tgscan_mock::{Fault, FaultKind, Mock};

use crate::over::{Change, Over};
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
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 401 })]);
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

#[test]
fn lost_claim_is_reported_with_the_attempts_before_it() {
    let subject = Arc::new(Mutex::new(Subject::memory()));
    let sent = Arc::clone(&subject);
    let transport = transport_fn(move |_| {
        sent.lock().unwrap().reopen();
        async { Err(TransportError::new("the connection was reset")) }
    });
    let mut retry = RetryPolicy::default();
    retry.resend_uncertain = true;
    let client = subject.lock().unwrap().client(&mock()).with_retry(retry).with_transport(transport);
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert!(matches!(refusal(&error), StoreRefusal::ClaimLost), "{error}");
    assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 1));
    let totals = block_on(subject.lock().unwrap().account().book()).unwrap().totals();
    assert_eq!(totals.uncertain_attempts, 1);
}

fn free_method_that_charged_once_goes_through_the_store(open: fn() -> Subject) {
    let subject = open();
    let mock = Mock::builder().seed(7).cost::<UserCheck>(3).build().unwrap();
    let client = subject.client(&mock);
    assert_eq!(block_on(client.user_check("alice_1")).unwrap().credits, Credits::Charged(3));
    mock.script::<UserCheck>([Fault::new(FaultKind::Reset).charged()]);
    let lost = block_on(client.user_check("bob_1")).unwrap_err();
    assert_eq!((lost.credits(), lost.attempts()), (Credits::Uncertain, 1));
    let totals = block_on(subject.account().book()).unwrap().totals();
    assert_eq!((totals.charged, totals.uncertain_attempts), (3, 1));
}

fn free_method_that_charged_reserves_in_other_processes_too(open: fn() -> Subject) {
    let subject = open();
    let mock = || Mock::builder().seed(7).cost::<UserCheck>(3).build().unwrap();
    let (first, second) = (mock(), mock());
    let other = subject.client(&second).with_cap(8, Reserve::PerCall(1));
    assert_eq!(block_on(other.user_check("alice_1")).unwrap().credits, Credits::Charged(3));
    // Before its first call, another process reads that the method was charged.
    let client = subject.client(&first).with_cap(5, Reserve::PerCall(1));
    let refused = block_on(client.user_check("bob_1")).unwrap_err();
    assert!(refused.is_cap_reached(), "{refused}");
    assert_eq!(first.requests().len(), 0);
}

fn charge_of_a_free_method_is_known_to_other_processes_after_a_minute(open: fn() -> Subject) {
    let subject = open();
    let free = Mock::builder().seed(7).build().unwrap();
    let client = subject.client(&free).with_cap(5, Reserve::PerCall(1));
    block_on(client.user_check("alice_1")).unwrap();
    let paid = Mock::builder().seed(7).cost::<UserCheck>(3).build().unwrap();
    assert_eq!(block_on(subject.client(&paid).user_check("bob_1")).unwrap().credits, Credits::Charged(3));
    free.timer().advance(Duration::from_secs(60));
    assert!(block_on(client.user_check("carol_1")).unwrap_err().is_cap_reached());
}

/// A store whose first transaction waits for 30 s, and another process compares with the balance in the meantime.
struct ComparedFirst {
    subject: Arc<Subject>,
    mock: Mock,
    is_done: AtomicBool,
}

impl Change for ComparedFirst {
    fn before(&self) -> Result<(), StoreError> {
        if !self.is_done.swap(true, Ordering::Relaxed) {
            self.subject.clock.advance(Duration::from_secs(10));
            // The mock takes no credits for a free method.
            self.mock.set_credits(self.mock.account().credits - 3);
            let other = self.subject.client(&self.mock);
            let compared = std::thread::spawn(move || block_on(other.reconcile()).unwrap().outcome);
            assert_eq!(compared.join().unwrap(), Outcome::Unexplained(3));
            self.subject.clock.advance(Duration::from_secs(20));
        }
        Ok(())
    }
}

#[test]
fn charge_of_a_free_method_that_waits_beside_a_comparison_counts_once() {
    let subject = Arc::new(Subject::memory());
    let mock = Mock::builder().seed(7).cost::<UserCheck>(3).build().unwrap();
    assert_eq!(block_on(subject.client(&mock).reconcile()).unwrap().outcome, Outcome::Baseline);
    let change =
        ComparedFirst { subject: subject.clone(), mock: mock.clone(), is_done: AtomicBool::new(false) };
    let store = Arc::new(Over::new(subject.store.clone(), change));
    let client = mock.client().with_store(store, policy());
    subject.clock.advance(Duration::from_secs(10));
    assert_eq!(block_on(client.user_check("alice_1")).unwrap().credits, Credits::Charged(3));
    let totals = block_on(subject.account().book()).unwrap().totals();
    assert_eq!((totals.charged, totals.uncertain, totals.unexplained), (0, 3, 3));
}

/// Keeps the errors of attempts.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<Option<tgscan_core::Error>>>>);

impl Observer for Errors {
    fn call_finished(&self, _: &CallSummary<'_>) {}

    fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
        self.0.lock().unwrap().push(attempt.error.cloned());
    }
}

#[test]
fn error_names_its_call_although_an_observer_keeps_it() {
    let (subject, mock, errors) = (Subject::memory(), mock(), Errors::default());
    let client = subject.client(&mock).with_observer(errors.clone());
    mock.script::<Search>([Fault::new(FaultKind::Reset).charged()]);
    let lost = block_on(client.search("alice_1")).unwrap_err();
    assert!(lost.call().is_some() && errors.0.lock().unwrap()[0].is_some(), "{lost}");
}

#[test]
fn answer_after_a_refused_attempt_is_observed_without_an_error() {
    let (subject, mock, errors) = (Subject::memory(), mock(), Errors::default());
    let client = subject.client(&mock).with_observer(errors.clone());
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 429 })]);
    block_on(client.search("alice_1")).unwrap();
    let errors = errors.0.lock().unwrap();
    assert_eq!(errors.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false], "{errors:?}");
}

#[test]
fn refusal_before_the_grant_is_no_error_of_the_attempt() {
    let (subject, mock, errors) = (Subject::memory(), mock(), Errors::default());
    let service = mock.clone();
    let transport = transport_fn(move |request: Request<Bytes>| {
        let (service, mut is_first) = (service.clone(), true);
        async move {
            // The other call claims in the meantime.
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            service.send(request).await
        }
    });
    let client = subject.client(&mock).with_transport(transport).with_observer(errors.clone());
    // The first one is refused and free, and the second one waits for it.
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 400 })]);
    let (first, second) =
        block_on(futures_util::future::join(client.search("alice_1"), client.search("alice_1")));
    assert!(first.is_err() || second.is_err());
    let errors = errors.0.lock().unwrap();
    let sent = mock.requests().len();
    assert_eq!(errors.iter().filter(|error| error.is_none()).count(), sent - 1, "{errors:?}");
}

fn charges_of_a_free_method_are_booked_once_after_a_commit_in_doubt(open: fn() -> Subject) {
    const CALLS: u32 = 40;
    let (subject, arrived) = (open(), Arc::new(AtomicU32::new(0)));
    let transport = transport_fn(move |request: Request<Bytes>| {
        let (form, arrived) = (String::from_utf8(request.body().to_vec()).unwrap(), arrived.clone());
        arrived.fetch_add(1, Ordering::Relaxed);
        async move {
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if arrived.load(Ordering::Relaxed) == CALLS { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let query = form.strip_prefix("query=").unwrap();
            Ok(Response::new(Bytes::from(format!(
                r#"{{"status":"ok","result":{{"user":{{"username":true,"first_name":true,"last_name":false}},"meta":{{"search_query":"{query}","known_num_groups":1,"op_cost":3}}}}}}"#
            ))))
        }
    });
    let store = Arc::new(Over::new(subject.store.clone(), InDoubtOnce(AtomicU32::new(0))));
    let client = mock().client().with_transport(transport).with_store(store, policy());
    let names: Vec<String> = (0..CALLS).map(|number| format!("name_{number}")).collect();
    let calls = names.iter().map(|name| client.user_check(name.as_str()));
    let replies = block_on(futures_util::future::join_all(calls));
    assert!(
        replies.iter().all(|reply| reply.as_ref().is_ok_and(|reply| reply.credits == Credits::Charged(3)))
    );
    let totals = block_on(subject.account().book()).unwrap().totals();
    assert_eq!(totals.charged, 3 * u64::from(CALLS));
}

/// A store whose commits are in doubt, every second time.
struct InDoubtOnce(AtomicU32);

impl Change for InDoubtOnce {
    fn after(&self) -> Result<(), StoreError> {
        match self.0.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Err(StoreError::new("the reply to the commit was lost").in_doubt()),
            _ => Ok(()),
        }
    }
}

fn step_with_a_store_says_when_its_request_is_late(open: fn() -> Subject) {
    let (subject, start) = (open(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let at = |time| Now::new(time, Some(start + time));
    let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
    let query = Search { query: "alice_1".parse().unwrap() };
    let step =
        Step::begin_stored(&api, &subject.account(), &policy(), Lookup::New, query, at(Duration::ZERO));
    let Step::Ask(asking) = step else { panic!("{step:?}") };
    let answered = block_on(asking.ask());
    let step = asking.answered(answered, at(Duration::ZERO));
    let Step::Send(_, in_flight) = step else { panic!("{step:?}") };
    let fence = subject.store.fence();
    assert!(!in_flight.is_late(at(fence)) && in_flight.is_late(at(fence + Duration::from_millis(1))));
}

with_each_store! {
    charge_of_a_free_method_is_known_to_other_processes_after_a_minute,
    free_method_that_charged_once_goes_through_the_store,
    free_method_that_charged_reserves_in_other_processes_too,
    charges_of_a_free_method_are_booked_once_after_a_commit_in_doubt,
    step_with_a_store_says_when_its_request_is_late,
    uncertain_question_is_not_sent_again_until_it_is_settled,
    policy_may_pay_again_after_a_time,
    balance_settles_what_is_uncertain_also_after_a_purchase,
    cap_on_the_store_counts_across_restarts,
    client_settles_by_itself_when_the_cap_refuses,
    refused_call_leaves_nothing_behind,
    blocking_calls_go_through_the_store_too,
    blocking_call_that_panics_in_flight_is_uncertain,
}
