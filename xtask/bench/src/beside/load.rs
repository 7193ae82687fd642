//! Calls over loopback, one or many at once, by contestants in turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::race::Pace;

/// One call under way.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A client that makes one call after another.
pub(super) enum Caller {
    /// Many at once share a thread.
    Async(Arc<dyn Fn() -> Running + Send + Sync>),
    /// Each at once has its thread.
    Blocking(Arc<dyn Fn() + Send + Sync>),
}

impl Caller {
    pub(super) fn future<F: Future<Output = ()> + Send + 'static>(
        call: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::Async(Arc::new(move || Box::pin(call())))
    }
}

/// A runtime on this thread, as all asynchronous callers share.
pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Calls per second of each caller, in its best turn.
pub(super) fn race(runtime: &Runtime, callers: &[(&str, Caller)], at_once: usize, pace: Pace) -> Vec<f64> {
    let mut best = vec![0.0_f64; callers.len()];
    for round in 0..=pace.rounds {
        for ((_, caller), best) in callers.iter().zip(&mut best) {
            let rate = turn(runtime, caller, at_once, pace.turn);
            // The first round only opens connections.
            if round > 0 {
                *best = best.max(rate);
            }
        }
    }
    best
}

/// Calls per second of one caller for so long.
pub(super) fn turn(runtime: &Runtime, caller: &Caller, at_once: usize, length: Duration) -> f64 {
    let start = Instant::now();
    let calls = match caller {
        Caller::Async(call) => runtime.block_on(many(call, at_once, length)),
        Caller::Blocking(call) => {
            let calls = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..at_once {
                    scope.spawn(|| {
                        while start.elapsed() < length {
                            call();
                            calls.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            calls.into_inner()
        }
    };
    // No race here comes near the number that would not fit.
    f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / start.elapsed().as_secs_f64()
}

async fn many(call: &Arc<dyn Fn() -> Running + Send + Sync>, at_once: usize, length: Duration) -> u64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let call = call.clone();
        tasks.spawn(async move {
            let mut calls = 0;
            while start.elapsed() < length {
                call().await;
                calls += 1;
            }
            calls
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// Makes so many calls.
pub(super) fn count(runtime: &Runtime, caller: &Caller, at_once: usize, calls: u32) {
    let Caller::Async(call) = caller else { return };
    let left = Arc::new(AtomicU64::new(u64::from(calls)));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let (call, left) = (call.clone(), left.clone());
            tasks.spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    call().await;
                }
            });
        }
        tasks.join_all().await;
    });
}
