//! Adding and verifying expectations.

use std::future::poll_fn;
use std::panic::{Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tgscan_core::Timer;
use tgscan_core::types::ApiMethod;

use super::expect::{Expect, Expectations, UnmetExpectations, current_test, plural, report};
use super::script::accept;
use super::{BUILT, Mock, State, route};

impl Mock {
    /// Adds an expected call and its response. From now on, a request that no expectation matches, or one too many, is
    /// refused with an error envelope that gives the reason, and makes [`verify`](Self::verify) fail.
    ///
    /// The original handle, which is not a clone, verifies all expectations when it is dropped, including those of its
    /// clones, unless they were verified before. A clone that adds expectations after that verifies only these when it is
    /// dropped.
    ///
    /// If several expectations match a request, the first one that accepts another call applies.
    ///
    /// # Panics
    /// If the mock does not answer `M`, or if no answer has the field of a fault. Dropping a handle panics if expectations were not met; in a test that is
    /// already panicking, it prints the report to stderr instead.
    #[track_caller]
    pub fn expect<M: ApiMethod>(&self, expect: Expect<M>) {
        accept(route::checked(M::NAME).map(drop));
        accept(expect.expected.check_fields(&self.state().settings));
        let State { expected, verifiers, .. } = &mut *self.state();
        if self.verifier.load(Ordering::Relaxed) == 0 && *verifiers > 0 {
            *verifiers += 1;
            self.verifier.store(*verifiers, Ordering::Relaxed);
        }
        expected.push(expect.expected, Some(Location::caller()), self.verifier.load(Ordering::Relaxed));
        expected.test = expected.test.take().or_else(current_test);
    }

    /// Removes all expectations and mismatches. From now on every request is answered as without expectations.
    pub fn clear_expectations(&self) {
        self.with_state(|state| state.expected = Expectations::default());
    }

    /// Waits until all expectations are met, at most `limit` by this timer.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify), after the limit.
    pub async fn wait_until_satisfied(
        &self,
        limit: Duration,
        timer: &dyn Timer,
    ) -> Result<(), UnmetExpectations> {
        let mut time = timer.sleep(limit);
        poll_fn(|context| {
            let mut state = self.state();
            if state.expected.are_met() {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            drop(state);
            time.as_mut().poll(context)
        })
        .await;
        self.verify()
    }

    /// Checks that all expectations are met, that every request was expected, and that no script step is left.
    ///
    /// # Errors
    /// If they are not: the criterion that failed, the nearest request, and the seed.
    pub fn verify(&self) -> Result<(), UnmetExpectations> {
        let mut state = self.state();
        state.expected.is_verified = true;
        report(&state, None)
    }

    /// Reports the unmet expectations that dropping this handle verifies.
    fn unmet_when_dropped(&self) -> Option<UnmetExpectations> {
        let verifier = self.verifier.load(Ordering::Relaxed);
        let mut state = self.state();
        if verifier == BUILT {
            state.verifiers = BUILT;
        }
        if verifier == 0 || !state.expected.is_verified_by_drop() || state.expected.is_verified {
            return None;
        }
        // A call for another clone may still come.
        let only = Some(verifier).filter(|verifier| *verifier > BUILT);
        report(&state, only).err()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        match self.unmet_when_dropped() {
            // The error that failed the test contains no query, and may follow from an unexpected call.
            Some(unmet) if std::thread::panicking() => print(&format!("while the test failed, {unmet}")),
            Some(unmet) => fail(&unmet),
            // An unused fault may be the case that the test was meant to cover.
            None if Arc::strong_count(&self.engine) == 1 && self.script_left() > 0 => {
                print(&format!("{} unused", plural(self.script_left(), "script step")));
            }
            None => {}
        }
    }
}

#[expect(clippy::panic, reason = "dropping the mock is the last moment to report unmet expectations")]
fn fail(unmet: &UnmetExpectations) {
    panic!("{unmet}");
}

/// Prints to the test's output.
fn print(text: &str) {
    // Only the macro's output is captured with its test. It panics if stderr cannot be written to, and a second panic
    // during a failing test would abort the process.
    let _ = catch_unwind(|| {
        #[expect(clippy::print_stderr, reason = "the output of a test is on stderr")]
        {
            eprintln!("tgscan-mock: {text}");
        }
    });
}
