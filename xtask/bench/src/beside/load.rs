//! Calls over loopback, one or many at once, by contestants in turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
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

/// Keeps this thread, and those that it starts, on one core: clients on the first, servers on the last, so that neither
/// waits for the other's turn.
pub(super) fn stay(with: Side) {
    // Asked once, because a thread that stays on a core, and those that it starts, see no other.
    static CORES: LazyLock<Vec<CoreId>> = LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
    let core = match with {
        Side::Clients => CORES.first(),
        Side::Servers => CORES.last(),
    };
    if let Some(core) = core {
        // Where it is not allowed, there is more noise.
        let _ = core_affinity::set_for_current(*core);
    }
}

/// Who shares a core.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Clients,
    Servers,
}

/// How quickly calls were made.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    /// By the clock.
    pub(super) per_second: f64,
    /// Microseconds of processor that one call took of the caller's threads, and not of the server's.
    pub(super) cpu: f64,
    /// The part of that which the system took, for sockets above all: the same whoever calls. Zero to one.
    pub(super) in_system: f64,
}

/// Each caller's best turn, all on the clients' core: what disturbs the machine only ever takes from it, and they take
/// turns, so that all have the same chances.
pub(super) fn race(runtime: &Runtime, callers: &[(&str, Caller)], at_once: usize, pace: Pace) -> Vec<Rate> {
    let mut rates = vec![Vec::new(); callers.len()];
    let run = || {
        stay(Side::Clients);
        for round in 0..=pace.rounds {
            for ((_, caller), rates) in callers.iter().zip(&mut rates) {
                let rate = turn(runtime, caller, at_once, pace.turn);
                // The first round only opens connections.
                if round > 0 {
                    rates.push(rate);
                }
            }
        }
    };
    // On a thread of its own, because all that is started later by one that stays on a core stays there too.
    std::thread::scope(|scope| scope.spawn(run).join()).expect("no call fails");
    // Linux counts it in hundredths of a second, so that only the mean of many turns says something.
    let mean = |rates: &Vec<Rate>| {
        let parts = rates.iter().map(|rate| rate.in_system).filter(|part| part.is_finite());
        let (sum, count) = parts.fold((0.0, 0.0), |(sum, count), part| (sum + part, count + 1.0));
        sum / count
    };
    let summed = |rates: &Vec<Rate>| Rate {
        per_second: rates.iter().map(|rate| rate.per_second).fold(0.0, f64::max),
        cpu: rates.iter().map(|rate| rate.cpu).fold(f64::INFINITY, f64::min),
        in_system: mean(rates),
    };
    rates.iter().map(summed).collect()
}

/// What one caller reaches in so long.
pub(super) fn turn(runtime: &Runtime, caller: &Caller, at_once: usize, length: Duration) -> Rate {
    let start = Instant::now();
    let (calls, cpu, in_system) = match caller {
        Caller::Async(call) => {
            let before = cpu();
            let (user, system) = ticks();
            let calls = runtime.block_on(many(call, at_once, length));
            let now = ticks();
            let (user, system) = (now.0 - user, now.1 - system);
            (calls, cpu().saturating_sub(before), system / (user + system))
        }
        Caller::Blocking(call) => {
            let (calls, nanos) = (AtomicU64::new(0), AtomicU64::new(0));
            std::thread::scope(|scope| {
                for _ in 0..at_once {
                    scope.spawn(|| {
                        while start.elapsed() < length {
                            call();
                            calls.fetch_add(1, Ordering::Relaxed);
                        }
                        nanos.fetch_add(cpu().as_nanos().try_into().unwrap_or_default(), Ordering::Relaxed);
                    });
                }
            });
            (calls.into_inner(), Duration::from_nanos(nanos.into_inner()), f64::NAN)
        }
    };
    // No race here comes near the number that would not fit.
    let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
    let cpu = cpu.as_secs_f64() * 1e6 / calls;
    Rate { per_second: calls / start.elapsed().as_secs_f64(), cpu, in_system }
}

/// Hundredths of a second that this thread spent in the program and in the system, as Linux counts them.
fn ticks() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name in parentheses can hold anything, so fields are counted after it: utime and stime are 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse().ok()).unwrap_or(f64::NAN);
    (ticks(11), ticks(12))
}

/// How long a processor worked for this thread, as Linux says; elsewhere zero.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default(),
    )
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
