//! A store that a crash disconnects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tgscan_core::async_trait;
use tgscan_core::store::{
    AccountName, Call, CallId, Decide, Found, Index, JournalEntry, Needs, RowKey, Store, StoreError, Task,
};

/// A store handle of one process. After [`kill`](Self::kill), all operations fail.
pub(super) struct Process(Mutex<Option<Arc<dyn Store>>>);

impl Process {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(Mutex::new(Some(store)))
    }

    pub(super) fn kill(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.ok_or_else(|| StoreError::new("the process was killed"))
    }
}

#[async_trait]
impl Store for Process {
    async fn transact(&self, account: &AccountName, needs: Needs, decide: Decide) -> Result<(), StoreError> {
        self.store()?.transact(account, needs, decide).await
    }

    async fn read(&self, account: &AccountName, row: RowKey) -> Result<Found, StoreError> {
        self.store()?.read(account, row).await
    }

    async fn calls(
        &self,
        account: &AccountName,
        after: CallId,
        limit: usize,
    ) -> Result<Vec<Call>, StoreError> {
        self.store()?.calls(account, after, limit).await
    }

    async fn find(
        &self,
        account: &AccountName,
        index: Index,
        limit: usize,
    ) -> Result<Vec<CallId>, StoreError> {
        self.store()?.find(account, index, limit).await
    }

    async fn journal(
        &self,
        account: &AccountName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.store()?.journal(account, after, limit).await
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        self.store()?.accounts().await
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.store()?.compact().await
    }

    fn spawn(&self, task: Task) {
        if let Ok(store) = self.store() {
            store.spawn(task);
        }
    }

    async fn pause(&self, duration: Duration) {
        if let Ok(store) = self.store() {
            store.pause(duration).await;
        }
    }

    fn fence(&self) -> Duration {
        self.store().map_or(Duration::ZERO, |store| store.fence())
    }
}
