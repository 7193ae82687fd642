//! Requests that are refused before anything is sent, and secrets that are never shown.

use std::fmt::Write;

use tgscan_core::{
    Api, ApiKey, Transport,
    transport::{Delivery, TransportErrorKind},
    types::Balance,
};
use tgscan_transport_hyper::HyperTransport;

use crate::server::{OK, Server, response};
use crate::{KEY, QUERY, balance, search, transport};

#[tokio::test]
async fn refuses_plain_http_to_another_host_before_connecting() {
    for url in ["http://192.0.2.1", "http://localhost.example.com"] {
        let api = Api::with_plain_http_base_url(url, ApiKey::live(KEY).unwrap()).unwrap();
        let error = transport().send(api.request(&Balance {})).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Refused));
        assert!(error.to_string().contains("allow_plain_http"), "{error}");
    }
}

#[tokio::test]
async fn allows_plain_http_to_loopback_hosts() {
    let server = Server::answering(response("200 OK", "", OK)).await;
    let url = format!("http://localhost:{}", server.address.port());
    transport().send(balance(&url)).await.unwrap();
}

#[tokio::test]
async fn refuses_invalid_uris() {
    for uri in ["/tgscan/v1/balance", "ftp://127.0.0.1/", "127.0.0.1:80"] {
        let mut request = balance("http://127.0.0.1");
        *request.uri_mut() = uri.parse().unwrap();
        let error = transport().send(request).await.unwrap_err();
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Refused),
            "{uri}"
        );
    }
}

#[test]
fn refuses_calls_outside_a_runtime_without_a_panic() {
    let transport = transport();
    let mut call = transport.send(search("http://127.0.0.1:1"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else {
        panic!("the call must fail immediately");
    };
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Refused));
    assert!(error.to_string().contains("outside a tokio runtime"), "{error}");
}

#[tokio::test]
async fn shows_neither_key_nor_query_nor_body() {
    let private = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nprivate";
    let (cut, silent) = (Server::cutting(private).await, Server::cutting("").await);
    let transport = transport();
    let mut shown = format!("{transport:?} {transport:#?} {:?}", HyperTransport::builder());
    for url in [cut.url(), silent.url(), "http://127.0.0.1:1".into()] {
        let error = transport.send(search(&url)).await.unwrap_err();
        write!(shown, "{error} {error:?} {error:#?} {:?}", error.cause()).unwrap();
    }
    for secret in [KEY, QUERY, "private"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
