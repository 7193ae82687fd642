//! Connects directly or through a proxy.
//!
//! hyper-util also supports proxies, but connects directly if it cannot parse a proxy's URL, resolves a part of a password with
//! an unescaped `/` as a host, hides the status of a refusal, and opens no tunnel for a `201`.

mod rules;
mod tunnel;
mod url;

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

pub(crate) use self::rules::ProxySettings;
use self::rules::Rules;
pub(crate) use self::tunnel::ProxyError;

type BoxError = Box<dyn StdError + Send + Sync>;
type Stream = TokioIo<TcpStream>;

/// Connects to hosts, directly or through the proxy that the rules select. Never replaces one by the other.
#[derive(Clone)]
pub(crate) struct Route {
    tcp: HttpConnector,
    rules: Arc<Rules>,
}

impl Route {
    fn new(tcp: HttpConnector, rules: Rules) -> Self {
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
            // Selects the same proxy as above.
            if let Some(proxy) = rules.proxy_for(&host) {
                tunnel::open(proxy, stream.inner(), &host).await?;
            }
            Ok(stream)
        })
    }
}

/// Returns the host and port of the proxy for a host, without credentials, or `None` for a direct connection.
pub(crate) fn proxy_address(route: &Route, host: &Uri) -> Option<String> {
    route.rules.proxy_for(host).map(|proxy| proxy.address().to_owned())
}

/// Returns whether requests to a host go through a proxy on another machine.
pub(crate) fn is_proxy_remote(route: &Route, host: &Uri) -> bool {
    let proxy = route.rules.proxy_for(host);
    proxy.is_some_and(|proxy| !proxy.uri.host().is_some_and(is_loopback_host))
}
