//! Proxies, scripted on raw sockets: their requests, their failures, and that no request bypasses them.

use tgscan_core::{
    Transport, TransportError,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::{HyperTransport, HyperTransportBuilder};
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::server::{OK, Peer, Server, response};
use crate::{balance, search};

const PASSWORD: &str = "pr0xysecret";

fn through(proxy: &Server, scheme: &str) -> HyperTransportBuilder {
    HyperTransport::builder().proxy(format!("{scheme}://user:{PASSWORD}@{}", proxy.address))
}

/// Asserts that a call fails as never sent, without contacting the host, with an error that names the proxy without its
/// password. Returns the error's text.
async fn failure(builder: HyperTransportBuilder, target: &Server, proxy: &str) -> String {
    failure_of(TransportErrorKind::Connect, builder, target, proxy).await
}

async fn failure_of(
    kind: TransportErrorKind,
    builder: HyperTransportBuilder,
    target: &Server,
    proxy: &str,
) -> String {
    let shown = format!("{builder:?}");
    let transport = builder.build().unwrap();
    let mut text = String::new();
    for request in [search(&target.url()), balance(&target.url())] {
        let error: TransportError = transport.send(request).await.unwrap_err();
        assert_eq!((error.delivery(), error.kind()), (Delivery::NeverSent, kind), "{error}");
        text = format!("{error} {error:?} {:?}", error.cause());
        assert!(text.contains(&format!("the proxy {proxy}")), "{text}");
    }
    assert!(!format!("{text}{shown}{transport:?}").contains(PASSWORD), "{text}");
    assert_eq!(target.connections(), 0, "no request bypasses the proxy");
    text
}

#[tokio::test]
async fn http_proxy_receives_the_name_and_the_credentials() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let (sender, mut asked) = mpsc::unbounded_channel();
    let address = target.address;
    let proxy = Server::start(move |mut peer: Peer| {
        let sender = sender.clone();
        async move {
            sender.send(peer.read_request().await.unwrap()).unwrap();
            peer.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
            let mut target = TcpStream::connect(address).await.unwrap();
            // Returns when either side disconnects.
            let _ = copy_bidirectional(&mut peer.stream, &mut target).await;
        }
    })
    .await;
    let transport = through(&proxy, "http").allow_plain_http(true).build().unwrap();
    // A name that only the proxy resolves.
    let api = tgscan_core::Api::with_plain_http_base_url(
        "http://only-the-proxy-knows.invalid",
        tgscan_core::ApiKey::live("k").unwrap(),
    )
    .unwrap();
    let answer = transport.send(api.request(&tgscan_core::types::Balance {})).await.unwrap();
    assert_eq!(answer.body(), OK);
    let asked = asked.recv().await.unwrap();
    assert!(asked.starts_with("CONNECT only-the-proxy-knows.invalid:80 HTTP/1.1\r\n"), "{asked}");
    // "user:pr0xysecret" in base64.
    assert!(asked.contains("Proxy-Authorization: Basic dXNlcjpwcjB4eXNlY3JldA==\r\n"), "{asked}");
}

