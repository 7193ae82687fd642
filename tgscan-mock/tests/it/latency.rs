//! Latency, which passes in virtual time.

use std::time::Duration;

use futures_executor::block_on;
use futures_util::future::{join, join_all};
use tgscan_mock::core::{Reserve, RetryPolicy, Timer};
use tgscan_mock::types::{Search, UserCheck};
use tgscan_mock::{Expect, Fault, FaultKind, Mock};

#[test]
fn latency_passes_in_virtual_time_while_other_tasks_run() {
    let mock = Mock::builder().latency(Duration::from_secs(2)).build().unwrap();
    let client = mock.client();
    let order = std::sync::Mutex::new(Vec::new());
    mock.script::<UserCheck>([Fault::new(FaultKind::WrongContentType).after(Duration::from_secs(1))]);
    block_on(async {
        let slow = async {
            client.search("alice").await.unwrap();
            order.lock().unwrap().push(("search", mock.timer().now().as_secs()));
        };
        let quick = async {
            client.user_check("alice").await.unwrap();
            order.lock().unwrap().push(("user_check", mock.timer().now().as_secs()));
        };
        join(slow, quick).await;
    });
    assert_eq!(*order.lock().unwrap(), [("user_check", 1), ("search", 2)]);
}

#[test]
fn the_latency_of_a_call_replaces_the_mocks_latency() {
    let mock = Mock::builder().latency(Duration::from_secs(2)).build().unwrap();
    let (timer, slow) = (mock.timer().clone(), Duration::from_secs(30));
    mock.expect(Expect::call(&Search { query: "alice".parse().unwrap() }).after(slow));
    mock.expect(Expect::<Search>::any().times(1));
    let late = Fault::new(FaultKind::TooManyRequests { retry_after: None }).after(Duration::from_secs(7));
    mock.expect(Expect::<UserCheck>::any().after(slow).then_fault(late));
    let client = mock.client().with_retry(RetryPolicy::none());
    for (name, ends_at) in [("alice", 30), ("bob_1", 32)] {
        block_on(client.search(name)).unwrap();
        assert_eq!(timer.now().as_secs(), ends_at);
    }
    block_on(client.user_check("alice")).unwrap_err();
    assert_eq!(timer.now().as_secs(), 39);
    mock.verify().unwrap();
}

#[test]
fn a_cap_reached_by_calls_in_flight_can_be_tested_in_process() {
    let mock = Mock::builder().latency(Duration::from_secs(1)).cost::<Search>(1).build().unwrap();
    let client = mock.client().with_cap(3, Reserve::PerCall(1));
    let calls = (0..8).map(|number| client.search(format!("name_{number}")));
    let refused = block_on(join_all(calls)).into_iter().filter(Result::is_err).count();
    assert_eq!((refused, mock.account().spent), (5, 3));
}
