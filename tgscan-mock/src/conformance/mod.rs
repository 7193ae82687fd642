//! A conformance suite for transports: every fault and every rule of the `Transport` trait, over real sockets.
//!
//! Run it as a test in the crate of your transport:
//!
//! ```no_run
//! # use tgscan_mock::core::{Transport, TransportError, async_trait};
//! # #[derive(Debug)] struct MyTransport;
//! # impl MyTransport { fn new(_: std::time::Duration, _: usize, _: Option<&str>) -> Self { Self } }
//! # #[async_trait]
//! # impl Transport for MyTransport {
//! #     async fn send(&self, _: http::Request<bytes::Bytes>) -> Result<http::Response<bytes::Bytes>, TransportError> {
//! #         Err(TransportError::never_sent("offline"))
//! #     }
//! # }
//! # async fn test() {
//! use tgscan_mock::conformance::{self, Endpoint, Scheme};
//!
//! let report = conformance::run(Scheme::Http, |endpoint: &Endpoint| {
//!     // The settings that the transport needs.
//!     MyTransport::new(endpoint.time_limit, endpoint.max_body_size, endpoint.ca_pem.as_deref())
//! })
//! .await;
//! println!("{report}");
//! report.assert_passed();
//! # }
//! ```
//! The suite works with any runtime: its server and its clock run on their own threads. Await [`run`] inside the
//! runtime that your transport needs, if any.
//!
//! Over `Scheme::Https` the server offers HTTP/2 and HTTP/1.1. `run_gzip` runs the same suite over
//! compressed answers, for a transport that accepts them.
//! Each failure has a [`Severity`]: it puts money or secrets at risk, or it only loses a detail. "Maybe sent" where
//! "response started" was possible is a warning.
//!
//! The suite cannot detect whether an HTTP/2 stream that the server refused is sent again without the core's knowledge,
//! or whether secrets are written to logs.

mod clock;
mod faults;
mod framing;
mod report;
mod rules;
pub mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tgscan_core::types::Search;
use tgscan_core::{Api, Client, RetryPolicy, Transport};

pub use self::report::{Case, Report, Severity};
use crate::server::ContentCoding;
use crate::{Mock, MockServer, RecordedRequest, ServerOptions, VirtualTimer};

/// The protocol that the suite runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS, with the certificate authority of the endpoint.
    #[cfg(feature = "tls")]
    Https,
}

#[derive(Clone, Copy)]
struct Setup {
    scheme: Scheme,
    coding: ContentCoding,
    /// See [`Endpoint::time_limit`].
    time_limit: Duration,
}

/// The endpoint and settings of a transport under test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Base URL. The requests already contain it.
    pub url: String,
    /// The authority to trust, as PEM; `None` without TLS.
    pub ca_pem: Option<String>,
    /// The time limit for a whole request: one second in cases about time, otherwise enough for a busy machine.
    pub time_limit: Duration,
    /// The largest body that the transport must accept, in bytes: 64 KiB.
    pub max_body_size: usize,
    /// The mock behind the endpoint. Without TLS, it can itself be the transport under test.
    pub mock: Mock,
}

/// How long the suite waits for a call that should have ended by its own time limit.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The time limit of a transport in cases that should end before it.
const LONG_LIMIT: Duration = Duration::from_secs(5);

/// The time limit of a transport for many concurrent calls, which take long on a busy machine.
const MANY_CALLS_LIMIT: Duration = Duration::from_secs(60);

/// The time limit of a transport in cases that it must end.
const SHORT_LIMIT: Duration = Duration::from_secs(1);

/// The seed of every mock in the suite, so that a second one returns the same bytes.
const SEED: u64 = 7;

/// The cost of a paid call: not 1, which a transport could guess.
const COST: u64 = 3;

/// The transport under test without its type.
trait AnyTransport: Transport + fmt::Debug {}

impl<T: Transport + fmt::Debug> AnyTransport for T {}

/// Creates the transport under test.
type Make<'a> = dyn Fn(&Endpoint) -> Arc<dyn AnyTransport> + 'a;

/// A mock behind a server, and the transport under test. Created for every case.
struct Bench {
    mock: Mock,
    server: MockServer,
    endpoint: Endpoint,
    transport: Arc<dyn AnyTransport>,
    coding: ContentCoding,
}

impl Bench {
    fn new(setup: Setup, make: &Make<'_>) -> Result<Self, String> {
        Self::with_authority(setup, make, |server| server.ca_pem().map(str::to_owned))
    }

    /// Creates a bench whose transport trusts only the authority of another server.
    #[cfg(feature = "tls")]
    fn with_other_authority(setup: Setup, make: &Make<'_>) -> Result<Self, String> {
        let options = ServerOptions::new().https::<&str>([]);
        let other = MockServer::start(&Mock::new(), &options).map_err(|error| error.to_string())?;
        Self::with_authority(setup, make, |_| other.ca_pem().map(str::to_owned))
    }

    fn with_authority(
        setup: Setup,
        make: &Make<'_>,
        ca_pem: impl Fn(&MockServer) -> Option<String>,
    ) -> Result<Self, String> {
        let max_body_size = 64 * 1024;
        let builder = Mock::builder().seed(SEED).max_body_size(max_body_size).cost::<Search>(COST);
        let mock = builder.build().map_err(|error| error.to_string())?;
        let options = ServerOptions::new().coding(setup.coding);
        let options = match setup.scheme {
            Scheme::Http => options,
            #[cfg(feature = "tls")]
            Scheme::Https => options.https::<&str>([]),
        };
        let server = MockServer::start(&mock, &options).map_err(|error| error.to_string())?;
        let endpoint = Endpoint {
            url: server.url(),
            ca_pem: ca_pem(&server),
            time_limit: setup.time_limit,
            max_body_size,
            mock: mock.clone(),
        };
        let transport = make(&endpoint);
        Ok(Self { mock, server, endpoint, transport, coding: setup.coding })
    }

    fn api(&self) -> Api {
        self.api_at(&self.endpoint.url)
    }

    fn api_at(&self, url: &str) -> Api {
        Api::with_base_url(url, self.mock.live_key()).expect("a server's URL is a base URL")
    }

    /// Returns a client over the transport under test. It does not retry, since each case is about one attempt.
    fn client(&self, api: Api) -> Client {
        Client::new(api.with_retry(RetryPolicy::none()), self.transport.clone(), VirtualTimer::new())
    }

    /// Returns the last request that arrived.
    fn arrived(&self) -> Result<RecordedRequest, String> {
        self.mock.requests().pop().ok_or_else(|| "no request arrived".into())
    }
}

/// Runs the suite on the transports that `make` returns, one per case.
///
/// Takes several seconds, because it waits for real time limits.
pub async fn run<T, F>(scheme: Scheme, make: F) -> Report
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    run_over(scheme, ContentCoding::default(), &|endpoint| Arc::new(make(endpoint))).await
}

/// Runs the suite over compressed answers. A transport that does not accept gzip fails it.
pub async fn run_gzip<T, F>(scheme: Scheme, make: F) -> Report
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    run_over(scheme, ContentCoding::Gzip, &|endpoint| Arc::new(make(endpoint))).await
}

async fn run_over(scheme: Scheme, coding: ContentCoding, make: &Make<'_>) -> Report {
    let mut report = Report::default();
    let setup = Setup { scheme, coding, time_limit: LONG_LIMIT };
    rules::run(setup, make, &mut report).await;
    faults::run(setup, make, &mut report).await;
    framing::run(setup, make, &mut report).await;
    report
}
