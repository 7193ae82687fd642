//! Comparisons that concurrent calls start.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::*;

/// A clock that the test moves, in seconds.
#[derive(Clone, Default)]
struct Manual(Arc<AtomicU64>);

#[tgscan_core::async_trait]
impl Timer for Manual {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        let is_over = || if self.now() < until { Poll::Pending } else { Poll::Ready(()) };
        std::future::poll_fn(|_| is_over()).await;
    }
}

/// A service that answers requests for the balance when the test permits.
#[derive(Clone, Default)]
struct Service {
    balances: Arc<AtomicUsize>,
    is_open: Arc<AtomicBool>,
    paid: Arc<AtomicUsize>,
    loses_calls: Arc<AtomicBool>,
    clock: Manual,
}

impl Service {
    fn client(&self) -> Client {
        let service = self.clone();
        let transport = transport_fn(move |request| {
            let service = service.clone();
            let is_balance = request.uri().path().ends_with("/balance");
            let counter = if is_balance { &service.balances } else { &service.paid };
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if is_balance {
                    let is_open = |_: &mut Context<'_>| {
                        if service.is_open.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
                    };
                    std::future::poll_fn(is_open).await;
                    return Ok(balance(10));
                }
                if service.loses_calls.load(Ordering::Relaxed) { maybe_sent() } else { Ok(charged()) }
            }
        });
        Client::new(live().with_cap(3, Reserve::PerCall(1)), transport, self.clock.clone())
            .with_late_charge_window(Duration::ZERO)
            .with_auto_reconcile()
    }

    fn balances(&self) -> usize {
        self.balances.load(Ordering::Relaxed)
    }

    fn open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// Returns a client whose cap is used up by uncertain calls, after one request for the balance.
    fn full_client(&self) -> Client {
        let client = self.client();
        self.open(true);
        self.loses_calls.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(block_on(client.similar_groups(groups())).unwrap_err().credits(), Credits::Uncertain);
        }
        self.loses_calls.store(false, Ordering::Relaxed);
        self.open(false);
        assert_eq!(self.balances(), 1);
        client
    }
}

type Calling = std::pin::Pin<Box<dyn Future<Output = Result<(), tgscan_core::Error>>>>;

fn begin(client: &Client) -> Calling {
    let client = client.clone();
    Box::pin(async move { client.similar_groups(groups()).await.map(drop) })
}

fn poll(calling: &mut Calling) -> Poll<Result<(), tgscan_core::Error>> {
    calling.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn calls_that_need_room_share_a_comparison() {
    let service = Service::default();
    let client = service.full_client().with_late_charge_window(Duration::from_secs(30));
    let mut calls: Vec<_> = (0..3).map(|_| begin(&client)).collect();
    assert!(calls.iter_mut().all(|call| poll(call).is_pending()));
    assert_eq!(service.balances(), 1, "the first call waits for late charges, and the others for it");
    service.clock.0.store(30, Ordering::Relaxed);
    service.open(true);
    for call in &mut calls {
        assert!(matches!(poll(call), Poll::Ready(Ok(()))));
    }
    assert_eq!((service.balances(), client.ledger().book().totals().charged), (2, 3));
}

#[test]
fn first_calls_share_the_request_for_the_baseline() {
    let service = Service::default();
    let client = service.client();
    let mut calls: Vec<_> = (0..3).map(|_| begin(&client)).collect();
    assert!(calls.iter_mut().all(|call| poll(call).is_pending()));
    assert_eq!((service.balances(), service.paid.load(Ordering::Relaxed)), (1, 0));
    service.open(true);
    for call in &mut calls {
        assert!(matches!(poll(call), Poll::Ready(Ok(()))));
    }
    assert_eq!(service.balances(), 1);
}

#[test]
fn waiting_call_compares_if_the_comparing_call_is_dropped() {
    // Dropped during the request for the balance, and during the wait for late charges.
    for (window, requests) in [(0, 3), (30, 2)] {
        let service = Service::default();
        let client = service.full_client().with_late_charge_window(Duration::from_secs(window));
        let (mut first, mut second) = (begin(&client), begin(&client));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        drop(first);
        service.open(true);
        service.clock.0.store(window, Ordering::Relaxed);
        assert!(matches!(poll(&mut second), Poll::Ready(Ok(()))));
        assert_eq!(service.balances(), requests);
    }
}

#[test]
fn wait_for_a_comparison_that_makes_no_progress_is_limited() {
    let service = Service::default();
    let client = service.full_client().with_late_charge_window(Duration::from_secs(30));
    let (mut stuck, mut second) = (begin(&client), begin(&client));
    assert!(poll(&mut stuck).is_pending() && poll(&mut second).is_pending());
    service.clock.0.store(119, Ordering::Relaxed);
    assert!(poll(&mut second).is_pending());
    service.clock.0.store(120, Ordering::Relaxed);
    let Poll::Ready(Err(error)) = poll(&mut second) else { panic!("still pending") };
    assert!(error.is_cap_reached(), "{error}");
    assert_eq!(service.balances(), 1);
}
