//! Combines concurrent operations on an account into one transaction.

mod batch;
mod repeat;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use batch::{Batch, batch_length};

use super::decide::decide;
use super::operation::{Done, Operation, Settlement, needs, next_token};
use super::slot::{Receiver, Sender, slot};
use super::{AccountName, Changes, Loaded, OwnerId, Selection, Store, StoreError};
use crate::account::Cost;
use crate::panics::{self, CatchPanic, catch};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The number of transactions between removals of expired answers.
const EXPIRE_EVERY: u64 = 16;
/// The maximum number of answers in such a removal.
const EXPIRE: usize = 64;
/// The maximum number of repeated transactions of an operation.
const MOST_REPEATS: usize = 100;
/// The number of new questions in a row after which the next one is claimed without looking for a stored answer.
const NEW_IN_A_ROW: u32 = 8;

/// The queue of operations on an account.
pub(crate) struct Writer {
    store: Arc<dyn Store>,
    account: AccountName,
    queue: Mutex<Queue>,
    /// The number of unwritten operations that must not be lost, including those whose caller waits.
    unwritten: Arc<AtomicU64>,
    tasks: Arc<Tasks>,
    /// The owner of the first transaction, which distinguishes its tokens from those of other processes.
    first_owner: Arc<OnceLock<OwnerId>>,
    /// The number of questions in a row without a stored answer.
    new_in_a_row: AtomicU32,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    is_running: bool,
    /// The task that runs the transactions, while it pauses after a failure.
    paused: Option<Waker>,
    /// The number of dropped operations.
    lost: u64,
    transactions: u64,
    /// Tasks that wait until a call ends.
    watching: Vec<Waker>,
    /// The number of transactions that ended calls.
    ends: u64,
}

impl Queue {
    fn has_callers(&self) -> bool {
        self.waiting.iter().any(|job| job.sender.is_some())
    }
}

/// The number of tasks that run the transactions of a queue and have not released its store.
#[derive(Default)]
struct Tasks {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Tasks {
    fn change(&self, change: impl FnOnce(&mut usize)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        // Notifying is a system call, also if no thread waits.
        if *running == 0 {
            self.ended.notify_all();
        }
    }
}

/// The task that runs the transactions of a queue.
struct Running {
    writer: Option<Arc<Writer>>,
    tasks: Arc<Tasks>,
    /// Whether the task has run all transactions.
    is_done: bool,
}

impl Running {
    fn end(mut self) {
        self.is_done = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let writer = self.writer.take();
        if let (Some(writer), false) = (&writer, self.is_done) {
            let mut queue = writer.lock();
            let left: Vec<Job> = queue.waiting.drain(..).collect();
            queue.is_running = false;
            drop(queue);
            drop(Batch { writer, jobs: left });
        }
        // Releases the store first, so that it can be reopened after waiting for the end.
        catch(|| drop(writer));
        self.tasks.change(|running| *running -= 1);
    }
}

/// An operation and its caller.
struct Job {
    operation: Operation,
    /// Dropped when the operation is written, and before its caller continues, because the caller may read the number of
    /// unwritten operations.
    counted: Option<Counted>,
    /// The caller, if there is one.
    sender: Option<Sender<Result<Done, StoreError>>>,
    /// An entry of the journal that the operation needs.
    journal: Option<u64>,
    /// The number of failures without a caller.
    failures: usize,
    /// The number of repeated transactions, each of which changed the row of the question.
    repeats: usize,
    /// Whether the operation is a settlement that failed.
    runs_alone: bool,
}

impl Job {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            counted: None,
            sender: None,
            journal: None,
            failures: 0,
            repeats: 0,
            runs_alone: false,
        }
    }
}

