//! TLS: trusted authorities, crypto providers, negotiated HTTP versions, and errors.

use std::sync::Arc;
use std::time::Duration;

use http::Version;
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{OK, Peer, Server, end_of_request};
use crate::tls_server::{Authority, BOTH, Ending, TlsServer, assert_broken, for_host, self_signed};
use crate::{balance, search, transport};

#[tokio::test]
async fn trusts_an_extra_root_and_negotiates_the_http_version() {
    let authority = Authority::new();
    let negotiated = Version::HTTP_2;
    for (alpn, http1_only, version) in [
        (BOTH, false, negotiated),
        (BOTH, true, Version::HTTP_11),
        (&["http/1.1"], false, Version::HTTP_11),
        (&[], false, Version::HTTP_11),
    ] {
        let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), alpn), Ending::Complete).await;
        let transport = authority.trusted().http1_only(http1_only).build().unwrap();
        for request in [search(&server.url()), balance(&server.url())] {
            let answer = transport.send(request).await.unwrap();
            assert_eq!((answer.version(), &answer.body()[..]), (version, OK.as_bytes()), "{alpn:?}");
        }
        assert_eq!(server.requests(), 2);
    }
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "the process default is neither needed nor set"
    );
}

#[tokio::test]
async fn trusts_an_extra_root_for_a_host_name() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.server(&for_host("localhost"), BOTH), Ending::Complete).await;
    let transport = authority.trusted().build().unwrap();
    let url = format!("https://localhost:{}", server.address.port());
    assert_eq!(transport.send(balance(&url)).await.unwrap().body(), OK);
}

#[tokio::test]
async fn trusts_an_extra_der_root_for_a_host_name() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.server(&for_host("localhost"), BOTH), Ending::Complete).await;
    let transport = HyperTransport::builder().extra_root_der(authority.0.der().to_vec()).build().unwrap();
    let url = format!("https://localhost:{}", server.address.port());
    assert_eq!(transport.send(balance(&url)).await.unwrap().body(), OK);
}

#[tokio::test]
async fn sixty_four_concurrent_calls_over_tls() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Complete).await;
    let transport = authority.trusted().build().unwrap();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (transport, request) = (transport.clone(), search(&server.url()));
            tokio::spawn(async move { transport.send(request).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().into_body(), OK);
    }
    assert_eq!(server.requests(), 64);
}

async fn untrusted(transport: HyperTransport, config: ServerConfig) -> String {
    let server = TlsServer::start(config, Ending::Complete).await;
    let mut text = String::new();
    for request in [search(&server.url()), balance(&server.url())] {
        let error = transport.send(request).await.unwrap_err();
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Tls),
            "{error}"
        );
        text = error.to_string();
    }
    assert_eq!(server.requests(), 0);
    text
}

#[tokio::test]
async fn rejects_an_unknown_issuer_with_a_remedy() {
    let config = Authority::new().server(&for_host("127.0.0.1"), BOTH);
    let text = untrusted(transport(), config).await;
    assert!(text.contains("has an unknown issuer") && text.contains("`extra_roots_pem`"), "{text}");
}

#[tokio::test]
async fn rejects_a_certificate_for_another_host() {
    let authority = Authority::new();
    let config = authority.server(&for_host("other.example"), BOTH);
    let text = untrusted(authority.trusted().build().unwrap(), config).await;
    assert!(text.contains("is for another host") && text.contains("other.example"), "{text}");
}

#[tokio::test]
async fn rejects_an_expired_certificate() {
    let authority = Authority::new();
    let mut params = for_host("127.0.0.1");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let text = untrusted(authority.trusted().build().unwrap(), authority.server(&params, BOTH)).await;
    assert!(text.contains("has expired; its operator must renew it"), "{text}");
}

#[tokio::test]
async fn rejects_a_certificate_that_is_not_valid_yet() {
    let authority = Authority::new();
    let mut params = for_host("127.0.0.1");
    params.not_before = date_time_ymd(2950, 1, 1);
    params.not_after = date_time_ymd(2951, 1, 1);
    let text = untrusted(authority.trusted().build().unwrap(), authority.server(&params, BOTH)).await;
    assert!(text.contains("is not valid yet"), "{text}");
}

#[tokio::test]
async fn rejects_a_self_signed_certificate_with_a_remedy() {
    for (is_ca, remedy) in [
        (IsCa::NoCa, "or the self-signed one, with `extra_roots_pem`"),
        (
            IsCa::Ca(BasicConstraints::Unconstrained),
            "with a private authority, and add that with `extra_roots_pem`",
        ),
    ] {
        let mut params = for_host("127.0.0.1");
        params.is_ca = is_ca;
        let text = untrusted(transport(), self_signed(&params).1).await;
        assert!(text.contains("self-signed") && text.contains(remedy), "{text}");
    }
}

#[tokio::test]
async fn trusts_a_self_signed_certificate_as_an_extra_root() {
    let (pem, config) = self_signed(&for_host("127.0.0.1"));
    let server = TlsServer::start(config, Ending::Complete).await;
    assert_reached(HyperTransport::builder().extra_roots_pem(pem), &server).await;
}

