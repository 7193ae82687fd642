//! Connects directly or through a proxy.
//!
//! hyper-util also supports proxies, but connects directly if it cannot parse a proxy's URL, resolves a part of a password with
//! an unescaped `/` as a host, hides the status of a refusal, and opens no tunnel for a `201`.

mod rules;
mod tunnel;
mod url;

use std::error::Error as StdError;
use std::future::poll_fn;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tgscan_core::transport::is_loopback_host;
use tokio::net::TcpStream;
use tower_service::Service;

pub(crate) use self::rules::ProxySettings;
use self::rules::Rules;
pub(crate) use self::tunnel::ProxyError;
use self::url::Proxy;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connects to hosts, directly or through the proxy that the rules select. Never replaces one by the other.
#[derive(Clone)]
pub(crate) struct Route {
    tcp: HttpConnector,
    rules: Arc<Rules>,
}

impl Route {
    /// Connects to the host of a URI.
    pub(crate) async fn connect(&self, host: Uri) -> Result<TcpStream, BoxError> {
        let mut tcp = self.tcp.clone();
        poll_fn(|context| tcp.poll_ready(context)).await?;
        let Some(proxy) = self.rules.proxy_for(&host) else {
            return Ok(tcp.call(host).await?.into_inner());
        };
        let connected = tcp.call(proxy.uri.clone()).await;
        let mut stream = connected.map_err(|error| ProxyError::unreachable(error.into()))?.into_inner();
        tunnel::open(proxy, &mut stream, &host).await?;
        Ok(stream)
    }

    /// Returns the host and port of the proxy for a host, without credentials, or `None` for a direct connection.
    pub(crate) fn proxy_address(&self, host: &Uri) -> Option<&str> {
        self.rules.proxy_for(host).map(Proxy::address)
    }

    /// Returns whether requests to a host go through a proxy on another machine.
    pub(crate) fn is_remote_proxy(&self, host: &Uri) -> bool {
        let proxy = self.rules.proxy_for(host);
        proxy.is_some_and(|proxy| !proxy.uri.host().is_some_and(is_loopback_host))
    }
}

/// Returns the port of a URI, or the default port of its scheme.
pub(crate) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Removes the brackets around an IPv6 address.
pub(crate) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
