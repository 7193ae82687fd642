//! The state machine of one call, driven by hand: what is sent, what is waited for, what the ledger books.

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
    call::{Attempt, Backoff, InFlight, Step},
    transport::TransportErrorKind,
};

use crate::support::{
    Outcome, SIMILAR, documented_answer, documented_request, live, response, test, with_header,
};

const NOW: Duration = Duration::from_secs(1_000);

fn similar() -> SimilarGroups {
    SimilarGroups { query: "alice".parse::<GroupQuery>().unwrap() }
}

fn begin<M: ApiMethod>(api: &Api, method: M) -> InFlight<M> {
    match Step::begin(api, method, NOW) {
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

fn waits<M: ApiMethod>(step: Step<M>) -> Backoff<M> {
    match step {
        Step::Backoff(wait) => wait,
        other => panic!("does not wait: {other:?}"),
    }
}

fn again<M: ApiMethod>(wait: Backoff<M>) -> InFlight<M> {
    match wait.resume() {
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

/// (charged, uncertain, in flight, attempts without cost)
fn booked(ledger: &Ledger) -> (u64, u64, u64, u64) {
    let now = ledger.snapshot();
    (now.charged, now.uncertain, now.in_flight, now.not_charged_calls)
}

#[test]
fn a_paid_call_reserves_while_it_is_in_flight_and_books_its_cost() {
    let api = live();
    let sent = begin(&api, similar());
    assert_eq!(booked(api.ledger()), (0, 0, 1, 0));
    let reply = done(sent.received(Ok(response(200, SIMILAR)), NOW)).unwrap();
    assert_eq!((reply.credits, reply.attempts), (Credits::Charged(1), 1));
    assert_eq!(booked(api.ledger()), (1, 0, 0, 0));
}

#[test]
fn what_was_never_sent_is_sent_again_and_attempts_are_counted() {
    let api = live();
    let mut sent = begin(&api, similar());
    for attempt in 1..4 {
        let wait = waits(sent.received(never_sent(), NOW));
        assert_eq!(booked(api.ledger()), (0, 0, 0, attempt), "a pause holds nothing back");
        sent = again(wait);
        assert_eq!(api.ledger().snapshot().in_flight, 1);
    }
    let error = done(sent.received(never_sent(), NOW)).unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (4, Credits::NotCharged));
    assert!(error.to_string().ends_with("[no credits charged, 4 attempts]"), "{error}");
    assert_eq!(booked(api.ledger()), (0, 0, 0, 4));
}

#[test]
fn a_reply_after_retries_counts_every_attempt_and_one_charge() {
    let api = live();
    let wait = waits(begin(&api, similar()).received(never_sent(), NOW));
    let wait = waits(again(wait).received(Ok(refused(429)), NOW));
    let reply = done(again(wait).received(Ok(response(200, SIMILAR)), NOW)).unwrap();
    assert_eq!(reply.attempts, 3);
    assert_eq!(booked(api.ledger()), (1, 0, 0, 2));
}

#[test]
fn a_paid_call_that_may_have_been_processed_is_not_sent_again() {
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
        let error = done(begin(&api, similar()).received(outcome(), NOW)).unwrap_err();
        assert_eq!((error.attempts(), error.credits()), (1, Credits::Uncertain), "{error}");
        assert_eq!(booked(api.ledger()), (0, 1, 0, 0), "{error}");
    }
}

#[test]
fn a_free_call_is_sent_again_after_any_transient_failure() {
    let outcomes: [fn() -> Outcome; 5] = [
        never_sent,
        maybe_sent,
        || Ok(refused(500)),
        || Ok(response(502, "<html>")),
        || Err(TransportError::response_started(response(200, "{"), "reset")),
    ];
    for outcome in outcomes {
        let api = live();
        let wait = waits(begin(&api, Balance {}).received(outcome(), NOW));
        let body = documented_answer::<Balance>();
        let reply = done(again(wait).received(Ok(response(200, body)), NOW)).unwrap();
        assert_eq!((reply.attempts, reply.credits), (2, Credits::NotCharged));
        assert_eq!(booked(api.ledger()), (0, 0, 0, 0), "free calls are not in the ledger");
    }
}

#[test]
fn failures_that_would_repeat_themselves_are_reported_at_once() {
    let tls = || Err(TransportError::never_sent("bad certificate").with_kind(TransportErrorKind::Tls));
    let large = || {
        let kept = TransportError::response_started(response(200, "{"), "over the cap");
        Err(kept.with_kind(TransportErrorKind::BodyTooLarge))
    };
    let outcomes: [fn() -> Outcome; 5] =
        [tls, large, || Ok(refused(400)), || Ok(refused(401)), || Ok(response(302, ""))];
    for outcome in outcomes {
        let error = done(begin(&live(), Balance {}).received(outcome(), NOW)).unwrap_err();
        assert_eq!(error.attempts(), 1, "{error}");
    }
}

#[test]
fn a_decode_failure_is_never_retried_whatever_the_terms() {
    struct Undecodable(RetryPolicy);
    impl MethodVisitor for Undecodable {
        fn visit<M: ApiMethod>(&mut self) {
            for status in [200, 429, 500, 503] {
                for api in [live(), test()] {
                    let sent = begin::<M>(&api.with_retry(self.0), documented_request());
                    let body = response(status, r#"{"status":"ok","result":{"surprise":1}}"#);
                    let error = done(sent.received(Ok(body), NOW)).unwrap_err();
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
fn retry_after_is_obeyed_up_to_the_longest_wait() {
    let after = |seconds: &str| {
        let limited = with_header(refused(429), "retry-after", seconds);
        begin(&live(), similar()).received(Ok(limited), NOW)
    };
    assert_eq!(waits(after("7")).duration(), Duration::from_secs(7));
    assert_eq!(waits(after("30")).duration(), Duration::from_secs(30));
    assert_eq!(done(after("31")).unwrap_err().attempts(), 1);
    assert!(waits(after("0")).duration() < Duration::from_millis(250), "no less than the own schedule");
    assert_eq!(waits(after("2.0")).duration(), Duration::from_secs(2));
    assert_eq!(waits(after("soon")).duration(), Duration::from_secs(30), "the longest backoff");

    let dated = with_header(refused(429), "date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let dated = with_header(dated, "retry-after", "Sun, 06 Nov 1994 08:49:49 GMT");
    let wait = waits(begin(&live(), similar()).received(Ok(dated), NOW));
    assert_eq!(wait.duration(), Duration::from_secs(12));
}

#[test]
fn the_total_time_counts_from_the_begin_and_time_never_runs_back() {
    let minute = Duration::from_secs(60);
    let late = |now| begin(&live(), Balance {}).received(never_sent(), now);
    drop(waits(late(NOW + Duration::from_millis(59_750))));
    assert_eq!(done(late(NOW + minute)).unwrap_err().attempts(), 1);
    drop(waits(late(Duration::ZERO)));
    assert_eq!(done(late(Duration::MAX)).unwrap_err().attempts(), 1);
}

#[test]
fn the_cap_refuses_before_anything_is_sent() {
    let api = live().with_ledger(Ledger::with_cap(1, Reserve::PerCall(1)));
    let first = begin(&api, similar());
    let error = done(Step::begin(&api, similar(), NOW)).unwrap_err();
    assert!(error.is_cap_reached() && error.response().is_none());
    assert_eq!((error.attempts(), error.credits(), error.delivery()), (0, Credits::NotCharged, None));
    drop(begin(&api, Balance {}));
    let check = UserCheck { query: "alice".parse::<UserQuery>().unwrap() };
    drop(begin(&api, check));
    assert_eq!(api.ledger().snapshot().refused_calls, 1, "free calls pass any cap");
    done(first.received(never_sent(), NOW + Duration::from_secs(99))).unwrap_err();
    drop(begin(&api, similar()));
}

#[test]
fn a_call_given_up_or_dropped_in_flight_is_uncertain_and_in_a_pause_is_not() {
    let api = live();
    drop(begin(&api, similar()));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 0));
    drop(waits(begin(&api, similar()).received(never_sent(), NOW)));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 1));
    let wait = waits(begin(&api, similar()).received(never_sent(), NOW));
    assert!(wait.error().is_transport());
    let error = wait.give_up();
    assert_eq!((error.attempts(), error.credits()), (1, Credits::NotCharged));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 2));
    drop(again(waits(begin(&api, similar()).received(never_sent(), NOW))));
    assert_eq!(booked(api.ledger()), (0, 2, 0, 3));
}

#[test]
fn calls_with_a_test_key_never_reserve_and_never_charge() {
    struct Tested;
    impl MethodVisitor for Tested {
        fn visit<M: ApiMethod>(&mut self) {
            let api = test().with_ledger(Ledger::with_cap(0, Reserve::PerCall(1)));
            let before = api.ledger().snapshot();
            let wait = waits(begin::<M>(&api, documented_request()).received(maybe_sent(), NOW));
            let reply = again(wait).received(Ok(response(200, documented_answer::<M>())), NOW);
            assert_eq!(done(reply).unwrap().credits, Credits::NotCharged);
            drop(begin::<M>(&api, documented_request()));
            assert_eq!(api.ledger().snapshot(), before, "{}", M::NAME);
        }
    }
    visit_all(&mut Tested);
}

#[test]
fn a_free_method_that_turns_out_to_cost_is_booked() {
    let api = live();
    let body = documented_answer::<UserCheck>().replace(r#""op_cost": 0"#, r#""op_cost": 3"#);
    let reply = done(begin::<UserCheck>(&api, documented_request()).received(Ok(response(200, body)), NOW));
    assert_eq!(reply.unwrap().credits, Credits::Charged(3));
    assert_eq!(booked(api.ledger()), (3, 0, 0, 0));
}

fn resending() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.resend_uncertain = true;
    policy
}

#[test]
fn resending_what_is_uncertain_books_both_attempts() {
    let api = live().with_retry(resending());
    let wait = waits(begin(&api, similar()).received(maybe_sent(), NOW));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 0));
    let reply = done(again(wait).received(Ok(response(200, SIMILAR)), NOW)).unwrap();
    assert_eq!((reply.attempts, reply.credits), (2, Credits::Charged(1)));
    assert_eq!(booked(api.ledger()), (1, 1, 0, 0));
}

#[test]
fn a_call_with_an_uncertain_attempt_is_uncertain_whatever_the_last_attempt_says() {
    let mut policy = resending();
    policy.max_attempts = 2;
    let api = live().with_retry(policy);
    let wait = waits(begin(&api, similar()).received(maybe_sent(), NOW));
    let error = done(again(wait).received(Ok(response(429, "busy")), NOW)).unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (2, Credits::Uncertain));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 1));
}

