//! Tests of the state machine of a call, driven by hand.

mod methods;
mod resend;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_core::types::{
    ApiMethod, Balance, GroupQuery, SimilarGroups, UserCheck, UserQuery,
    registry::{MethodVisitor, visit_all},
};
use tgscan_core::{
    Api, Credits, Error, Ledger, Reply, Reserve, RetryPolicy, TransportError,
    account::ComparisonStart,
    call::{Attempt, InFlight, Step, Wait},
    transport::TransportErrorKind,
};

use crate::support::{
    Outcome, SIMILAR, at, documented_answer, documented_request, live, response, test, with_header,
};

const NOW: Duration = Duration::from_secs(1_000);

fn similar() -> SimilarGroups {
    SimilarGroups { query: "alice".parse::<GroupQuery>().unwrap() }
}

fn begin<M: ApiMethod>(api: &Api, method: M) -> InFlight<M> {
    match Step::begin(api, method, at(NOW)) {
        Step::Send(_, sent) => sent,
        other => panic!("not sent: {other:?}"),
    }
}

fn done<M: ApiMethod>(step: Step<M>) -> Result<Reply<M::Answer>, Error> {
    match step {
        Step::Done(result) => result,
        other => panic!("not done: {other:?}"),
    }
}

fn waits<M: ApiMethod>(step: Step<M>) -> Wait<M> {
    match step {
        Step::Wait(wait) => wait,
        other => panic!("does not wait: {other:?}"),
    }
}

fn again<M: ApiMethod>(wait: Wait<M>) -> InFlight<M> {
    match wait.resume(at(NOW)) {
        Step::Send(_, sent) => sent,
        other => panic!("not sent again: {other:?}"),
    }
}

fn never_sent() -> Outcome {
    Err(TransportError::never_sent("connection refused").with_kind(TransportErrorKind::Connect))
}

fn maybe_sent() -> Outcome {
    Err(TransportError::new("timed out").with_kind(TransportErrorKind::Timeout))
}

fn refused(status: u16) -> Response<Bytes> {
    response(status, r#"{"status":"error","result":{"message":"no"}}"#)
}

/// (charged, uncertain, in flight)
fn booked(ledger: &Ledger) -> (u64, u64, u64) {
    let now = ledger.book().totals();
    (now.charged, now.uncertain, now.in_flight)
}

fn resending() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.resend_uncertain = true;
    policy
}

#[test]
fn paid_call_reserves_while_in_flight_and_books_its_cost() {
    let api = live();
    let sent = begin(&api, similar());
    assert_eq!(booked(api.ledger()), (0, 0, 1));
    let reply = done(sent.received(Ok(response(200, SIMILAR)), at(NOW))).unwrap();
    assert_eq!((reply.credits, reply.attempts), (Credits::Charged(1), 1));
    assert_eq!(booked(api.ledger()), (1, 0, 0));
}

#[test]
fn resends_unsent_request_and_counts_attempts() {
    let api = live();
    let mut sent = begin(&api, similar());
    for _ in 1..4 {
        let wait = waits(sent.received(never_sent(), at(NOW)));
        assert_eq!(booked(api.ledger()), (0, 0, 1), "a backoff keeps its reserve");
        sent = again(wait);
        assert_eq!(api.ledger().book().totals().in_flight, 1);
    }
    let error = done(sent.received(never_sent(), at(NOW))).unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (4, Credits::NotCharged));
    assert!(error.to_string().ends_with("[no credits charged, 4 attempts]"), "{error}");
    assert_eq!(booked(api.ledger()), (0, 0, 0));
}

#[test]
fn reply_after_retries_counts_every_attempt_and_one_charge() {
    let api = live();
    let wait = waits(begin(&api, similar()).received(never_sent(), at(NOW)));
    let wait = waits(again(wait).received(Ok(refused(429)), at(NOW)));
    let reply = done(again(wait).received(Ok(response(200, SIMILAR)), at(NOW))).unwrap();
    assert_eq!(reply.attempts, 3);
    assert_eq!(booked(api.ledger()), (1, 0, 0));
}

#[test]
fn does_not_resend_paid_call_that_may_have_been_processed() {
    let broke = || Err(TransportError::response_started(response(200, "{"), "reset"));
    let outcomes: [fn() -> Outcome; 5] = [
        maybe_sent,
        || Ok(refused(500)),
        || Ok(refused(502)),
        || Ok(refused(504)),
        || Ok(response(500, "<html>")),
    ];
    for outcome in outcomes.into_iter().chain([broke as fn() -> Outcome]) {
        let api = live();
        let error = done(begin(&api, similar()).received(outcome(), at(NOW))).unwrap_err();
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Uncertain), "{error}");
        assert_eq!(booked(api.ledger()), (0, 1, 0), "{error}");
    }
}

