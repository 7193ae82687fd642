//! Catches panics of the caller's code, so that no received answer is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Calls a function, and returns `None` if it panics. The panic hook has already reported the panic.
#[inline]
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // The payload's `Drop` is the caller's code and may panic again, so the payload is leaked.
            std::mem::forget(payload);
            None
        }
    }
}

/// Wakes a task. The waker is the executor's code and may panic.
pub(crate) fn wake(waker: Waker) {
    catch(|| waker.wake());
}

/// A value whose `Drop` is the caller's code and may panic.
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

/// A future of the caller. Returns `None` if it panics, and catches panics of its `Drop`.
pub(crate) struct CatchPanic<F>(Contained<F>);

impl<F> CatchPanic<F> {
    /// Calls the function that creates the future, which may panic too.
    #[inline]
    pub(crate) fn new(create: impl FnOnce() -> F) -> Self {
        Self(Contained(catch(create)))
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

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("a drop panics");
        }
    }

    #[test]
    fn catches_panic_whose_payload_panics() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| std::panic::panic_any(PanicsOnDrop)), None);
        drop(Contained::new(PanicsOnDrop));
        wake(Waker::noop().clone());
    }

    #[test]
    fn panicking_future_returns_none() {
        let panicking = Box::pin(async {
            std::future::ready(()).await;
            panic!("a future panics")
        });
        let ended: Option<()> = futures_executor::block_on(CatchPanic::new(|| panicking));
        assert_eq!(ended, None);
        let value = futures_executor::block_on(CatchPanic::new(|| Box::pin(async { 7 })));
        assert_eq!(value, Some(7));
        let never_created = CatchPanic::new(|| -> std::future::Ready<u8> { panic!("no future is created") });
        assert_eq!(futures_executor::block_on(never_created), None);
    }
}
