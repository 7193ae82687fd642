//! Tests of the asynchronous client with a scripted transport and a virtual clock.

mod comparisons;
mod reconcile;
mod tasks;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::Response;
use tgscan_core::types::{Balance, GroupQuery, Search, SimilarGroups, UserCheck, UserQuery};
use tgscan_core::{
    Api, Client, Credits, ErrorKind, Ledger, Reserve, RetryPolicy, Timer, Transport, TransportError,
    transport_fn,
};

use crate::support::{Clock, Outcome, SIMILAR, Script, documented_answer, live, response, test, with_header};

fn groups() -> GroupQuery {
    "alice".parse().unwrap()
}

fn user() -> UserQuery {
    "alice".parse().unwrap()
}

fn never_sent() -> Outcome {
    Err(TransportError::never_sent("connection refused"))
}

fn maybe_sent() -> Outcome {
    Err(TransportError::new("reset"))
}

fn balance(credits: i64) -> Response<Bytes> {
    response(200, format!(r#"{{"status":"ok","result":{{"num_credits":{credits}}}}}"#))
}

fn charged() -> Response<Bytes> {
    response(200, SIMILAR)
}

/// Creates a transport that never responds.
fn silent() -> impl Transport + 'static {
    transport_fn(|_| std::future::pending::<Outcome>())
}

fn is_pending(future: impl Future) -> bool {
    matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[test]
fn future_of_a_call_is_small() {
    // The future is moved into tasks. Keeping a step or an answer across an `await` would double its size.
    let client = Client::new(live(), silent(), Clock::default());
    let sizes = [size_of_val(&client.search("some_username")), size_of_val(&client.balance())];
    assert!(sizes.iter().all(|size| *size <= 600), "{sizes:?}");
}

#[test]
fn each_shorthand_calls_its_method() {
    let answers = [
        documented_answer::<Search>(),
        documented_answer::<Balance>(),
        documented_answer::<SimilarGroups>(),
        documented_answer::<UserCheck>(),
    ];
    let script = Script::new(answers.map(|body| Ok(response(200, body))));
    let client = Client::new(live(), script.transport(), Clock::default());
    block_on(async {
        assert_eq!(client.search(user()).await.unwrap().answer.groups.len(), 1);
        assert_eq!(client.balance().await.unwrap().answer.num_credits, 250);
        assert_eq!(client.similar_groups(groups()).await.unwrap().answer.groups.len(), 1);
        assert!(client.user_check(user()).await.unwrap().answer.user.unwrap().username);
    });
    assert_eq!(
        script.paths(),
        ["/tgscan/v1/search", "/tgscan/v1/balance", "/tgscan/v1/chat/similar", "/tgscan/v1/user/check"]
    );
    assert_eq!(client.ledger().book().totals().charged, 2);
}

#[test]
fn policy_without_retries_makes_one_attempt() {
    let script = Script::new([never_sent(), never_sent()]);
    let api = live().with_retry(RetryPolicy::none());
    let client = Client::new(api, script.transport(), Clock::default());
    for attempt in 1..=2 {
        let error = block_on(client.balance()).unwrap_err();
        assert_eq!((error.attempts(), script.sent()), (1, attempt));
    }
}

#[test]
fn retries_with_the_waits_of_the_policy() {
    let (script, clock) = (Script::new([never_sent(), never_sent(), Ok(charged())]), Clock::default());
    let client = script.client(live(), &clock);
    let reply = block_on(client.similar_groups(groups())).unwrap();
    assert_eq!((reply.attempts, reply.credits, script.sent()), (3, Credits::Charged(1), 3));
    let waits = clock.waits();
    assert!(
        waits.len() == 2 && waits[0] < Duration::from_millis(250) && waits[1] < Duration::from_millis(500)
    );
}

#[test]
fn does_not_resend_a_paid_call_that_may_have_arrived() {
    let error_500 = || Ok(response(500, "<html>oops</html>"));
    for outcome in [maybe_sent(), error_500()] {
        let (script, clock) = (Script::new([outcome]), Clock::default());
        let error = block_on(script.client(live(), &clock).similar_groups(groups())).unwrap_err();
        assert_eq!((error.attempts(), script.sent(), clock.waits().len()), (1, 1, 0), "{error}");
        assert_eq!(error.credits(), Credits::Uncertain);
    }
    let (script, clock) = (Script::new([maybe_sent(), error_500(), Ok(balance(5))]), Clock::default());
    assert_eq!(block_on(script.client(live(), &clock).balance()).unwrap().attempts, 3);
}

#[test]
fn waits_for_retry_after_up_to_max_elapsed() {
    let limited = || Ok(with_header(response(429, "slow down"), "retry-after", "29"));
    let (script, clock) = (Script::new([limited(), limited(), limited()]), Clock::default());
    let error = block_on(script.client(live(), &clock).similar_groups(groups())).unwrap_err();
    // Two waits of 29 s fit in 60 s, a third does not.
    assert_eq!((error.attempts(), error.credits()), (3, Credits::NotCharged));
    assert_eq!(clock.waits(), [Duration::from_secs(29); 2]);
}

#[test]
fn cap_refuses_before_the_transport_is_called() {
    let script = Script::new([Ok(charged())]);
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = Client::new(api, script.transport(), Clock::default());
    block_on(client.similar_groups(groups())).unwrap();
    let error = block_on(client.similar_groups(groups())).unwrap_err();
    assert!(error.is_cap_reached() && error.attempts() == 0 && script.sent() == 1, "{error}");
}

#[test]
fn cap_holds_while_calls_are_in_flight() {
    let api = live().with_cap(2, Reserve::PerCall(1));
    let client = Client::new(api, silent(), Clock::default());
    let calls: Vec<_> = (0..5).map(|_| Box::pin(client.similar_groups(groups()))).collect();
    let mut refused = 0;
    let mut waiting = Vec::new();
    for mut call in calls {
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => waiting.push(call),
            Poll::Ready(result) => refused += u32::from(result.unwrap_err().is_cap_reached()),
        }
    }
    assert_eq!((waiting.len(), refused, client.ledger().book().totals().in_flight_calls), (2, 3, 2));
}

#[test]
fn future_dropped_in_flight_is_uncertain_and_unpolled_future_is_free() {
    let client = Client::new(live(), silent(), Clock::default());
    drop(client.similar_groups(groups()));
    assert_eq!(client.ledger().book().totals().uncertain_attempts, 0);
    assert!(is_pending(client.similar_groups(groups())));
    let now = client.ledger().book().totals();
    assert_eq!((now.uncertain_attempts, now.uncertain, now.in_flight), (1, 1, 0));
    assert!(is_pending(client.balance()));
    let tested = Client::new(test().with_ledger(client.ledger().clone()), silent(), Clock::default());
    assert!(is_pending(tested.similar_groups(groups())));
    assert_eq!(client.ledger().book().totals(), now);
}

#[test]
fn clones_share_the_ledger_and_the_transport() {
    let script = Script::new([Ok(charged()), Ok(charged()), Ok(balance(1))]);
    let one = Client::new(live(), script.transport(), Clock::default());
    let two = one.clone();
    block_on(one.similar_groups(groups())).unwrap();
    block_on(two.similar_groups(groups())).unwrap();
    assert_eq!(one.ledger().book().totals(), two.ledger().book().totals());
    assert_eq!((one.ledger().book().totals().charged, script.sent()), (2, 2));
    // A clone with another transport shares the ledger.
    let three = two.with_transport(script.transport());
    block_on(three.balance()).unwrap();
    assert_eq!(three.ledger().book().totals().charged, 2);
}

#[test]
fn transports_can_be_shared_or_dynamic() {
    let script = Script::new([Ok(balance(1)), Ok(balance(2))]);
    let shared: Arc<dyn Transport> = Arc::new(script.transport());
    for (client, credits) in [
        (Client::new(live(), shared, Clock::default()), 1),
        (Client::new(live(), Arc::new(script.transport()), Clock::default()), 2),
    ] {
        assert_eq!(block_on(client.balance()).unwrap().answer.num_credits, credits);
    }
}

#[test]
fn panicking_observer_and_clock_lose_no_answer() {
    struct Bad;
    impl tgscan_core::call::Observer for Bad {
        fn call_finished(&self, _: &tgscan_core::call::CallSummary<'_>) {
            panic!("an observer panics");
        }
    }
    /// Returns the time once, at the start of the call. Panics after that.
    #[derive(Default)]
    struct Broken(std::sync::atomic::AtomicBool);
    #[tgscan_core::async_trait]
    impl Timer for Broken {
        fn now(&self) -> Duration {
            assert!(!self.0.swap(true, std::sync::atomic::Ordering::Relaxed), "a clock panics");
            Duration::ZERO
        }
        async fn sleep(&self, _: Duration) {}
    }
    let script = Script::new([Ok(charged()), Ok(response(500, "kept"))]);
    let client = Client::new(live(), script.transport(), Clock::default()).with_observer(Bad);
    assert_eq!(block_on(client.similar_groups(groups())).unwrap().credits, Credits::Charged(1));
    let client = client.with_timer(Broken::default());
    let error = block_on(client.similar_groups(groups())).unwrap_err();
    assert_eq!(error.response().unwrap().body(), "kept");
}

#[test]
fn failed_balance_does_not_change_the_comparison() {
    let script = Script::new([Ok(balance(10)), never_sent(), Ok(charged()), Ok(balance(9))]);
    let client = Client::new(live().with_retry(RetryPolicy::none()), script.transport(), Clock::default());
    block_on(async {
        client.reconcile().await.unwrap();
        assert!(client.reconcile().await.unwrap_err().delivery().is_some());
        client.similar_groups(groups()).await.unwrap();
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Agrees);
    });
}

