//! The delivery that errors report; no paid request is sent twice.

use tgscan_core::types::{Balance, UserQuery};
use tgscan_core::{
    Api, ApiKey, Credits, Transport, TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::HyperTransport;
use tokio::net::TcpListener;

use crate::server::{OK, Server, response};
use crate::{KEY, QUERY, SHORT, api, balance, impatient, search, transport};

fn assert_error(error: &TransportError, delivery: Delivery, kind: TransportErrorKind) {
    assert_eq!((error.delivery(), error.kind()), (delivery, kind), "{error}");
    assert!(error.partial().is_none());
}

#[tokio::test]
async fn refused_connection_is_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for request in [search(&url), balance(&url)] {
        let error = transport().send(request).await.unwrap_err();
        assert_error(&error, Delivery::NeverSent, TransportErrorKind::Connect);
        let text = error.to_string();
        assert!(text.starts_with("no connection (never sent): connecting to 127.0.0.1:"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}

/// A label that is too long (RFC 1035, 2.3.4), so that resolving fails locally.
fn invalid_name() -> String {
    format!("{}.invalid", "a".repeat(64))
}

#[tokio::test]
async fn unresolved_host_is_never_sent() {
    let transport = HyperTransport::builder().allow_plain_http(true).build().unwrap();
    let url = format!("http://{}", invalid_name());
    let api = Api::with_plain_http_base_url(&url, ApiKey::live(KEY).unwrap()).unwrap();
    let error = transport.send(api.request(&Balance {})).await.unwrap_err();
    assert_error(&error, Delivery::NeverSent, TransportErrorKind::Connect);
}

#[tokio::test]
async fn name_that_no_certificate_can_have_is_a_tls_error() {
    let error = transport().send(search(&format!("https://{}", invalid_name()))).await.unwrap_err();
    assert_error(&error, Delivery::NeverSent, TransportErrorKind::Tls);
}

#[tokio::test]
async fn timeout_without_an_answer_is_maybe_sent() {
    let server = Server::stalling("").await;
    for request in [search(&server.url()), balance(&server.url())] {
        let error = impatient().send(request).await.unwrap_err();
        assert_error(&error, Delivery::MaybeSent, TransportErrorKind::Timeout);
        assert!(error.to_string().contains("`attempt_timeout` of 150ms passed without an answer"), "{error}");
    }
    server.received(2).await;
}

#[tokio::test]
async fn timeout_while_connecting_is_never_sent() {
    // Accepts, and never answers the TLS handshake.
    let server = Server::start(|mut peer| async move { peer.closed().await }).await;
    let url = server.url().replace("http", "https");
    let connect_timeout = HyperTransport::builder().connect_timeout(SHORT).build().unwrap();
    for request in [search, balance] {
        let error = impatient().send(request(&url)).await.unwrap_err();
        assert_error(&error, Delivery::NeverSent, TransportErrorKind::Timeout);
        assert!(error.to_string().contains("`attempt_timeout` of 150ms passed while connecting"), "{error}");
        let error = connect_timeout.send(request(&url)).await.unwrap_err();
        assert_error(&error, Delivery::NeverSent, TransportErrorKind::Timeout);
        assert!(error.to_string().contains("`connect_timeout` of 150ms passed"), "{error}");
    }
}

#[tokio::test]
async fn request_that_was_read_and_not_answered_is_maybe_sent() {
    for wire in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let server = Server::cutting(wire).await;
        for request in [search(&server.url()), balance(&server.url())] {
            let error = transport().send(request).await.unwrap_err();
            assert_error(&error, Delivery::MaybeSent, TransportErrorKind::Broken);
            assert!(error.to_string().contains("no answer from 127.0.0.1"), "{error}");
        }
        assert_eq!(server.requests(), 2);
    }
}

#[tokio::test]
async fn answer_that_is_not_http_is_maybe_sent() {
    let server = Server::cutting("220 mail.example ESMTP\r\n\r\n").await;
    let error = transport().send(search(&server.url())).await.unwrap_err();
    assert_error(&error, Delivery::MaybeSent, TransportErrorKind::Other);
}

#[tokio::test]
async fn maybe_sent_paid_call_is_not_sent_again() {
    let server = Server::cutting("").await;
    let client = transport().client(api(&server.url()));
    let error = client.search(QUERY.parse::<UserQuery>().unwrap()).await.unwrap_err();
    assert_eq!((error.attempts(), error.credits()), (1, Credits::Uncertain));
    assert_eq!((server.connections(), server.requests()), (1, 1));
}

#[tokio::test]
async fn broken_free_call_is_sent_again() {
    let server = Server::start({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |mut peer| {
            let first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            async move {
                peer.read_request().await;
                if !first {
                    peer.write(&response("200 OK", "", OK)).await;
                }
            }
        }
    })
    .await;
    let reply = transport().client(api(&server.url())).balance().await.unwrap();
    assert_eq!((reply.attempts, reply.answer.num_credits), (2, 5));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn error_texts_are_not_redacted_if_the_query_occurs_in_them() {
    let server = Server::cutting("").await;
    let client = transport().client(api(&server.url()));
    let error = client.search("answer".parse::<UserQuery>().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("no answer from 127.0.0.1"), "{error}");
    let server = Server::cutting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let client = transport().client(api(&server.url()));
    let error = client.search("length".parse::<UserQuery>().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("that `content-length` announces"), "{error}");
}

#[tokio::test]
async fn errors_omit_the_path_of_the_base_url() {
    let closed = Server::cutting("").await;
    let broken = Server::cutting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
    let odd = Server::cutting("220 mail.example\r\n\r\n").await;
    let stalling = Server::stalling("").await;
    let https = closed.url().replace("http", "https");
    for url in [&closed.url(), &broken.url(), &odd.url(), &stalling.url(), &https, "https://no.invalid"] {
        let transport = impatient();
        let request = search(&format!("{url}/path_t0ken"));
        assert!(request.uri().path().contains("path_t0ken"));
        let error = transport.send(request).await.unwrap_err();
        let shown = format!("{error} {error:?} {:?} {transport:?}", error.cause());
        assert!(!shown.contains("path_t0ken"), "{shown}");
    }
}
