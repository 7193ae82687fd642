//! Runs the store's tasks on a thread, with pauses.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tgscan_core::store::{StoreError, Task};

use super::database::guarded;

/// The thread of a store. Dropping this waits until all tasks have ended, unless the thread itself drops it.
pub(super) struct Executor {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<Job>>,
    /// Tasks that wait until an instant.
    pauses: Vec<(Instant, Waker)>,
    /// The number of tasks that have not ended.
    tasks: usize,
    is_closed: bool,
}

struct Job {
    /// `None` while the task runs, and after it has ended.
    task: Mutex<Option<Task>>,
    queue: Weak<Queue>,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        if let Some(queue) = self.queue.upgrade() {
            queue.lock().ready.push_back(self);
            queue.changed.notify_all();
        }
    }
}

impl Executor {
    pub(super) fn start() -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let served = queue.clone();
        let thread = thread::Builder::new().name("tgscan-store".into()).spawn(move || served.serve())?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(super) fn spawn(&self, task: Task) {
        let job = Arc::new(Job { task: Mutex::new(Some(task)), queue: Arc::downgrade(&self.queue) });
        self.queue.lock().tasks += 1;
        job.wake();
    }

    /// Waits for this duration, in a task.
    pub(super) async fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration;
        std::future::poll_fn(|context| {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            self.queue.lock().pauses.push((until, context.waker().clone()));
            self.queue.changed.notify_all();
            Poll::Pending
        })
        .await;
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        while let Some(job) = self.next() {
            let task = job.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The job was woken twice.
            let Some(mut task) = task else { continue };
            let waker = Waker::from(job.clone());
            let polled = guarded(|| Ok(task.as_mut().poll(&mut Context::from_waker(&waker))));
            if polled.is_ok_and(|poll| poll.is_pending()) {
                *job.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
            } else {
                let _ = guarded(|| {
                    drop(task);
                    Ok(())
                });
                self.lock().tasks -= 1;
            }
        }
    }

    /// Waits for the next task that can continue. Returns `None` once the store is closed and all tasks have ended.
    fn next(&self) -> Option<Arc<Job>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let (due, later) = std::mem::take(&mut state.pauses).into_iter().partition(|(at, _)| *at <= now);
            state.pauses = later;
            let due: Vec<(Instant, Waker)> = due;
            if !due.is_empty() {
                drop(state);
                for (_, waker) in due {
                    waker.wake();
                }
                state = self.lock();
            }
            if let Some(job) = state.ready.pop_front() {
                return Some(job);
            }
            if state.is_closed && state.tasks == 0 {
                return None;
            }
            let first = state.pauses.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
            let wait = first.unwrap_or(Duration::from_secs(3600));
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
        if let Some(thread) =
            self.thread.take().filter(|handle| handle.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

/// Runs work on a separate thread.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    type Slot<T> = Mutex<(Option<Result<T, StoreError>>, Option<Waker>)>;
    let slot: Arc<Slot<T>> = Arc::new(Mutex::new((None, None)));
    let done = slot.clone();
    let thread = thread::Builder::new().name("tgscan-store-work".into()).spawn(move || {
        let result = guarded(work);
        let mut slot = done.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(result);
        let waker = slot.1.take();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    });
    thread.map_err(|error| StoreError::new("cannot start a thread").with_source(error))?;
    std::future::poll_fn(|context| {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.1 = Some(context.waker().clone());
        slot.0.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
