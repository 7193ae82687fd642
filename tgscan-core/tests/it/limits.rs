//! What a client waits for: room under a cap, and its deadline.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{AttemptSummary, CallSummary, Observer};
use tgscan_core::http::Response;
use tgscan_core::transport::TransportErrorKind;
use tgscan_core::types::SimilarGroupsAnswer;
use tgscan_core::{
    Client, Credits, Error, ErrorKind, Ledger, Reply, Reserve, RetryPolicy, Timer, Transport, TransportError,
    async_trait, transport_fn,
};

use crate::support::{Clock, Outcome, SIMILAR, Script, live, response};

type Calling = Pin<Box<dyn Future<Output = Result<Reply<SimilarGroupsAnswer>, Error>>>>;

/// A transport whose requests wait until the test answers them, the oldest first.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<VecDeque<Slot>>>);

/// Where a request finds its outcome.
type Slot = Arc<Mutex<Option<Outcome>>>;

impl Held {
    fn transport(&self) -> impl Transport + 'static {
        let held = self.0.clone();
        transport_fn(move |_| {
            let slot = Arc::new(Mutex::new(None));
            held.lock().unwrap().push_back(slot.clone());
            std::future::poll_fn(move |_| slot.lock().unwrap().take().map_or(Poll::Pending, Poll::Ready))
        })
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn answer(&self, outcome: Outcome) {
        let slot = self.0.lock().unwrap().pop_front().unwrap();
        *slot.lock().unwrap() = Some(outcome);
    }
}

fn charged() -> Response<Bytes> {
    response(200, SIMILAR)
}

fn begin(client: &Client) -> Calling {
    let client = client.clone();
    Box::pin(async move { client.similar_groups("alice").await })
}

fn poll(calling: &mut Calling) -> Poll<Result<Reply<SimilarGroupsAnswer>, Error>> {
    calling.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls all that have not ended, and returns how many of them do.
fn poll_all(calls: &mut Vec<Calling>) -> usize {
    let before = calls.len();
    calls.retain_mut(|calling| match poll(calling) {
        Poll::Pending => true,
        Poll::Ready(result) => {
            result.unwrap();
            false
        }
    });
    before - calls.len()
}

#[test]
fn batch_under_a_cap_waits_for_room_and_spends_all_of_it() {
    let held = Held::default();
    let client = Client::new(
        live().with_ledger(Ledger::with_cap(50, Reserve::PerCall(5))),
        held.transport(),
        Clock::default(),
    )
    .with_wait_at_cap();
    // The answers cost 1. Each call sets 5 aside until that is known, and 5 after it, too.
    let mut calls: Vec<_> = (0..46).map(|_| begin(&client)).collect();
    let mut done = 0;
    while !calls.is_empty() {
        done += poll_all(&mut calls);
        assert!(held.len() <= 10);
        if held.len() > 0 {
            held.answer(Ok(charged()));
        }
    }
    assert_eq!((done, client.ledger().snapshot().charged), (46, 46));
    assert_eq!(client.ledger().snapshot().refused_calls, 0);
    // Four are left, and a call sets five aside: waiting does not help.
    let error = block_on(client.similar_groups("alice")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CapReached(cap) if !cap.is_transient()), "{error}");
}

