//! Checks the promises about credits against the engine's account, over many random calls.
//!
//! Each seed creates many small worlds, with different accounts, prices, caps, callers, policies, concurrency and networks.
//! Events on a virtual clock drive the state machines of calls, so that requests overlap, arrive late, fail with every fault of
//! the mock, and are given up at any moment. After each event, the ledger and the reported costs are compared with the
//! credits that the account lost.

mod audit;
mod call;
mod driver;
mod event_queue;
mod reconcile;
mod rng;
mod run;
mod violation;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tgscan_mock::Fault;

use self::driver::Driver;
use self::rng::Rng;
use self::run::{Run, name};
use self::violation::{Promise, Violation};

/// The number of calls in one world: enough to exceed caps and empty accounts, few enough for hundreds of worlds per seed.
const WORLD: u64 = 500;

/// The number of events of each kind, to detect a run that tests too little.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stats(BTreeMap<String, u64>);

impl Stats {
    fn count(&mut self, what: &str) {
        match self.0.get_mut(what) {
            Some(count) => *count += 1,
            None => _ = self.0.insert(what.to_owned(), 1),
        }
    }

    fn plus(mut self, other: Self) -> Self {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
        self
    }

    fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy)]
struct Simulation {
    seed: u64,
    calls: u64,
    driver: Driver,
    only: Option<Promise>,
}

impl Simulation {
    fn new(seed: u64, calls: u64) -> Self {
        Self { seed, calls, driver: Driver::Correct, only: None }
    }

    fn run(self) -> Result<Stats, Box<Violation>> {
        let mut rng = Rng::new(self.seed);
        let worlds: Vec<(u64, u64)> =
            (0..self.calls.div_ceil(WORLD)).map(|world| (world, rng.number())).collect();
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        // The first world with a violation so far. Later worlds need not run.
        let first = AtomicU64::new(u64::MAX);
        let lane = |start: usize| {
            let worlds = worlds.iter().skip(start).step_by(lanes);
            let worlds = worlds.take_while(|(world, _)| *world < first.load(Relaxed));
            let end = |(world, seed): &(u64, u64)| {
                self.world(*world, *seed).inspect_err(|_| _ = first.fetch_min(*world, Relaxed))
            };
            worlds.map(end).collect::<Result<Vec<Stats>, _>>()
        };
        let ends: Vec<_> = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..lanes).map(|start| scope.spawn(move || lane(start))).collect();
            lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
        });
        // The same violation for any number of threads.
        let first = first.into_inner();
        if first < u64::MAX {
            return Err(ends.into_iter().filter_map(Result::err).find(|v| v.world == first).unwrap());
        }
        Ok(ends.into_iter().flatten().flatten().fold(Stats::default(), Stats::plus))
    }

    fn world(self, world: u64, world_seed: u64) -> Result<Stats, Box<Violation>> {
        let Self { seed, calls, driver, only } = self;
        let (mut stats, mut log) = (Stats::default(), Vec::new());
        // A panic is a violation too, so that its seed is reported.
        let end = catch_unwind(AssertUnwindSafe(|| {
            let mut run = Run::new(world_seed, driver, only, &mut stats);
            run.calls(WORLD.min(calls - world * WORLD)).inspect_err(|(_, _, call)| log = run.log(*call))
        }));
        let (promise, detail) = match end {
            Ok(Ok(())) => return Ok(stats),
            Ok(Err((promise, detail, _))) => (promise, detail),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                (Promise::NoPanic, text.or(panic.downcast_ref().copied()).unwrap_or("a panic").to_owned())
            }
        };
        // A world does not depend on later worlds, so running it again does not need them.
        let calls = calls.min((world + 1) * WORLD);
        Err(Box::new(Violation { promise, detail, log, seed, calls, world }))
    }
}

/// Returns a number from an environment variable.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")),
        Err(_) => default,
    }
}

