//! The locks of shared state: those of `std`, or in tests those of a scheduler that explores thread schedules.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p tgscan-core --lib schedules --target-dir target/shuttle` runs the tests named
//! `schedules` under many schedules. Without the flag, they run a few times with real threads.

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// Helpers of the tests named `schedules`.
#[cfg(test)]
pub(crate) mod schedules {
    #[cfg(not(shuttle))]
    pub(crate) use futures_executor::block_on;
    #[cfg(shuttle)]
    pub(crate) use shuttle::{future::block_on, thread};
    #[cfg(not(shuttle))]
    pub(crate) use std::thread;

    /// Runs a test under many schedules. Fails on a deadlock.
    pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
        #[cfg(shuttle)]
        {
            let test = std::sync::Arc::new(test);
            let again = test.clone();
            shuttle::check_random(move || test(), 1_000);
            // Finds bugs that need few context switches at specific places, which random schedules miss.
            shuttle::check_pct(move || again(), 1_000, 3);
        }
        #[cfg(not(shuttle))]
        (0..100).for_each(|_| test());
    }
}
