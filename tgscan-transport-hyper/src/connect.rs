//! Connects within a time limit, and refuses routes that would expose the key.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tgscan_core::transport::is_loopback_host;
use tokio_rustls::TlsConnector;

use crate::proxy::{Route, unbracketed};
use crate::socket::Socket;
use crate::tcp::Tcp;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A call that cannot begin, with the remedy. Another attempt would fail too.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) &'static str);

impl StdError for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const TO_HOST: Refused = Refused(
    "plain `http` to another host would show the API key to anyone on the network path; use `https`, or allow it \
     explicitly with `allow_plain_http`",
);
const THROUGH_PROXY: Refused = Refused(
    "plain `http` through a proxy on another machine would show the API key to anyone on the network path; use `https`, \
     exclude loopback hosts from the proxy, or allow it explicitly with `allow_plain_http`",
);

/// Connects with one limit for DNS, TCP and TLS together.
///
/// Without `allow_plain_http`, refuses plain `http` to another machine: to the host, to a proxy, or to the address that a
/// name like `localhost` resolves to. Checking here rather than per request costs calls over open connections nothing.
pub(crate) struct Connector {
    pub(crate) route: Route,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) timeout: Duration,
    pub(crate) allow_plain_http: bool,
}

impl Connector {
    pub(crate) async fn connect(&self, uri: Uri) -> Result<Socket, BoxError> {
        self.check(&uri)?;
        self.within_limit(self.connect_untimed(uri)).await?
    }

    /// Fails when `connect_timeout` has passed.
    pub(crate) async fn within_limit<F: Future>(&self, connecting: F) -> io::Result<F::Output> {
        tokio::time::timeout(self.timeout, connecting).await.map_err(|_| {
            let passed = format!("`connect_timeout` of {:?} passed", self.timeout);
            io::Error::new(io::ErrorKind::TimedOut, passed)
        })
    }

    /// Returns whether requests to this URI must stay on this machine.
    fn is_local_only(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&Scheme::HTTP) && !self.allow_plain_http
    }

    /// Checks the names before connecting.
    fn check(&self, uri: &Uri) -> Result<(), Refused> {
        if !self.is_local_only(uri) {
            Ok(())
        } else if !uri.host().is_some_and(is_loopback_host) {
            Err(TO_HOST)
        } else if self.route.is_remote_proxy(uri) {
            Err(THROUGH_PROXY)
        } else {
            Ok(())
        }
    }

    async fn connect_untimed(&self, uri: Uri) -> Result<Socket, BoxError> {
        let is_local_only = self.is_local_only(&uri);
        let name = server_name(&uri)?;
        let tcp = self.route.connect(uri).await?;
        if let Some(name) = name {
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            return Ok(Socket::tls(connector.connect(name, Tcp::new(tcp)).await?));
        }
        // The name was checked before; this checks the address that it resolved to.
        if is_local_only && !tcp.peer_addr()?.ip().to_canonical().is_loopback() {
            return Err(TO_HOST.into());
        }
        Ok(Socket::plain(Tcp::new(tcp)))
    }
}

/// Returns the name to verify the server's certificate against; `None` for plain `http`.
fn server_name(uri: &Uri) -> Result<Option<ServerName<'static>>, InvalidDnsNameError> {
    if uri.scheme() == Some(&Scheme::HTTP) {
        return Ok(None);
    }
    ServerName::try_from(unbracketed(uri.host().unwrap_or_default()).to_owned()).map(Some)
}
