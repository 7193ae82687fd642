//! Calls that wait, and calls whose caller or task is gone.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{Lookup, StoreError, StoreRefusal, Task};
use tgscan_core::transport::Delivery;
use tgscan_core::{Api, ApiKey, Client, Credits, Storage, Timer, TransportError, transport_fn};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind, VirtualTimer};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, refusal, searches, with_each_store};

/// A transport that never answers.
fn silent() -> Client {
    let transport =
        transport_fn(|_: Request<Bytes>| std::future::pending::<Result<Response<Bytes>, TransportError>>());
    Client::new(Api::new(ApiKey::live("k3y").unwrap()).with_service("mock"), transport, VirtualTimer::new())
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> bool {
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
    let client = subject.client(&mock).with_lookup(Lookup::Stored);
    let stored = block_on(client.search("alice_1")).unwrap();
    assert_eq!((stored.credits, searches(&mock)), (Credits::NotCharged, 1));
}

fn call_whose_task_is_dropped_before_it_is_sent_costs_nothing(open: fn() -> Subject) {
    let subject = open();
    let client = silent().with_store(subject.store.clone(), policy()).with_spawn(drop);
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!((error.credits(), error.delivery()), (Credits::NotCharged, Some(Delivery::NeverSent)));
    while block_on(subject.account().book()).unwrap().totals().in_flight_calls > 0 {}
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
}

fn call_whose_task_is_dropped_after_it_is_sent_is_uncertain(open: fn() -> Subject) {
    let subject = open();
    let (tasks, is_sent): (Arc<Mutex<Vec<Task>>>, Arc<AtomicBool>) = Default::default();
    let (spawned, sent) = (tasks.clone(), is_sent.clone());
    let transport = transport_fn(move |_: Request<Bytes>| {
        sent.store(true, Ordering::Relaxed);
        std::future::pending::<Result<Response<Bytes>, TransportError>>()
    });
    let client = silent().with_transport(transport).with_store(subject.store.clone(), policy());
    let client = client.with_spawn(move |task| spawned.lock().unwrap().push(task));
    let mut call = Box::pin(client.search("alice_1"));
    // The claim of a file is made by another thread.
    let mut task = loop {
        assert!(!poll_once(call.as_mut()));
        if let Some(task) = tasks.lock().unwrap().pop() {
            break task;
        }
    };
    // On a busy machine the claim is renewed first.
    while !is_sent.load(Ordering::Relaxed) {
        assert!(!poll_once(task.as_mut()));
    }
    drop(task);
    let error = block_on(call).unwrap_err();
    assert_eq!(error.credits(), Credits::Uncertain, "{error}");
    while block_on(subject.account().book()).unwrap().totals().in_flight_calls > 0 {}
    assert_eq!(block_on(subject.account().unresolved()).unwrap().len(), 1);
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
    mock.script::<Search>([Fault::new(FaultKind::TooManyRequests { retry_after: Some(1) })]);
    let client = subject.client(&mock).with_timer(Never);
    let mut call = Box::pin(client.search("alice_1"));
    assert!(!poll_once(call.as_mut()));
    assert_eq!(block_on(subject.account().book()).unwrap().totals().in_flight_calls, 1);
    drop(call);
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
}

/// A store that runs no task.
#[derive(Default)]
struct Silent(Mutex<Vec<Task>>);

impl Change for Silent {
    fn spawn(&self, task: Task) -> Option<Task> {
        self.0.lock().unwrap().push(task);
        None
    }
}

#[test]
fn deadline_ends_the_wait_for_a_store_that_does_not_answer() {
    let (mock, timer) = (mock(), VirtualTimer::new());
    let store = Arc::new(Over::new(Subject::memory().store, Silent::default()));
    let client = mock.client().with_timer(timer.clone()).with_store(store.clone(), policy());
    let error = block_on(client.with_deadline(HOUR).search("alice_1")).unwrap_err();
    assert!(error.is_timeout() && error.delivery() == Some(Delivery::NeverSent), "{error}");
    assert_eq!((error.credits(), error.attempts(), searches(&mock)), (Credits::NotCharged, 0, 0));
    assert_eq!(timer.now(), HOUR);
    store.change.0.lock().unwrap().clear();
}

/// A store that runs only its first task.
#[derive(Default)]
struct OnlyFirst(AtomicBool, Silent);

impl Change for OnlyFirst {
    fn spawn(&self, task: Task) -> Option<Task> {
        if self.0.swap(true, Ordering::Relaxed) {
            return self.1.spawn(task);
        }
        block_on(task);
        None
    }
}

/// A timer whose sleeps end when they are polled again.
struct Yielding;

#[tgscan_core::async_trait]
impl Timer for Yielding {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        let mut is_over = false;
        let sleep = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
        });
        sleep.await;
    }
}

