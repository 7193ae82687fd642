//! The machine of calls with a store, in virtual time: every crash point, fault of the service, fault of the store and
//! order of concurrent calls that a seed brings, checked after each step against what the service really charged.
//!
//! `TGSCAN_SIMULATED_CALLS` and `TGSCAN_SIMULATION_SEED` set how many calls, and which ones.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is a program: a failed unwrap is a failed test"
)]

mod call;
mod service;
mod world;

use world::{Broken, Counts, World};

/// How many calls one world lives.
const CALLS: u64 = 5000;

fn main() {
    let number = |name: &str, usual: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
        Err(_) => usual,
    };
    let (calls, seed) = (number("TGSCAN_SIMULATED_CALLS", 40_000), number("TGSCAN_SIMULATION_SEED", 7));
    // Worlds know nothing of each other.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lane = |first: usize| {
        let mut counts = Counts::default();
        for seed in (seed..seed + calls.div_ceil(CALLS)).skip(first).step_by(threads) {
            run(seed, Broken::Nothing, &mut counts)
                .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        }
        counts
    };
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|first| scope.spawn(move || lane(first))).collect();
        for lane in lanes {
            counts += lane.join().unwrap();
        }
    });
    println!("{counts:?}");
    assert!(counts.is_varied(), "something never happened");
    for broken in Broken::ALL {
        let caught = (0..200).find_map(|at| run(at, broken, &mut Counts::default()).err().map(|it| (at, it)));
        let (at, violation) = caught.unwrap_or_else(|| panic!("{broken:?} was not caught"));
        println!("{broken:?}: caught in world {at}: {violation}");
    }
}

/// Lets a world live until it is at rest.
fn run(seed: u64, broken: Broken, counts: &mut Counts) -> Result<(), String> {
    let mut world = World::new(seed, broken);
    while world.counts.calls < CALLS {
        world.step()?;
    }
    world.come_to_rest()?;
    *counts += world.counts;
    Ok(())
}
