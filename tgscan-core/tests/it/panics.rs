//! Tests of panics in the caller's code after a response has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use tgscan_core::types::{ApiMethod, SimilarGroups, SimilarGroupsAnswer};
use tgscan_core::{
    Client, Credits, ErrorKind, Ledger, Reserve, RetryPolicy, Timer, Transport, TransportError, async_trait,
    transport_fn,
};

use crate::support::{Clock, Gate, Outcome, SIMILAR, Script, live, response};

#[derive(Clone, Debug)]
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a drop panics");
    }
}

fn charged() -> Response<Bytes> {
    response(200, SIMILAR)
}

/// Asserts that a call is answered and booked.
fn assert_answered<M: ApiMethod>(client: &Client, method: M) {
    let reply = block_on(client.send(method)).unwrap();
    assert_eq!((reply.credits, client.ledger().book().totals().charged), (Credits::Charged(1), 1));
}

fn similar() -> SimilarGroups {
    SimilarGroups { query: "alice".parse().unwrap() }
}

#[test]
fn panic_of_discard_connections_loses_no_answer() {
    struct Discarding;
    #[async_trait]
    impl Transport for Discarding {
        async fn send(&self, _: Request<Bytes>) -> Outcome {
            Ok(response(200, SIMILAR.replace("alice", "another")))
        }
        fn discard_connections(&self) {
            std::panic::panic_any(PanicsOnDrop);
        }
    }
    let client = Client::new(live(), Discarding, Clock::default());
    assert_answered(&client, similar());
}

#[test]
fn panic_in_drop_of_the_transports_future_loses_no_answer() {
    struct Sending(Option<Outcome>, PanicsOnDrop);
    impl Future for Sending {
        type Output = Outcome;
        fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
            Poll::Ready(self.0.take().unwrap())
        }
    }
    let client =
        Client::new(live(), transport_fn(|_| Sending(Some(Ok(charged())), PanicsOnDrop)), Clock::default());
    assert_answered(&client, similar());
    let client = client.with_ledger(Ledger::new()).with_deadline(Duration::from_secs(5));
    assert_answered(&client, similar());
}

#[test]
fn panic_of_the_transport_is_a_maybe_sent_error() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let transport = transport_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { std::panic::panic_any("the transport panics") }
    });
    let client = Client::new(live(), transport, Clock::default());
    let error = block_on(client.send(similar())).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error}");
    assert_eq!((error.credits(), calls.load(Ordering::Relaxed)), (Credits::Uncertain, 1));
    assert_eq!(client.ledger().book().totals().uncertain_attempts, 1);
}

#[test]
fn panic_before_the_transport_returns_its_future_is_a_maybe_sent_error() {
    struct Odd;
    impl Clone for Odd {
        fn clone(&self) -> Self {
            panic!("the clone of an extension panics");
        }
    }
    let panicking = || transport_fn(|_| -> std::future::Ready<Outcome> { panic!("the transport panics") });
    let client = || Client::new(live(), panicking(), Clock::default());
    let with_extension =
        client().with_transport(Script::new([Ok(charged())]).transport()).with_extension(Odd);
    for client in [client(), client().with_deadline(Duration::from_secs(5)), with_extension] {
        let error = block_on(client.send(similar())).unwrap_err();
        assert_eq!((error.credits(), error.attempts()), (Credits::Uncertain, 1), "{error}");
        assert_eq!(client.ledger().book().totals().uncertain_attempts, 1);
    }
}

#[test]
fn panic_in_drop_of_an_earlier_error_loses_no_answer() {
    #[derive(Debug)]
    struct Odd(PanicsOnDrop);
    impl std::fmt::Display for Odd {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("refused")
        }
    }
    impl std::error::Error for Odd {}
    let refused = || TransportError::never_sent(Odd(PanicsOnDrop));
    let script = Script::new([Err(refused()), Ok(charged())]);
    assert_answered(&script.client(live(), &Clock::default()), similar());
    let script = Script::new([Err(TransportError::response_started(charged(), Odd(PanicsOnDrop)))]);
    assert_answered(&script.client(live(), &Clock::default()), similar());
}

/// Returns a transport that is pending once, so that the sleep of a deadline begins.
fn late() -> impl Transport {
    transport_fn(|_| async {
        let mut polled = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(charged())
    })
}

#[test]
fn panic_in_drop_of_a_sleep_loses_no_answer() {
    struct Dropping;
    #[async_trait]
    impl Timer for Dropping {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        async fn sleep(&self, _: Duration) {
            let _bomb = PanicsOnDrop;
            std::future::pending::<()>().await;
        }
    }
    let client = Client::new(live(), late(), Dropping).with_deadline(Duration::from_secs(5));
    assert_answered(&client, similar());
}

