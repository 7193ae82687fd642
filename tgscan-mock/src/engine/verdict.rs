//! Which calls a test expects, and who checks that they came.

use std::future::poll_fn;
use std::panic::{Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tgscan_core::Timer;
use tgscan_core::types::ApiMethod;

use super::expect::{Book, Expect, Seen, UnmetExpectations, plural, report};
use super::script::accept;
use super::{Mock, shape};

impl Mock {
    /// Expects this call, and says what it gets. From now on every request must be expected by one of the calls given
    /// here: another one, or one too many, is refused with an error envelope that says why, and fails
    /// [`verify`](Self::verify).
    ///
    /// When the handle that was built is dropped unverified, it verifies all expectations, also those that were given to
    /// its clones, whether clones are left or not. Expectations that are given to a clone after that are verified when this
    /// clone is dropped.
    ///
    /// Of several expectations that match a request, the first that still wants it takes it.
    ///
    /// # Panics
    /// If the mock does not answer `M`. And where the handle is dropped that verifies, if expectations were not met; a test
    /// that is panicking already prints the report to stderr instead.
    #[track_caller]
    pub fn expect<M: ApiMethod>(&self, expect: Expect<M>) {
        accept(shape::check_method(M::NAME));
        self.expects.store(true, Ordering::Relaxed);
        let expected = &mut self.state().expected;
        expected.push(expect.into_expected(), Location::caller());
        expected.is_verified_by_drop = true;
    }

    /// As [`expect`](Self::expect), without a verdict when a handle is dropped: the control paths are asked for it.
    #[cfg(feature = "server")]
    #[track_caller]
    pub(crate) fn expect_by_control<M: ApiMethod>(&self, expect: Expect<M>) {
        self.state().expected.push(expect.into_expected(), Location::caller());
    }

    /// Removes all expectations, and what did not fit them: from now on every request is answered as usual.
    pub fn clear_expectations(&self) {
        self.state().expected = Book::default();
    }

    /// Waits until all expectations are met, `limit` at most by this timer.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), when the limit has passed.
    pub async fn wait_until_satisfied(
        &self,
        limit: Duration,
        timer: &dyn Timer,
    ) -> Result<(), UnmetExpectations> {
        let mut time = timer.sleep(limit);
        poll_fn(|context| {
            {
                let mut state = self.state();
                if state.expected.is_satisfied() {
                    return Poll::Ready(());
                }
                if !state.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
            }
            time.as_mut().poll(context)
        })
        .await;
        self.verify()
    }

    /// Checks that all expectations are met so far, that every request was expected, and that no script step is left.
    ///
    /// # Errors
    /// If not: which criterion failed, the nearest request, the seed, and how to run the test again.
    pub fn verify(&self) -> Result<(), UnmetExpectations> {
        let mut state = self.state();
        state.expected.is_verified = true;
        let requests: Vec<Seen<'_>> = state.recording.seen().collect();
        report(&state.expected, &requests, state.script.left(), self.seed())
    }

    /// Whether dropping this handle verifies the expectations.
    fn verifies_when_dropped(&self) -> bool {
        let is_judge = if self.is_first {
            self.engine.first_is_gone.store(true, Ordering::Relaxed);
            true
        } else {
            self.expects.load(Ordering::Relaxed) && self.engine.first_is_gone.load(Ordering::Relaxed)
        };
        let expected = &self.state().expected;
        is_judge && expected.is_verified_by_drop && !expected.is_verified
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let unmet = if self.verifies_when_dropped() { self.verify().err() } else { None };
        match unmet {
            // The error that failed the test has no query in it, and may follow from a call that was not expected.
            Some(unmet) if std::thread::panicking() => print(&format!("while the test failed, {unmet}")),
            Some(unmet) => fail(&unmet),
            // A fault that never came may be what the test believes to have tested.
            None if Arc::strong_count(&self.engine) == 1 && self.script_left() > 0 => {
                print(&format!("{} met no request", plural(self.script_left(), "script step")));
            }
            None => {}
        }
    }
}

#[expect(clippy::panic, reason = "the test expected calls, and this is the last moment to report them")]
fn fail(unmet: &UnmetExpectations) {
    panic!("{unmet}");
}

/// Prints for the author of a test.
fn print(text: &str) {
    // Only the macro's output is shown with the test that it belongs to. It panics if stderr cannot be written to, and
    // a second panic while a test fails would end the process.
    let _ = catch_unwind(|| {
        #[expect(clippy::print_stderr, reason = "it is for the author of the test, who looks there")]
        {
            eprintln!("tgscan-mock: {text}");
        }
    });
}
