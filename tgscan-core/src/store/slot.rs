//! A channel for one value, on any runtime.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::panics;
use crate::sync::{Mutex, MutexGuard};

struct State<T> {
    value: Option<T>,
    /// Whether the sender or the receiver was dropped.
    is_closed: bool,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    /// Called with a value that the receiver did not take.
    unclaimed: Option<Box<dyn FnOnce(T) + Send>>,
}

pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

/// A future that returns the value, or `None` if the sender is dropped without sending.
pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

/// Creates a channel for one value. If the receiver is dropped before it has taken the value, `unclaimed` is called with it.
pub(crate) fn slot<T>(unclaimed: impl FnOnce(T) + Send + 'static) -> (Sender<T>, Receiver<T>) {
    let (value, receiver, sender) = (None, None, None);
    let state = State { value, is_closed: false, receiver, sender, unclaimed: Some(Box::new(unclaimed)) };
    let shared = Arc::new(Mutex::new(state));
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn send(self, value: T) {
        let mut state = lock(&self.0);
        if !state.is_closed {
            state.value = Some(value);
            return;
        }
        let unclaimed = state.unclaimed.take();
        drop(state);
        if let Some(unclaimed) = unclaimed {
            unclaimed(value);
        }
    }

    /// Polls whether the receiver was dropped. Wakes the task when that happens.
    pub(crate) fn poll_closed(&self, waker: &Waker) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.is_closed {
            return Poll::Ready(());
        }
        state.sender = Some(waker.clone());
        Poll::Pending
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let waker = state.receiver.take();
        drop(state);
        waker.into_iter().for_each(panics::wake);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0);
        if let Some(value) = state.value.take() {
            return Poll::Ready(Some(value));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        state.receiver = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let (value, sender) = (state.value.take(), state.sender.take());
        let unclaimed = value.and_then(|value| Some((value, state.unclaimed.take()?)));
        drop(state);
        sender.into_iter().for_each(panics::wake);
        if let Some((value, unclaimed)) = unclaimed {
            unclaimed(value);
        }
    }
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn value_reaches_receiver_or_unclaimed_handler() {
        let unclaimed = Arc::new(AtomicU32::new(0));
        let channel = || {
            let unclaimed = unclaimed.clone();
            slot(move |value| unclaimed.store(value, Ordering::Relaxed))
        };
        let (sender, receiver) = channel();
        sender.send(1);
        assert_eq!(futures_executor::block_on(receiver), Some(1));
        let (sender, receiver) = channel();
        drop(sender);
        assert_eq!(futures_executor::block_on(receiver), None);
        assert_eq!(unclaimed.load(Ordering::Relaxed), 0);
        let (sender, receiver) = channel();
        assert!(!sender.is_closed() && sender.poll_closed(Waker::noop()).is_pending());
        drop(receiver);
        assert!(sender.is_closed() && sender.poll_closed(Waker::noop()).is_ready());
        sender.send(2);
        assert_eq!(unclaimed.load(Ordering::Relaxed), 2);
        let (sender, receiver) = channel();
        sender.send(3);
        drop(receiver);
        assert_eq!(unclaimed.load(Ordering::Relaxed), 3);
    }
}
