//! A store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tgscan_core::store::{AccountName, Decide, Found, Needs, OwnerId, Selection, Store, StoreError, Task};

use crate::Clock;
use crate::tables::{self, Pairs, Reads, Writes};

/// A store in memory, for one process: sends equal concurrent questions once, and answers repeated ones.
///
/// The data is lost when the process ends. Clones share it. Answers are kept until they expire, and each call's row
/// (about 300 bytes) is kept permanently.
#[derive(Clone, Default)]
pub struct MemoryStore {
    memory: Arc<Mutex<Memory>>,
    owner: Arc<AtomicU64>,
    clock: Clock,
}

type Memory = BTreeMap<Vec<u8>, Vec<u8>>;

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Marks the owner of every call in flight as lost, as if its process had crashed. For tests.
    pub fn simulate_crash(&self) {
        self.owner.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self) -> OwnerId {
        self.owner.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn transact(&self, account: &AccountName, needs: Needs, decide: Decide) -> Result<(), StoreError> {
        let (owner, now) = (self.owner(), self.clock.now());
        tables::transact(&mut *self.lock(), account, &needs, owner, now, decide).map(drop)
    }

    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError> {
        tables::read(&*self.lock(), account, &rows, self.clock.now())
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        tables::accounts(&*self.lock())
    }

    async fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs the task on this thread, because operations of this store never wait.
    fn spawn(&self, mut task: Task) {
        let _ = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    async fn pause(&self, _: Duration) {}
}

impl Reads for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize, is_descending: bool) -> Result<Pairs, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = BTreeMap::range::<[u8], _>(self, (Bound::Included(from), Bound::Excluded(to)));
        let rows = rows.map(|(key, value)| (key.clone(), value.clone()));
        Ok(if is_descending { rows.rev().take(limit).collect() } else { rows.take(limit).collect() })
    }
}

impl Writes for Memory {
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.insert(key.to_vec(), value.to_vec()),
            None => self.remove(key),
        };
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("rows", &self.lock().len()).finish_non_exhaustive()
    }
}