#[test]
fn call_that_waits_for_room_is_woken() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(0.into()));
    let waker = Waker::from(woken.clone());
    let times = || woken.0.load(Ordering::Relaxed);
    let account = Ledger::with_cap(1, Reserve::PerCall(1));
    let held = Held::default();
    let client = |ledger| {
        let api = live().with_ledger(ledger).with_retry(RetryPolicy::none());
        Client::new(api, held.transport(), Clock::default()).with_wait_at_cap()
    };
    let (mut first, mut second) = (begin(&client(account.child())), begin(&client(account.child())));
    assert!(poll(&mut first).is_pending());
    for _ in 0..3 {
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!((held.len(), times()), (1, 0));
    held.answer(Ok(response(429, "")));
    let Poll::Ready(Err(_)) = poll(&mut first) else { panic!("it has ended") };
    assert_eq!(times(), 1);
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(held.len(), 1);

    // So it is by a higher cap.
    let mut third = begin(&client(account.child()));
    assert!(third.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    account.set_cap(None);
    assert_eq!(times(), 2);
    assert!(poll(&mut third).is_pending());
    assert_eq!(held.len(), 2);
}

/// Time that stands still until it is let go.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

#[async_trait]
impl Timer for Gate {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        let is_open = || self.0.load(Ordering::Relaxed);
        std::future::poll_fn(|_| if is_open() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[test]
fn retry_waits_for_room_too() {
    let (held, gate) = (Held::default(), Gate::default());
    let client = Client::new(
        live().with_ledger(Ledger::with_cap(1, Reserve::PerCall(1))),
        held.transport(),
        gate.clone(),
    )
    .with_wait_at_cap();
    let (mut first, mut second) = (begin(&client), begin(&client));
    assert!(poll(&mut first).is_pending());
    held.answer(Ok(response(429, "")));
    assert!(poll(&mut first).is_pending());
    // While the first one backs off, another takes the room.
    assert!(poll(&mut second).is_pending());
    gate.0.store(true, Ordering::Relaxed);
    assert!(poll(&mut first).is_pending());
    assert_eq!(held.len(), 1);
    held.answer(Ok(response(402, r#"{"status":"error","result":{"message":"no"}}"#)));
    assert!(poll(&mut second).is_ready());
    assert!(poll(&mut first).is_pending());
    assert_eq!(held.len(), 1, "the first call is sent again");
}

#[test]
fn retry_without_room_ends_with_why_the_attempt_failed() {
    let (held, gate) = (Held::default(), Gate::default());
    let client = Client::new(
        live().with_ledger(Ledger::with_cap(1, Reserve::PerCall(1))),
        held.transport(),
        gate.clone(),
    );
    let (mut first, mut second) = (begin(&client), begin(&client));
    assert!(poll(&mut first).is_pending());
    held.answer(Ok(response(429, "")));
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    gate.0.store(true, Ordering::Relaxed);
    let Poll::Ready(Err(error)) = poll(&mut first) else { panic!("it goes on") };
    assert_eq!(error.status().map(|status| status.as_u16()), Some(429), "{error}");
    assert_eq!((error.credits(), error.attempts(), held.len()), (Credits::NotCharged, 1, 1));
}

#[test]
fn deadline_limits_attempts_and_backoffs_together() {
    let unavailable = || Ok(response(503, r#"{"status":"error","result":{"message":"later"}}"#));
    let clock = Clock::default();
    let script = Script::new(std::iter::repeat_with(unavailable).take(50));
    let mut retry = RetryPolicy::default();
    (retry.max_attempts, retry.base_backoff) = (50, Duration::from_millis(400));
    let client = script.client(live().with_retry(retry), &clock).with_deadline(Duration::from_secs(1));
    let error = block_on(client.balance()).unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503), "{error}");
    let waited: Duration = clock.waits().iter().sum();
    assert!(waited < Duration::from_secs(1) && script.sent() > 1, "{waited:?}");
}

#[test]
fn call_in_flight_at_its_deadline_is_a_timeout_and_uncertain_if_it_can_cost() {
    let held = Held::default();
    let client = Client::new(live(), held.transport(), Clock::default());
    let client = client.with_deadline(Duration::from_secs(5));
    let error = block_on(client.similar_groups("alice")).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(error) if error.kind() == TransportErrorKind::Timeout)
    );
    assert!(error.to_string().contains("the deadline of the call passed"), "{error}");
    assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 1));
    let error = block_on(client.balance()).unwrap_err();
    assert_eq!((error.credits(), error.attempts()), (Credits::NotCharged, 1), "{error}");
}

#[test]
fn deadline_ends_the_wait_for_room() {
    let held = Held::default();
    let api = live().with_ledger(Ledger::with_cap(1, Reserve::PerCall(1)));
    let client = Client::new(api, held.transport(), Clock::default()).with_wait_at_cap();
    let mut first = begin(&client);
    assert!(poll(&mut first).is_pending());
    let error = block_on(client.with_deadline(Duration::from_secs(5)).similar_groups("alice")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CapReached(cap) if cap.is_transient()), "{error}");
    assert_eq!(held.len(), 1);
}

#[test]
fn deadline_ends_the_wait_for_late_charges() {
    /// Time in which only a deadline passes.
    struct Deadlines;
    #[async_trait]
    impl Timer for Deadlines {
        fn now(&self) -> Duration {
            Duration::ZERO
        }

        async fn sleep(&self, duration: Duration) {
            if duration > Duration::from_secs(5) {
                std::future::pending::<()>().await;
            }
        }
    }
    let balance = response(200, r#"{"status":"ok","result":{"num_credits":10}}"#);
    let lost = TransportError::new("the connection broke");
    let script = Script::new([Ok(balance), Err(lost)]);
    let api = live().with_ledger(Ledger::with_cap(1, Reserve::PerCall(1)));
    let client = script.client(api, &Clock::default()).with_timer(Deadlines).with_auto_reconcile();
    assert_eq!(block_on(client.similar_groups("alice")).unwrap_err().credits(), Credits::Uncertain);
    let mut waiting = begin(&client.with_deadline(Duration::from_secs(5)));
    let Poll::Ready(Err(error)) = poll(&mut waiting) else { panic!("it still waits") };
    assert!(error.is_cap_reached(), "{error}");
    assert_eq!(script.sent(), 2);
}

#[test]
fn call_whose_deadline_has_passed_is_not_sent() {
    let script = Script::new([]);
    let client = script.client(live(), &Clock::default()).with_deadline(Duration::ZERO);
    for client in [client.clone(), client.with_wait_at_cap()] {
        let error = block_on(client.similar_groups("alice")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Transport(error) if error.is_timeout()), "{error}");
        assert_eq!((error.credits(), error.attempts()), (Credits::NotCharged, 0));
        assert_eq!(client.ledger().snapshot(), Ledger::new().snapshot());
    }
}

/// Time that passes, and makes room, in one step.
struct Late(Ledger, Clock);

#[async_trait]
impl Timer for Late {
    fn now(&self) -> Duration {
        self.1.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.1.sleep(duration).await;
        self.0.set_cap(None);
    }
}

#[test]
fn room_that_comes_at_the_deadline_sends_nothing() {
    let held = Held::default();
    let ledger = Ledger::with_cap(1, Reserve::PerCall(1));
    let client = Client::new(live().with_ledger(ledger.clone()), held.transport(), Clock::default())
        .with_wait_at_cap();
    let mut first = begin(&client);
    assert!(poll(&mut first).is_pending());
    let late =
        client.with_timer(Late(ledger.clone(), Clock::default())).with_deadline(Duration::from_secs(5));
    let error = block_on(late.similar_groups("alice")).unwrap_err();
    assert_eq!((held.len(), error.credits()), (1, Credits::NotCharged), "{error}");
    assert_eq!((ledger.snapshot().in_flight_calls, ledger.snapshot().uncertain_calls), (1, 0));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Observer for Log {
    fn call_finished(&self, call: &CallSummary<'_>) {
        self.push(format!("finished {} {} {}", call.attempts, call.credits, call.error.is_some()));
    }

    fn attempt_finished(&self, attempt: &AttemptSummary<'_>) {
        let (failed, backs_off) = (attempt.error.is_some(), attempt.backoff.is_some());
        self.push(format!("attempt {} {} {failed} {backs_off}", attempt.number, attempt.credits));
    }

    fn call_dropped(&self, call: &CallSummary<'_>) {
        self.push(format!("dropped {} {}", call.attempts, call.credits));
    }
}

#[test]
fn observer_hears_of_attempts_and_dropped_calls() {
    let log = Log::default();
    let script = Script::new([Ok(response(429, "")), Ok(charged())]);
    let client = script.client(live(), &Clock::default()).with_observer(log.clone());
    block_on(client.similar_groups("alice")).unwrap();
    let mut dropped = begin(&client.clone().with_transport(Held::default().transport()));
    assert!(poll(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "attempt 1 no credits charged true true",
            "attempt 2 1 credit charged false false",
            "finished 2 1 credit charged false",
            "dropped 1 credits uncertain",
        ]
    );
    // What is never sent was no attempt.
    log.0.lock().unwrap().clear();
    let capped = client.with_ledger(Ledger::with_cap(0, Reserve::PerCall(1)));
    block_on(capped.similar_groups("alice")).unwrap_err();
    assert_eq!(*log.0.lock().unwrap(), ["finished 0 no credits charged true"]);
}
