//! How calls end that brought no answer.

use std::io::Write;

use tgscan_mock::types::{Balance, Search};
use tgscan_mock::{Expect, Fault, FaultKind, Mock};

use crate::support::World;

fn world_with(fault: Fault) -> World {
    let world = World::new(100);
    world.mock.script::<Search>([fault]);
    world
}

#[test]
fn an_uncertain_call_is_not_sent_again_until_it_is_settled() {
    let world = world_with(Fault::new(FaultKind::Reset).charged());
    let key = world.key("a", &[]);
    let gateway = world.start();
    let lost = gateway.search(&key, "some_name");
    assert_eq!((lost.status, &*lost.code()), (504, "no_answer"));
    assert_eq!(lost.header("x-tgscan-credits"), Some("uncertain"));
    let call = lost.header("x-tgscan-call").unwrap();
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (409, "uncertain"));
    assert_eq!(refused.header("x-tgscan-call"), Some(call));
    assert_eq!(refused.header("x-tgscan-credits"), Some("0"));
    let message = refused.json()["result"]["message"].as_str().unwrap().to_owned();
    let resolve = format!("`tgscan store resolve {call} CREDITS --account LABEL --base-url URL`");
    assert!(message.contains(&resolve) && message.contains("TGSCAN_STORE"), "{message}");
    // A database URL would be visible on the command line.
    assert!(!message.contains("--store"), "{message}");
    assert_eq!(world.mock.requests().len(), 1);
}

#[test]
fn an_unreachable_service_is_502_and_costs_nothing() {
    let mut world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    // Nothing listens there any more.
    let elsewhere = World::new(100);
    drop(std::mem::replace(&mut world.server, elsewhere.server));
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (502, "service_unreachable"));
    assert_eq!(refused.header("x-tgscan-credits"), Some("0"));
}

#[test]
fn refusals_of_the_service_keep_their_status() {
    let world = World::with(Mock::builder().credits(0).build().unwrap());
    let key = world.key("a", &[]);
    let gateway = world.start();
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (402, "no_credits"));
    // As clients in the field expect it.
    world.mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 200 })]);
    world.mock.set_credits(100);
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (200, "refused"));
    assert_eq!(refused.header("x-tgscan-credits"), Some("uncertain"));
}

#[test]
fn a_wrong_key_of_the_service_is_no_fault_of_the_caller() {
    let world = World::new(100);
    world.write("live.key", "not-the-key");
    let key = world.key("a", &[]);
    let gateway = world.start();
    let refused = gateway.search(&key, "some_name");
    assert_eq!((refused.status, &*refused.code()), (502, "service_refuses_key"));
    // A new key is taken without a restart.
    world.write("live.key", Mock::LIVE_KEY);
    gateway.signal("-HUP");
    gateway.wait_for("reloaded");
    assert_eq!(gateway.search(&key, "some_name").status, 200);
}

#[test]
fn pages_of_other_gateways_are_not_passed_on() {
    let world = world_with(Fault::new(FaultKind::HtmlPage { status: 502 }));
    let key = world.key("a", &[]);
    let gateway = world.start();
    let page = gateway.search(&key, "some_name");
    assert_eq!((page.status, &*page.code()), (502, "unexpected_response"));
    assert_eq!(page.header("x-tgscan-credits"), Some("uncertain"));
}

#[test]
fn a_paid_answer_that_does_not_fit_is_passed_on_and_stored() {
    let world = world_with(Fault::new(FaultKind::FieldMistyped { field: "/result/groups".into() }));
    let key = world.key("a", &[]);
    let gateway = world.start();
    let new = gateway.search(&key, "some_name");
    assert_eq!((new.status, new.json()["status"].as_str()), (200, Some("ok")));
    assert_eq!(new.header("x-tgscan-credits"), Some("2"));
    let stored = gateway.search(&key, "some_name");
    assert_eq!(stored.body, new.body);
    assert_eq!(stored.header("x-tgscan-storage"), Some("cached"));
    assert_eq!(world.mock.account().charged_calls, 1);
}

#[test]
fn a_caller_who_leaves_loses_nothing() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(std::time::Duration::from_millis(300)).at_least(1));
    let mut caller = gateway.connect();
    let form = "query=some_name";
    write!(
        caller,
        "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    while world.mock.requests().is_empty() {
        std::thread::yield_now();
    }
    drop(caller);
    // Another caller joins the call, or finds its answer.
    let answer = gateway.search(&key, "some_name");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("x-tgscan-storage").unwrap().starts_with("cached"));
    assert_eq!(world.mock.account().charged_calls, 1);
}

#[test]
fn a_caller_who_leaves_makes_room_for_another_connection() {
    let world = World::new(100);
    world.configure("", "[limits]\nconnections = 1");
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(std::time::Duration::from_secs(20)).at_least(1));
    let mut caller = gateway.connect();
    write!(
        caller,
        "POST /tgscan/v1/search HTTP/1.1\r\nHost: a\r\nApi-Key: {key}\r\nContent-Length: 15\r\n\r\nquery=some_name"
    )
    .unwrap();
    while world.mock.requests().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(gateway.get("/healthz").status, 503);
    drop(caller);
    while gateway.get("/healthz").status != 200 {}
    assert_eq!(world.server.requests_in_flight(), 1, "before the answer of the service");
}

#[test]
fn a_deadline_ends_the_wait_and_not_the_call() {
    let world = World::new(100);
    world.configure("", "[limits]\ndeadline = \"200ms\"");
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Search>::any().after(std::time::Duration::from_millis(600)).at_least(1));
    let early = gateway.search(&key, "some_name");
    assert_eq!((early.status, &*early.code()), (504, "still_running"));
    let answer = loop {
        let answer = gateway.search(&key, "some_name");
        if answer.status != 504 {
            break answer;
        }
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.mock.account().charged_calls, 1);
    // A free call ends with it, and has no answer to ask for again.
    world.mock.expect(Expect::<Balance>::any().after(std::time::Duration::from_secs(20)).at_least(1));
    let late = gateway.post("/tgscan/v1/balance", &key, "");
    assert_eq!((late.status, &*late.code()), (504, "no_answer"));
}

#[test]
fn balance_is_asked_for_each_time() {
    let world = World::new(100);
    let key = world.key("a", &[]);
    let gateway = world.start();
    world.mock.expect(Expect::<Balance>::any().times(2));
    for _ in 0..2 {
        assert_eq!(gateway.post("/tgscan/v1/balance", &key, "").json()["result"]["num_credits"], 100);
    }
    world.mock.verify().unwrap();
}
