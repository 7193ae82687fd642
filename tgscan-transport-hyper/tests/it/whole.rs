//! Connections that break after a whole answer: the error has all of it.

use std::sync::Arc;

use tgscan_core::{Transport, TransportError, transport::Delivery};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{OK, Server};
use crate::tls_server::{Authority, for_host};
use crate::{impatient, search, transport};

fn assert_whole(error: &TransportError) {
    assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
    assert_eq!(error.partial().unwrap().body(), OK, "{error}");
}

/// Returns answers without framing, or without the end of their framing.
fn endless() -> [String; 3] {
    [
        format!("HTTP/1.1 200 OK\r\n\r\n{OK}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2a\r\n{OK}\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n99\r\n{OK}"),
    ]
}

/// The body is not chunked, and its first bytes can be the size of a chunk and its extensions.
#[tokio::test]
async fn keeps_a_partial_line_of_a_chunked_body_before_a_connection_reset() {
    const BODY: &str = "0a;1";
    let server = Server::start(|mut peer| async move {
        peer.read_request().await;
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        peer.write(BODY).await;
        peer.stream.set_zero_linger().unwrap();
    })
    .await;
    for _ in 0..20 {
        let error = transport().send(search(&server.url())).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::ResponseStarted, "{error}");
        assert_eq!(error.partial().unwrap().body(), BODY, "{error}");
    }
}

#[tokio::test]
async fn keeps_a_whole_body_before_a_connection_reset() {
    for wire in endless() {
        let server = Server::start(move |mut peer| {
            let wire = wire.clone();
            async move {
                peer.read_request().await;
                peer.write(&wire).await;
                peer.stream.set_zero_linger().unwrap();
            }
        })
        .await;
        for _ in 0..20 {
            assert_whole(&transport().send(search(&server.url())).await.unwrap_err());
        }
    }
}

#[tokio::test]
async fn keeps_a_whole_body_before_a_timeout() {
    for wire in endless() {
        let server = Server::start(move |mut peer| {
            let wire = wire.clone();
            async move {
                peer.read_request().await;
                peer.write(&wire).await;
                peer.closed().await;
            }
        })
        .await;
        assert_whole(&impatient().send(search(&server.url())).await.unwrap_err());
    }
}

#[tokio::test]
async fn keeps_a_whole_body_if_tls_ends_without_close_notify() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), &["http/1.1"])));
    for wire in endless() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(wire.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            // Omits `close_notify`, which only `shutdown` sends.
            drop(stream);
        });
        assert_whole(&authority.trusted().build().unwrap().send(search(&url)).await.unwrap_err());
    }
}
