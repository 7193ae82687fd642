//! Steps of a call that are dropped.

use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{Now, Step};
use tgscan_core::http::Response;
use tgscan_core::store::{CallState, Lookup};
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey};
use tgscan_mock::types::{Search, UserCheck};

use crate::support::{Subject, policy, with_each_store};

fn now() -> Now {
    Now::new(Duration::ZERO, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
}

fn begin<M: ApiMethod>(subject: &Subject, method: M) -> Step<M> {
    let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
    Step::begin_stored(&api, &subject.account(), &policy(), Lookup::New, method, now())
}

/// Begins a call, and returns its first step after this answer.
fn answered<M: ApiMethod>(subject: &Subject, method: M, body: &'static str) -> Step<M> {
    let mut step = begin(subject, method);
    loop {
        step = match step {
            Step::Ask(asking) => {
                let answered = block_on(asking.ask());
                asking.answered(answered, now())
            }
            Step::Send(_, in_flight) => {
                return in_flight.received(Ok(Response::new(Bytes::from_static(body.as_bytes()))), now());
            }
            step => return step,
        };
    }
}

fn charge_of_a_free_method_is_written_if_its_caller_is_dropped_before(open: fn() -> Subject) {
    let subject = open();
    let body = r#"{"status":"ok","result":{"user":{"username":true,"first_name":true,"last_name":false},"meta":{"search_query":"alice_1","known_num_groups":1,"op_cost":3}}}"#;
    let step = answered(&subject, UserCheck { query: "alice_1".parse().unwrap() }, body);
    assert!(matches!(step, Step::Ask(_)), "{step:?}");
    // Waits until it is written, because this is the last handle to the account.
    drop(step);
    assert_eq!(block_on(subject.account().book()).unwrap().totals().charged, 3);
}

fn answer_is_stored_if_its_caller_is_dropped_before_the_store_is_asked(open: fn() -> Subject) {
    let body = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"alice_1","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
    for is_asked in [false, true] {
        let subject = open();
        let step = answered(&subject, Search { query: "alice_1".parse().unwrap() }, body);
        let Step::Ask(asking) = step else { panic!("{step:?}") };
        let ask = is_asked.then(|| asking.ask());
        drop(asking);
        drop(ask);
        let (call, answer) = block_on(subject.account().call(1)).unwrap().unwrap();
        assert_eq!((call.state(), call.entry.charged()), (CallState::Answered, 2), "{}", subject.name);
        assert_eq!(answer.unwrap().body, body);
    }
}

fn claim_is_given_back_if_the_reply_to_it_is_dropped(open: fn() -> Subject) {
    let subject = open();
    let Step::Ask(asking) = begin(&subject, Search { query: "alice_1".parse().unwrap() }) else {
        panic!("no claim")
    };
    let reply = block_on(asking.ask());
    assert_eq!(block_on(subject.account().calls(0, 9)).unwrap().len(), 1, "{reply:?}");
    drop((reply, asking));
    assert_eq!(block_on(subject.account().calls(0, 9)).unwrap(), [], "{}", subject.name);
}

with_each_store! {
    answer_is_stored_if_its_caller_is_dropped_before_the_store_is_asked,
    charge_of_a_free_method_is_written_if_its_caller_is_dropped_before,
    claim_is_given_back_if_the_reply_to_it_is_dropped,
}
