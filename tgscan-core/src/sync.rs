//! The locks of shared state: those of `std`, or of a scheduler that tries orders of threads.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p tgscan-core --lib schedules --target-dir target/shuttle` runs the tests that
//! are called `schedules` under many schedules; without the flag they run a few times as the system schedules them.

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// What tests of schedules need.
#[cfg(test)]
pub(crate) mod schedules {
    #[cfg(not(shuttle))]
    pub(crate) use futures_executor::block_on;
    #[cfg(shuttle)]
    pub(crate) use shuttle::{future::block_on, thread};
    #[cfg(not(shuttle))]
    pub(crate) use std::thread;

    /// Runs a test under many schedules. One that cannot go on fails.
    pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
        #[cfg(shuttle)]
        {
            let test = std::sync::Arc::new(test);
            let again = test.clone();
            shuttle::check_random(move || test(), 1_000);
            // Few switches at the right places find what random ones do not.
            shuttle::check_pct(move || again(), 1_000, 3);
        }
        #[cfg(not(shuttle))]
        (0..100).for_each(|_| test());
    }
}
