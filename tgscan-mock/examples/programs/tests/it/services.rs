//! Programs that serve.

use std::time::Duration;

use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};

use crate::support::{Service, wait_until};

const TENANTS: &str = env!("CARGO_BIN_EXE_tenants");

#[test]
fn budgets_of_tenants_and_of_their_account_hold() {
    let service = Service::start();
    let tenants = service.serve(TENANTS, &["127.0.0.1:0", "22", "12"]);
    let ask = |tenant: &str| -> Vec<u16> {
        (0..7).map(|number| tenants.get(&format!("/{tenant}/search/{tenant}_{number}")).0).collect()
    };
    // A search costs 2 and sets 5 aside: of 12 credits, 8 can be spent, and of 22 then 10 by another one.
    assert_eq!(ask("alice"), [200, 200, 200, 200, 402, 402, 402]);
    assert_eq!(tenants.get("/alice/bill").1, r#"{"charged":8,"left":4,"uncertain":0}"#);
    assert_eq!(ask("bobby").iter().filter(|&&status| status == 200).count(), 4);
    assert_eq!(ask("carol").iter().filter(|&&status| status == 200).count(), 1);
    assert_eq!(service.mock.account().spent, 18);
    let (status, body) = tenants.get("/dave/search/+491512345678");
    assert!(status == 400 && body.contains("phone number"), "{body}");
}

#[test]
fn caller_who_leaves_and_a_stop_lose_no_paid_answer() {
    let service = Service::start();
    let mut tenants = service.serve(TENANTS, &["127.0.0.1:0", "1000", "1000"]);
    let slow = || Fault::new(FaultKind::WrongContentType).after(Duration::from_millis(300));
    service.mock.script::<Search>([slow(), slow()]);
    let left = tenants.send("/alice/search/alice_1");
    wait_until(|| service.paid() == 1);
    drop(left);
    wait_until(|| tenants.get("/alice/bill").1 == r#"{"charged":2,"left":998,"uncertain":0}"#);

    let left = tenants.send("/alice/search/alice_2");
    wait_until(|| service.paid() == 2);
    drop(left);
    tenants.interrupt();
    assert!(tenants.child.wait().unwrap().success());
}

#[cfg(feature = "postgres")]
#[test]
fn two_workers_pay_for_a_question_once_and_share_a_cap() {
    const WORKERS: &str = env!("CARGO_BIN_EXE_workers");
    let service = Service::start();
    let database = crate::server::server().url();
    let start = || service.serve(WORKERS, &["127.0.0.1:0", &database, "20"]);
    let (one, other) = (start(), start());
    let answers = std::thread::scope(|scope| {
        let ask = |worker| scope.spawn(move || crate::support::Serving::get(worker, "/search/alice_1"));
        [ask(&one), ask(&other)].map(|answer| answer.join().unwrap())
    });
    assert_eq!(service.paid(), 1);
    let stored = answers.iter().filter(|(_, body)| body.contains(r#""stored":true"#)).count();
    assert!(answers.iter().all(|(status, _)| *status == 200) && stored == 1, "{answers:?}");

    // One of them dies, and the other one has what was paid for.
    drop(one);
    assert!(other.get("/search/alice_1").1.contains(r#""stored":true"#));
    let third = start();
    for number in 0..12 {
        let worker = if number % 2 == 0 { &other } else { &third };
        worker.get(&format!("/search/bobby_{number}"));
    }
    let spent = service.mock.account().spent;
    assert!((16..=20).contains(&spent), "{spent}");
}