#[test]
fn clients_with_equal_seeds_wait_alike_and_their_calls_differ() {
    let waits = |seed| {
        let (script, clock) = (Script::new((0..8).map(|_| never_sent())), Clock::default());
        let mut policy = RetryPolicy::default();
        policy.seed = seed;
        let client = script.client(live().with_retry(policy), &clock);
        block_on(client.balance()).unwrap_err();
        block_on(client.clone().balance()).unwrap_err();
        clock.waits()
    };
    let seven = waits(7);
    assert_eq!((seven.len(), &seven), (6, &waits(7)));
    assert_ne!(seven[..3], seven[3..]);
    assert_ne!(seven, waits(8));
}

#[test]
fn every_attempt_has_the_extensions_of_its_client_only() {
    #[derive(Clone, Debug, PartialEq)]
    struct Tenant(u32);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let transport = transport_fn(move |request| {
        log.lock().unwrap().push(request.extensions().get::<Tenant>().cloned());
        async { never_sent() }
    });
    let mut policy = RetryPolicy::default();
    policy.max_attempts = 2;
    let client = Client::new(live().with_retry(policy), transport, Clock::default());
    let tenant = client.clone().with_extension(Tenant(7));
    block_on(async { (tenant.balance().await.unwrap_err(), client.balance().await.unwrap_err()) });
    assert_eq!(client.api().retry().max_attempts, 2);
    assert_eq!(*seen.lock().unwrap(), [Some(Tenant(7)), Some(Tenant(7)), None, None]);
}

