//! A conformance suite for transports: every fault and every rule of the `Transport` trait, over real sockets.
//!
//! Run it as a test in your own crate, on a transport that you wrote:
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
//!     // The endpoint says what the transport must be set to.
//!     MyTransport::new(endpoint.time_limit, endpoint.max_body_size, endpoint.ca_pem.as_deref())
//! })
//! .await;
//! println!("{report}");
//! report.assert_passed();
//! # }
//! ```
//!
//! The suite needs no particular runtime: its server and its clock run on threads of their own. A transport that needs
//! one must find it where [`run`] is awaited.
//!
//! Over `Scheme::Https` the server speaks HTTP/2 to a transport that offers it, and HTTP/1.1 otherwise. `run_gzip`
//! (feature `gzip`) is the same suite over compressed answers, for a transport that asks for them.
//!
//! Each line says how much it matters: a broken rule about money or secrets stands apart from one that only loses a detail,
//! and "maybe sent" where "response started" was possible is a warning.
//!
//! It cannot see everything: not whether a stream that HTTP/2 refuses is sent again behind the core's back, and not what
//! is written to logs.

mod clock;
mod faults;
mod framing;
mod report;
mod rules;
pub mod store;

use std::fmt;
use std::time::Duration;

use tgscan_core::{Api, Client, RetryPolicy, Transport};

pub use self::report::{Case, Report, Severity};
use crate::server::Coding;
use crate::{Mock, MockServer, ServerOptions, VirtualTimer};

/// Over which protocol the suite runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS, with the certificate authority of the endpoint.
    #[cfg(feature = "tls")]
    Https,
}

/// What the suite runs over.
#[derive(Clone, Copy)]
struct Wiring {
    scheme: Scheme,
    coding: Coding,
    /// See [`Endpoint::time_limit`].
    time_limit: Duration,
}

/// What a transport under test talks to, and what it must be set to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Base URL; requests carry it already.
    pub url: String,
    /// The authority to trust, as PEM; `None` without TLS.
    pub ca_pem: Option<String>,
    /// The time limit that the transport must hold, in all: one second where a case is about time, otherwise enough for a
    /// busy machine.
    pub time_limit: Duration,
    /// The largest body that the transport must take, in bytes: 64 KiB.
    pub max_body_size: usize,
    /// The mock behind the endpoint. Without TLS, the transport under test may be this one.
    pub mock: Mock,
}

/// How long the suite waits for a call that should have ended by its own time limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time limit of a transport in cases that should end without it.
const UNHURRIED: Duration = Duration::from_secs(5);

/// The time limit of a transport where it must end a call.
const HURRIED: Duration = Duration::from_secs(1);

/// Seed of every mock of the suite, so that a second one gives the same bytes to compare with.
const SEED: u64 = 7;

/// Credits that a paid call costs here: not 1, which is what a guess would be.
const COST: u64 = 3;

/// A mock behind a server, and the transport under test in front of it: new for every case.
struct Bench<T> {
    mock: Mock,
    server: MockServer,
    endpoint: Endpoint,
    transport: std::sync::Arc<T>,
    coding: Coding,
}

impl<T: Transport + fmt::Debug + 'static> Bench<T> {
    fn new(wiring: Wiring, make: &impl Fn(&Endpoint) -> T) -> Result<Self, String> {
        Self::with_authority(wiring, make, |server| server.ca_pem().map(str::to_owned))
    }

    /// A bench whose transport trusts the authority of another server.
    #[cfg(feature = "tls")]
    fn of_strangers(wiring: Wiring, make: &impl Fn(&Endpoint) -> T) -> Result<Self, String> {
        let options = ServerOptions::new().https::<&str>([]);
        let other = MockServer::start(&Mock::new(), &options).map_err(|error| error.to_string())?;
        Self::with_authority(wiring, make, |_| other.ca_pem().map(str::to_owned))
    }

    fn with_authority(
        wiring: Wiring,
        make: &impl Fn(&Endpoint) -> T,
        ca_pem: impl Fn(&MockServer) -> Option<String>,
    ) -> Result<Self, String> {
        let max_body_size = 64 * 1024;
        let mock = Mock::builder()
            .seed(SEED)
            .max_body_size(max_body_size)
            .cost::<tgscan_core::types::Search>(COST)
            .build()
            .map_err(|error| error.to_string())?;
        let options = ServerOptions::new().coding(wiring.coding);
        let options = match wiring.scheme {
            Scheme::Http => options,
            #[cfg(feature = "tls")]
            Scheme::Https => options.https::<&str>([]),
        };
        let server = MockServer::start(&mock, &options).map_err(|error| error.to_string())?;
        let endpoint = Endpoint {
            url: server.url(),
            ca_pem: ca_pem(&server),
            time_limit: wiring.time_limit,
            max_body_size,
            mock: mock.clone(),
        };
        let transport = std::sync::Arc::new(make(&endpoint));
        Ok(Self { mock, server, endpoint, transport, coding: wiring.coding })
    }

    /// A client of one attempt over the transport under test.
    fn client(&self) -> Client {
        let api = Api::with_base_url(&self.endpoint.url, self.mock.live_key())
            .expect("a server's URL is a base URL");
        one_attempt(api, std::sync::Arc::clone(&self.transport))
    }
}

/// A client that does not retry, because each case is about one attempt.
fn one_attempt(api: Api, transport: impl Transport + 'static) -> Client {
    Client::new(api.with_retry(RetryPolicy::none()), transport, VirtualTimer::new())
}

/// Runs the suite on the transports that `make` makes, one for each case.
///
/// Takes some seconds: time limits must pass for real.
pub async fn run<T, F>(scheme: Scheme, make: F) -> Report
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    run_over(scheme, Coding::default(), make).await
}

/// Runs the suite over compressed answers. A transport that does not ask for gzip fails it, because then nothing was
/// compressed.
#[cfg(feature = "gzip")]
pub async fn run_gzip<T, F>(scheme: Scheme, make: F) -> Report
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    run_over(scheme, Coding::Gzip, make).await
}

async fn run_over<T, F>(scheme: Scheme, coding: Coding, make: F) -> Report
where
    T: Transport + fmt::Debug + 'static,
    F: Fn(&Endpoint) -> T,
{
    let mut report = Report::default();
    let wiring = Wiring { scheme, coding, time_limit: UNHURRIED };
    rules::run(wiring, &make, &mut report).await;
    faults::run(wiring, &make, &mut report).await;
    framing::run(wiring, &make, &mut report).await;
    report
}
