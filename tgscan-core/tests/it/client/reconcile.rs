//! Comparisons with the balance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn reconcile_resolves_uncertain_calls() {
    let script = Script::new([
        Ok(balance(10)),
        maybe_sent(),
        Ok(balance(9)),
        Ok(balance(9)),
        maybe_sent(),
        Ok(balance(2)),
    ]);
    let clock = Clock::default();
    let client = script.client(live().with_cap(100, Reserve::PerCall(1)), &clock);
    block_on(async {
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Baseline);
        client.similar_groups(groups()).await.unwrap_err();
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Resolved(1));
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Agrees);
        client.similar_groups(groups()).await.unwrap_err();
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Unexplained(6));
    });
    let now = client.ledger().book().totals();
    assert_eq!((now.charged, now.uncertain, now.unexplained), (2, 0, 6));
    assert_eq!(clock.waits(), [Duration::from_secs(30); 2], "for late charges of the uncertain calls");
}

#[test]
fn reconcile_charges_all_missing_credits_to_a_call_without_a_known_price() {
    let script = Script::new([Ok(balance(10)), maybe_sent(), Ok(balance(3))]);
    let client = script.client(live(), &Clock::default());
    block_on(async {
        client.reconcile().await.unwrap();
        client.similar_groups(groups()).await.unwrap_err();
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Resolved(7));
    });
    let now = client.ledger().book().totals();
    assert_eq!((now.charged, now.uncertain, now.unexplained), (7, 0, 0));
}

#[test]
fn reconcile_is_inconclusive_if_a_call_becomes_uncertain_while_it_waits() {
    struct Busy(Client);
    #[tgscan_core::async_trait]
    impl Timer for Busy {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        async fn sleep(&self, _: Duration) {
            drop(
                Box::pin(self.0.similar_groups(groups()))
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop())),
            );
        }
    }
    let script = Script::new([Ok(balance(10)), maybe_sent()]);
    let client = Client::new(live(), script.transport(), Clock::default());
    block_on(client.reconcile()).unwrap();
    block_on(client.similar_groups(groups())).unwrap_err();
    // Another call becomes uncertain during the wait for the first.
    let other = client.clone().with_transport(silent());
    let busy = client.with_timer(Busy(other));
    assert_eq!(block_on(busy.reconcile()).unwrap().outcome, tgscan_core::Outcome::TooEarly);
    assert_eq!(script.sent(), 2, "the balance was not requested");
}

#[test]
fn reconcile_is_inconclusive_if_a_paid_call_overlaps() {
    let (script, clock) = (Script::new([Ok(balance(10)), Ok(balance(9))]), Clock::default());
    let client = script.client(live(), &clock);
    block_on(client.reconcile()).unwrap();
    let stuck = client.clone().with_transport(silent());
    let mut in_flight = Box::pin(stuck.similar_groups(groups()));
    assert!(in_flight.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, tgscan_core::Outcome::CallsInFlight);
    drop(in_flight);
    assert_eq!(block_on(client.reconcile()).unwrap().outcome, tgscan_core::Outcome::Resolved(1));

    // A call that begins while the balance is requested is delayed, up to a limit.
    let paid = Client::new(
        live().with_ledger(client.ledger().clone()),
        Script::new([Ok(charged())]).transport(),
        clock.clone(),
    );
    let meanwhile = transport_fn(move |_| {
        let paid = paid.clone();
        async move {
            paid.similar_groups(groups()).await.unwrap();
            Ok(balance(8))
        }
    });
    let overlapped = client.clone().with_transport(meanwhile);
    let before = clock.now();
    assert_eq!(block_on(overlapped.reconcile()).unwrap().outcome, tgscan_core::Outcome::Overlapped);
    assert!(clock.now() >= before + Duration::from_secs(40));
}

#[test]
fn auto_reconcile_makes_room_once_for_each_uncertain_call() {
    let script = Script::new([
        // The baseline, before the first paid call.
        Ok(balance(10)),
        maybe_sent(),
        // The second search would exceed the cap. The balance shows that the first was free.
        Ok(balance(10)),
        Ok(charged()),
    ]);
    let api = live().with_cap(1, Reserve::PerCall(1));
    let clock = Clock::default();
    let client = script.client(api, &clock).with_auto_reconcile();
    block_on(client.similar_groups(groups())).unwrap_err();
    let reply = block_on(client.similar_groups(groups())).unwrap();
    assert_eq!((reply.credits, script.sent()), (Credits::Charged(1), 4));
    // The cap is reached by charged credits, so reconciling cannot help.
    assert!(block_on(client.similar_groups(groups())).unwrap_err().is_cap_reached());
    assert_eq!((script.sent(), clock.waits().len()), (4, 1));
}

