//! Received bytes are stored, whatever they are and whatever happens to the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Response, StatusCode};
use tgscan_core::store::{CallId, CallState, Lookup, Store, StoreError, StoreRefusal};
use tgscan_core::transport::Delivery;
use tgscan_core::{Credits, RetryPolicy, Storage, Timer, Transport, TransportError, transport_fn};
use tgscan_mock::VirtualTimer;

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, searches, with_each_store};

const WHOLE: &str = r#"{"status":"ok","result":{"meta":{"search_query":"alice_1","known_num_groups":0,"num_groups":0,"op_cost":2},"user":{"id":1}}}"#;

fn bytes_that_are_no_answer_are_stored_and_read_back(open: fn() -> Subject) {
    let warning = format!("<br />\n<b>Warning</b>:  Undefined index in <b>search.php</b><br />\n{WHOLE}");
    let page = "<html>private_page</html>".to_owned();
    // The price is in the part that came.
    let cut = WHOLE[..WHOLE.find("op_cost").unwrap() + 12].to_owned();
    for (body, is_cut) in [(warning, false), (page, false), (cut, true)] {
        let subject = open();
        let sent = body.clone();
        let transport = transport_fn(move |_| {
            let response = Response::new(Bytes::from(sent.clone()));
            let cut = TransportError::response_started(response.clone(), "the connection was closed");
            async move { if is_cut { Err(cut) } else { Ok(response) } }
        });
        let client = subject.client(&mock()).with_transport(transport);
        let error = block_on(client.search("alice_1")).unwrap_err();
        assert_eq!(error.response().unwrap().body(), body.as_bytes());
        let account = subject.account();
        let calls = block_on(account.calls(0, 10)).unwrap();
        let [call] = &calls[..] else { panic!("{calls:?}") };
        let read = || block_on(account.call(call.id)).unwrap().unwrap().1.unwrap();
        assert_eq!((&read().body[..], read().status), (body.as_bytes(), 200), "{}", subject.name);
        assert!(matches!(call.state(), CallState::Uncertain | CallState::Unanswered), "{call:?}");
        // It stays when a person has looked at it.
        block_on(account.resolve(call.id, 2)).unwrap().unwrap();
        assert_eq!(read().body, body);
        // It is not taken for the answer to the next question.
        let client = subject.client(&mock()).with_lookup(Lookup::Stored);
        assert!(block_on(client.search("alice_1")).is_err());
    }
}

fn bytes_of_an_uncertain_attempt_are_kept_when_the_call_is_sent_again(open: fn() -> Subject) {
    let (subject, sent) = (open(), AtomicU32::new(0));
    let transport = transport_fn(move |_| {
        let is_first = sent.fetch_add(1, Ordering::Relaxed) == 0;
        let response = Response::new(Bytes::from(&WHOLE[..60]));
        async move {
            Err(if is_first {
                TransportError::response_started(response, "the connection was closed")
            } else {
                TransportError::never_sent("the connection was refused")
            })
        }
    });
    let mut retry = RetryPolicy::default();
    retry.resend_uncertain = true;
    let client = subject.client(&mock()).with_retry(retry).with_transport(transport);
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 4));
    let answer = block_on(subject.account().call(error.call().unwrap())).unwrap().unwrap().1.unwrap();
    assert_eq!(answer.body, &WHOLE.as_bytes()[..60], "{}", subject.name);
}