#[tokio::test]
async fn end_of_connection_without_close_notify_does_not_end_a_body() {
    let authority = Authority::new();
    let transport = authority.trusted().build().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&for_host("127.0.0.1"), &[])));
    for (wire, closes, body) in [
        ("HTTP/1.1 200 OK\r\n\r\nabc", false, Err(Some("abc"))),
        ("HTTP/1.1 200 OK\r\n\r\nabc", true, Ok("abc")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", true, Err(Some("abc"))),
        ("", true, Err(None)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = acceptor.clone();
        let serving = tokio::spawn(async move {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut request = Vec::new();
            while end_of_request(&request).is_none() {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(wire.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            if closes {
                stream.shutdown().await.unwrap();
            }
        });
        match (transport.send(search(&url)).await, body) {
            (Ok(answer), body) => assert_eq!(Ok(std::str::from_utf8(answer.body()).unwrap()), body),
            (Err(error), Err(None)) => assert_broken(&error, Delivery::MaybeSent, None),
            (Err(error), body) => assert_broken(&error, Delivery::ResponseStarted, body.unwrap_err()),
        }
        serving.await.unwrap();
    }
}

async fn server_of(authority: &Authority) -> TlsServer {
    TlsServer::start(authority.server(&for_host("127.0.0.1"), BOTH), Ending::Complete).await
}

async fn assert_reached(builder: HyperTransportBuilder, server: &TlsServer) {
    let answer = builder.build().unwrap().send(search(&server.url())).await.unwrap();
    assert_eq!(answer.body(), OK);
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "the process default is neither needed nor set"
    );
}

async fn assert_untrusted(builder: HyperTransportBuilder, server: &TlsServer) {
    let error = builder.build().unwrap().send(balance(&server.url())).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Tls), "{error}");
}

#[tokio::test]
async fn only_extra_roots_trusts_no_other_authority() {
    let (mine, other) = (Authority::new(), Authority::new());
    let (my_server, other_server) = (server_of(&mine).await, server_of(&other).await);
    assert_reached(mine.trusted().only_extra_roots(), &my_server).await;
    assert_untrusted(mine.trusted().only_extra_roots(), &other_server).await;
}

#[tokio::test]
async fn custom_tls_config() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let config = |roots: RootCertStore| {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    let mut roots = RootCertStore::empty();
    assert_untrusted(HyperTransport::builder().tls_config(config(roots.clone())), &server).await;
    roots.add(authority.0.der().clone()).unwrap();
    assert_reached(HyperTransport::builder().tls_config(config(roots)), &server).await;
}

#[tokio::test]
async fn custom_crypto_provider() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let provider = rustls::crypto::ring::default_provider();
    assert_reached(authority.trusted().crypto_provider(provider), &server).await;
}

/// With two providers linked, rustls panics when it selects a process default.
#[cfg(feature = "aws-lc-rs")]
#[tokio::test]
async fn needs_no_process_default_with_both_providers_linked() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    assert_reached(authority.trusted(), &server).await;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    assert_reached(authority.trusted().crypto_provider(provider), &server).await;
}

/// The authorities of this machine are unknown, but a new one is not among them.
#[cfg(feature = "platform-verifier")]
#[tokio::test]
async fn platform_verifier_trusts_extra_roots() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    assert_reached(authority.trusted().platform_verifier(), &server).await;
    assert_untrusted(Authority::new().trusted().platform_verifier(), &server).await;
}

/// Returns the error of a request to a script instead of a TLS server; sends one with a body and one without.
async fn error_from<Script, Run>(kind: TransportErrorKind, script: Script) -> String
where
    Script: Fn(Peer) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let server = Server::start(script).await;
    let url = server.url().replace("http", "https");
    let mut text = String::new();
    for request in [search(&url), balance(&url)] {
        let error = transport().send(request).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, kind), "{error}");
        text = error.to_string();
        assert!(text.contains(&server.address.to_string()), "no host in {text}");
    }
    text
}

/// Reads from the client, answers with these bytes, and waits until the client disconnects.
async fn answer(mut peer: Peer, bytes: &[u8]) {
    peer.stream.readable().await.unwrap();
    peer.write_bytes(bytes).await;
    peer.closed().await;
}

#[tokio::test]
async fn explains_a_port_without_tls() {
    let text = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert!(text.contains("does not speak TLS on this port"), "{text}");
}

/// A `ServerHello` that chooses TLS 1.0 and `TLS_RSA_WITH_AES_128_CBC_SHA` (RFC 2246, 7.4.1.3).
fn hello_of_tls_1_0() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    hello
}

#[tokio::test]
async fn explains_a_tls_1_0_server() {
    let text = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, &hello_of_tls_1_0()).await;
    })
    .await;
    assert!(text.contains("supports neither TLS 1.2 nor 1.3"), "{text}");
    // The alert `protocol_version` (RFC 2246, 7.2), which most servers send instead.
    let text = error_from(TransportErrorKind::Tls, |peer| async move {
        answer(peer, &[0x15, 3, 1, 0, 2, 2, 70]).await;
    })
    .await;
    assert!(text.contains("supports neither TLS 1.2 nor 1.3"), "{text}");
}

#[tokio::test]
async fn explains_a_connection_closed_in_the_handshake() {
    let text = error_from(TransportErrorKind::Connect, |peer| async move { drop(peer) }).await;
    assert!(text.contains("ended the connection within the TLS handshake"), "{text}");
    let text = error_from(TransportErrorKind::Connect, |mut peer| async move {
        peer.stream.readable().await.unwrap();
        peer.write_bytes(&hello_of_tls_1_0()[..20]).await;
    })
    .await;
    assert!(text.contains("ended the connection within the TLS handshake"), "{text}");
}

#[tokio::test]
async fn stalling_handshake_times_out() {
    let server = Server::start(|mut peer| async move { peer.closed().await }).await;
    let transport = tgscan_transport_hyper::HyperTransport::builder()
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let error = transport.send(search(&server.url().replace("http", "https"))).await.unwrap_err();
    assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, TransportErrorKind::Timeout));
}
