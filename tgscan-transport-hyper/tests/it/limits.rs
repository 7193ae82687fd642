//! Time limits within an attempt, and limits of one call.

use std::time::{Duration, Instant};

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{AttemptLimits, HyperTransport};

use crate::server::{OK, Server, response};
use crate::{SHORT, api, search, transport};

/// Sends ten pieces with pauses. Together they take longer than the limit of each.
async fn slow_server(pause: Duration) -> Server {
    Server::start(move |mut peer| async move {
        peer.read_request().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        let mut ticks = tokio::time::interval(pause);
        for _ in 0..10 {
            ticks.tick().await;
            peer.write("a").await;
        }
    })
    .await
}

#[tokio::test]
async fn read_timeout_limits_each_pause_and_not_the_whole_body() {
    let server = slow_server(SHORT / 3).await;
    let transport = HyperTransport::builder().read_timeout(2 * SHORT).build().unwrap();
    let start = Instant::now();
    assert_eq!(transport.send(search(&server.url())).await.unwrap().body(), "aaaaaaaaaa");
    assert!(start.elapsed() > 2 * SHORT);

    let stalling = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let error = transport.send(search(&stalling.url())).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::ResponseStarted, TransportErrorKind::Timeout));
    assert!(error.to_string().contains("`read_timeout` of 300ms passed within the body"), "{error}");
    assert_eq!(error.partial().unwrap().body(), "abc");
}

#[tokio::test]
async fn one_call_overrides_limits_on_a_shared_connection() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    let client = transport.clone().client(api(&server.url()));
    client.balance().await.unwrap();
    let small = client.clone().with_extension(AttemptLimits::new().max_body_size(5));
    let error = small.balance().await.unwrap_err();
    assert_eq!(error.response().unwrap().body(), &OK[..5]);
    // The original client keeps its limits.
    client.balance().await.unwrap();
    assert_eq!(server.connections(), 1);

    let silent = Server::stalling("").await;
    let mut request = search(&silent.url());
    request.extensions_mut().insert(AttemptLimits::new().attempt_timeout(SHORT));
    let error = transport.send(request).await.unwrap_err();
    assert!(error.to_string().contains("`attempt_timeout` of 150ms passed"), "{error}");
}

#[tokio::test]
async fn refuses_limits_of_zero() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    for limits in [AttemptLimits::new().read_timeout(Duration::ZERO), AttemptLimits::new().max_body_size(0)] {
        let mut request = search(&server.url());
        request.extensions_mut().insert(limits);
        let error = transport().send(request).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Refused));
    }
    assert_eq!(server.connections(), 0);
}
