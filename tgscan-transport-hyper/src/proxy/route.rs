//! The way to the host: straight, or a tunnel through a proxy. Never the one for the other.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tgscan_core::is_loopback_host;
use tokio::net::TcpStream;
use tower_service::Service;

use super::choice::Rules;

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
        let connecting = self.tcp.call(with_port(proxy.uri()));
        Box::pin(async move {
            let failed = |what, source| ProxyError { what, source };
            let stream = connecting.await.map_err(|error| failed("cannot be reached", error.into()))?;
            let tunnel = tunnel(&proxy, stream, with_port(&host)).await;
            Ok(tunnel.map_err(|error| failed("did not connect to the host", error))?)
        })
    }
}

/// Asks the proxy for a tunnel. The proxy gets the host's name and resolves it, so no DNS query leaves this machine.
async fn tunnel(proxy: &Intercept, stream: Stream, host: Uri) -> Result<Stream, BoxError> {
    let (connected, unused) = (Connected(Some(stream)), proxy.uri().clone());
    if proxy.uri().scheme() == Some(&Scheme::HTTP) {
        let mut tunnel = Tunnel::new(unused, connected);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        Ok(tunnel.call(host).await?)
    } else {
        let mut socks = SocksV5::new(unused, connected);
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        Ok(socks.call(host).await?)
    }
}

/// A URI with its port, which hyper-util takes for 443 (tunnels) or 80 (TCP) where there is none.
fn with_port(uri: &Uri) -> Uri {
    let port = match uri.scheme_str() {
        Some("https") => 443,
        Some("socks5" | "socks5h") => 1080,
        _ => 80,
    };
    let (None, Some(host)) = (uri.port(), uri.host()) else { return uri.clone() };
    let mut parts = uri.clone().into_parts();
    parts.authority = Authority::try_from(format!("{host}:{port}")).ok();
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// A connection that stands already, as the connector that hyper-util asks for. Made here and not there, because its
/// SOCKS error hides why the proxy could not be reached.
struct Connected(Option<Stream>);

impl Service<Uri> for Connected {
    type Response = Stream;
    type Error = io::Error;
    type Future = Ready<io::Result<Stream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::other("the connection to the proxy was used already")))
    }
}

/// Host and port of the proxy on the way to a host, if there is one; never its credentials.
pub(crate) fn proxy_on_the_way(route: &Route, host: &Uri) -> Option<String> {
    let proxy = route.rules.proxy_for(host)?;
    with_port(proxy.uri()).authority().map(ToString::to_string)
}

/// Whether there is a proxy on the way to a host that is not on this machine.
pub(crate) fn is_proxy_elsewhere(route: &Route, host: &Uri) -> bool {
    let proxy = route.rules.proxy_for(host);
    proxy.is_some_and(|proxy| !proxy.uri().host().is_some_and(is_loopback_host))
}

/// The proxy failed, before anything was sent to the host.
#[derive(Debug)]
pub(crate) struct ProxyError {
    what: &'static str,
    source: BoxError,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}", self.what)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_always_named() {
        for (uri, full) in [
            ("https://host.example/path", "https://host.example:443/"),
            ("http://host.example", "http://host.example:80/"),
            ("https://[::1]", "https://[::1]:443/"),
            ("socks5h://proxy/", "socks5h://proxy:1080/"),
            ("http://proxy:3128", "http://proxy:3128/"),
        ] {
            assert_eq!(with_port(&Uri::from_static(uri)), full);
        }
    }
}
