//! A store over another one, with a part of it changed.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::async_trait;
use tgscan_core::store::{
    AccountName, Changes, Decide, Found, Loaded, Needs, Selection, Store, StoreError, Task,
};

/// What differs from the store below.
pub(crate) trait Change: Send + Sync + 'static {
    /// Renames an account.
    fn name(&self, account: &AccountName) -> AccountName {
        account.clone()
    }

    /// Changes the rows that a transaction asks for.
    fn needs(&self, _: &mut Needs) {}

    /// Changes the rows that a transaction has loaded.
    fn loaded(&self, _: &mut Loaded) {}

    /// Changes the rows that a transaction writes.
    fn changes(&self, _: &mut Changes) {}

    /// Returns an error instead of running a transaction.
    fn before(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns an error after a transaction was written.
    fn after(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns whether a selection finds nothing.
    fn hides(&self, _: &Selection) -> bool {
        false
    }

    /// Changes the rows that are read.
    fn select(&self, rows: Selection) -> Selection {
        rows
    }

    /// Changes the list of accounts.
    fn accounts(&self, _: &mut Vec<AccountName>) {}

    /// Changes for how long a claim is confirmed.
    fn fence(&self, fence: Duration) -> Duration {
        fence
    }

    /// Returns a task to run it, or keeps it.
    fn spawn(&self, task: Task) -> Option<Task> {
        Some(task)
    }
}

/// A store with a change.
pub(crate) struct Over<C> {
    below: Arc<dyn Store>,
    pub(crate) change: Arc<C>,
}

impl<C: Change> Over<C> {
    pub(crate) fn new(below: Arc<dyn Store>, change: C) -> Self {
        Self { below, change: Arc::new(change) }
    }
}

#[async_trait]
impl<C: Change> Store for Over<C> {
    async fn transact(
        &self,
        account: &AccountName,
        mut needs: Needs,
        mut decide: Decide,
    ) -> Result<(), StoreError> {
        self.change.before()?;
        self.change.needs(&mut needs);
        let change = self.change.clone();
        let changed: Decide = Box::new(move |mut loaded| {
            change.loaded(&mut loaded);
            let mut changes = decide(loaded);
            change.changes(&mut changes);
            changes
        });
        self.below.transact(&self.change.name(account), needs, changed).await?;
        self.change.after()
    }

    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError> {
        if self.change.hides(&rows) {
            return Ok(Found::default());
        }
        self.below.read(&self.change.name(account), self.change.select(rows)).await
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let mut accounts = self.below.accounts().await?;
        self.change.accounts(&mut accounts);
        Ok(accounts)
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.below.compact().await
    }

    fn spawn(&self, task: Task) {
        if let Some(task) = self.change.spawn(task) {
            self.below.spawn(task);
        }
    }

    async fn pause(&self, duration: Duration) {
        self.below.pause(duration).await;
    }

    fn fence(&self) -> Duration {
        self.change.fence(self.below.fence())
    }
}
