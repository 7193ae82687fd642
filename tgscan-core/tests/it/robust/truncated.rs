//! Tests of answers truncated at any byte: the credits are correct, and the received bytes are kept.

use std::time::Duration;

use serde_json::Value;
use tgscan_core::types::{
    ApiMethod,
    registry::{MethodVisitor, visit_all},
};
use tgscan_core::{Api, Credits, Error, ErrorKind, KeyKind, TransportError, call::Step, transport::Delivery};

use crate::json::both_orders;
use crate::support::{at, documented_answer, documented_request, live, response, test};

/// Returns the documented answer in several layouts, with a cost of several digits, so that a cut can split it.
fn layouts<M: ApiMethod>() -> Vec<String> {
    let pretty = documented_answer::<M>().replace(r#""op_cost": 1"#, r#""op_cost": 123"#);
    let answer: Value = serde_json::from_str(&pretty).unwrap();
    both_orders(&answer).into_iter().chain([pretty]).collect()
}

/// Returns the credits that a prefix proves. The cost is known only if a further byte shows that it is complete.
fn proven<M: ApiMethod>(api: &Api, body: &str, cut: usize) -> Credits {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let is_free = !M::CAN_COST || api.key_kind() == KeyKind::Test;
    let cost = body.find(r#""op_cost":"#).map(|at| at + r#""op_cost":"#.len()).map(|at| {
        let at = at + usize::from(body[at..].starts_with(' '));
        (at + digits(&body[at..]), &body[at..at + digits(&body[at..])])
    });
    match cost {
        _ if is_free => Credits::NotCharged,
        Some((end, cost)) if cut > end => Credits::Charged(cost.parse().unwrap()),
        _ => Credits::Uncertain,
    }
}

fn broken<M: ApiMethod>(api: &Api, method: M, status: u16, prefix: &str) -> Error {
    let Step::Send(_, sent) = Step::begin(api, method, at(Duration::ZERO)) else { panic!("nothing to send") };
    let error = TransportError::response_started(response(status, prefix.to_owned()), "the connection broke");
    match sent.received(Err(error), at(Duration::ZERO)) {
        Step::Done(Err(error)) => error,
        // A free call may be retried. The test needs only the error of this attempt.
        Step::Wait(wait) => match wait.give_up(at(Duration::ZERO)) {
            Step::Done(result) => result.err().unwrap(),
            other => panic!("not done: {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn body_that_broke_off_has_the_proven_credits() {
    struct Cut(usize);
    impl MethodVisitor for Cut {
        fn visit<M: ApiMethod>(&mut self) {
            for body in layouts::<M>() {
                for cut in 0..body.trim_end().len() {
                    for api in [live(), test()] {
                        let what = format!("{} cut at {cut} of {body}", M::NAME);
                        let error = broken::<M>(&api, documented_request(), 200, &body[..cut]);
                        let expected = proven::<M>(&api, &body, cut);
                        assert_eq!(error.credits(), expected, "{what}");
                        assert_eq!(error.delivery(), Some(Delivery::ResponseStarted), "{what}");
                        assert_eq!(error.response().unwrap().body(), &body[..cut], "{what}");
                        let now = api.ledger().book().totals();
                        assert_eq!(now.charged, expected.charged(), "{what}");
                        assert_eq!(
                            now.uncertain_attempts,
                            u64::from(expected == Credits::Uncertain),
                            "{what}"
                        );
                        assert_eq!(now.in_flight, 0, "{what}");
                        self.0 += 1;
                    }
                }
            }
        }
    }
    let mut cuts = Cut(0);
    visit_all(&mut cuts);
    assert!(cuts.0 > 5000, "{} cuts", cuts.0);
}

#[test]
fn unnoticed_truncation_is_never_a_reply() {
    struct Cut;
    impl MethodVisitor for Cut {
        fn visit<M: ApiMethod>(&mut self) {
            let method: M = documented_request();
            for body in layouts::<M>() {
                let whole = body.trim_end().len();
                for cut in 0..whole {
                    for api in [live(), test()] {
                        let what = format!("{} cut at {cut} of {body}", M::NAME);
                        let error =
                            api.parse(&method, response(200, body[..cut].to_owned())).expect_err(&what);
                        assert!(
                            error.is_decode() || matches!(error.kind(), ErrorKind::UnexpectedResponse(_)),
                            "{error} for {what}"
                        );
                        assert_eq!(error.credits(), proven::<M>(&api, &body, cut), "{what}");
                        assert_eq!(error.response().unwrap().body(), &body[..cut], "{what}");
                    }
                }
                live().parse(&method, response(200, body[..whole].to_owned())).expect(M::NAME);
            }
        }
    }
    visit_all(&mut Cut);
}

#[test]
fn success_that_broke_off_outweighs_a_refusing_status() {
    let credits = |status, body| {
        let similar: tgscan_core::types::SimilarGroups = documented_request();
        broken(&live(), similar, status, body).credits()
    };
    for status in [200, 401, 429, 500, 503] {
        assert_eq!(credits(status, r#"{"status":"ok","res"#), Credits::Uncertain, "under {status}");
    }
    for (status, expected) in [
        (401, Credits::NotCharged),
        (429, Credits::NotCharged),
        (500, Credits::Uncertain),
        (503, Credits::Uncertain),
    ] {
        assert_eq!(credits(status, r#"{"status":"#), expected, "under {status}");
    }
}
