//! A store in a file, for one process.
#![expect(clippy::result_large_err, reason = "it is redb's own error, and no path that is taken often")]

mod answer;
mod batch;
mod open;
mod rewrite;
mod tables;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tgscan_core::store::{
    AccountBook, BillRow, CallId, Claim, ClaimRequest, Erased, ReconcileStart, Settlement, Store, StoreError,
    StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;

use crate::tables::Tables;
use crate::{Clock, logic};
use writer::Writer;

/// A store in one file, for one process: with redb, an embedded database.
///
/// What it promises is on disk (`fsync`) before a call goes on; claims and answers of calls that run at the same time
/// share a flush. Calls that were in flight when the process died are uncertain when the file is opened again. Another
/// process that opens the file meanwhile gets an error.
///
/// Clones share the file; it is closed when the last one and the calls in flight are gone. Works in any runtime, and
/// without one: writing has a thread of its own. A stored answer is read on the caller's thread.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("tgscan-store-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("calls.tgscan");
/// use tgscan_store::FileStore;
///
/// let store = FileStore::open(path)?;
/// # drop(store);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FileStore {
    writer: Arc<Writer>,
}

impl FileStore {
    /// Opens a store, or creates one where there is no file. After its process was killed, redb reads the whole file first:
    /// some seconds for a gigabyte.
    ///
    /// # Errors
    /// If the file is no store, is of a newer version, is damaged, is open in another process, or cannot be read and
    /// written. Nothing is overwritten then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(path, Clock::default())
    }

    /// As [`open`](Self::open), with a clock of your own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self, StoreError> {
        let path: PathBuf = path.as_ref().to_owned();
        Ok(Self { writer: Writer::start(path, clock)? })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut tables::Writing<'_>, u64) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.writer.enqueue(work, |_| {});
        done.receive().await.unwrap_or_else(|| Err(writer::ended()))
    }
}

#[async_trait]
impl Store for FileStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        // A stored answer needs no writing. All else is decided where it is written.
        if let Some(claim) = self.writer.read(|tables, now| logic::look(tables, request, now))?.flatten() {
            if matches!(claim, Claim::Stored(_) | Claim::NotStored) {
                return Ok(claim);
            }
        }
        let request = request.clone();
        let writer = Arc::downgrade(&self.writer);
        let claimed = self.writer.enqueue(
            move |tables, now| logic::claim(tables, &request, now),
            // The caller is gone, and nothing was sent.
            move |claim| {
                if let (Ok(Claim::Granted(call)), Some(writer)) = (claim, writer.upgrade()) {
                    writer.settle_later(call, Settlement::NotCharged);
                }
            },
        );
        claimed.receive().await.unwrap_or_else(|| Err(writer::ended()))
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        self.run(move |tables, now| logic::settle(tables, call, &settlement, now)).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.writer.settle_later(call, settlement);
    }

    async fn book(&self, account: &str) -> Result<AccountBook, StoreError> {
        let account = account.to_owned();
        self.run(move |tables, _| tables.book(&account)).await
    }

    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError> {
        let account = account.to_owned();
        self.run(move |tables, _| logic::uncertain(tables, &account)).await
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        self.run(move |tables, _| logic::resolve(tables, call, credits)).await
    }

    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError> {
        let account = account.to_owned();
        self.run(move |tables, now| logic::start_reconcile(tables, &account, now)).await
    }

    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError> {
        let account = account.to_owned();
        self.run(move |tables, _| logic::finish_reconcile(tables, &account, start, balance)).await
    }

    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.run(move |tables, _| logic::record_top_up(tables, &account, credits)).await
    }

    async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        self.run(|tables, _| tables.bill()).await
    }

    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        self.run(move |tables, now| logic::calls(tables, after, limit, now)).await
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            // In steps, so that calls go on in between.
            let step = self.run(|tables, now| logic::expire(tables, now, 1000)).await?;
            removed += step;
            if step == 0 {
                return Ok(removed);
            }
        }
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        let person = person.clone();
        let erased = self.run(move |tables, now| logic::erase(tables, &person, now)).await?;
        self.writer.rewrite().receive().await.unwrap_or_else(|| Err(writer::ended()))?;
        Ok(erased)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}
