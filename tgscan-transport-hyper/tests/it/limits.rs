//! Time limits within a call, and limits of one call.

use std::time::{Duration, Instant};

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{AttemptLimits, HyperTransport};

use crate::server::{OK, Server, response};
use crate::{SHORT, api, search, transport};

#[tokio::test]
async fn the_first_byte_has_a_limit_of_its_own() {
    let silent = Server::stalling("").await;
    let transport = HyperTransport::builder().first_byte_timeout(SHORT).build().unwrap();
    let error = transport.send(search(&silent.url())).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::MaybeSent, TransportErrorKind::Timeout));
    assert!(error.to_string().contains("`first_byte_timeout` of 150ms passed without an answer"), "{error}");
}

/// Ten pieces with pauses, which together take longer than the limit of each.
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
async fn a_pause_within_the_body_has_a_limit_and_the_whole_body_has_not() {
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
async fn one_call_has_limits_of_its_own_on_the_same_connection() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let transport = transport();
    let client = transport.clone().client(api(&server.url()));
    client.balance().await.unwrap();
    let small = client.clone().with_extension(AttemptLimits::new().max_body_size(5));
    let error = small.balance().await.unwrap_err();
    assert_eq!(error.response().unwrap().body(), &OK[..5]);
    // The client without limits is as it was.
    client.balance().await.unwrap();
    assert_eq!(server.connections(), 1);

    let silent = Server::stalling("").await;
    let mut request = search(&silent.url());
    request.extensions_mut().insert(AttemptLimits::new().attempt_timeout(SHORT));
    let error = transport.send(request).await.unwrap_err();
    assert!(error.to_string().contains("`attempt_timeout` of 150ms passed"), "{error}");
}

#[tokio::test]
async fn a_call_without_any_time_or_room_is_refused() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    for limits in [AttemptLimits::new().read_timeout(Duration::ZERO), AttemptLimits::new().max_body_size(0)] {
        let mut request = search(&server.url());
        request.extensions_mut().insert(limits);
        let error = transport().send(request).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Refused));
    }
    assert_eq!(server.connections(), 0);
}