#[test]
fn retry_after_is_obeyed_after_a_comparison_made_room() {
    let limited = with_header(response(429, "slow down"), "retry-after", "2");
    let script = Script::new([Ok(balance(10)), maybe_sent(), Ok(balance(10)), Ok(limited), Ok(charged())]);
    let clock = Clock::default();
    let client = script.client(live().with_cap(1, Reserve::PerCall(1)), &clock).with_auto_reconcile();
    block_on(client.similar_groups(groups())).unwrap_err();
    let reply = block_on(client.similar_groups(groups())).unwrap();
    assert_eq!((reply.attempts, script.sent()), (2, 5));
    let [late_charges, backoff] = clock.waits()[..] else { panic!("{:?}", clock.waits()) };
    assert!(late_charges == Duration::from_secs(30) && backoff >= Duration::from_secs(2), "{backoff:?}");
}

/// A clock whose waits end only when the test permits.
struct Pausable(Clock, Arc<AtomicBool>);

#[tgscan_core::async_trait]
impl Timer for Pausable {
    fn now(&self) -> Duration {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        if !self.1.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.0.sleep(duration).await;
    }
}

#[test]
fn comparison_that_was_dropped_is_repeated() {
    let script = Script::new([Ok(balance(10)), maybe_sent(), Ok(balance(10)), Ok(charged())]);
    let api = live().with_cap(1, Reserve::PerCall(1));
    let ends = Arc::new(AtomicBool::new(false));
    let timer = Pausable(Clock::default(), ends.clone());
    let client = Client::new(api, script.transport(), timer).with_auto_reconcile();
    block_on(client.similar_groups(groups())).unwrap_err();
    assert!(is_pending(client.similar_groups(groups())), "it waits for late charges");
    ends.store(true, Ordering::Relaxed);
    assert_eq!(block_on(client.similar_groups(groups())).unwrap().credits, Credits::Charged(1));
    assert_eq!(script.sent(), 4);
}

#[test]
fn balance_is_recorded_again_after_calls_were_resolved_by_hand() {
    let script = Script::new([
        Ok(balance(10)),
        maybe_sent(),
        Ok(balance(10)),
        maybe_sent(),
        Ok(balance(10)),
        Ok(charged()),
    ]);
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = script.client(api, &Clock::default()).with_auto_reconcile();
    block_on(client.similar_groups(groups())).unwrap_err();
    client.ledger().resolve_uncertain(0);
    block_on(client.similar_groups(groups())).unwrap_err();
    assert_eq!(block_on(client.similar_groups(groups())).unwrap().credits, Credits::Charged(1));
    assert_eq!(script.sent(), 6);
}

#[test]
fn balance_is_free_although_a_response_to_it_stated_a_cost() {
    let search = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"a","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
    let script = Script::new([
        Ok(balance(10)),
        Ok(response(200, search)),
        Ok(balance(8)),
        maybe_sent(),
        Ok(balance(7)),
    ]);
    let client = script.client(live().with_cap(3, Reserve::PerCall(1)), &Clock::default());
    block_on(async {
        client.reconcile().await.unwrap();
        assert_eq!(client.balance().await.unwrap_err().credits(), Credits::Charged(2));
        assert_eq!(client.balance().await.unwrap().credits, Credits::NotCharged);
        client.similar_groups(groups()).await.unwrap_err();
        // The cap has no room for another call.
        assert_eq!(client.reconcile().await.unwrap().outcome, tgscan_core::Outcome::Resolved(1));
    });
    assert_eq!(client.ledger().book().totals().charged, 3);
}

#[test]
fn auto_reconcile_requests_the_balance_once_if_it_is_inconclusive() {
    let script = Script::new([Ok(balance(10)), maybe_sent(), Ok(balance(500))]);
    let api = live().with_cap(1, Reserve::PerCall(1));
    let client = script.client(api, &Clock::default()).with_auto_reconcile();
    block_on(client.similar_groups(groups())).unwrap_err();
    for _ in 0..5 {
        let error = block_on(client.similar_groups(groups())).unwrap_err();
        assert!(error.is_cap_reached(), "credits were bought meanwhile: {error}");
    }
    assert_eq!(script.sent(), 3);
    client.ledger().resolve_uncertain(0);
    assert_eq!(client.ledger().book().totals().remaining(1), 1);
}
