//! What the tests share: the documented fixtures, a transport that plays a script, a clock that only counts.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use proptest::test_runner::{Config, RngSeed};
use tgscan_core::types::ApiMethod;
use tgscan_core::{Api, ApiKey, Client, Timer, Transport, TransportError, async_trait, transport_fn};

/// What a transport brought back.
pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

/// An answer that charges one credit, for any of the methods with a cost.
pub(crate) const SIMILAR: &str =
    r#"{"status":"ok","result":{"meta":{"search_query":["alice"],"op_cost":1},"groups":[]}}"#;

/// Where the documented requests and answers lie.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tgscan-types/fixtures")
}

/// The documented answer of a method, envelope included.
pub(crate) fn documented_answer<M: ApiMethod>() -> String {
    let path = fixtures().join(M::NAME).join("answer.json");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documented request of a method.
pub(crate) fn documented_request<M: ApiMethod>() -> M {
    let path = fixtures().join(M::NAME).join("live.http");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    serde_html_form::from_str(body).expect(M::NAME)
}

/// Billing of generated tests: so many cases, from one seed, without a file of past failures.
pub(crate) fn runs(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0x7675), ..Config::default() }
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

/// Plays outcomes in order and keeps the requests; a request beyond the script fails the test.
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

    /// Paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.uri().path().to_owned()).collect()
    }

    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// A client that plays this script and waits on `clock`.
    pub(crate) fn client(&self, api: Api, clock: &Clock) -> Client {
        Client::new(api, self.transport(), clock.clone())
    }
}

/// A clock that jumps ahead by what it is asked to wait, and remembers each wait.
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
