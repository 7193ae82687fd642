//! Contains panics of the caller's code: after an answer has arrived, none of them may lose it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Calls code that may panic; `None` if it did. The panic hook has reported it by then.
#[inline]
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its `Drop` is the caller's code too, and may panic again. Leaking it is the lesser harm.
            std::mem::forget(payload);
            None
        }
    }
}

/// Wakes a task, by code of its executor.
pub(crate) fn wake(waker: Waker) {
    catch(|| waker.wake());
}

/// A value of the caller's type, whose `Drop` may panic.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.0.as_ref().expect("only `drop` takes it")
    }
}

impl<T> Drop for Contained<T> {
    #[inline]
    fn drop(&mut self) {
        if std::mem::needs_drop::<T>() {
            let value = self.0.take();
            catch(|| drop(value));
        }
    }
}

/// A future of the caller's; `None` if it panics. Neither do its panics spread when it is dropped.
pub(crate) struct CatchPanic<F>(Contained<F>);

impl<F> CatchPanic<F> {
    #[inline]
    pub(crate) fn new(future: F) -> Self {
        Self(Contained::new(future))
    }
}

impl<F: Future + Unpin> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Some(future) = &mut self.0.0 else { return Poll::Ready(None) };
        match catch(|| Pin::new(future).poll(context)) {
            Some(poll) => poll.map(Some),
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a drop panics");
        }
    }

    #[test]
    fn panic_whose_payload_panics_is_contained() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| std::panic::panic_any(Bomb)), None);
        drop(Contained::new(Bomb));
        wake(Waker::noop().clone());
    }

    #[test]
    fn future_that_panics_ends_with_none() {
        let panicking = Box::pin(async {
            std::future::ready(()).await;
            panic!("a future panics")
        });
        let ended: Option<()> = futures_executor::block_on(CatchPanic::new(panicking));
        assert_eq!(ended, None);
        let value = futures_executor::block_on(CatchPanic::new(Box::pin(async { 7 })));
        assert_eq!(value, Some(7));
    }
}
