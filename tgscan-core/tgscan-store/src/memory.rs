//! A store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tgscan_core::store::{
    AccountName, Call, CallId, Decide, Found, Index, JournalEntry, Needs, OwnerId, RowKey, Store, StoreError,
    Task,
};

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

    fn list<T: Default>(
        &self,
        account: &AccountName,
        read: impl FnOnce(&Memory, u32) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let memory = self.lock();
        match tables::number(&*memory, account)? {
            Some(number) => read(&memory, number),
            None => Ok(T::default()),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn transact(
        &self,
        account: &AccountName,
        needs: Needs,
        mut decide: Decide,
    ) -> Result<(), StoreError> {
        let mut memory = self.lock();
        let row = tables::account(&*memory, account)?;
        let number = row.as_ref().map(|(number, _)| *number);
        let loaded = tables::load(&*memory, row, &needs, self.owner(), self.clock.now())?;
        tables::apply(&mut *memory, account, number, &decide(loaded))
    }

    async fn read(&self, account: &AccountName, row: RowKey) -> Result<Found, StoreError> {
        tables::read(&*self.lock(), account, &row, self.clock.now())
    }

    async fn calls(
        &self,
        account: &AccountName,
        after: CallId,
        limit: usize,
    ) -> Result<Vec<Call>, StoreError> {
        self.list(account, |memory, number| tables::calls(memory, number, after, limit))
    }

    async fn find(
        &self,
        account: &AccountName,
        index: Index,
        limit: usize,
    ) -> Result<Vec<CallId>, StoreError> {
        let now = self.clock.now();
        self.list(account, |memory, number| tables::find(memory, number, &index, limit, now))
    }

    async fn journal(
        &self,
        account: &AccountName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.list(account, |memory, number| tables::journal(memory, number, after, limit))
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
