//! Checks any response to any method: no panic, no lost bytes, consistent credits.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tgscan_core::types::{ApiMethod, registry::MethodVisitor};
use tgscan_core::{Api, Credits, Error, KeyKind, Reply, TransportError, call::Step};

use crate::support::{Outcome, at, documented_request, live, test};

/// The outcome of an attempt: its body, its credits, and whether it is retried.
pub(crate) struct End {
    body: Bytes,
    credits: Credits,
    again: bool,
    is_mismatched: bool,
}

pub(crate) fn of_reply<A>(reply: &Reply<A>) -> End {
    drop((format!("{reply:?}"), reply.reparse::<Value>()));
    End {
        body: reply.raw().clone(),
        credits: reply.credits,
        again: false,
        is_mismatched: reply.is_mismatched(),
    }
}

pub(crate) fn of_error(error: &Error, again: bool) -> End {
    drop((format!("{error:?} {error}"), error.reparse::<Value>()));
    let body = error.response().expect("the error keeps the response").body().clone();
    End { body, credits: error.credits(), again, is_mismatched: false }
}

fn attempt<M: ApiMethod>(api: &Api, outcome: Outcome) -> End {
    let method: M = documented_request();
    let Step::Send(_, sent) = Step::begin(api, method, at(Duration::ZERO)) else { panic!("not sent") };
    match sent.received(outcome, at(Duration::ZERO)) {
        Step::Done(Ok(reply)) => of_reply(&reply),
        Step::Done(Err(error)) => of_error(&error, false),
        Step::Wait(wait) => of_error(wait.error().expect("the reason of the wait"), true),
        other => panic!("{other:?}"),
    }
}

/// Checks one response, complete and broken off, for every method and both kinds of key.
pub(crate) struct Sane<'a>(pub(crate) &'a Response<Bytes>);

impl MethodVisitor for Sane<'_> {
    fn visit<M: ApiMethod>(&mut self) {
        for make in [live, test] {
            for is_whole in [true, false] {
                let (api, kept) = (make(), self.0.clone());
                let outcome =
                    if is_whole { Ok(kept) } else { Err(TransportError::response_started(kept, "broke")) };
                let end = attempt::<M>(&api, outcome);
                let what =
                    || format!("{} {:?} {is_whole} {:?} {:?}", M::NAME, api.key_kind(), self.0, end.credits);
                assert_eq!(&end.body, self.0.body(), "{}", what());
                assert_credits::<M>(&api, &end, what);
            }
        }
    }
}

fn assert_credits<M: ApiMethod>(api: &Api, end: &End, what: impl Fn() -> String) {
    let is_test = api.key_kind() == KeyKind::Test && M::TEST_PATH.is_some();
    match end.credits {
        Credits::Charged(credits) => {
            assert!(!is_test && credits > 0 && !end.again, "{}", what());
            assert!(String::from_utf8_lossy(&end.body).contains(&credits.to_string()), "{}", what());
        }
        Credits::Uncertain => assert!(M::CAN_COST && !is_test && !end.again, "{}", what()),
        Credits::NotCharged => {}
    }
    if let (Some(cost), false) = (stated_cost(&end.body), is_test) {
        let stated = match cost {
            // A free mismatched answer does not show that this call was free.
            0 if end.is_mismatched && M::CAN_COST => Credits::Uncertain,
            0 => Credits::NotCharged,
            _ => Credits::Charged(cost),
        };
        assert_eq!(end.credits, stated, "{}", what());
    }
    let now = api.ledger().book().totals();
    assert_eq!((now.in_flight, now.in_flight_calls), (0, 0), "{}", what());
    assert_eq!(now.charged, end.credits.charged(), "{}", what());
    assert_eq!(now.uncertain_attempts, u64::from(end.credits == Credits::Uncertain), "{}", what());
}

/// Returns the stated cost in a complete JSON body.
fn stated_cost(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(body).ok()?.pointer("/result/meta/op_cost")?.as_u64()
}
