//! A store in a file, for one process.
#![expect(clippy::result_large_err, reason = "it is redb's own error, and no path that is taken often")]

mod codec;
mod database;
mod open;
mod rewrite;

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use async_trait::async_trait;
use redb::Database;
use tgscan_core::store::{
    AccountName, AccountRow, Answer, Call, CallId, Changes, Decide, Index, JournalEntry, Needs, OwnerId,
    QuestionRow, Store, StoreError, Task,
};

use crate::Clock;
use crate::tables;
use database::{EARLIER_FAILURE, META, Snapshot, Transaction, explain, guarded};

/// A store in one file, for one process: with redb, an embedded database.
///
/// What it promises is on disk (`fsync`) before a call goes on; claims and answers of concurrent calls share a flush. Calls
/// that were in flight when the process died are uncertain when the file is opened again. Another process that opens the
/// file meanwhile gets an error.
///
/// Clones share the file; it is closed when the last one and the calls in flight are gone. Works in any runtime, and
/// without one: it has a thread of its own. A stored answer is read on the caller's thread.
///
/// Before the first call of a process is paid for, the whole file is checked for damage, about a second per gigabyte. Stored
/// answers do not wait for that: each row has a checksum.
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

struct Shared {
    /// Absolute, and without links, so that the file is the same wherever the process goes.
    path: PathBuf,
    clock: Clock,
    /// `None` after a failed write, until it is opened again.
    database: RwLock<Option<Database>>,
    owner: OwnerId,
    /// Whether the whole file was checked.
    is_checked: Mutex<bool>,
    tasks: Mutex<Option<Sender<Task>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileStore {
    /// Opens a store, or creates one where there is no file. The file can be read by its owner alone.
    ///
    /// # Errors
    /// If the file is not a store, is of another version, is damaged, is open in another process, or cannot be read and
    /// written. Nothing is changed then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(path, Clock::default())
    }

    /// As [`open`](Self::open), with a clock of your own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |error: StoreError| name(path, &error);
        // A link that leads nowhere yet is followed by the creation.
        let absolute = std::path::absolute(path).map_err(|error| named(open::io("is not a path", &error)))?;
        let absolute = std::fs::canonicalize(&absolute).unwrap_or(absolute);
        let database = open::open(&absolute).map_err(named)?;
        rewrite::remove_left_behind(&absolute);
        let owner = next_owner(&database).map_err(named)?;
        let (tasks, received) = channel();
        let thread = thread::Builder::new().name("tgscan-store".into()).spawn(move || serve(&received));
        let thread = thread.map_err(|error| named(open::io("has no thread", &error)))?;
        let shared = Shared {
            path: absolute,
            clock,
            database: RwLock::new(Some(database)),
            owner,
            is_checked: Mutex::new(false),
            tasks: Mutex::new(Some(tasks)),
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads in a snapshot, on this thread; the default if there is no such account.
    fn read<T: Default>(
        &self,
        account: &AccountName,
        read: impl Fn(&Snapshot<'_>, u32) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.snapshot(|snapshot| match tables::account(snapshot, account)? {
            Some((number, _)) => read(snapshot, number),
            None => Ok(T::default()),
        })
    }

    fn snapshot<T>(&self, read: impl Fn(&Snapshot<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let read_once = || {
            self.shared.open_again()?;
            let database = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
            guarded(|| {
                let Some(database) = database.as_ref() else {
                    return Err(StoreError::new(EARLIER_FAILURE));
                };
                let transaction = database.begin_read().map_err(|error| explain(&error.into()))?;
                read(&Snapshot(&transaction))
            })
        };
        let mut result = read_once();
        // A write on another thread has failed just now.
        if result.as_ref().is_err_and(|error| error.to_string() == EARLIER_FAILURE) {
            self.shared.close();
            result = read_once();
        }
        result.map_err(|error| self.shared.named(&error))
    }
}

impl Shared {
    fn named(&self, error: &StoreError) -> StoreError {
        name(&self.path, error)
    }

    /// Runs a transaction, which is durable when this returns.
    fn write(
        &self,
        account: &AccountName,
        needs: &Needs,
        decide: &mut (dyn FnMut(tgscan_core::store::Loaded) -> Changes + Send),
    ) -> Result<(), StoreError> {
        self.open_again()?;
        self.check()?;
        let now = self.clock.now();
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let mut is_committing = false;
        let written = guarded(|| {
            let Some(database) = guard.as_ref() else {
                return Err(StoreError::new(EARLIER_FAILURE));
            };
            let transaction = database.begin_write().map_err(|error| explain(&error.into()))?;
            let changes = {
                let mut tables = Transaction::new(&transaction);
                let row = tables::account(&tables, account)?;
                let number = row.as_ref().map(|(number, _)| *number);
                let changes = decide(tables::load(&tables, row, needs, self.owner, now)?);
                tables::apply(&mut tables, account, number, &changes)?;
                changes
            };
            if !changes.is_empty() {
                is_committing = true;
                transaction.commit().map_err(|error| explain(&error.into()))?;
            }
            Ok(())
        });
        drop(guard);
        written.map_err(|error| {
            // redb asks for that after a failed write. What was committed is in the file.
            self.close();
            let error = self.named(&error);
            // The pages may be on disk although their flush failed.
            if is_committing { error.in_doubt() } else { error }
        })
    }

