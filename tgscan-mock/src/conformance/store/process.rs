//! A store that a crash disconnects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tgscan_core::async_trait;
use tgscan_core::store::{AccountName, Decide, Found, Needs, Selection, Store, StoreError, Task};

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

    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError> {
        self.store()?.read(account, rows).await
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