#[test]
fn panic_of_the_timer_loses_no_answer() {
    struct Panicking;
    #[async_trait]
    impl Timer for Panicking {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        // Panics when it is called, not when it is polled.
        fn sleep<'a, 'b>(&'a self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'b>>
        where
            'a: 'b,
        {
            panic!("the timer panics");
        }
    }
    let script = Script::new([Ok(response(502, "a page")), Ok(charged())]);
    let mut retry = RetryPolicy::default();
    retry.resend_uncertain = true;
    let client = Client::new(live().with_retry(retry), script.transport(), Panicking);
    assert_answered(&client, similar());
    let client = Client::new(live(), late(), Panicking).with_deadline(Duration::from_secs(5));
    assert_answered(&client, similar());
    // Also in a comparison that a call starts.
    let balance = r#"{"status":"ok","result":{"num_credits":5}}"#;
    let script = Script::new([Ok(response(200, balance)), Ok(response(502, "a page"))]);
    let client = Client::new(live().with_cap(1, Reserve::PerCall(1)), script.transport(), Panicking);
    let client = client.with_auto_reconcile();
    assert_eq!(block_on(client.send(similar())).unwrap_err().credits(), Credits::Uncertain);
    assert!(block_on(client.send(similar())).unwrap_err().is_cap_reached());
}

#[test]
fn panic_of_a_method_loses_no_answer() {
    #[derive(Serialize, Deserialize)]
    struct Odd<const AT: u8> {
        query: String,
    }
    impl<const AT: u8> Drop for Odd<AT> {
        fn drop(&mut self) {
            assert!(AT != 0 || std::thread::panicking(), "the drop of a method panics");
        }
    }
    impl<const AT: u8> ApiMethod for Odd<AT> {
        type Answer = SimilarGroupsAnswer;
        const NAME: &'static str = "odd";
        const PATH: &'static str = "/odd";
        const TEST_PATH: Option<&'static str> = None;
        const CAN_COST: bool = true;
        fn op_cost(answer: &SimilarGroupsAnswer) -> Option<u64> {
            assert!(AT != 1, "the cost of an answer panics");
            Some(answer.meta.op_cost)
        }
        fn people(&self, _: Option<&SimilarGroupsAnswer>) -> Vec<String> {
            Vec::new()
        }
        fn is_answered_by(&self, _: &SimilarGroupsAnswer) -> bool {
            assert!(AT != 2, "comparing the echo panics");
            true
        }
    }
    let client = || Client::new(live(), transport_fn(|_| async { Ok(charged()) }), Clock::default());
    assert_answered(&client(), Odd::<0> { query: "a".into() });
    assert_answered(&client(), Odd::<1> { query: "a".into() });
    assert_answered(&client(), Odd::<2> { query: "a".into() });
}

#[test]
fn panic_of_another_tasks_waker_loses_no_answer() {
    struct Waking;
    impl Wake for Waking {
        fn wake(self: Arc<Self>) {
            panic!("an executor panics");
        }
    }
    let script = Script::new([Ok(charged())]);
    let api = live().with_cap(1, Reserve::PerCall(1)).with_retry(RetryPolicy::none());
    let held = Client::new(api, transport_fn(|_| std::future::pending::<Outcome>()), Gate::default());
    let mut first = Box::pin(held.similar_groups("alice"));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let waiting = held.clone().with_wait_at_cap();
    let mut second = Box::pin(waiting.similar_groups("alice"));
    assert!(second.as_mut().poll(&mut Context::from_waker(&Arc::new(Waking).into())).is_pending());
    held.ledger().set_price("similar_groups", None);
    drop(second);
    let client = held.clone().with_cap(2, Reserve::PerCall(1)).with_transport(script.transport());
    assert_answered(&client, similar());
}

#[test]
fn error_whose_display_panics_is_reported() {
    #[derive(Debug)]
    struct Odd;
    impl std::fmt::Display for Odd {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("the text of an error panics");
        }
    }
    impl std::error::Error for Odd {}
    let transport = transport_fn(|_| async {
        let partial: Response<Bytes> = response(500, "kept");
        Err(TransportError::response_started(partial, Odd))
    });
    let client = Client::new(live(), transport, Clock::default());
    let error = block_on(client.send(similar())).unwrap_err();
    assert_eq!(error.response().unwrap().body(), "kept");
    assert!(error.to_string().contains("the `Display` of the error panicked"), "{error}");
}
