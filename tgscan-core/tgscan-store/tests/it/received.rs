//! Received bytes are stored, whatever they are and whatever happens to the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::Response;
use tgscan_core::store::{CallState, Lookup, Store, StoreError};
use tgscan_core::transport::Delivery;
use tgscan_core::{Credits, RetryPolicy, Storage, TransportError, transport_fn};
use tgscan_mock::VirtualTimer;

use crate::over::{Change, Over};
use crate::support::{Subject, mock, policy, searches, with_each_store};

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
    bytes_of_an_uncertain_attempt_are_kept_when_the_call_is_sent_again,
    bytes_that_are_no_answer_are_stored_and_read_back,
    panic_of_the_store_loses_no_answer,
    claim_of_a_store_that_panics_is_given_back,
}
