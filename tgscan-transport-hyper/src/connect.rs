//! Connecting within a time limit, and to nobody who would show the key to others.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use tgscan_core::transport::is_loopback_host;
use tower_service::Service;

#[cfg(not(feature = "proxy"))]
pub(crate) use crate::direct::{Choice, Route, is_proxy_elsewhere, proxy_on_the_way};
#[cfg(feature = "proxy")]
pub(crate) use crate::proxy::{Choice, Route, is_proxy_elsewhere, proxy_on_the_way};
use crate::runtime::NeedsIo;
use crate::socket::Socket;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The connector of hyper-rustls with one limit for DNS, TCP and TLS together.
///
/// Plain `http` is refused here, because no request gets to a host that nobody connects to, and so it costs calls over a
/// connection that stands nothing. Without permission it may not leave this machine: neither to the host, nor to a proxy
/// on the way there, nor to wherever a name like `localhost` leads in the end.
pub(crate) struct Connector {
    pub(crate) https: HttpsConnector<Route>,
    pub(crate) route: Route,
    pub(crate) timeout: Duration,
    pub(crate) allow_plain_http: bool,
}

impl Connector {
    pub(crate) async fn connect(&self, uri: Uri) -> Result<Socket, BoxError> {
        self.check(&uri)?;
        let connecting = NeedsIo(Box::pin(self.connect_untimed(uri)));
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectTimeout(self.timeout).into()),
        }
    }

    /// Whether what is sent there must stay on this machine.
    fn must_stay(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&Scheme::HTTP) && !self.allow_plain_http
    }

    /// Looks at the names, before anything is connected to.
    fn check(&self, uri: &Uri) -> Result<(), PlainHttp> {
        if !self.must_stay(uri) {
            Ok(())
        } else if !uri.host().is_some_and(is_loopback_host) {
            Err(PlainHttp::ToHost)
        } else if is_proxy_elsewhere(&self.route, uri) {
            Err(PlainHttp::ThroughProxy)
        } else {
            Ok(())
        }
    }

    async fn connect_untimed(&self, uri: Uri) -> Result<Socket, BoxError> {
        let must_stay = self.must_stay(&uri);
        let mut https = self.https.clone();
        poll_fn(|context| https.poll_ready(context)).await?;
        let stream = https.call(uri).await?;
        if let (true, MaybeHttpsStream::Http(tcp)) = (must_stay, &stream) {
            // Names mean what the resolver says.
            if !tcp.inner().peer_addr()?.ip().to_canonical().is_loopback() {
                return Err(PlainHttp::ToHost.into());
            }
        }
        Ok(Socket::new(stream))
    }
}

/// No connection within the limit.
#[derive(Debug)]
pub(crate) struct ConnectTimeout(Duration);

impl StdError for ConnectTimeout {}

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`connect_timeout` of {:?} passed", self.0)
    }
}

/// Whoever is on the way could read the key.
#[derive(Debug)]
pub(crate) enum PlainHttp {
    ToHost,
    ThroughProxy,
}

impl StdError for PlainHttp {}

impl fmt::Display for PlainHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToHost => {
                "plain `http` to another host would show the API key to everyone on the way; use `https`, or allow it \
                 explicitly with `allow_plain_http`"
            }
            Self::ThroughProxy => {
                "plain `http` through the proxy, which is not on this machine, would show the API key to everyone on \
                 the way; use `https`, leave the proxy out for loopback hosts, or allow it explicitly with \
                 `allow_plain_http`"
            }
        })
    }
}
