//! A store in a file, for one process.
#![expect(clippy::result_large_err, reason = "the error type is redb's, and errors are rare")]

mod check;
mod codec;
mod database;
mod executor;
mod open;
mod pages;
mod rewrite;
mod salvage;
mod shared;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tgscan_core::store::{AccountName, Decide, Found, Needs, Selection, Store, StoreError, Task};

use crate::Clock;
use crate::tables;
use database::{EARLIER_FAILURE, Rows, explain, guarded};
use executor::Executor;
pub use salvage::{Salvage, Salvaged, Unreadable};
use shared::{Shared, database, name};

/// A store in one file, for one process. Uses the embedded database redb.
///
/// Claims and answers are on disk (`fsync`) before a call continues; concurrent calls share a flush. Calls that were in
/// flight when the process died are uncertain when the file is opened again. While the file is open, other processes
/// that open it get an error.
///
/// Clones share the file. It is closed after the last clone is dropped and the calls in flight have ended. Works with
/// any runtime or none, because the store has its own thread. Stored answers are read on the caller's thread.
///
/// Each page of the file has a checksum, which is verified when the page is read: reading damaged data is an error.
/// [`salvage`](Self::salvage) reads the undamaged rows of a damaged file.
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
    shared: Arc<Shared>,
}

type Snapshot = Rows<redb::ReadOnlyTable<&'static [u8], &'static [u8]>>;

impl FileStore {
    /// Opens the store in a file, or creates the file if it does not exist. Only the owner of a new file can read it.
    ///
    /// # Errors
    /// If the file is not a store, has an unknown version, is damaged, is open in another process, or cannot be read
    /// and written. An existing file is then unchanged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(path, Clock::default())
    }

    /// Like [`open`](Self::open), with another clock.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let absolute = std::path::absolute(path)
            .map_err(|error| name(path, &open::io("is not a valid path", &error)))?;
        // A dangling link is kept, and the file is created at its target.
        let target = std::fs::canonicalize(&absolute).unwrap_or_else(|_| open::target(absolute.clone()));
        let named = |error: StoreError| match target.try_exists() {
            Ok(false) if target != absolute => {
                StoreError::new(format!("{}: links to {}, which {error}", path.display(), target.display()))
            }
            _ => name(path, &error),
        };
        let opened = open::open(&target).map_err(named)?;
        open::remove_left_behind(&target);
        let executor = Executor::start().map_err(|error| named(open::io("cannot start a thread", &error)))?;
        Ok(Self { shared: Arc::new(Shared::new(target, clock, opened, executor)) })
    }

    /// Reads in a snapshot, on this thread.
    fn snapshot<T>(&self, read: impl Fn(&Snapshot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut is_repeated = false;
        loop {
            let store = self.shared.opened()?;
            let result = guarded(|| {
                let transaction = database(&store)?.begin_read().map_err(|error| explain(&error.into()))?;
                read(&Rows::read(&transaction)?)
            });
            drop(store);
            // A write on another thread has just failed.
            if !is_repeated && result.as_ref().is_err_and(|error| error.to_string() == EARLIER_FAILURE) {
                is_repeated = true;
                self.shared.close();
                continue;
            }
            return result.map_err(|error| self.shared.named(&error));
        }
    }
}

#[async_trait]
impl Store for FileStore {
    async fn transact(
        &self,
        account: &AccountName,
        needs: Needs,
        mut decide: Decide,
    ) -> Result<(), StoreError> {
        self.shared.write(account, &needs, &mut *decide)
    }

    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError> {
        let read = move |store: &Self, account: &AccountName, rows: &Selection| {
            let now = store.shared.clock.now();
            store.snapshot(|snapshot| tables::read(snapshot, account, rows, now))
        };
        if !matches!(rows, Selection::People(_)) {
            return read(self, account, &rows);
        }
        // Not on the caller's thread, because this reads rows of all calls.
        let (store, account) = (self.clone(), account.clone());
        executor::on_thread(move || read(&store, &account, &rows)).await
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        self.snapshot(tables::accounts)
    }

    async fn compact(&self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        // Not on the caller's thread, because this takes long.
        executor::on_thread(move || shared.rewrite()).await
    }

    fn spawn(&self, task: Task) {
        self.shared.executor.spawn(task);
    }

    async fn pause(&self, duration: Duration) {
        self.shared.executor.pause(duration).await;
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}