    /// Checks every page of the file once, before anything is paid for: a lost row could be paid for twice.
    fn check(&self) -> Result<(), StoreError> {
        let mut is_checked = self.is_checked.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_checked {
            let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
            let checked = guarded(|| match database.as_mut().map(Database::check_integrity) {
                Some(Ok(true)) | None => Ok(()),
                Some(Ok(false)) => Err(StoreError::new("is damaged; restore it from a backup")),
                Some(Err(error)) => Err(explain(&error.into())),
            });
            checked.map_err(|error| self.named(&error))?;
            *is_checked = true;
        }
        Ok(())
    }

    fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Opens the file again after a failed write.
    fn open_again(&self) -> Result<(), StoreError> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some(open::open(&self.path).map_err(|error| self.named(&error))?);
        }
        Ok(())
    }
}

/// Runs the store's tasks, one after the other.
fn serve(tasks: &Receiver<Task>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    for task in tasks {
        let mut task = pin!(task);
        while guarded(|| Ok(task.as_mut().poll(&mut Context::from_waker(&waker))))
            .is_ok_and(|poll| poll.is_pending())
        {
            thread::park();
        }
    }
}

/// The number of this process as an owner, which no earlier one had.
fn next_owner(database: &Database) -> Result<OwnerId, StoreError> {
    let next = || -> Result<OwnerId, redb::Error> {
        let transaction = database.begin_write()?;
        let owner = {
            let mut meta = transaction.open_table(META)?;
            let last = redb::ReadableTable::get(&meta, "owner")?.map_or(0, |last| last.value());
            meta.insert("owner", last + 1)?;
            last + 1
        };
        transaction.commit()?;
        Ok(owner)
    };
    guarded(|| next().map_err(|error| explain(&error)))
}

fn name(path: &Path, error: &StoreError) -> StoreError {
    StoreError::new(format!("{}: {error}", path.display()))
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

    async fn account(&self, account: &AccountName) -> Result<(AccountRow, u64), StoreError> {
        let row = self.snapshot(|snapshot| tables::account(snapshot, account))?;
        Ok((row.map(|(_, row)| row).unwrap_or_default(), self.shared.clock.now()))
    }

    async fn answer(
        &self,
        account: &AccountName,
        question: &str,
    ) -> Result<(QuestionRow, Option<Answer>, u64), StoreError> {
        let (row, answer) = self.read(account, |snapshot, number| {
            let row = tables::question(snapshot, number, question)?.unwrap_or_default();
            let answered =
                row.answered.map(|(call, ..)| tables::answer(snapshot, number, call)).transpose()?;
            Ok((row, answered.flatten()))
        })?;
        Ok((row, answer, self.shared.clock.now()))
    }

    async fn call(
        &self,
        account: &AccountName,
        call: CallId,
    ) -> Result<Option<(Call, Option<Answer>)>, StoreError> {
        self.read(account, |snapshot, number| {
            let Some(row) = tables::call(snapshot, number, call)? else { return Ok(None) };
            Ok(Some((row, tables::answer(snapshot, number, call)?)))
        })
    }

    async fn calls(
        &self,
        account: &AccountName,
        after: CallId,
        limit: usize,
    ) -> Result<Vec<Call>, StoreError> {
        self.read(account, |snapshot, number| tables::calls(snapshot, number, after, limit))
    }

    async fn find(
        &self,
        account: &AccountName,
        index: Index,
        limit: usize,
    ) -> Result<Vec<CallId>, StoreError> {
        let now = self.shared.clock.now();
        self.read(account, |snapshot, number| tables::find(snapshot, number, &index, limit, now))
    }

    async fn journal(
        &self,
        account: &AccountName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        self.read(account, |snapshot, number| tables::journal(snapshot, number, after, limit))
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        self.snapshot(|snapshot| tables::accounts(snapshot))
    }

    async fn compact(&self) -> Result<(), StoreError> {
        self.shared.rewrite()
    }

    fn spawn(&self, task: Task) {
        if let Some(tasks) = &*self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread ends after the last handle only.
            let _ = tasks.send(task);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the store's own thread waits")]
    async fn pause(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The thread itself may hold the last handle for a moment.
        if let Some(thread) = thread.filter(|handle| handle.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}