#[test]
fn a_cap_that_leaves_no_room_for_another_attempt_returns_the_first_error() {
    let api = live().with_retry(resending()).with_ledger(Ledger::with_cap(1, Reserve::PerCall(1)));
    let wait = waits(begin(&api, similar()).received(maybe_sent(), NOW));
    let error = done(wait.resume()).unwrap_err();
    assert!(error.is_timeout() && !error.is_cap_reached(), "{error}");
    assert_eq!((error.attempts(), error.credits()), (1, Credits::Uncertain));
    assert_eq!(booked(api.ledger()), (0, 1, 0, 0));
}

#[test]
fn the_same_seed_draws_the_same_waits_and_every_call_its_own() {
    let schedule = |seed| {
        let mut policy = RetryPolicy::default();
        policy.seed = seed;
        let api = live().with_retry(policy);
        let one = |api: &Api| -> Vec<Duration> {
            let mut sent = begin(api, Balance {});
            let mut drawn = Vec::new();
            for _ in 1..RetryPolicy::default().max_attempts {
                let wait = waits(sent.received(never_sent(), NOW));
                drawn.push(wait.duration());
                sent = again(wait);
            }
            drawn
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
fn each_error_says_of_itself_what_it_is_and_nothing_else() {
    let of = |error: &Error| {
        [
            error.is_cap_reached(),
            error.is_transport(),
            error.is_timeout(),
            error.is_api(),
            error.is_unexpected_response(),
            error.is_decode(),
            error.delivery().is_some(),
            error.message().is_some(),
            error.response().is_some(),
        ]
        .map(u8::from)
    };
    let failed = |outcome| done(begin(&live(), similar()).received(outcome, NOW)).unwrap_err();
    let odd = |body: &'static str| failed(Ok(response(200, body)));
    let capped = live().with_ledger(Ledger::with_cap(0, Reserve::PerCall(1)));
    assert_eq!(of(&done(Step::begin(&capped, similar(), NOW)).unwrap_err()), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(of(&failed(Err(TransportError::new("reset")))), [0, 1, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(of(&failed(maybe_sent())), [0, 1, 1, 0, 0, 0, 1, 0, 0]);
    let broke = TransportError::response_started(response(200, "{"), "reset");
    assert_eq!(of(&failed(Err(broke))), [0, 1, 0, 0, 0, 0, 1, 0, 1]);
    assert_eq!(of(&odd(r#"{"status":"error","result":{"message":""}}"#)), [0, 0, 0, 1, 0, 0, 0, 1, 1]);
    assert_eq!(of(&odd("<html>")), [0, 0, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!(of(&odd(r#"{"status":"ok","result":{}}"#)), [0, 0, 0, 0, 0, 1, 0, 0, 1]);
}

#[test]
fn requests_are_marked_only_if_asked_for() {
    for (api, expected) in [(live(), None), (live().with_attempt_extension(), Some(("similar_groups", 1)))] {
        let Step::Send(request, _) = Step::begin(&api, similar(), NOW) else { panic!("not sent") };
        let mark = request.extensions().get::<Attempt>();
        assert_eq!(mark.map(|mark| (mark.method, mark.number)), expected);
    }
}

#[test]
fn a_paid_method_whose_answer_states_no_cost_is_uncertain() {
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
    }
    for (api, credits) in [(live(), Credits::Uncertain), (test(), Credits::NotCharged)] {
        let answered = Ok(response(200, r#"{"status":"ok","result":true}"#));
        let reply = done(begin(&api, Other {}).received(answered, NOW)).unwrap();
        assert_eq!((reply.answer, reply.credits), (true, credits));
    }
}

#[test]
fn an_answer_that_reads_only_at_a_later_try_is_kept() {
    thread_local! {
        static FAILURES: Cell<u32> = const { Cell::new(0) };
    }
    #[derive(Debug, serde::Serialize)]
    struct Moody;
    impl<'de> serde::Deserialize<'de> for Moody {
        fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
            serde::de::IgnoredAny::deserialize(json)?;
            let left = FAILURES.get();
            FAILURES.set(left.saturating_sub(1));
            if left > 0 { Err(serde::de::Error::custom("not yet")) } else { Ok(Self) }
        }
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Ask {}
    impl ApiMethod for Ask {
        type Answer = Moody;
        const NAME: &'static str = "ask";
        const PATH: &'static str = "/ask";
        const TEST_PATH: Option<&'static str> = None;
        const CAN_COST: bool = true;
        fn op_cost(_: &Moody) -> Option<u64> {
            None
        }
    }
    let body = r#"{"status":"ok","result":{"meta":{"op_cost":4}}}"#;
    let mut is_told = false;
    // How often a body is read is the reader's own affair.
    for failures in 1..5 {
        FAILURES.set(failures);
        match done(begin(&live(), Ask {}).received(Ok(response(200, body)), NOW)) {
            Ok(reply) => assert_eq!(reply.raw(), body),
            Err(error) => {
                assert_eq!((error.is_decode(), error.credits()), (true, Credits::Charged(4)), "{error}");
                assert_eq!(error.response().unwrap().body(), body);
                is_told |= error.to_string().contains("read only at the second try");
            }
        }
    }
    assert!(is_told, "no number of failures led to the tracking reader alone");
}

#[test]
fn a_method_that_does_not_serialise_sends_no_half_of_it() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Nested {
        first: String,
        second: BTreeMap<String, BTreeMap<String, String>>,
    }
    impl ApiMethod for Nested {
        type Answer = bool;
        const NAME: &'static str = "nested";
        const PATH: &'static str = "/nested";
        const TEST_PATH: Option<&'static str> = None;
        const CAN_COST: bool = true;
        fn op_cost(_: &bool) -> Option<u64> {
            None
        }
    }
    let inner = BTreeMap::from([("a".to_owned(), BTreeMap::new())]);
    let request = live().request(&Nested { first: "x".into(), second: inner });
    assert_eq!(
        (request.body().as_ref(), &request.headers()["content-length"]),
        (&b""[..], &"0".parse().unwrap())
    );
}

#[test]
fn a_policy_of_no_retries_gives_up_at_once() {
    assert_eq!(RetryPolicy::none().max_attempts, 1);
    let api = live().with_retry(RetryPolicy::none());
    assert_eq!(done(begin(&api, Balance {}).received(never_sent(), NOW)).unwrap_err().attempts(), 1);
}