#[test]
fn resends_free_call_after_any_transient_failure() {
    let outcomes: [fn() -> Outcome; 5] = [
        never_sent,
        maybe_sent,
        || Ok(refused(500)),
        || Ok(response(502, "<html>")),
        || Err(TransportError::response_started(response(200, "{"), "reset")),
    ];
    for outcome in outcomes {
        let api = live();
        let wait = waits(begin(&api, Balance {}).received(outcome(), at(NOW)));
        let body = documented_answer::<Balance>();
        let reply = done(again(wait).received(Ok(response(200, body)), at(NOW))).unwrap();
        assert_eq!((reply.attempts, reply.credits), (2, Credits::NotCharged));
        assert_eq!(booked(api.ledger()), (0, 0, 0), "free calls are not in the ledger");
    }
}

#[test]
fn does_not_retry_permanent_failures() {
    let tls = || Err(TransportError::never_sent("bad certificate").with_kind(TransportErrorKind::Tls));
    let large = || {
        let kept = TransportError::response_started(response(200, "{"), "over the cap");
        Err(kept.with_kind(TransportErrorKind::BodyTooLarge))
    };
    let outcomes: [fn() -> Outcome; 5] =
        [tls, large, || Ok(refused(400)), || Ok(refused(401)), || Ok(response(302, ""))];
    for outcome in outcomes {
        let error = done(begin(&live(), Balance {}).received(outcome(), at(NOW))).unwrap_err();
        assert_eq!(error.attempts(), 1, "{error}");
    }
}