fn answer_with_a_long_username_is_stored_and_erased(open: fn() -> Subject) {
    let subject = open();
    // Without repeated parts, which an index could compress.
    let part = |number: u32| format!("{:x}", number.wrapping_mul(2_654_435_761));
    let name = (0..2000).map(part).collect::<Vec<_>>().concat();
    let user = format!(r#""id":1,"username":"{name}""#);
    let body = Bytes::from(WHOLE.replace(r#""id":1"#, &user));
    let transport = transport_fn(move |_| {
        let response = Response::new(body.clone());
        async move { Ok(response) }
    });
    let client = subject.client(&mock()).with_transport(transport);
    let reply = block_on(client.search("alice_1")).unwrap();
    assert!(matches!(reply.storage(), Some(Storage::Stored)), "{}: {:?}", subject.name, reply.storage());
    let erased = block_on(subject.account().erase(&"alice_1".parse().unwrap())).unwrap();
    assert_eq!((erased.questions, erased.answers), (1, 1), "{}", subject.name);
}

fn erasing_a_person_keeps_undecodable_answers_about_unknown_users(open: fn() -> Subject) {
    let subject = open();
    // As the service answers if it knows nothing, but with a price that cannot be read.
    let unknown = WHOLE.replace(r#""id":1"#, r#""id":0,"username":"""#).replace(r#":0,"num"#, r#":[],"num"#);
    let transport = transport_fn(move |_| {
        let response = Response::new(Bytes::from(unknown.clone()));
        async move { Ok(response) }
    });
    let client = subject.client(&mock()).with_transport(transport);
    let errors = ["alice_1", "bob_1"].map(|name| block_on(client.search(name)).unwrap_err());
    assert!(errors.iter().all(tgscan_core::Error::is_decode), "{errors:?}");
    let erased = block_on(subject.account().erase(&"alice_1".parse().unwrap())).unwrap();
    assert_eq!((erased.questions, erased.answers), (1, 1), "{}", subject.name);
}

/// Returns a transport whose first attempt breaks off after 60 bytes, and which then answers with `next`.
fn cut_then(
    next: impl Fn() -> Outcome + Send + Sync + 'static,
    at_first: impl Fn() + Send + Sync + 'static,
) -> impl Transport + 'static {
    let sent = AtomicU32::new(0);
    transport_fn(move |_| {
        let outcome = if sent.fetch_add(1, Ordering::Relaxed) == 0 {
            at_first();
            let response = Response::new(Bytes::from(&WHOLE[..60]));
            Some(Err(TransportError::response_started(response, "the connection was closed")))
        } else {
            next()
        };
        async move {
            match outcome {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        }
    })
}

/// The outcome of an attempt; `None` if it never ends.
type Outcome = Option<Result<Response<Bytes>, TransportError>>;

fn resending() -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    retry.resend_uncertain = true;
    retry
}

fn stored(subject: &Subject, call: CallId) -> Bytes {
    block_on(subject.account().call(call)).unwrap().unwrap().1.unwrap().body
}

fn bytes_that_may_be_paid_are_not_replaced_by_a_free_or_failed_response(open: fn() -> Subject) {
    for (status, body) in [(429, "busy"), (502, "<html>Bad Gateway</html>")] {
        let subject = open();
        let page = move || {
            let mut page = Response::new(Bytes::from(body));
            *page.status_mut() = StatusCode::from_u16(status).unwrap();
            Some(Ok(page))
        };
        let client = subject.client(&mock()).with_retry(resending()).with_transport(cut_then(page, || {}));
        let error = block_on(client.search("alice_1")).unwrap_err();
        assert_eq!((error.response().unwrap().body(), error.attempts()), (&Bytes::from(body), 4));
        assert_eq!(error.earlier_responses()[0].body(), &WHOLE.as_bytes()[..60]);
        assert_eq!(stored(&subject, error.call().unwrap()), &WHOLE.as_bytes()[..60], "{}", subject.name);
    }
}

#[test]
fn bytes_are_kept_when_the_call_loses_its_claim() {
    // The clock stands still, so that only the answer of the call's row changes.
    let clock = tgscan_store::Clock::new(|| SystemTime::UNIX_EPOCH + 1000 * HOUR);
    let (memory, mock) = (tgscan_store::MemoryStore::new().with_clock(clock), mock());
    let crashing = memory.clone();
    let transport = cut_then(|| panic!("sent again"), move || crashing.simulate_crash());
    let client = mock.client().with_store(Arc::new(memory.clone()), policy());
    let client = client.with_retry(resending()).with_transport(transport);
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert!(matches!(error.store_refusal(), Some(StoreRefusal::ClaimLost)), "{error}");
    assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 1));
    assert_eq!(error.response().unwrap().body(), &WHOLE.as_bytes()[..60]);
    let account = client.account().unwrap();
    let (call, answer) = block_on(account.call(error.call().unwrap())).unwrap().unwrap();
    assert_eq!((call.state(), &answer.unwrap().body[..]), (CallState::Uncertain, &WHOLE.as_bytes()[..60]));
    let totals = block_on(client.book()).unwrap().totals();
    assert_eq!((totals.in_flight_calls, totals.uncertain_attempts), (0, 1));
}

fn bytes_are_kept_when_the_call_is_dropped(open: fn() -> Subject) {
    // In the backoff after the first attempt, and during the second one.
    for is_sent_again in [false, true] {
        let (subject, is_waiting) = (open(), Arc::new(AtomicBool::new(false)));
        let waiting = is_waiting.clone();
        let second = move || {
            waiting.store(true, Ordering::Relaxed);
            None
        };
        let first = is_waiting.clone();
        let transport = cut_then(second, move || first.store(!is_sent_again, Ordering::Relaxed));
        let mut retry = resending();
        if !is_sent_again {
            (retry.base_backoff, retry.max_backoff) = (HOUR, HOUR);
            retry.max_elapsed = 2 * HOUR;
        }
        let client = mock().client().with_store(subject.store.clone(), policy());
        let client = client.with_timer(Stopped(!is_sent_again)).with_retry(retry).with_transport(transport);
        let mut call = Box::pin(client.search("alice_1"));
        while !is_waiting.load(Ordering::Relaxed) {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(call);
        drop(client);
        let calls = block_on(subject.account().unresolved()).unwrap();
        let [call] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!(stored(&subject, call.id), &WHOLE.as_bytes()[..60], "{}", subject.name);
    }
}

/// A stopped clock, whose sleeps end immediately or never.
struct Stopped(bool);

#[tgscan_core::async_trait]
impl Timer for Stopped {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    async fn sleep(&self, _: Duration) {
        if self.0 {
            std::future::pending::<()>().await;
        }
    }
}

/// Panics in one transaction, before or after it was written.
struct Panics {
    transaction: u32,
    is_written: bool,
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Panics {
    fn count(&self, counter: &AtomicU32, panics: bool) {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        assert!(!panics || number != self.transaction, "the store panics on purpose");
    }
}

impl Change for Panics {
    fn before(&self) -> Result<(), StoreError> {
        self.count(&self.begun, !self.is_written);
        Ok(())
    }

    fn after(&self) -> Result<(), StoreError> {
        self.count(&self.ended, self.is_written);
        Ok(())
    }
}

fn over(subject: &Subject, transaction: u32, is_written: bool) -> Arc<dyn Store> {
    let (begun, ended) = (AtomicU32::new(0), AtomicU32::new(0));
    Arc::new(Over::new(subject.store.clone(), Panics { transaction, is_written, begun, ended }))
}

fn panic_of_the_store_loses_no_answer(open: fn() -> Subject) {
    for is_written in [false, true] {
        let (subject, mock) = (open(), mock());
        // The first transaction claims, the second one settles.
        let client = mock.client().with_store(over(&subject, 1, is_written), policy());
        let reply = block_on(client.search("alice_1")).unwrap();
        assert_eq!(reply.credits, Credits::Charged(2));
        assert!(matches!(reply.storage(), Some(Storage::NotStored(_))), "{:?}", reply.storage());
        // Its last handle waits until all settlements are written.
        drop(client);
        let again = block_on(subject.client(&mock).with_lookup(Lookup::Stored).search("alice_1")).unwrap();
        assert_eq!((again.raw(), again.credits), (reply.raw(), Credits::NotCharged), "{}", subject.name);
        let totals = block_on(subject.account().book()).unwrap().totals();
        assert_eq!((totals.charged, totals.in_flight_calls, searches(&mock)), (2, 0, 1));
    }
}

fn claim_of_a_store_that_panics_is_given_back(open: fn() -> Subject) {
    for is_written in [false, true] {
        let (subject, mock) = (open(), mock());
        let client = mock.client().with_store(over(&subject, 0, is_written), policy());
        let error = block_on(client.search("alice_1")).unwrap_err();
        assert_eq!((error.credits(), searches(&mock)), (Credits::NotCharged, 0), "{error}");
        drop(client);
        assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty(), "{}", subject.name);
        assert!(block_on(subject.client(&mock).search("alice_1")).is_ok());
    }
}

/// A store whose first commit is in doubt, and whose owner is lost before the next transaction.
struct InDoubt(tgscan_store::MemoryStore, AtomicU32);

impl Change for InDoubt {
    fn before(&self) -> Result<(), StoreError> {
        if self.1.load(Ordering::Relaxed) == 1 {
            self.0.simulate_crash();
        }
        Ok(())
    }

    fn after(&self) -> Result<(), StoreError> {
        match self.1.fetch_add(1, Ordering::Relaxed) {
            0 => Err(StoreError::new("the reply to the commit was lost").in_doubt()),
            _ => Ok(()),
        }
    }
}

#[test]
fn claim_in_doubt_is_given_back_after_its_owner_was_lost() {
    let (memory, mock) = (tgscan_store::MemoryStore::new(), mock());
    let store = Arc::new(Over::new(Arc::new(memory.clone()), InDoubt(memory.clone(), AtomicU32::new(0))));
    let client = mock.client().with_store(store, policy());
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!((error.credits(), searches(&mock)), (Credits::NotCharged, 0), "{error}");
    assert!(block_on(client.search("alice_1")).is_ok());
    let totals = block_on(client.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.uncertain_attempts, searches(&mock)), (2, 0, 1));
}

/// A store whose first commit is in doubt, and whose second transaction fails before it begins.
struct InDoubtThenFailed(AtomicU32);

impl Change for InDoubtThenFailed {
    fn before(&self) -> Result<(), StoreError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            1 => Err(StoreError::new("the server is starting")),
            _ => Ok(()),
        }
    }

    fn after(&self) -> Result<(), StoreError> {
        match self.0.load(Ordering::Relaxed) {
            1 => Err(StoreError::new("the reply to the commit was lost").in_doubt()),
            _ => Ok(()),
        }
    }
}