#[tokio::test]
async fn reports_the_refusal_of_an_http_proxy() {
    use TransportErrorKind::{Connect, Refused};
    let target = Server::answering(response("200 OK", "", OK)).await;
    for (wire, kind, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Refused,
            "answered 407 Proxy Authentication Required",
        ),
        ("HTTP/1.1 403 Not On This List\r\n\r\n<html>", Refused, "answered 403 Not On This List"),
        ("HTTP/1.1 302 Log In First\r\nlocation: /\r\n\r\n", Refused, "answered 302 Log In First"),
        ("HTTP/1.1 405\r\n\r\n", Refused, "answered 405"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Connect, "answered 502 Bad Gateway"),
        ("HTTP/1.1 503 Down\r\n\r\n", Connect, "answered 503 Down"),
        ("HTTP/1.1 504 Slow\n\n", Connect, "answered 504 Slow"),
        ("HTTP/1.1 429 Busy\r\n\r\n", Connect, "answered 429 Busy"),
        ("HTTP/1.1 407 no pr0xysecret\r\n\r\n", Refused, "answered 407; it does not accept the user name"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n", Refused, "answered 403 No"),
        ("SSH-2.0-OpenSSH\r\n\r\n", Connect, "does not speak HTTP/1"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Connect, "unexpected bytes after its answer"),
        ("HTTP/1.1 200 O", Connect, "did not connect to the host: it closed the connection"),
        ("", Connect, "did not connect to the host: it closed the connection"),
    ] {
        let proxy = Server::cutting(wire).await;
        let text = failure_of(kind, through(&proxy, "http"), &target, &proxy.address.to_string()).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn permanent_refusal_is_not_retried_and_its_reason_is_redacted() {
    let proxy = Server::cutting("HTTP/1.1 403 No some_username here\r\n\r\n").await;
    let transport = through(&proxy, "http").build().unwrap();
    let client = transport.client(crate::api("http://127.0.0.1:1"));
    let user: tgscan_core::types::UserQuery = crate::QUERY.parse().unwrap();
    let error = client.search(user).await.unwrap_err();
    assert_eq!((error.attempts(), proxy.connections()), (1, 1));
    assert!(error.to_string().contains("403 No <query> here"), "{error}");
    let error = client.balance().await.unwrap_err();
    assert_eq!((error.attempts(), proxy.connections()), (1, 2), "free calls are not retried either");
}

/// Answers `CONNECT` with these pieces, and then connects both sides.
async fn tunnelling(answer: &'static [&'static str], target: &Server) -> Server {
    let address = target.address;
    Server::start(move |mut peer: Peer| async move {
        peer.read_request().await.unwrap();
        for piece in answer {
            peer.write(piece).await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let mut target = TcpStream::connect(address).await.unwrap();
        let _ = copy_bidirectional(&mut peer.stream, &mut target).await;
    })
    .await
}

#[tokio::test]
async fn any_2xx_opens_the_tunnel_and_interim_answers_are_skipped() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for answer in [
        &["HTTP/1.1 201 Created\r\n\r\n"][..],
        &["HTTP/1.0 299\n\n"],
        &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n"],
        &["HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
        &[
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 102 Processing\r\n\r\n",
            "HTTP/1.1 2",
            "00 OK\r\n\r",
            "\n",
        ],
    ] {
        let proxy = tunnelling(answer, &target).await;
        let answer = through(&proxy, "http").build().unwrap().send(search(&target.url())).await;
        assert_eq!(answer.unwrap().body(), OK);
    }
}

/// Reads a message of any length, and writes an answer.
async fn exchange(peer: &mut Peer, answer: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 600];
    let count = peer.stream.read(&mut message).await.unwrap_or(0);
    message.truncate(count);
    peer.write_bytes(answer).await;
    message
}

#[tokio::test]
async fn reports_the_refusal_of_a_socks5_proxy() {
    type Case = (&'static [&'static [u8]], TransportErrorKind, &'static str);
    const CASES: &[Case] = &[
        (&[&[5, 0xff]], TransportErrorKind::Refused, "neither a user name and password nor anonymous use"),
        (&[&[5, 1]], TransportErrorKind::Refused, "an authentication method that was not offered"),
        (&[&[5, 2], &[1, 1]], TransportErrorKind::Refused, "does not accept the user name and password"),
        (
            &[&[5, 0], &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]],
            TransportErrorKind::Refused,
            "replied 2 (not allowed by its rules)",
        ),
        (
            &[&[5, 0], &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
            TransportErrorKind::Connect,
            "replied 1 (general failure)",
        ),
        (
            &[&[5, 2], &[1, 0], &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]],
            TransportErrorKind::Connect,
            "replied 4 (host unreachable)",
        ),
        (&[&[5, 0], &[5, 5, 0, 1]], TransportErrorKind::Connect, "replied 5 (connection refused)"),
        (&[&[4, 0]], TransportErrorKind::Connect, "does not speak SOCKS5"),
        (&[&[5, 0], b"HTTP"], TransportErrorKind::Connect, "does not speak SOCKS5"),
        (&[&[5, 0], &[5, 0, 0]], TransportErrorKind::Connect, "it closed the connection"),
        (&[&[]], TransportErrorKind::Connect, "it closed the connection"),
    ];
    let target = Server::answering(response("200 OK", "", OK)).await;
    for &(replies, kind, expected) in CASES {
        let proxy = Server::start(move |mut peer: Peer| async move {
            for reply in replies {
                exchange(&mut peer, reply).await;
            }
        })
        .await;
        let text = failure_of(kind, through(&proxy, "socks5h"), &target, &proxy.address.to_string()).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn socks5_offers_the_available_methods_and_sends_the_name() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for (user, method, offer) in [
        ("", 0, &[5, 1, 0][..]),
        ("user:pr0xysecret@", 0, &[5, 2, 0, 2]),
        ("user:pr0xysecret@", 2, &[5, 2, 0, 2]),
    ] {
        let (sender, mut messages) = mpsc::unbounded_channel();
        let address = target.address;
        let proxy = Server::start(move |mut peer: Peer| {
            let sender = sender.clone();
            async move {
                sender.send(exchange(&mut peer, &[5, method]).await).unwrap();
                if method == 2 {
                    sender.send(exchange(&mut peer, &[1, 0]).await).unwrap();
                }
                let bound = [&[5, 0, 0, 3, 4][..], b"host", &[0, 80]].concat();
                sender.send(exchange(&mut peer, &bound).await).unwrap();
                let mut target = TcpStream::connect(address).await.unwrap();
                let _ = copy_bidirectional(&mut peer.stream, &mut target).await;
            }
        })
        .await;
        let url = format!("socks5://{user}{}", proxy.address);
        let transport = HyperTransport::builder().proxy(url).allow_plain_http(true).build().unwrap();
        let key = tgscan_core::ApiKey::live("k").unwrap();
        let api = tgscan_core::Api::with_plain_http_base_url("http://only-there.invalid", key).unwrap();
        let answer = transport.send(api.request(&tgscan_core::types::Balance {})).await.unwrap();
        assert_eq!(answer.body(), OK);
        assert_eq!(messages.recv().await.unwrap(), offer);
        if method == 2 {
            assert_eq!(messages.recv().await.unwrap(), b"\x01\x04user\x0bpr0xysecret");
        }
        assert_eq!(messages.recv().await.unwrap(), b"\x05\x01\0\x03\x12only-there.invalid\0\x50");
    }
}

#[tokio::test]
async fn unreachable_proxy_is_never_sent() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "socks5", "socks5h"] {
        let builder = HyperTransport::builder().proxy(format!("{scheme}://user:{PASSWORD}@{address}"));
        let text = failure(builder, &target, &address.to_string()).await;
        assert!(text.contains("cannot be reached") && text.contains("refused"), "{text}");
    }
}

#[tokio::test]
async fn stalling_proxy_runs_into_the_time_limits() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let proxy = Server::stalling("").await;
    for builder in [
        through(&proxy, "http").connect_timeout(crate::SHORT),
        through(&proxy, "http").attempt_timeout(crate::SHORT),
    ] {
        let error = builder.build().unwrap().send(search(&target.url())).await.unwrap_err();
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Timeout),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("through the proxy {}", proxy.address)), "{error}");
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn rejects_two_sources_of_proxies() {
    let builder = HyperTransport::builder().proxy("http://proxy:1").proxy_from_environment(true);
    assert!(builder.build().unwrap_err().to_string().contains("contradict each other"));
}
