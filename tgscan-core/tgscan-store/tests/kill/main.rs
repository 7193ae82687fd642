//! A process that makes paid calls with a store is killed at a random moment, and another one continues with the same
//! store: nothing is paid for twice, and nothing that was stored is lost. Checked against the mock's own account.
//!
//! `TGSCAN_KILLS`, `TGSCAN_SUSPENSIONS` and `TGSCAN_KILL_SEED` set how often, and which moments. CI kills 300 times each, and
//! suspends a process 30 times.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is a program: a failed unwrap is a failed test"
)]

mod audit;
mod backend;
mod broken;
mod budget;
mod child;
#[path = "../support/over.rs"]
mod over;
mod run;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod server;
#[cfg(feature = "postgres")]
mod together;

use backend::Backend;
use broken::Fault;
use run::{Plan, kill};

fn main() {
    if child::is_one() {
        return child::run();
    }
    let number = |name: &str, usual| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
        Err(_) => usual,
    };
    let (kills, seed) = (number("TGSCAN_KILLS", 60), number("TGSCAN_KILL_SEED", 7));
    let suspensions = number("TGSCAN_SUSPENSIONS", kills / 10);
    std::thread::scope(|scope| {
        for backend in Backend::all() {
            scope.spawn(move || kill_all(&backend, kills, suspensions, seed));
        }
    });
}

fn kill_all(backend: &Backend, kills: u64, suspensions: u64, seed: u64) {
    let plan = |kills| Plan { kills, seed, cap: None, fault: Fault::None };
    // A store that was killed is read whole when it is opened, so a long run begins a new one now and then.
    for first in (0..kills).step_by(500) {
        let round = Plan { seed: seed + first, ..plan((kills - first).min(500)) };
        let report = kill(backend, &round).unwrap_or_else(|it| panic!("{backend}, {first} kills: {it}"));
        println!("{backend}: {report}");
    }
    let capped = Plan { cap: Some(100), ..plan(kills / 6) };
    let report = kill(backend, &capped).unwrap_or_else(|violation| panic!("{backend}, capped: {violation}"));
    println!("{backend}, cap of 100: {report}");
    for fault in Fault::OF_KILLS {
        // It ends when it is caught, mostly after a few dozen kills.
        let violation = kill(backend, &Plan { fault, ..plan(2000) })
            .err()
            .unwrap_or_else(|| panic!("{fault:?} was not caught"));
        println!("{backend}, {fault:?}: caught: {violation}");
    }
    budget::survives_restarts(backend);
    #[cfg(not(feature = "postgres"))]
    let _ = suspensions;
    #[cfg(feature = "postgres")]
    if matches!(backend, Backend::Postgres) {
        together::share_one_question(backend);
        together::share_one_cap(backend);
        together::lose_connections(backend, seed).unwrap_or_else(|it| panic!("{backend}, cut: {it}"));
        together::suspend(backend, suspensions, seed, Fault::None)
            .unwrap_or_else(|it| panic!("{backend}, suspended: {it}"));
        let violation = together::suspend(backend, 200, seed, Fault::TrustsOldClaims);
        let violation = violation.err().unwrap_or_else(|| panic!("old claims were not caught"));
        println!("{backend}, {:?}: caught: {violation}", Fault::TrustsOldClaims);
    }
}
