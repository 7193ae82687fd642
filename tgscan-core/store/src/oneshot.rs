//! Hands one value from the writer's thread to a waiting caller, on any runtime.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

struct State<T> {
    value: Option<T>,
    is_closed: bool,
    waker: Option<Waker>,
}

type Shared<T> = Arc<Mutex<State<T>>>;

pub(crate) struct Sender<T>(Shared<T>);

/// Dropped with a value in it, it hands that to what [`channel`] was given.
pub(crate) struct Receiver<T> {
    shared: Shared<T>,
    unclaimed: Option<Box<dyn FnOnce(T) + Send>>,
}

/// A channel for one value. If nobody takes the value, `unclaimed` is called with it.
pub(crate) fn channel<T>(unclaimed: impl FnOnce(T) + Send + 'static) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State { value: None, is_closed: false, waker: None }));
    (Sender(shared.clone()), Receiver { shared, unclaimed: Some(Box::new(unclaimed)) })
}

impl<T> Sender<T> {
    /// Sends the value, or returns it if nobody waits any more.
    pub(crate) fn send(self, value: T) -> Option<T> {
        let mut state = lock(&self.0);
        if state.is_closed {
            return Some(value);
        }
        state.value = Some(value);
        None
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for the value; `None` if the sender is gone without one.
    pub(crate) async fn receive(mut self) -> Option<T> {
        let value = poll_fn(|context| {
            let mut state = lock(&self.shared);
            if let Some(value) = state.value.take() {
                return Poll::Ready(Some(value));
            }
            if state.is_closed {
                return Poll::Ready(None);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        self.unclaimed = None;
        value
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.is_closed = true;
        let value = state.value.take();
        drop(state);
        if let (Some(value), Some(unclaimed)) = (value, self.unclaimed.take()) {
            unclaimed(value);
        }
    }
}

fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn value_reaches_the_receiver_or_what_takes_unclaimed_ones() {
        let unclaimed = Arc::new(AtomicU32::new(0));
        let channel = || {
            let unclaimed = unclaimed.clone();
            super::channel(move |value| unclaimed.store(value, Ordering::Relaxed))
        };
        let (sender, receiver) = channel();
        assert_eq!(sender.send(1), None);
        assert_eq!(futures_executor::block_on(receiver.receive()), Some(1));
        let (sender, receiver) = channel();
        drop(sender);
        assert_eq!(futures_executor::block_on(receiver.receive()), None);
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(2), Some(2));
        assert_eq!(unclaimed.load(Ordering::Relaxed), 0);
        let (sender, receiver) = channel();
        assert_eq!(sender.send(3), None);
        drop(receiver);
        assert_eq!(unclaimed.load(Ordering::Relaxed), 3);
    }
}
