//! The mock's knowledge of the service: what it checks, what it charges, what it answers. No I/O.

mod account;
mod builder;
mod check;
mod recording;
mod refusal;
mod route;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use tgscan_core::{Api, ApiKey, Client, Transport, TransportError, async_trait};

pub use account::Account;
use account::{Cost, KeyState};
pub use builder::{ErrorStatus, InvalidMock, MockBuilder, Repeat};
use recording::Recording;
pub use recording::{KeyUsed, RecordedRequest};
use refusal::Refusal;
use route::Route;

use crate::VirtualTimer;
use crate::data::{Profile, Seed, Terms};

/// A mock of the TgScan API. Cheap to clone; clones are the same account.
///
/// It is a [`Transport`]: put it where the real one goes. Answers are a function of the seed and the query, so they do
/// not depend on the order in which parallel requests arrive.
///
/// ```
/// use tgscan_mock::Mock;
///
/// # futures_executor::block_on(async {
/// let mock = Mock::builder().seed(7).credits(100).build()?;
/// let client = mock.client();
///
/// let reply = client.search("some_username".parse::<tgscan_mock::types::UserQuery>()?).await?;
/// assert_eq!(reply.answer.meta.search_query, "some_username");
/// assert_eq!(mock.account().credits, 100 - i64::try_from(reply.answer.meta.op_cost)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Mock {
    engine: Arc<Engine>,
}

struct Engine {
    settings: Settings,
    routes: Vec<Route>,
    state: Mutex<State>,
}

/// What does not change while the mock runs.
struct Settings {
    seed: u64,
    profile: Profile,
    repeat: Repeat,
    error_status: ErrorStatus,
    keys: Vec<(String, KeyState)>,
    costs: HashMap<&'static str, Cost>,
}

/// What does.
struct State {
    account: Account,
    /// How often each method was asked each query, if answers depend on that.
    asked: HashMap<String, u64>,
    recording: Recording,
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

impl Mock {
    /// Live key of a mock that was not given another one.
    pub const LIVE_KEY: &'static str = "mock-live-key";
    /// Test key of a mock that was not given another one.
    pub const TEST_KEY: &'static str = "mock-test-key";

    /// A mock with 1,000 credits, the default keys, seed 0, and a cost of 1 credit for every method that costs any.
    pub fn new() -> Self {
        MockBuilder::new().defaults()
    }

    /// Sets up a mock by hand.
    pub fn builder() -> MockBuilder {
        MockBuilder::new()
    }

    /// A client with the first live key over this mock, whose waits take no time.
    pub fn client(&self) -> Client {
        self.client_with(KeyState::Live)
    }

    /// A client with the first test key over this mock, whose waits take no time.
    pub fn test_client(&self) -> Client {
        self.client_with(KeyState::Test)
    }

    fn client_with(&self, kind: KeyState) -> Client {
        Client::new(Api::new(self.first_key(kind)), self.clone()).with_timer(VirtualTimer::new())
    }

    /// The first live key.
    pub fn live_key(&self) -> ApiKey {
        self.first_key(KeyState::Live)
    }

    /// The first test key.
    pub fn test_key(&self) -> ApiKey {
        self.first_key(KeyState::Test)
    }

    fn first_key(&self, kind: KeyState) -> ApiKey {
        let known = self.engine.settings.keys.iter().find(|(_, state)| *state == kind);
        let (text, make): (&str, fn(&str) -> _) = match kind {
            KeyState::Test => (Self::TEST_KEY, |key| ApiKey::test(key)),
            KeyState::Live | KeyState::Revoked => (Self::LIVE_KEY, |key| ApiKey::live(key)),
        };
        make(known.map_or(text, |(key, _)| key)).expect("the builder checked the keys")
    }

    /// The account as it is now.
    pub fn account(&self) -> Account {
        self.state().account.clone()
    }

    /// Puts so many credits on the balance.
    pub fn set_credits(&self, credits: i64) {
        self.state().account.set_credits(credits);
    }

    /// What was sent so far, oldest first. Only the last requests are kept; see [`dropped_requests`](Self::dropped_requests).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().recording.requests()
    }

    /// How many recorded requests were dropped to keep the recording small.
    pub fn dropped_requests(&self) -> u64 {
        self.state().recording.dropped()
    }

    /// Answers one request, as the service would. Pure but for the account and the recording.
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut record = RecordedRequest::begin(request);
        let (status, body) = match self.answer(request, &mut record) {
            Ok(body) => (http::StatusCode::OK, body),
            Err(refusal) => {
                (self.engine.settings.error_status.of(refusal.status), Bytes::from(refusal.envelope()))
            }
        };
        record.status = status;
        self.state().recording.push(record);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        check::headers_of(status, headers);
        response
    }

    /// Answers a request whose body is larger than the server reads.
    #[cfg(feature = "server")]
    pub(crate) fn refuse_body(&self, limit: usize) -> Response<Bytes> {
        let status = http::StatusCode::PAYLOAD_TOO_LARGE;
        let refusal = Refusal::new(status, format!("the request's body is larger than {limit} bytes"));
        let mut response = Response::new(Bytes::from(refusal.envelope()));
        *response.status_mut() = self.engine.settings.error_status.of(status);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn answer(&self, request: &Request<Bytes>, record: &mut RecordedRequest) -> Result<Bytes, Refusal> {
        let settings = &self.engine.settings;
        let (route, is_test) = route::find(&self.engine.routes, request.uri().path())?;
        record.method = Some(route.info().name);
        check::http_method(request)?;
        let kind = check::key(request, &settings.keys)?;
        record.key = kind.into();
        check::key_fits(kind, is_test, &route.info())?;
        check::content_type(request)?;
        route.answer(request.body(), settings.profile, &mut |form| {
            form.clone_into(&mut record.form);
            let cost = settings.costs.get(route.info().name).map_or(0, |cost| cost.of(form));
            let mut state = self.state();
            let charge = state.account.charge(&route.info(), cost, is_test)?;
            record.charged = charge;
            let terms = Terms::new(cost, state.account.credits);
            let mut seed = Seed::new(settings.seed).and_text(request.uri().path()).and_text(form);
            if settings.repeat == Repeat::Varied {
                let asked = state.asked.entry(format!("{}?{form}", request.uri().path())).or_default();
                seed = seed.and(*asked);
                *asked += 1;
            }
            Ok((seed.value(), terms))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No section that holds the lock can leave the state half changed.
        self.engine.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Mock {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        Ok(self.respond(&request))
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("seed", &self.engine.settings.seed)
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}
