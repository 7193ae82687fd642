//! Plain HTTP does not leave this machine by any route.

use tgscan_core::{
    Transport,
    transport::{Delivery, TransportErrorKind},
};
use tgscan_transport_hyper::HyperTransport;

use crate::server::{OK, Server, response};
use crate::{balance, search};

/// An address that reaches this machine but is not a loopback address, so it stands for another machine.
fn remote(server: &Server) -> String {
    format!("0.0.0.0:{}", server.address.port())
}

#[tokio::test]
async fn plain_http_to_a_loopback_host_does_not_go_through_a_remote_proxy() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    let proxy = Server::answering(response("200 OK", "", OK)).await;
    for scheme in ["http", "socks5", "socks5h"] {
        let before = proxy.connections();
        let builder = HyperTransport::builder()
            .proxy(format!("{scheme}://{}", remote(&proxy)))
            .connect_timeout(crate::SHORT);
        let transport = builder.clone().build().unwrap();
        for request in [search(&target.url()), balance(&target.url())] {
            let error = transport.send(request).await.unwrap_err();
            assert_eq!(
                (error.delivery(), error.kind()),
                (Delivery::NeverSent, TransportErrorKind::Refused),
                "{error}"
            );
            let text = error.to_string();
            assert!(text.contains("through a proxy") && text.contains("`allow_plain_http`"), "{text}");
        }
        assert_eq!((proxy.connections(), target.connections()), (before, 0), "{scheme}");
        // TLS through the tunnel is allowed, and so is plain HTTP with permission.
        let https = target.url().replace("http", "https");
        transport.send(search(&https)).await.unwrap_err();
        let allowed = builder.allow_plain_http(true).build().unwrap();
        let _ = allowed.send(balance(&target.url())).await;
        assert_eq!(proxy.connections(), before + 2, "{scheme}");
    }
}

#[tokio::test]
async fn plain_http_to_another_address_of_this_machine_is_refused() {
    let target = Server::answering(response("200 OK", "", OK)).await;
    for host in [remote(&target), "[::]:80".into(), "host.example".into()] {
        let api = tgscan_core::Api::with_plain_http_base_url(
            &format!("http://{host}"),
            tgscan_core::ApiKey::live(crate::KEY).unwrap(),
        )
        .unwrap();
        let request = api.request(&tgscan_core::types::Balance {});
        let error = HyperTransport::builder().build().unwrap().send(request).await.unwrap_err();
        assert_eq!(
            (error.delivery(), error.kind()),
            (Delivery::NeverSent, TransportErrorKind::Refused),
            "{error}"
        );
    }
    assert_eq!(target.connections(), 0);
}
