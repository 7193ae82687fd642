//! The thread that writes: all that waits goes into one transaction and one flush.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use redb::{Database, Error};
use tgscan_core::store::{CallId, Settlement, StoreError};

use super::batch::{Job, Waited};
use super::open::{StorageFailure, explain, is_broken, open};
use super::rewrite::rewrite;
use super::tables::{Reading, Writing};
use crate::tables::Tables;
use crate::{Clock, logic, oneshot};

/// How many pieces of work share a transaction at most.
const BATCH: usize = 256;
/// How many expired calls a transaction removes along the way.
const EXPIRE: usize = 16;

pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    clock: Clock,
    /// `None` after a failed write, until it is opened again.
    database: RwLock<Option<Database>>,
    queue: Mutex<Queue>,
    has_work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    /// Settlements that nobody waits for. They are tried again until they are written.
    settlements: VecDeque<(CallId, Settlement)>,
    rewrites: Vec<oneshot::Sender<Result<(), StoreError>>>,
    is_closed: bool,
}

/// The error of work that was given up because the writer has ended.
pub(super) fn ended() -> StoreError {
    StoreError::new("the store was closed before this was written")
}

impl Writer {
    /// Opens the file, books calls in flight as uncertain, and starts the thread.
    pub(super) fn start(path: PathBuf, clock: Clock) -> Result<Arc<Self>, StoreError> {
        let _ = std::fs::remove_file(super::rewrite::beside(&path));
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(open(&path)?)),
            path,
            clock,
            queue: Mutex::default(),
            has_work: Condvar::new(),
        });
        shared.write(|tables, now| {
            let calls = tables.open()?;
            logic::bury(tables, &calls, now)?;
            logic::expire(tables, now, 1000)?;
            Ok(())
        })?;
        let thread = thread::Builder::new()
            .name("tgscan-store".into())
            .spawn({
                let shared = shared.clone();
                move || shared.serve()
            })
            .map_err(|error| StoreError::new("the store's thread cannot be started").with_source(error))?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Reads in a snapshot, on this thread. Returns `None` after a failed write, until the next one opens the file again.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut Reading, u64) -> Result<T, Error>,
    ) -> Result<Option<T>, StoreError> {
        let database = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else { return Ok(None) };
        let read = || {
            let transaction = database.begin_read()?;
            read(&mut Reading::new(&transaction)?, self.shared.clock.now())
        };
        match read() {
            Ok(value) => Ok(Some(value)),
            // The writer opens the file again, and says what is wrong if it cannot.
            Err(error) if is_broken(&error) => Ok(None),
            Err(error) => Err(self.shared.failure(&explain(&error))),
        }
    }

    /// Adds work. `unclaimed` gets the result if the caller is gone.
    pub(super) fn enqueue<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Writing<'_>, u64) -> Result<T, Error> + Send + 'static,
        unclaimed: impl Fn(Result<T, StoreError>) + Clone + Send + 'static,
    ) -> oneshot::Receiver<Result<T, StoreError>> {
        let (sender, receiver) = oneshot::channel(unclaimed.clone());
        let job = Waited { work: Some(work), result: None, sender, unclaimed };
        self.shared.change(|queue| queue.jobs.push_back(Box::new(job)));
        receiver
    }

    /// Adds a settlement that nobody waits for.
    pub(super) fn settle_later(&self, call: CallId, settlement: Settlement) {
        self.shared.change(|queue| queue.settlements.push_back((call, settlement)));
    }

    /// Adds a rewrite of the whole file.
    pub(super) fn rewrite(&self) -> oneshot::Receiver<Result<(), StoreError>> {
        let (sender, receiver) = oneshot::channel(|_| {});
        self.shared.change(|queue| queue.rewrites.push(sender));
        receiver
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.change(|queue| queue.is_closed = true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What waits is written before the last handle is gone. The thread itself may hold that for a moment.
        if let Some(thread) = thread.filter(|handle| handle.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.lock());
        self.has_work.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, what: &str) -> StoreError {
        StorageFailure { path: self.path.display().to_string(), what: what.to_owned() }.into()
    }

    /// Writes what waits, until the store is closed and nothing waits any more.
    fn serve(&self) {
        loop {
            let (mut jobs, settlements, rewrites) = {
                let mut queue = self.lock();
                while queue.jobs.is_empty() && queue.settlements.is_empty() && queue.rewrites.is_empty() {
                    if queue.is_closed {
                        return;
                    }
                    queue = self.has_work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                let count = queue.jobs.len().min(BATCH);
                let jobs: Vec<_> = queue.jobs.drain(..count).collect();
                (jobs, std::mem::take(&mut queue.settlements), std::mem::take(&mut queue.rewrites))
            };
            let written = self.write(|tables, now| {
                for (call, settlement) in &settlements {
                    logic::settle(tables, *call, settlement, now)?;
                }
                for job in &mut jobs {
                    job.run(tables, now)?;
                }
                logic::expire(tables, now, EXPIRE)?;
                Ok(())
            });
            let has_failed = written.is_err();
            for job in jobs {
                job.done(written.clone());
            }
            for sender in rewrites {
                let _ = sender.send(self.rewrite());
            }
            if has_failed {
                let mut queue = self.lock();
                // Before what came since, and again with the next work that comes.
                let newer = std::mem::replace(&mut queue.settlements, settlements);
                queue.settlements.extend(newer);
                while queue.jobs.is_empty() && queue.rewrites.is_empty() {
                    if queue.is_closed {
                        return;
                    }
                    queue = self.has_work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Does some work in one transaction, which is durable when this returns.
    fn write(&self, work: impl FnOnce(&mut Writing<'_>, u64) -> Result<(), Error>) -> Result<(), StoreError> {
        self.open_again()?;
        let now = self.clock.now();
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_ref() else { return Err(self.failure("an earlier write failed")) };
        let write = || -> Result<(), Error> {
            let transaction = database.begin_write()?;
            work(&mut Writing::new(&transaction)?, now)?;
            transaction.commit()?;
            Ok(())
        };
        let written = match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written,
            Err(_) => Err(Error::Corrupted("writing panicked".into())),
        };
        drop(guard);
        written.map_err(|error| {
            if is_broken(&error) {
                *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
            }
            self.failure(&explain(&error))
        })
    }

    /// Opens the file again after a failed write, which redb asks for. What was committed is in it.
    fn open_again(&self) -> Result<(), StoreError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some(open(&self.path)?);
        }
        Ok(())
    }

    fn rewrite(&self) -> Result<(), StoreError> {
        self.open_again()?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = database.as_ref() else { return Err(self.failure("an earlier write failed")) };
        let new = rewrite(old, &self.path).map_err(|what| {
            self.failure(&format!(
                "was erased from, but not compacted, so that old pages remain: {what}; erase again"
            ))
        })?;
        *database = Some(new);
        Ok(())
    }
}
