//! What was wrong once, one test each, named after what it was.

use std::time::Duration;

use tgscan_core::types::{ApiMethod, Balance, SimilarGroups};
use tgscan_core::{Api, Credits, Error, Step};

use crate::support::{Outcome, documented_request, live, response};

/// The end of a call after one attempt; another attempt fails the test.
fn end<M: ApiMethod>(api: &Api, method: M, outcome: Outcome) -> Error {
    let Step::Send(_, sent) = Step::begin(api, method, Duration::ZERO) else { panic!("not sent") };
    match sent.received(outcome, Duration::ZERO) {
        Step::Done(result) => result.expect_err("no answer"),
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn a_429_or_503_that_states_a_cost_was_sent_again() {
    let charged = r#"{"status":"error","result":{"message":"too slow","meta":{"op_cost":2}}}"#;
    let odd = r#"{"result":{"meta":{"op_cost":2}}}"#;
    for (status, body) in [(429, charged), (503, charged), (503, odd)] {
        let api = live();
        let error = end::<SimilarGroups>(&api, documented_request(), Ok(response(status, body)));
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Charged(2)), "{error}");
        // Nor is a call sent again that should have been free.
        let error = end(&api, Balance {}, Ok(response(status, body)));
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Charged(2)), "{error}");
        assert_eq!(api.ledger().snapshot().charged, 4);
    }
}
