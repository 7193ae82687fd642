//! What is special about HTTP/2: many requests on one connection, and streams that end on their own.

use std::sync::Arc;

use tgscan_core::{Delivery, Transport};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls_server::{Authority, BOTH, Ending, TlsServer, assert_broken, for_host};
use crate::{balance, search};

#[tokio::test]
async fn http2_that_breaks_is_told_as_http1() {
    let authority = Authority::new();
    let transport = authority.trusted().build().unwrap();
    for (ending, delivery, body) in [
        (Ending::Never, Delivery::PerhapsSent, None),
        (Ending::Short("abc"), Delivery::AnswerBegan, Some("abc")),
    ] {
        let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), ending).await;
        assert_broken(&transport.send(search(&server.url())).await.unwrap_err(), delivery, body);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_request_that_waits_for_an_http2_stream_is_never_sent() {
    let authority = Authority::new();
    // Takes one request at a time, and closes the connection when it has read the first.
    let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Never).await;
    let transport = authority.trusted().build().unwrap();
    // With this answer the client has learnt the server's limit.
    transport.send(balance(&server.url())).await.unwrap();
    let url = server.url();
    let (first, second) = tokio::join!(transport.send(search(&url)), transport.send(search(&url)));
    assert_broken(&first.unwrap_err(), Delivery::PerhapsSent, None);
    assert_broken(&second.unwrap_err(), Delivery::NeverSent, None);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_http2_stream_that_is_refused_is_never_sent() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), BOTH)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let reasons = [h2::Reason::REFUSED_STREAM, h2::Reason::INTERNAL_ERROR];
    tokio::spawn(async move {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut http = h2::server::handshake(stream).await.unwrap();
        let mut reasons = reasons.into_iter();
        while let Some(Ok((_, mut respond))) = http.accept().await {
            respond.send_reset(reasons.next().unwrap());
        }
    });
    let transport = authority.trusted().build().unwrap();
    let error = transport.send(search(&url)).await.unwrap_err();
    assert_broken(&error, Delivery::NeverSent, None);
    assert!(error.to_string().contains("refused the request before processing it"), "{error}");
    assert_broken(&transport.send(search(&url)).await.unwrap_err(), Delivery::PerhapsSent, None);
}
