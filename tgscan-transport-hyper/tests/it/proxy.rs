//! Proxies, scripted on raw sockets: what they are asked, what is said when they fail, and that nothing goes around.

use tgscan_core::{Delivery, Transport, TransportError, TransportErrorKind};
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

/// A failure of the proxy: never sent, naming the proxy and not its password, and the host was not contacted.
async fn failure(builder: HyperTransportBuilder, target: &Server, proxy: &str) -> String {
    let shown = format!("{builder:?}");
    let transport = builder.build().unwrap();
    let mut said = String::new();
    for request in [search(&target.url()), balance(&target.url())] {
        let error: TransportError = transport.send(request).await.unwrap_err();
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Connect),
            "{error}"
        );
        said = format!("{error} {error:?} {:?}", error.cause());
        assert!(said.contains(&format!("the proxy {proxy}")), "{said}");
    }
    assert!(!format!("{said}{shown}{transport:?}").contains(PASSWORD), "{said}");
    assert_eq!(target.connections(), 0, "nothing goes around the proxy");
    said
}

#[tokio::test]
async fn an_http_proxy_gets_the_name_and_the_credentials() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let (sender, mut asked) = mpsc::unbounded_channel();
    let address = target.address;
    let proxy = Server::start(move |mut peer: Peer| {
        let sender = sender.clone();
        async move {
            sender.send(peer.read_request().await.unwrap()).unwrap();
            peer.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
            let mut target = TcpStream::connect(address).await.unwrap();
            // Ends when either side is gone.
            let _ = copy_bidirectional(&mut peer.stream, &mut target).await;
        }
    })
    .await;
    let transport = through(&proxy, "http").allow_plain_http(true).build().unwrap();
    // A name that only the proxy knows.
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
async fn an_http_proxy_that_refuses() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for (wire, says) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy authorization required"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "did not connect to the host"),
        ("", "did not connect to the host"),
    ] {
        let proxy = Server::cutting(wire).await;
        let said = failure(through(&proxy, "http"), &target, &proxy.address.to_string()).await;
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn a_socks5_proxy_that_refuses() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for reply in [&[5, 0xff][..], &[5, 2, 1, 1], &[]] {
        let proxy = Server::start(move |mut peer: Peer| async move {
            let _ = peer.stream.read(&mut [0; 64]).await;
            peer.write_bytes(reply).await;
        })
        .await;
        failure(through(&proxy, "socks5h"), &target, &proxy.address.to_string()).await;
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "socks5", "socks5h"] {
        let builder = HyperTransport::builder().proxy(format!("{scheme}://user:{PASSWORD}@{address}"));
        let said = failure(builder, &target, &address.to_string()).await;
        assert!(said.contains("cannot be reached") && said.contains("refused"), "{said}");
    }
}

#[tokio::test]
async fn a_proxy_that_stalls_ends_with_the_time_limits() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let proxy = Server::stalling("").await;
    for builder in [
        through(&proxy, "http").connect_timeout(crate::SHORT),
        through(&proxy, "http").total_timeout(crate::SHORT),
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
fn two_proxies_contradict_each_other() {
    let builder = HyperTransport::builder().proxy("http://proxy:1").proxy_from_environment(true);
    assert!(builder.build().unwrap_err().to_string().contains("contradict each other"));
}