fn stats(simulation: Simulation) -> Stats {
    simulation.run().unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn the_promises_about_credits_hold() {
    let calls = setting("TGSCAN_SIM_CALLS", 100_000);
    let seed = setting("TGSCAN_SIM_SEED", 1);
    let stats = stats(Simulation::new(seed, calls));
    assert_eq!(stats.of("calls"), calls);
    // A shorter run may miss rare events.
    if calls >= 100_000 {
        assert_everything_happened(&stats, seed);
    }
}

fn assert_everything_happened(stats: &Stats, seed: u64) {
    let mut events: Vec<String> = Fault::all(1).iter().map(name).collect();
    events.extend(
        [
            "no fault",
            "paid calls",
            "free calls",
            "replies",
            "errors",
            "first attempts",
            "further attempts",
            "processed twice with `resend_uncertain`",
            "timed out",
            "arrived after the call was dropped",
            "given up while sent",
            "given up while waiting",
            "refused immediately",
            "refused after a wait",
            "cap exceeded by calls above their reserve",
            "reconciled: baseline",
            "reconciled: agrees",
            "reconciled: resolved",
            "reconciled: purchased",
            "reconciled: unexplained",
            "reconciled: attempts are running",
            "reconciled: too early",
            "reconciled: overlapped",
            "purchase: recorded",
            "purchase: not recorded",
            "purchase: recorded later",
            "purchase: during a comparison",
            "spent by another program",
            "resolved by hand",
        ]
        .map(String::from),
    );
    for event in events {
        let count = stats.of(&event);
        assert!(count >= 5, "{event}: only {count} times with seed {seed} in {stats:?}");
    }
}

#[test]
fn runs_are_reproducible_by_seed() {
    let of = |seed| stats(Simulation::new(seed, 3000));
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

/// Each promise must be broken by a driver, or its check is ineffective.
#[test]
fn broken_drivers_are_detected() {
    for (driver, promise) in [
        (Driver::RetriesTimeouts, Promise::ProcessedOnce),
        (Driver::ClaimsNeverSent, Promise::ProcessedOnce),
        (Driver::ClaimsNeverSent, Promise::CreditsCorrect),
        (Driver::ClaimsNeverSent, Promise::LedgerBounds),
        (Driver::ClaimsNeverSent, Promise::CapHolds),
        (Driver::ClaimsNeverSent, Promise::Reconciles),
        (Driver::CutsBodies, Promise::BytesKept),
        (Driver::IgnoresCap, Promise::CapHolds),
        (Driver::LeaksCalls, Promise::NothingReserved),
        (Driver::BypassesLedger, Promise::LedgerBounds),
        (Driver::BypassesLedger, Promise::Reconciles),
        (Driver::TrustsGateways, Promise::ProcessedOnce),
        (Driver::TrustsGateways, Promise::CreditsCorrect),
        (Driver::TrustsGateways, Promise::LedgerBounds),
        (Driver::UsesOldBalances, Promise::Reconciles),
    ] {
        for seed in 0..3 {
            let simulation = Simulation { driver, only: Some(promise), ..Simulation::new(seed, 20_000) };
            match simulation.run() {
                Err(violation) => assert_eq!(violation.promise, promise),
                Ok(_) => panic!("{driver:?} breaks {promise:?} undetected with seed {seed}"),
            }
        }
    }
}

#[test]
fn violation_shows_the_events_of_the_call_and_the_command_to_repeat_it() {
    let driver = Driver::RetriesTimeouts;
    let only = Some(Promise::ProcessedOnce);
    let simulation = Simulation { driver, only, ..Simulation::new(3, 10_000) };
    let violation = simulation.run().unwrap_err();
    let text = violation.to_string();
    assert!(text.starts_with("ProcessedOnce is broken with seed 3 in world "), "{text}");
    assert!(text.contains(": a paid call was processed 2 times\n"), "{text}");
    assert!(text.contains("attempt 1 arrives: "), "{text}");
    let again = format!(
        "\nrun it again: TGSCAN_SIM_SEED=3 TGSCAN_SIM_CALLS={} \
         cargo test -p tgscan-mock --test it simulation::the_promises",
        violation.calls
    );
    assert!(text.ends_with(&again), "{text}");
    let again = Simulation { calls: violation.calls, ..simulation };
    assert_eq!(again.run().unwrap_err().to_string(), text);
}