#[test]
fn deadline_during_the_settlement_of_a_separate_task_loses_no_answer() {
    #[derive(Clone, Copy, PartialEq)]
    enum Task {
        GoesOn,
        Stops,
        IsDropped,
    }
    for fate in [Task::GoesOn, Task::Stops, Task::IsDropped] {
        let store = Arc::new(Over::new(Subject::memory().store, OnlyFirst::default()));
        let (mock, tasks) = (mock(), Arc::new(Mutex::new(Vec::new())));
        let spawned = tasks.clone();
        let client = mock.client().with_timer(Yielding).with_store(store.clone(), policy());
        let client = client.with_deadline(HOUR).with_spawn(move |mut task| {
            assert!(!poll_once(task.as_mut()), "it waits for its settlement");
            spawned.lock().unwrap().push(task);
        });
        let mut call = Box::pin(client.search("alice_1"));
        for _ in 0..2 {
            assert!(!poll_once(call.as_mut()));
        }
        let task = tasks.lock().unwrap().pop().unwrap();
        match fate {
            Task::GoesOn => block_on(task),
            Task::Stops => tasks.lock().unwrap().push(task),
            Task::IsDropped => drop(task),
        }
        match block_on(call) {
            Ok(reply) => {
                assert!(fate == Task::GoesOn && matches!(reply.storage(), Some(Storage::NotStored(_))));
            }
            Err(error) => {
                assert!(fate != Task::GoesOn, "{error}");
                assert_eq!(error.credits(), Credits::Uncertain);
                let text = std::str::from_utf8(error.response().unwrap().body()).unwrap();
                assert!(text.starts_with("{\"status\":\"ok\""), "{text}");
            }
        }
        store.change.1.0.lock().unwrap().clear();
    }
}

/// Runs the tasks that a silent store was given so far.
fn run_tasks(store: &Over<Silent>) {
    let tasks = std::mem::take(&mut *store.change.0.lock().unwrap());
    tasks.into_iter().for_each(block_on);
}

#[test]
fn comparison_dropped_while_it_starts_blocks_no_call() {
    // Dropped before and after its first transaction.
    for is_written in [false, true] {
        let (subject, mock) = (Subject::memory(), mock());
        let store = Arc::new(Over::new(subject.store.clone(), Silent::default()));
        let client = mock.client().with_store(store.clone(), policy());
        let mut comparing = Box::pin(client.reconcile());
        assert!(!poll_once(comparing.as_mut()));
        if is_written {
            run_tasks(&store);
        }
        drop(comparing);
        run_tasks(&store);
        block_on(subject.client(&mock).search("alice_1")).unwrap();
        assert_eq!(mock.timer().now(), Duration::ZERO, "the call did not wait");
    }
}

/// A store whose first commit is in doubt, and written.
#[derive(Default)]
struct FirstInDoubt(AtomicBool);

impl Change for FirstInDoubt {
    fn after(&self) -> Result<(), StoreError> {
        if self.0.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::new("the reply to the commit was lost").in_doubt())
    }
}

#[test]
fn comparison_whose_start_is_in_doubt_blocks_no_call() {
    let (subject, mock) = (Subject::memory(), mock());
    let store = Arc::new(Over::new(subject.store.clone(), FirstInDoubt::default()));
    let client = mock.client().with_store(store, policy());
    block_on(client.reconcile()).unwrap_err();
    drop(client);
    block_on(subject.client(&mock).search("alice_1")).unwrap();
    assert_eq!(mock.timer().now(), Duration::ZERO, "the call did not wait");
}

#[test]
fn drain_counts_calls_that_are_dropped_during_a_transaction() {
    // Dropped during its claim, and during its settlement.
    for is_claimed in [false, true] {
        let (subject, mock) = (Subject::memory(), mock());
        let store = Arc::new(Over::new(subject.store.clone(), Silent::default()));
        let client = mock.client().with_store(store.clone(), policy());
        let mut call = Box::pin(client.search("alice_1"));
        assert!(!poll_once(call.as_mut()));
        if is_claimed {
            run_tasks(&store);
            while store.change.0.lock().unwrap().is_empty() {
                assert!(!poll_once(call.as_mut()));
            }
        }
        drop(call);
        let left = block_on(client.drain(Duration::from_secs(1)));
        assert_eq!((left.calls, left.unwritten, left.lost), (0, 1, 0), "{is_claimed}");
        run_tasks(&store);
        let left = block_on(client.drain(Duration::from_secs(1)));
        assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 0), "{is_claimed}");
        let totals = block_on(subject.account().book()).unwrap().totals();
        assert_eq!((totals.charged, totals.in_flight_calls), (if is_claimed { 2 } else { 0 }, 0));
    }
}

#[test]
fn settlement_whose_task_is_dropped_is_lost() {
    let (subject, mock) = (Subject::memory(), mock());
    let store = Arc::new(Over::new(subject.store.clone(), Silent::default()));
    let client = mock.client().with_store(store.clone(), policy());
    let mut call = Box::pin(client.search("alice_1"));
    assert!(!poll_once(call.as_mut()));
    run_tasks(&store);
    while store.change.0.lock().unwrap().is_empty() {
        assert!(!poll_once(call.as_mut()));
    }
    store.change.0.lock().unwrap().clear();
    let reply = block_on(call).unwrap();
    assert!(matches!(reply.storage(), Some(Storage::NotStored(_))), "{:?}", reply.storage());
    let left = block_on(client.drain(Duration::from_secs(1)));
    assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 1));
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

with_each_store! {
    equal_questions_at_once_are_sent_once,
    call_goes_on_and_is_stored_when_its_caller_is_gone,
    call_whose_task_is_dropped_before_it_is_sent_costs_nothing,
    call_whose_task_is_dropped_after_it_is_sent_is_uncertain,
}
