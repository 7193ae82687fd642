//! Many processes that share a store, all running concurrently.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tgscan_mock::types::Search;

use crate::audit::{Audit, Violation};
use crate::backend::{Backend, postgres};
use crate::broken::Fault;
use crate::child::Orders;
use crate::run::{NEVER, PRICE, QUESTIONS, Running, Service, lifetime, reply, run_child};

const PROCESSES: usize = 8;
const CAP: u64 = 100;
/// Between two calls of `meanwhile`: short compared with a call, and long enough to leave the processor to the children.
const PAUSE: Duration = Duration::from_millis(1);
/// Credits between two cuts of the connections.
const EACH: u64 = 60;

/// Eight processes ask one question: it is paid for once, and all are given the same answer.
pub(crate) fn share_one_question(backend: &Backend) {
    let service = Service::start(7);
    let orders = service.orders(backend.location("one_question"), (0, 1));
    let said = run_all(&orders, |_| NEVER, || {});
    let given: Vec<&String> = said.iter().flatten().collect();
    assert!(given.len() == 2 * PROCESSES && given.iter().all(|line| *line == given[0]), "{said:?}");
    assert_eq!(service.mock.account().spent, PRICE);
    println!("{backend}: {PROCESSES} processes asked one question: one paid call, {} answers", given.len());
}

/// Eight processes ask a thousand questions under one cap, also while some of them are killed: it holds.
pub(crate) fn share_one_cap(backend: &Backend) {
    let service = Service::start(7);
    let orders = Orders { cap: Some(CAP), ..service.orders(backend.location("one_cap"), (0, 1000)) };
    run_all(&orders, |_| NEVER, || {});
    assert_eq!(service.mock.account().spent, CAP);
    println!("{backend}: {PROCESSES} processes, 1,000 questions, cap of {CAP}: {CAP} credits spent");

    let service = Service::start(8);
    let orders = Orders { cap: Some(CAP), ..service.orders(backend.location("one_cap_killed"), (0, 1000)) };
    let (mut rng, life) = (Rng::with_seed(7), lifetime(backend, "one_cap_whole"));
    for _ in 0..4 {
        let moments: Vec<_> = (0..PROCESSES).map(|_| life.mul_f64(rng.f64())).collect();
        run_all(&orders, |process| moments[process], || {});
    }
    run_all(&orders, |_| NEVER, || {});
    let spent = service.mock.account().spent;
    assert!(spent <= CAP, "{spent} credits spent");
    println!("{backend}: the same with {} kills: {spent} credits spent", 4 * PROCESSES);
}

/// Eight processes run while their connections are cut and the server restarts.
pub(crate) fn lose_connections(backend: &Backend, seed: u64) -> Result<(), Violation> {
    let service = Service::start(seed);
    let location = backend.location("cut");
    let mut audit = Audit::new(service.mock.clone(), location.clone(), None, Fault::None);
    audit.reconcile()?;
    let mut rng = Rng::with_seed(seed);
    service.mock.script::<Search>((0..20_000).map(|_| reply(&mut rng)));
    let orders = service.orders(location.clone(), (0, 10 * QUESTIONS));
    let mut cuts = 0;
    let said = run_all(
        &orders,
        |_| NEVER,
        || {
            // While they run, so that a slow machine has as many as a fast one.
            if service.mock.account().spent < (cuts + 1) * EACH {
                return;
            }
            if cuts % 5 == 4 {
                backend.restart();
            } else {
                postgres::cut(&location);
            }
            cuts += 1;
        },
    );
    service.end_connections();
    backend.end_processes(&location);
    audit.check(&said.concat(), true)?;
    audit.reconcile()?;
    audit.read_all_back()?;
    let (paid, answers, _) = audit.counts();
    println!(
        "{backend}: {PROCESSES} processes, connections cut {cuts} times: {paid} questions paid for, {answers} answers"
    );
    Ok(())
}

/// A process is suspended until its lease has passed and the balance was compared, and another one asks the same: when the
/// first one wakes up, it does not pay again.
pub(crate) fn suspend(backend: &Backend, times: u64, seed: u64, fault: Fault) -> Result<(), Violation> {
    let (service, began) = (Service::start(seed), Instant::now());
    let location = backend.location(&format!("suspended_{fault:?}").to_lowercase());
    let mut audit = Audit::new(service.mock.clone(), location.clone(), None, Fault::None);
    audit.reconcile()?;
    let mut rng = Rng::with_seed(seed);
    let life = lifetime(backend, &format!("suspended_{fault:?}_whole").to_lowercase());
    let (mut suspended, mut first) = (0, 0);
    while suspended < times {
        service.mock.clear_script();
        service.mock.script::<Search>((0..200).map(|_| reply(&mut rng)));
        let orders = service.orders(location.clone(), (first, QUESTIONS));
        let faulty = Orders { fault, ..orders.clone() };
        first += QUESTIONS;
        let mut child = Running::start(&faulty);
        if child.runs_until(life.mul_f64(rng.f64())) {
            suspended += 1;
            child.signal("STOP");
            service.end_requests();
            postgres::wait_for_leases(&location);
            audit.reconcile()?;
            let (said, _) = run_child(&orders, NEVER, |_| {});
            audit.check(&said, false)?;
            child.signal("CONT");
        }
        child.runs_until(NEVER);
        let (said, _) = child.end(false);
        service.end_connections();
        backend.end_processes(&location);
        audit.check(&said, true)?;
    }
    audit.reconcile()?;
    audit.read_all_back()?;
    let (paid, answers, resolved) = audit.counts();
    println!(
        "{backend}: {suspended} suspensions in {:.1} s, {paid} questions paid for, {answers} answers, {resolved} attempts resolved",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Runs all processes concurrently, each until it is done or its moment has come, and calls `meanwhile` again and again.
/// Returns their output.
fn run_all(
    orders: &Orders,
    moment: impl Fn(usize) -> Duration,
    mut meanwhile: impl FnMut(),
) -> Vec<Vec<String>> {
    // Disconnected when no child runs any more.
    let (running, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let children: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let (moment, running) = (moment(process), running.clone());
                scope.spawn(move || {
                    let _running = running;
                    run_child(orders, moment, |_| {}).0
                })
            })
            .collect();
        drop(running);
        while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            meanwhile();
        }
        children.into_iter().map(|child| child.join().unwrap()).collect()
    })
}
