//! Tests of waiting for room under a cap, and of deadlines.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
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

use crate::support::{Clock, Gate, Outcome, SIMILAR, Script, live, response};

type Calling = Pin<Box<dyn Future<Output = Result<Reply<SimilarGroupsAnswer>, Error>>>>;

/// Requests in flight, which the test answers, the oldest first.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<VecDeque<Slot>>>);

/// The outcome of a request in flight.
type Slot = Arc<Mutex<Option<Outcome>>>;

impl Pending {
    fn transport(&self) -> impl Transport + 'static {
        let pending = self.0.clone();
        transport_fn(move |_| {
            let slot = Arc::new(Mutex::new(None));
            pending.lock().unwrap().push_back(slot.clone());
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

/// Polls all pending calls, and returns the number of those that end.
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
fn batch_waits_for_room_and_uses_the_whole_cap() {
    let pending = Pending::default();
    let client = Client::new(live().with_cap(50, Reserve::PerCall(5)), pending.transport(), Gate::default())
        .with_wait_at_cap();
    // The answers cost 1, but each call reserves 5, before and after the price is known.
    let mut calls: Vec<_> = (0..46).map(|_| begin(&client)).collect();
    let mut done = 0;
    while !calls.is_empty() {
        done += poll_all(&mut calls);
        assert!(pending.len() <= 10);
        if pending.len() > 0 {
            pending.answer(Ok(charged()));
        }
    }
    assert_eq!((done, client.ledger().book().totals().charged), (46, 46));
    // Four credits are left, but a call reserves five, so waiting does not help.
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
    let ledger = Ledger::new();
    let pending = Pending::default();
    let client = || {
        let api = live().with_ledger(ledger.clone()).with_cap(1, Reserve::PerCall(1));
        let api = api.with_retry(RetryPolicy::none());
        Client::new(api, pending.transport(), Gate::default()).with_wait_at_cap()
    };
    let (mut first, mut second) = (begin(&client()), begin(&client()));
    assert!(poll(&mut first).is_pending());
    for _ in 0..3 {
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!((pending.len(), times()), (1, 0));
    pending.answer(Ok(response(429, "")));
    let Poll::Ready(Err(_)) = poll(&mut first) else { panic!("still pending") };
    assert_eq!(times(), 1);
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(pending.len(), 1);

    // Also when an uncertain call is resolved by hand.
    let client = || client().with_cap(2, Reserve::PerCall(1));
    let mut lost = begin(&client());
    assert!(poll(&mut lost).is_pending());
    drop(lost);
    let mut third = begin(&client());
    assert!(third.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(pending.len(), 2);
    let before = times();
    ledger.resolve_uncertain(0);
    assert_eq!(times(), before + 1);
    assert!(poll(&mut third).is_pending());
    assert_eq!(pending.len(), 3);
}

#[test]
fn backoff_keeps_its_reserve() {
    let (pending, gate) = (Pending::default(), Gate::default());
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = Client::new(api, pending.transport(), gate.clone()).with_wait_at_cap();
    let (mut first, mut second) = (begin(&client), begin(&client));
    assert!(poll(&mut first).is_pending());
    pending.answer(Ok(response(429, "")));
    assert!(poll(&mut first).is_pending());
    // The second call waits during the backoff of the first.
    assert!(poll(&mut second).is_pending());
    assert_eq!((pending.len(), client.ledger().book().totals().in_flight), (0, 1));
    gate.let_pass(1);
    assert!(poll(&mut first).is_pending());
    assert_eq!(pending.len(), 1, "the first call is sent again");
    pending.answer(Ok(response(402, r#"{"status":"error","result":{"message":"no"}}"#)));
    assert!(poll(&mut first).is_ready());
    assert!(poll(&mut second).is_pending());
    assert_eq!(pending.len(), 1, "the second call is sent");
}

fn resending() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.resend_uncertain = true;
    policy
}

#[test]
fn attempt_after_an_uncertain_one_waits_for_room() {
    let (pending, gate) = (Pending::default(), Gate::default());
    let api = live().with_cap(2, Reserve::PerCall(1)).with_retry(resending());
    let client = Client::new(api, pending.transport(), gate.clone()).with_wait_at_cap();
    let (mut first, mut second) = (begin(&client), begin(&client));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    pending.answer(Err(TransportError::new("the connection broke")));
    assert!(poll(&mut first).is_pending());
    gate.let_pass(1);
    assert!(poll(&mut first).is_pending());
    assert_eq!(pending.len(), 1, "one is uncertain, one in flight");
    pending.answer(Ok(response(402, r#"{"status":"error","result":{"message":"no"}}"#)));
    assert!(poll(&mut second).is_ready());
    gate.let_pass(1);
    assert!(poll(&mut first).is_pending());
    assert_eq!(pending.len(), 1, "the first call is sent again");
}

#[test]
fn attempt_after_an_uncertain_one_without_room_ends_with_its_error() {
    for waits in [false, true] {
        let (pending, gate) = (Pending::default(), Gate::default());
        let api = live().with_cap(1, Reserve::PerCall(1)).with_retry(resending());
        let mut client = Client::new(api, pending.transport(), gate.clone());
        if waits {
            client = client.with_wait_at_cap();
        }
        let mut calling = begin(&client);
        assert!(poll(&mut calling).is_pending());
        pending.answer(Err(TransportError::new("the connection broke")));
        assert!(poll(&mut calling).is_pending());
        gate.let_pass(1);
        // Only the call itself is in flight, so it cannot wait for another to end.
        let Poll::Ready(Err(error)) = poll(&mut calling) else { panic!("still pending: {waits}") };
        assert!(error.delivery().is_some(), "{error}");
        assert_eq!((error.credits(), error.attempts(), pending.len()), (Credits::Uncertain, 1, 0));
    }
}

#[test]
fn wait_for_room_ends_at_max_elapsed() {
    let (pending, clock) = (Pending::default(), Clock::default());
    let client = Client::new(live().with_cap(1, Reserve::PerCall(1)), pending.transport(), clock.clone());
    let client = client.with_wait_at_cap();
    let mut first = begin(&client);
    assert!(poll(&mut first).is_pending());
    let error = block_on(client.similar_groups("alice")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CapReached(cap) if cap.is_transient()), "{error}");
    let waits = clock.waits();
    assert_eq!(waits[..4], [5, 10, 20, 40].map(Duration::from_millis));
    assert_eq!(waits.iter().max(), Some(&Duration::from_millis(500)));
    let waited: Duration = waits.iter().sum();
    assert!(waited < Duration::from_secs(60) && waited > Duration::from_secs(59), "{waited:?}");
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
    let pending = Pending::default();
    let client = Client::new(live(), pending.transport(), Clock::default());
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
    let pending = Pending::default();
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = Client::new(api, pending.transport(), Clock::default()).with_wait_at_cap();
    let mut first = begin(&client);
    assert!(poll(&mut first).is_pending());
    let error = block_on(client.with_deadline(Duration::from_secs(5)).similar_groups("alice")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CapReached(cap) if cap.is_transient()), "{error}");
    assert_eq!(pending.len(), 1);
}

#[test]
fn deadline_ends_the_wait_for_late_charges() {
    /// A timer whose longer sleeps never end.
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
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = script.client(api, &Clock::default()).with_timer(Deadlines).with_auto_reconcile();
    assert_eq!(block_on(client.similar_groups("alice")).unwrap_err().credits(), Credits::Uncertain);
    let mut waiting = begin(&client.with_deadline(Duration::from_secs(5)));
    let Poll::Ready(Err(error)) = poll(&mut waiting) else { panic!("still pending") };
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
        assert_eq!(client.ledger().book().totals(), Ledger::new().book().totals());
        let error = block_on(client.balance()).unwrap_err();
        assert!(error.is_timeout() && error.attempts() == 0, "a free call is not sent either: {error}");
    }
}

/// A timer whose sleep passes the deadline of 5 s and makes room.
struct Late(Ledger, Clock);

#[async_trait]
impl Timer for Late {
    fn now(&self) -> Duration {
        self.1.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.1.sleep(duration.max(Duration::from_secs(5))).await;
        self.0.resolve_uncertain(0);
    }
}

#[test]
fn room_at_the_deadline_sends_nothing() {
    let pending = Pending::default();
    let ledger = Ledger::new();
    let api = live().with_ledger(ledger.clone()).with_cap(2, Reserve::PerCall(1));
    let client = Client::new(api, pending.transport(), Clock::default()).with_wait_at_cap();
    let (mut first, mut lost) = (begin(&client), begin(&client));
    assert!(poll(&mut first).is_pending() && poll(&mut lost).is_pending());
    drop(lost);
    let late =
        client.with_timer(Late(ledger.clone(), Clock::default())).with_deadline(Duration::from_secs(5));
    let error = block_on(late.similar_groups("alice")).unwrap_err();
    assert_eq!((pending.len(), error.credits()), (2, Credits::NotCharged), "{error}");
    assert_eq!((ledger.book().totals().in_flight_calls, ledger.book().totals().uncertain_attempts), (1, 0));
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
fn observer_receives_attempts_and_dropped_calls() {
    let log = Log::default();
    let script = Script::new([Ok(response(429, "")), Ok(charged())]);
    let client = script.client(live(), &Clock::default()).with_observer(log.clone());
    block_on(client.similar_groups("alice")).unwrap();
    let mut dropped = begin(&client.clone().with_transport(Pending::default().transport()));
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
    // A refused call has no attempts.
    log.0.lock().unwrap().clear();
    let capped = client.with_cap(0, Reserve::PerCall(1));
    block_on(capped.similar_groups("alice")).unwrap_err();
    assert_eq!(*log.0.lock().unwrap(), ["finished 0 no credits charged true"]);
}