#[test]
fn claim_in_doubt_is_given_back_although_the_next_transaction_fails() {
    let (subject, mock) = (Subject::memory(), mock());
    let store = Arc::new(Over::new(subject.store.clone(), InDoubtThenFailed(AtomicU32::new(0))));
    let client = mock.client().with_store(store, policy());
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert_eq!((error.credits(), searches(&mock)), (Credits::NotCharged, 0), "{error}");
    let left = block_on(client.drain(std::time::Duration::from_secs(60)));
    assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 0));
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
    assert!(block_on(subject.client(&mock).search("alice_1")).is_ok());
}

/// A store whose transactions take longer than a call may wait.
struct Slow(VirtualTimer);

impl Change for Slow {
    fn before(&self) -> Result<(), StoreError> {
        self.0.advance(std::time::Duration::from_secs(70));
        Ok(())
    }
}

#[test]
fn call_that_a_store_confirms_too_late_names_the_limit_and_costs_nothing() {
    let (subject, mock, timer) = (Subject::memory(), mock(), VirtualTimer::new());
    let store = Arc::new(Over::new(subject.store.clone(), Slow(timer.clone())));
    let client = mock.client().with_timer(timer).with_store(store, policy());
    let error = block_on(client.search("alice_1")).unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("`max_elapsed`"), "{error}");
    assert_eq!((error.credits(), error.delivery()), (Credits::NotCharged, Some(Delivery::NeverSent)));
    assert!(block_on(subject.account().calls(0, 10)).unwrap().is_empty());
    assert_eq!(searches(&mock), 0);
}

with_each_store! {
    erasing_a_person_keeps_undecodable_answers_about_unknown_users,
    answer_with_a_long_username_is_stored_and_erased,
    bytes_are_kept_when_the_call_is_dropped,
    bytes_that_may_be_paid_are_not_replaced_by_a_free_or_failed_response,
    bytes_of_an_uncertain_attempt_are_kept_when_the_call_is_sent_again,
    bytes_that_are_no_answer_are_stored_and_read_back,
    panic_of_the_store_loses_no_answer,
    claim_of_a_store_that_panics_is_given_back,
}
