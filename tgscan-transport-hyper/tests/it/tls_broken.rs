//! Servers with which no TLS session comes about: each has its own error, and the request was never sent.

use std::time::Duration;

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};

use crate::server::{Peer, Server};
use crate::{balance, search, transport};

/// Runs a script instead of a TLS server, for a request with a body and one without.
async fn error_from<Script, Run>(kind: TransportErrorKind, script: Script) -> String
where
    Script: Fn(Peer) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let server = Server::start(script).await;
    let url = server.url().replace("http", "https");
    let mut said = String::new();
    for request in [search(&url), balance(&url)] {
        let error = transport().send(request).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, kind), "{error}");
        said = error.to_string();
        assert!(said.contains(&server.address.to_string()), "it names the host: {said}");
    }
    said
}

/// Reads the beginning of what the client says, answers with these bytes, and reads on until the client leaves.
async fn answer(mut peer: Peer, bytes: &[u8]) {
    peer.stream.readable().await.unwrap();
    peer.write_bytes(bytes).await;
    peer.closed().await;
}

#[tokio::test]
async fn a_port_without_tls() {
    let said = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert!(said.contains("does not speak TLS on this port"), "{said}");
}

/// A `ServerHello` that chooses TLS 1.0 and `TLS_RSA_WITH_AES_128_CBC_SHA` (RFC 2246, 7.4.1.3).
fn hello_of_tls_1_0() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    hello
}

#[tokio::test]
async fn a_server_of_tls_1_0() {
    let said = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, &hello_of_tls_1_0()).await;
    })
    .await;
    assert!(said.contains("speaks neither TLS 1.2 nor 1.3"), "{said}");
    // The alert `protocol_version` (RFC 2246, 7.2), which real servers send instead.
    let said = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, &[0x15, 3, 1, 0, 2, 2, 70]).await;
    })
    .await;
    assert!(said.contains("speaks neither TLS 1.2 nor 1.3"), "{said}");
}

#[tokio::test]
async fn a_handshake_that_is_cut() {
    let said = error_from(TransportErrorKind::Connect, |peer| async move { drop(peer) }).await;
    assert!(said.contains("ended the connection within the TLS handshake"), "{said}");
    let said = error_from(TransportErrorKind::Connect, |mut peer| async move {
        peer.stream.readable().await.unwrap();
        peer.write_bytes(&hello_of_tls_1_0()[..20]).await;
    })
    .await;
    assert!(said.contains("ended the connection within the TLS handshake"), "{said}");
}

#[tokio::test]
async fn a_handshake_that_stalls() {
    let server = Server::start(|mut peer| async move { peer.closed().await }).await;
    let transport = tgscan_transport_hyper::HyperTransport::builder()
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let error = transport.send(search(&server.url().replace("http", "https"))).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Timeout));
}