#[test]
fn futures_are_send_and_clients_are_sync() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<(Client, Api, Ledger, Arc<dyn Timer>)>();
    let client = Client::new(live(), silent(), Clock::default());
    drop((is_send(client.similar_groups(groups())), is_send(client.reconcile())));
}

#[test]
fn texts_are_queries_and_invalid_ones_send_nothing() {
    let script = Script::new([Ok(charged()), Ok(charged())]);
    let client = Client::new(live(), script.transport(), Clock::default());
    block_on(client.similar_groups(["alice", "@bobby"])).unwrap();
    block_on(client.similar_groups("alice,bobby")).unwrap();
    let before = client.ledger().book().totals();
    for error in [
        block_on(client.search("+49 170 1234567")).unwrap_err(),
        block_on(client.user_check(String::from("t.me/joinchat/abc"))).unwrap_err(),
        block_on(client.similar_groups(Vec::<String>::new())).unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::InvalidQuery(_)) && error.attempts() == 0, "{error}");
        assert!(!error.to_string().contains("170") && !error.to_string().contains("abc"), "{error}");
    }
    assert_eq!((script.sent(), client.ledger().book().totals()), (2, before));
}

#[test]
fn replies_and_errors_are_shared_by_cloning() {
    let script = Script::new([
        Ok(response(200, documented_answer::<Balance>())),
        Ok(response(200, r#"{"status":"error","result":{"message":"no"}}"#)),
    ]);
    let client = script.client(live(), &Clock::default());
    let reply = block_on(client.balance()).unwrap();
    let shared = reply.clone();
    assert_eq!((shared.answer.num_credits, shared.raw()), (reply.answer.num_credits, reply.raw()));
    let error = block_on(client.search("alice")).unwrap_err();
    assert_eq!(error.clone().to_string(), error.to_string());
    assert_eq!(error.clone().response().unwrap().body(), error.response().unwrap().body());
}

#[test]
fn each_tenant_has_a_ledger() {
    let script = Script::new((0..2).map(|_| Ok(response(200, SIMILAR))));
    let client = script.client(live(), &Clock::default());
    let tenant = client.clone().with_ledger(Ledger::new()).with_cap(1, Reserve::PerCall(1));
    block_on(tenant.similar_groups("alice")).unwrap();
    assert!(block_on(tenant.similar_groups("alice")).unwrap_err().is_cap_reached());
    block_on(client.similar_groups("alice")).unwrap();
    assert_eq!((tenant.ledger().book().totals().charged, client.ledger().book().totals().charged), (1, 1));
}