/// An unwritten operation that must not be lost.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Writer {
    pub(crate) fn new(store: Arc<dyn Store>, account: AccountName) -> Arc<Self> {
        Arc::new(Self {
            store,
            account,
            queue: Mutex::default(),
            unwritten: Arc::default(),
            tasks: Arc::default(),
            first_owner: Arc::default(),
            new_in_a_row: AtomicU32::new(0),
        })
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn account(&self) -> &AccountName {
        &self.account
    }

    /// Runs an operation in the next transaction. Releases a claim whose caller was dropped in the meantime.
    pub(crate) fn submit(self: &Arc<Self>, operation: Operation) -> Receiver<Result<Done, StoreError>> {
        let writer = self.clone();
        let token = operation.token();
        let (sender, receiver) = slot(move |done: Result<Done, StoreError>| {
            if let Ok(done) = done {
                writer.release(&done, token);
            }
        });
        // The caller may be dropped before the operation is written.
        let counted = operation.must_be_written(true).then(|| self.count());
        self.push(Job { counted, sender: Some(sender), ..Job::new(operation) });
        receiver
    }

    /// Runs an operation without a caller, and repeats it until it is written.
    pub(crate) fn submit_alone(self: &Arc<Self>, operation: Operation) {
        let counted = Some(self.count());
        self.push(Job { counted, ..Job::new(operation) });
    }

    fn count(&self) -> Counted {
        self.unwritten.fetch_add(1, Ordering::SeqCst);
        Counted(self.unwritten.clone())
    }

    /// Returns the numbers of unwritten operations that must not be lost, and of dropped operations.
    pub(crate) fn unwritten(&self) -> (u64, u64) {
        (self.unwritten.load(Ordering::SeqCst), self.lock().lost)
    }

    /// Blocks this thread until every operation is written, for at most `limit`.
    pub(crate) fn wait_until_idle(&self, limit: Duration) {
        let Tasks { running, ended } = &*self.tasks;
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        drop(ended.wait_timeout_while(running, limit, |running| *running > 0));
    }

    /// Wakes a task when a call ends in this process. Returns the number of transactions that have ended calls.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        let mut queue = self.lock();
        if !queue.watching.iter().any(|other| other.will_wake(waker)) {
            queue.watching.push(waker.clone());
        }
        queue.ends
    }

    /// Records whether a question had a stored answer.
    pub(crate) fn note_question(&self, is_new: bool) {
        let count = if is_new { self.new_in_a_row.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.new_in_a_row.store(count, Ordering::Relaxed);
    }

    /// Returns whether to claim a question without looking for a stored answer, because the last ones were new. A claim also
    /// finds a stored answer, but takes longer for it.
    pub(crate) fn expects_new_question(&self) -> bool {
        self.new_in_a_row.load(Ordering::Relaxed) >= NEW_IN_A_ROW
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut queue = self.lock();
        queue.waiting.push_back(job);
        let paused = queue.paused.take();
        let is_running = std::mem::replace(&mut queue.is_running, true);
        drop(queue);
        paused.into_iter().for_each(panics::wake);
        if is_running {
            return;
        }
        // If the task is dropped unfinished, for example when a runtime shuts down, `Running` reports to the callers.
        self.tasks.change(|running| *running += 1);
        let running = Running { writer: Some(self.clone()), tasks: self.tasks.clone(), is_done: false };
        let task = async move {
            if let Some(writer) = &running.writer {
                writer.run().await;
            }
            running.end();
        };
        catch(|| self.store.spawn(Box::pin(task)));
    }

    /// Runs transactions until the queue is empty.
    async fn run(self: &Arc<Self>) {
        loop {
            let mut batch = {
                let mut queue = self.lock();
                let count = batch_length(&queue.waiting);
                let batch: Vec<Job> = queue.waiting.drain(..count).collect();
                if batch.is_empty() {
                    queue.is_running = false;
                    return;
                }
                queue.transactions += 1;
                batch
            };
            // Skips claims whose caller was dropped.
            batch.retain(|job| {
                !job.operation.is_claim() || !job.sender.as_ref().is_some_and(Sender::is_closed)
            });
            let batch = Batch { writer: self, jobs: batch };
            match self.transact(&batch.jobs).await {
                Ok(done) => self.report(batch.take(), done),
                Err(error) => self.keep_unwritten(batch.take(), &error).await,
            }
            if self.lock().transactions % EXPIRE_EVERY == 0 {
                self.expire_some().await;
            }
        }
    }

    /// Reports the outcomes of a durable transaction.
    fn report(self: &Arc<Self>, batch: Vec<Job>, done: Vec<Done>) {
        let mut has_ended = false;
        let mut again = Vec::new();
        for (mut job, done) in batch.into_iter().zip(done) {
            let done = match done {
                Done::NeedsJournal(number) if job.journal != Some(number) => {
                    again.push(Job { journal: Some(number), ..job });
                    continue;
                }
                Done::Again if job.repeats < MOST_REPEATS => {
                    again.push(Job { repeats: job.repeats + 1, ..job });
                    continue;
                }
                Done::NeedsJournal(number) => Err(StoreError::new(format!(
                    "entry {number} of the journal is damaged; restore it from a backup"
                ))),
                Done::Again => Err(StoreError::new("the store does not keep the row of the question")),
                Done::Damaged(error) => Err(error),
                done => Ok(done),
            };
            has_ended |= matches!(job.operation, Operation::Settle { .. });
            let token = job.operation.token();
            // A claim counts until it has been released if its caller was dropped, because the release is unwritten, too.
            let claim = job.counted.take().filter(|_| job.operation.is_claim());
            match (job.sender, done) {
                (Some(sender), done) => {
                    let is_lost = done.is_err() && sender.is_closed() && job.operation.must_be_written(false);
                    self.lock().lost += u64::from(is_lost);
                    sender.send(done);
                }
                (None, Ok(done)) => self.release(&done, token),
                (None, Err(_)) => self.lock().lost += 1,
            }
            drop(claim);
        }
        let mut queue = self.lock();
        again.into_iter().rev().for_each(|job| queue.waiting.push_front(job));
        drop(queue);
        if !has_ended {
            return;
        }
        let mut queue = self.lock();
        queue.ends += 1;
        let woken = std::mem::take(&mut queue.watching);
        drop(queue);
        woken.into_iter().for_each(panics::wake);
    }

    /// Releases a claim whose caller was dropped.
    fn release(self: &Arc<Self>, done: &Done, token: u64) {
        if let Done::Granted(call) = *done {
            let settlement = Settlement::without_response(Cost::NONE, token);
            self.submit_alone(Operation::Settle { call, settlement });
        }
    }

    async fn expire_some(self: &Arc<Self>) {
        let read = || self.store.read(&self.account, Selection::Due { limit: EXPIRE });
        let due = CatchPanic::new(read).await.and_then(Result::ok);
        let calls: Vec<_> = due.iter().flat_map(|found| &found.calls).map(|call| call.id).collect();
        if !calls.is_empty() {
            let remove = Operation::Remove { calls, is_erasing: false };
            // If this fails, the calls are still due at the next removal.
            let _ = self.transact(&[Job::new(remove)]).await;
        }
    }

    async fn transact(&self, batch: &[Job]) -> Result<Vec<Done>, StoreError> {
        let operations: Vec<Operation> = batch.iter().map(|job| job.operation.clone()).collect();
        let needs = needs(&operations, batch.iter().filter_map(|job| job.journal).collect());
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let (decided, first_owner) = (outcomes.clone(), self.first_owner.clone());
        let number = next_token();
        let decide = Box::new(move |loaded: Loaded| {
            let writer = *first_owner.get_or_init(|| loaded.owner);
            if loaded.account.written == (writer, number) {
                // Runs again after a commit in doubt that took effect.
                return Changes::default();
            }
            let (done, mut changes) = decide(&operations, loaded, writer);
            changes.account.iter_mut().for_each(|row| row.written = (writer, number));
            *decided.lock().unwrap_or_else(PoisonError::into_inner) = done;
            changes
        });
        let written = CatchPanic::new(|| self.store.transact(&self.account, needs, decide)).await;
        written.unwrap_or_else(|| Err(StoreError::new("the store panicked").in_doubt()))?;
        let done = std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner));
        if done.len() < batch.len() {
            return Err(StoreError::new("the store ran a transaction without its operations").in_doubt());
        }
        Ok(done)
    }
}
