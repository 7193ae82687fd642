//! Connecting within a time limit.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

#[cfg(not(feature = "proxy"))]
pub(crate) use crate::direct::{Choice, Route, proxy_on_the_way};
#[cfg(feature = "proxy")]
pub(crate) use crate::proxy::{Choice, Route, proxy_on_the_way};

type BoxError = Box<dyn StdError + Send + Sync>;

/// The connector of hyper-rustls with one limit for DNS, TCP and TLS together.
///
/// The limit is here and not around the call, because hyper-util can go on connecting for a call that has got another
/// connection meanwhile, and that needs an end too.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Route>,
    timeout: Duration,
}

impl Connector {
    pub(crate) fn new(https: HttpsConnector<Route>, timeout: Duration) -> Self {
        Self { https, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, timeout) = (self.https.call(uri), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectTimeout(timeout).into()),
            }
        })
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
