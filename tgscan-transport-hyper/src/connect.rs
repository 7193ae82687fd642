//! Connecting within a time limit, and to nobody who would show the key to others.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tgscan_core::transport::is_loopback_host;
use tokio_rustls::TlsConnector;
use tower_service::Service;

#[cfg(not(feature = "proxy"))]
pub(crate) use crate::direct::{Choice, Route, is_proxy_elsewhere, proxy_on_the_way};
#[cfg(feature = "proxy")]
pub(crate) use crate::proxy::{Choice, Route, is_proxy_elsewhere, proxy_on_the_way};
use crate::runtime::NeedsIo;
use crate::socket::Socket;
use crate::tcp::Tcp;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connects with one limit for DNS, TCP and TLS together.
///
/// Plain `http` is refused here, because no request gets to a host that nobody connects to, and so it costs calls over a
/// connection that stands nothing. Without permission it may not leave this machine: neither to the host, nor to a proxy
/// on the way there, nor to wherever a name like `localhost` leads in the end.
pub(crate) struct Connector {
    pub(crate) route: Route,
    pub(crate) tls: Arc<ClientConfig>,
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
        let name = server_name(&uri)?;
        let mut route = self.route.clone();
        poll_fn(|context| route.poll_ready(context)).await?;
        let tcp = route.call(uri).await?.into_inner();
        if let Some(name) = name {
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            return Ok(Socket::tls(connector.connect(name, Tcp::new(tcp)).await?));
        }
        // Names mean what the resolver says.
        if must_stay && !tcp.peer_addr()?.ip().to_canonical().is_loopback() {
            return Err(PlainHttp::ToHost.into());
        }
        Ok(Socket::plain(Tcp::new(tcp)))
    }
}

/// Whose certificate the server must show; nobody's for plain `http`.
fn server_name(uri: &Uri) -> Result<Option<ServerName<'static>>, InvalidDnsNameError> {
    if uri.scheme() == Some(&Scheme::HTTP) {
        return Ok(None);
    }
    let host = uri.host().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(address.unwrap_or(host).to_owned()).map(Some)
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
