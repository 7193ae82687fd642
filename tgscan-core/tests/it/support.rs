//! Fixtures, a scripted transport and virtual clocks for the tests.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use proptest::test_runner::{Config, RngSeed};
use tgscan_core::call::Now;
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey, Client, Timer, Transport, TransportError, async_trait, transport_fn};

/// The result of a transport.
pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

/// An answer that charges one credit, for any of the methods with a cost.
pub(crate) const SIMILAR: &str =
    r#"{"status":"ok","result":{"meta":{"search_query":["alice"],"op_cost":1},"groups":[]}}"#;

/// Returns the folder of the documented requests and answers.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tgscan-types/fixtures")
}

/// Returns the documented answer of a method, including the envelope.
pub(crate) fn documented_answer<M: ApiMethod>() -> String {
    let path = fixtures().join(M::NAME).join("answer.json");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the documented request of a method.
pub(crate) fn documented_request<M: ApiMethod>() -> M {
    let path = fixtures().join(M::NAME).join("live.http");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    serde_html_form::from_str(body).expect(M::NAME)
}

/// Returns the configuration of generated tests: the number of cases, a fixed seed, and no file of past failures.
pub(crate) fn runs(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0x7675), ..Config::default() }
}

/// Returns a time without a date.
pub(crate) fn at(time: Duration) -> Now {
    Now::new(time, None)
}

pub(crate) fn live() -> Api {
    Api::new(ApiKey::live("live-key").unwrap())
}

pub(crate) fn test() -> Api {
    Api::new(ApiKey::test("test-key").unwrap())
}

pub(crate) fn response(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

pub(crate) fn with_header(mut response: Response<Bytes>, name: &'static str, value: &str) -> Response<Bytes> {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

/// A transport that returns outcomes in order and keeps the requests. Panics after the last outcome.
#[derive(Clone, Default)]
pub(crate) struct Script {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Script {
    pub(crate) fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let script = Self::default();
        script.outcomes.lock().unwrap().extend(outcomes);
        script
    }

    pub(crate) fn transport(&self) -> impl Transport + 'static {
        let Self { outcomes, requests } = self.clone();
        transport_fn(move |request| {
            requests.lock().unwrap().push(request);
            let outcome = outcomes.lock().unwrap().pop_front().expect("a request beyond the script");
            async move { outcome }
        })
    }

    /// Returns the paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.uri().path().to_owned()).collect()
    }

    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Creates a client with this script and clock.
    pub(crate) fn client(&self, api: Api, clock: &Clock) -> Client {
        Client::new(api, self.transport(), clock.clone())
    }
}

/// A clock that advances by each wait immediately, and records the waits.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<Mutex<Vec<Duration>>>);

impl Clock {
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Timer for Clock {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().iter().sum()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }
}

/// A stopped clock whose waits end when the test permits.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicUsize>);

impl Gate {
    /// Ends the next waits that are polled.
    pub(crate) fn let_pass(&self, waits: usize) {
        self.0.fetch_add(waits, Ordering::Relaxed);
    }
}

#[async_trait]
impl Timer for Gate {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        let pass = || self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waits| waits.checked_sub(1));
        std::future::poll_fn(|_| if pass().is_ok() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
