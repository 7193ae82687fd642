//! The way to the host: straight, or a tunnel through a proxy. Never the one for the other.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tgscan_core::transport::is_loopback_host;
use tokio::net::TcpStream;
use tower_service::Service;

use super::choice::Rules;
use super::error::ProxyError;
use super::url::{Protocol, Proxy};
use super::{http as http_proxy, socks};

type BoxError = Box<dyn StdError + Send + Sync>;
type Stream = TokioIo<TcpStream>;

/// Connects to hosts, through the proxy that the rules name.
#[derive(Clone)]
pub(crate) struct Route {
    tcp: HttpConnector,
    rules: Arc<Rules>,
}

impl Route {
    pub(super) fn new(tcp: HttpConnector, rules: Rules) -> Self {
        Self { tcp, rules: Arc::new(rules) }
    }
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let Some(proxy) = self.rules.proxy_for(&host) else {
            let connecting = self.tcp.call(host);
            return Box::pin(async move { Ok(connecting.await?) });
        };
        let connecting = self.tcp.call(proxy.uri.clone());
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| ProxyError::unreachable(error.into()))?;
            // The same as before.
            if let Some(proxy) = rules.proxy_for(&host) {
                tunnel(proxy, stream.inner(), &host).await?;
            }
            Ok(stream)
        })
    }
}

async fn tunnel(proxy: &Proxy, stream: &TcpStream, uri: &Uri) -> Result<(), ProxyError> {
    let credentials = proxy.credentials.as_ref();
    let (host, port) = host_and_port(uri);
    match proxy.protocol {
        Protocol::Http => http_proxy::connect(stream, &format!("{host}:{port}"), credentials).await,
        Protocol::Socks5 => socks::connect(stream, host, port, credentials).await,
    }
}

fn host_and_port(uri: &Uri) -> (&str, u16) {
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual))
}

/// Host and port of the proxy on the way to a host, if there is one; never its credentials.
pub(crate) fn proxy_on_the_way(route: &Route, host: &Uri) -> Option<String> {
    route.rules.proxy_for(host).map(|proxy| proxy.address().to_owned())
}

/// Whether there is a proxy on the way to a host that is not on this machine.
pub(crate) fn is_proxy_elsewhere(route: &Route, host: &Uri) -> bool {
    let proxy = route.rules.proxy_for(host);
    proxy.is_some_and(|proxy| !proxy.uri.host().is_some_and(is_loopback_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_always_named() {
        for (uri, host, port) in [
            ("https://host.example/path", "host.example", 443),
            ("http://host.example", "host.example", 80),
            ("https://[::1]", "[::1]", 443),
            ("https://host.example:8443", "host.example", 8443),
        ] {
            assert_eq!(host_and_port(&Uri::from_static(uri)), (host, port));
        }
    }
}
