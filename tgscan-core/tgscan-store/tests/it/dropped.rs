//! Steps of a call that are dropped.

use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{Now, Step};
use tgscan_core::http::Response;
use tgscan_core::store::Lookup;
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey};
use tgscan_mock::types::UserCheck;

use crate::support::{Subject, policy, with_each_store};

/// Begins a call, and returns its first step after this answer.
fn answered<M: ApiMethod>(subject: &Subject, method: M, body: &'static str) -> Step<M> {
    let now = || Now::new(Duration::ZERO, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
    let mut step = Step::begin_stored(&api, &subject.account(), &policy(), Lookup::New, method, now());
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

with_each_store! {
    charge_of_a_free_method_is_written_if_its_caller_is_dropped_before,
}
