//! Tests of tower's layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::types::Balance;
use tgscan_core::{Api, ApiKey, Transport, TransportError, transport::Delivery, transport_fn};
use tgscan_example_transports::layered;

fn request() -> Request<Bytes> {
    Api::new(ApiKey::live("0123456789abcdef").unwrap()).request(&Balance {})
}

#[tokio::test]
async fn a_transport_that_hangs_ends_as_maybe_sent() {
    let hanging = transport_fn(|_| std::future::pending::<Result<Response<Bytes>, TransportError>>());
    let error = layered(hanging, 1, Duration::from_millis(10)).send(request()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.delivery(), Delivery::MaybeSent);
}

#[tokio::test]
async fn limits_concurrent_requests() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let counting = transport_fn(move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::Relaxed);
            Ok(Response::new(Bytes::new()))
        }
    });
    let transport = Arc::new(layered(counting, 2, Duration::from_secs(60)));
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let transport = Arc::clone(&transport);
            tokio::spawn(async move { transport.send(request()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(peak.load(Ordering::Relaxed), 2);
}
