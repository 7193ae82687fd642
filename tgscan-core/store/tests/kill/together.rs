//! Many processes that share a store, all at work at the same time.

use std::time::Duration;

use crate::backend::Backend;
use crate::child::Orders;
use crate::run::{PRICE, Service, run_child};
use fastrand::Rng;

const PROCESSES: u64 = 8;
const CAP: u64 = 100;
/// Longer than any child runs, unless something is wrong.
const NEVER: Duration = Duration::from_secs(600);

/// Eight processes ask one question at once: it is paid for once, and all are given the same answer.
pub(crate) fn share_one_question(backend: &Backend) {
    let service = Service::start(7);
    let orders = service.orders(backend.location("one_question"), (0, 1), None);
    let said = run_all(&orders, |_| NEVER);
    assert!(said.iter().all(|lines| lines.len() == 1 && lines[0] == said[0][0]), "{said:?}");
    assert_eq!(service.mock.account().spent, PRICE);
    println!(
        "{backend}: {PROCESSES} processes asked one question: one paid call, {} stored answers",
        said.len() - 1
    );
}

/// Eight processes ask a thousand questions under one cap, also while some of them are killed: it holds.
pub(crate) fn share_one_cap(backend: &Backend) {
    let service = Service::start(7);
    let orders = service.orders(backend.location("one_cap"), (0, 2000), Some(CAP));
    run_all(&orders, |_| NEVER);
    assert_eq!(service.mock.account().spent, CAP);
    println!("{backend}: {PROCESSES} processes, 1,000 questions, cap of {CAP}: {CAP} credits spent");

    let service = Service::start(8);
    let orders = service.orders(backend.location("one_cap_killed"), (0, 2000), Some(CAP));
    let mut rng = Rng::with_seed(7);
    for _ in 0..4 {
        let moments: Vec<_> = (0..PROCESSES).map(|_| Duration::from_micros(rng.u64(..30_000))).collect();
        run_all(&orders, |process| moments[process]);
    }
    run_all(&orders, |_| NEVER);
    let spent = service.mock.account().spent;
    assert!(spent <= CAP, "{spent} credits spent");
    println!("{backend}: the same with {} kills: {spent} credits spent", 4 * PROCESSES);
}

/// Runs all processes at once, each until it is done or its moment has come. Returns what they said.
fn run_all(orders: &Orders, moment: impl Fn(usize) -> Duration) -> Vec<Vec<String>> {
    std::thread::scope(|scope| {
        let children: Vec<_> = (0..usize::try_from(PROCESSES).unwrap())
            .map(|process| {
                let moment = moment(process);
                scope.spawn(move || run_child(orders, moment, || {}).0)
            })
            .collect();
        children.into_iter().map(|child| child.join().unwrap()).collect()
    })
}
