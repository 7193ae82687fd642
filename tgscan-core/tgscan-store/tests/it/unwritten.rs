//! Settlements that a store cannot write.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::Response;
use tgscan_core::store::{Account, AccountName, CallState, Changes, StoreError, StorePolicy};
use tgscan_core::{Credits, Storage, transport_fn};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject, mock, policy, searches};

const ANSWER: &[u8] = br#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"alice_1","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;

/// A store that fails to write answers to questions about `alice_1`, as if they were too long for its time limit.
#[derive(Default)]
struct Refuses(AtomicBool);

impl Change for Refuses {
    fn changes(&self, changes: &mut Changes) {
        let is_refused = |body: &[u8]| body.windows(7).any(|part| part == b"alice_1");
        if changes.answers.iter().any(|(_, answer)| answer.as_ref().is_some_and(|it| is_refused(&it.body))) {
            self.0.store(true, Ordering::Relaxed);
            *changes = Changes::default();
        }
    }

    fn after(&self) -> Result<(), StoreError> {
        if self.0.swap(false, Ordering::Relaxed) { Err(StoreError::new("too slow")) } else { Ok(()) }
    }
}

#[test]
fn settlement_that_always_fails_does_not_fail_other_calls() {
    let (subject, mock) = (Subject::file(), mock());
    let store = Arc::new(Over::new(subject.store.clone(), Refuses::default()));
    let client = mock.client().with_store(store, policy());
    let storage = |name: &str| block_on(client.search(name)).unwrap().storage().cloned();
    assert!(matches!(storage("alice_1"), Some(Storage::NotStored(_))));
    for number in 0..2 {
        let stored = storage(&format!("bob_{number}1"));
        assert!(matches!(stored, Some(Storage::Stored)), "{number}: {stored:?}");
    }
    assert_eq!(searches(&mock), 3);
}

/// A store whose account is replaced by another one, as when its database is restored.
#[derive(Default)]
struct Restored(AtomicBool);

impl Change for Restored {
    fn name(&self, account: &AccountName) -> AccountName {
        let label = if self.0.load(Ordering::Relaxed) { "restored" } else { &account.label };
        AccountName::new(label, &account.service)
    }
}

#[test]
fn settlement_of_a_call_whose_id_was_reused_is_not_stored() {
    let (subject, mock) = (Subject::memory(), mock());
    let restored = Account::new(subject.store.clone(), AccountName::new("restored", "mock"));
    let other = mock.client().with_store(subject.store.clone(), StorePolicy::new("restored", HOUR, HOUR));
    let other = other.with_transport(transport_fn(|_| pending()));
    let mut asking = Box::pin(other.search("bob_1"));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let store = Over::new(subject.store.clone(), Restored::default());
    let change = store.change.clone();
    let transport = transport_fn(move |_| {
        change.0.store(true, Ordering::Relaxed);
        ready(Ok(Response::new(Bytes::from_static(ANSWER))))
    });
    let client = mock.client().with_store(Arc::new(store), policy()).with_transport(transport);
    let reply = block_on(client.search("alice_1")).unwrap();
    assert_eq!((reply.call(), reply.credits), (Some(1), Credits::Charged(2)));
    assert!(matches!(reply.storage(), Some(Storage::NotStored(_))), "{:?}", reply.storage());
    let (call, answer) = block_on(restored.call(1)).unwrap().unwrap();
    assert_eq!((call.state(), answer), (CallState::InFlight, None));
}
