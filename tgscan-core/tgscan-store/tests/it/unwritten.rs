//! Settlements that a store cannot write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_executor::block_on;
use tgscan_core::Storage;
use tgscan_core::store::{Changes, StoreError};

use crate::over::{Change, Over};
use crate::support::{Subject, mock, policy, searches};

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