#[test]
fn never_retries_a_decode_failure() {
    struct Undecodable(RetryPolicy);
    impl MethodVisitor for Undecodable {
        fn visit<M: ApiMethod>(&mut self) {
            for status in [200, 429, 500, 503] {
                for api in [live(), test()] {
                    let sent = begin::<M>(&api.with_retry(self.0), documented_request());
                    let body = response(status, r#"{"status":"ok","result":{"surprise":1}}"#);
                    let error = done(sent.received(Ok(body), at(NOW))).unwrap_err();
                    assert!(error.is_decode() && error.attempts() == 1, "{error}");
                }
            }
        }
    }
    let mut eager = resending();
    eager.max_attempts = 100;
    visit_all(&mut Undecodable(eager));
}

#[test]
fn waits_for_retry_after_up_to_max_backoff() {
    let after = |seconds: &str| {
        let limited = with_header(refused(429), "retry-after", seconds);
        begin(&live(), similar()).received(Ok(limited), at(NOW))
    };
    assert_eq!(waits(after("7")).duration(), Duration::from_secs(7));
    assert_eq!(waits(after("30")).duration(), Duration::from_secs(30));
    assert_eq!(done(after("31")).unwrap_err().attempts(), 1);
    assert!(waits(after("0")).duration() < Duration::from_millis(250), "the regular backoff");
    assert_eq!(waits(after("2.0")).duration(), Duration::from_secs(2));
    assert_eq!(waits(after("soon")).duration(), Duration::from_secs(30), "the longest backoff");

    let dated = with_header(refused(429), "date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let dated = with_header(dated, "retry-after", "Sun, 06 Nov 1994 08:49:49 GMT");
    let wait = waits(begin(&live(), similar()).received(Ok(dated), at(NOW)));
    assert_eq!(wait.duration(), Duration::from_secs(12));
}

#[test]
fn max_elapsed_counts_from_the_start_of_the_call() {
    let minute = Duration::from_secs(60);
    let late = |now| begin(&live(), Balance {}).received(never_sent(), at(now));
    drop(waits(late(NOW + Duration::from_millis(59_750))));
    assert_eq!(done(late(NOW + minute)).unwrap_err().attempts(), 1);
    drop(waits(late(Duration::ZERO)));
    assert_eq!(done(late(Duration::MAX)).unwrap_err().attempts(), 1);
}

#[test]
fn cap_refuses_before_sending() {
    let api = live().with_cap(1, Reserve::PerCall(1));
    let first = begin(&api, similar());
    let error = done(Step::begin(&api, similar(), at(NOW))).unwrap_err();
    assert!(error.is_cap_reached() && error.response().is_none());
    assert_eq!((error.attempts(), error.credits(), error.delivery()), (0, Credits::NotCharged, None));
    // Free calls pass any cap.
    drop(begin(&api, Balance {}));
    let check = UserCheck { query: "alice".parse::<UserQuery>().unwrap() };
    drop(begin(&api, check));
    done(first.received(never_sent(), at(NOW + Duration::from_secs(99)))).unwrap_err();
    drop(begin(&api, similar()));
}

#[test]
fn call_dropped_in_flight_is_uncertain_and_in_a_backoff_is_not() {
    let api = live();
    drop(begin(&api, similar()));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
    drop(waits(begin(&api, similar()).received(never_sent(), at(NOW))));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
    let wait = waits(begin(&api, similar()).received(never_sent(), at(NOW)));
    assert!(wait.error().unwrap().delivery().is_some());
    let error = done(wait.give_up(at(NOW))).unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (1, Credits::NotCharged));
    assert_eq!(booked(api.ledger()), (0, 1, 0));
    drop(again(waits(begin(&api, similar()).received(never_sent(), at(NOW)))));
    assert_eq!(booked(api.ledger()), (0, 2, 0));
}

#[test]
fn test_key_never_reserves_or_charges() {
    struct Tested;
    impl MethodVisitor for Tested {
        fn visit<M: ApiMethod>(&mut self) {
            let api = test().with_cap(0, Reserve::PerCall(1));
            let before = api.ledger().book().totals();
            let wait = waits(begin::<M>(&api, documented_request()).received(maybe_sent(), at(NOW)));
            let reply = again(wait).received(Ok(response(200, documented_answer::<M>())), at(NOW));
            assert_eq!(done(reply).unwrap().credits, Credits::NotCharged);
            drop(begin::<M>(&api, documented_request()));
            assert_eq!(api.ledger().book().totals(), before, "{}", M::NAME);
        }
    }
    visit_all(&mut Tested);
}

#[test]
fn books_a_charge_of_a_free_method() {
    let api = live();
    let body = documented_answer::<UserCheck>().replace(r#""op_cost": 0"#, r#""op_cost": 3"#);
    let reply =
        done(begin::<UserCheck>(&api, documented_request()).received(Ok(response(200, body)), at(NOW)));
    assert_eq!(reply.unwrap().credits, Credits::Charged(3));
    assert_eq!(booked(api.ledger()), (3, 0, 0));
}

#[test]
fn seed_determines_the_waits_and_calls_differ() {
    let schedule = |seed| {
        let mut policy = RetryPolicy::default();
        policy.seed = seed;
        let api = live().with_retry(policy);
        let one = |api: &Api| -> Vec<Duration> {
            let mut sent = begin(api, Balance {});
            let mut waited = Vec::new();
            for _ in 1..RetryPolicy::default().max_attempts {
                let wait = waits(sent.received(never_sent(), at(NOW)));
                waited.push(wait.duration());
                sent = again(wait);
            }
            waited
        };
        [one(&api), one(&api), one(&api.clone())]
    };
    let [first, second, third] = schedule(7);
    assert_eq!(first.len(), 3);
    assert!(first != second && second != third && first != third);
    assert_eq!(schedule(7), [first.clone(), second, third]);
    assert_ne!(schedule(8)[0], first);
}

#[test]
fn predicates_of_each_error() {
    let of = |error: &Error| {
        [
            error.is_cap_reached(),
            error.is_timeout(),
            error.is_api(),
            error.is_decode(),
            error.delivery().is_some(),
            error.message().is_some(),
            error.response().is_some(),
        ]
        .map(u8::from)
    };
    let failed = |outcome| done(begin(&live(), similar()).received(outcome, at(NOW))).unwrap_err();
    let odd = |body: &'static str| failed(Ok(response(200, body)));
    let capped = live().with_cap(0, Reserve::PerCall(1));
    assert_eq!(of(&done(Step::begin(&capped, similar(), at(NOW))).unwrap_err()), [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(of(&failed(Err(TransportError::new("reset")))), [0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(of(&failed(maybe_sent())), [0, 1, 0, 0, 1, 0, 0]);
    let broke = TransportError::response_started(response(200, "{"), "reset");
    assert_eq!(of(&failed(Err(broke))), [0, 0, 0, 0, 1, 0, 1]);
    assert_eq!(of(&odd(r#"{"status":"error","result":{"message":""}}"#)), [0, 0, 1, 0, 0, 1, 1]);
    assert_eq!(of(&odd("<html>")), [0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(of(&odd(r#"{"status":"ok","result":{}}"#)), [0, 0, 0, 1, 0, 0, 1]);
}

#[test]
fn adds_attempt_extension_only_if_enabled() {
    for (api, expected) in [(live(), None), (live().with_attempt_extension(), Some(("similar_groups", 1)))] {
        let Step::Send(request, _) = Step::begin(&api, similar(), at(NOW)) else { panic!("not sent") };
        let mark = request.extensions().get::<Attempt>();
        assert_eq!(mark.map(|mark| (mark.method, mark.number)), expected);
    }
}

#[test]
fn paid_answer_without_a_cost_is_uncertain() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Other {}
    impl ApiMethod for Other {
        type Answer = bool;
        const NAME: &'static str = "other";
        const PATH: &'static str = "/other";
        const TEST_PATH: Option<&'static str> = Some("/test/other");
        const CAN_COST: bool = true;
        fn op_cost(_: &bool) -> Option<u64> {
            None
        }
        fn people(&self, _: Option<&bool>) -> Vec<String> {
            Vec::new()
        }
    }
    for (api, credits) in [(live(), Credits::Uncertain), (test(), Credits::NotCharged)] {
        let answered = Ok(response(200, r#"{"status":"ok","result":true}"#));
        let reply = done(begin(&api, Other {}).received(answered, at(NOW))).unwrap();
        assert_eq!((reply.answer, reply.credits), (true, credits));
    }
}

#[test]
fn policy_without_retries_gives_up_after_one_attempt() {
    assert_eq!(RetryPolicy::none().max_attempts, 1);
    let api = live().with_retry(RetryPolicy::none());
    assert_eq!(done(begin(&api, Balance {}).received(never_sent(), at(NOW))).unwrap_err().attempts(), 1);
}
