//! A budget in a store counts across processes.

use crate::audit::Audit;
use crate::backend::Backend;
use crate::broken::Fault;
use crate::child::Orders;
use crate::run::{NEVER, PRICE, Service, run_child};

const BUDGET: u64 = 8;

/// Processes with a budget of 8 credits spend 8 in total, one after the other.
pub(crate) fn survives_restarts(backend: &Backend) {
    let service = Service::start(7);
    let location = backend.location("budget");
    let mut audit = Audit::new(service.mock.clone(), location.clone(), Some(BUDGET), Fault::None);
    let spend = |questions| {
        let orders = Orders { budget: Some(BUDGET), ..service.orders(location.clone(), questions) };
        let (said, _) = run_child(&orders, NEVER, |_| {});
        service.end_connections();
        said
    };
    for (questions, spent) in [((0, 3), 3 * PRICE), ((0, 10), BUDGET), ((20, 10), BUDGET)] {
        let said = spend(questions);
        backend.restart();
        backend.end_processes(&location);
        audit.check(&said, true).unwrap_or_else(|violation| panic!("{backend}, budget: {violation}"));
        assert_eq!(service.mock.account().spent, spent, "{backend}, budget");
    }
    println!("{backend}: three processes with a budget of {BUDGET}: {BUDGET} credits spent");
}
