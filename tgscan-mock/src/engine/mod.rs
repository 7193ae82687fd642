//! The mock's model of the service: checks, charges and answers. No I/O.

mod account;
mod builder;
#[cfg(feature = "server")]
mod change;
mod check;
#[cfg(feature = "server")]
mod costs;
#[cfg(feature = "server")]
mod exchange;
mod expect;
mod fault;
#[cfg(feature = "server")]
mod journal;
mod manner;
#[cfg(feature = "server")]
mod object;
mod outcome;
mod recording;
mod refusal;
mod respond;
mod route;
mod script;
mod shape;
#[cfg(feature = "server")]
mod step;
mod verify;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Waker};
use std::time::Duration;

use tgscan_core::{Api, ApiKey, Client};

pub use account::Account;
use account::{Cost, KeyState};
pub use builder::{ErrorStatus, InvalidMock, MockBuilder, Repeat, UnknownAccounts};
#[cfg(feature = "server")]
pub(crate) use change::Change;
#[cfg(feature = "server")]
pub use costs::MethodCost;
use expect::{AnyStrategy, Expectations};
pub use expect::{Expect, UnmetExpectations};
pub use fault::{Class, Fault, FaultKind};
#[cfg(feature = "server")]
pub(crate) use fault::{SLOW_PAUSE, TRICKLE_PAUSE};
#[cfg(feature = "server")]
pub(crate) use journal::since_1970;
pub use manner::Manner;
#[cfg(feature = "server")]
pub(crate) use object::from_object;

pub use outcome::{End, Outcome, Wire};
use recording::Recording;
pub use recording::{KeyUsed, RecordedRequest};
#[cfg(feature = "openapi")]
pub(crate) use route::each_method;
#[cfg(feature = "server")]
pub(crate) use route::has_path;
pub use route::visit_all;
use script::Script;
#[cfg(feature = "server")]
pub use step::ScriptStep;
#[cfg(feature = "server")]
pub(crate) use step::{MOST_LATENCY_MS, required_method_schema};

use crate::VirtualTimer;
use crate::data::{Profile, World};

/// The largest number of tasks that wait for the next request.
const MOST_WAITING: usize = 100;

/// A mock of the TgScan API. Cheap to clone; clones share their settings and state, such as the account.
///
/// It is a [`Transport`](tgscan_core::Transport): use it in place of the real one. Answers depend only on the seed and
/// the query, not on the order of concurrent requests.
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
pub struct Mock {
    engine: Arc<Engine>,
    /// Whether this handle was built, rather than cloned.
    is_first: bool,
    /// Whether expectations were added through this handle.
    expects: AtomicBool,
}

impl Clone for Mock {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), is_first: false, expects: AtomicBool::new(false) }
    }
}

struct Engine {
    /// The settings at the start.
    start: Arc<Settings>,
    /// The current settings.
    settings: RwLock<Arc<Settings>>,
    state: Mutex<State>,
    timer: VirtualTimer,
    /// Whether the handle that was built was dropped.
    first_is_gone: AtomicBool,
}

/// The part of a mock that requests do not change.
#[derive(Clone)]
struct Settings {
    credits: i64,
    profile: Profile,
    repeat: Repeat,
    error_status: ErrorStatus,
    keys: Vec<(String, KeyState)>,
    costs: HashMap<&'static str, Cost>,
    max_body_size: usize,
    latency: Option<Duration>,
    unknown: UnknownAccounts,
    is_strict: bool,
    writes_numbers: bool,
    manner: Option<Manner>,
    /// Whether requests that no expectation accepts are answered as without expectations.
    answers_unexpected: bool,
    script: Script,
    world: World,
}

/// The part of a mock that requests change.
struct State {
    account: Account,
    /// The number of calls by method and query, if answers depend on it.
    query_counts: HashMap<String, u64>,
    recording: Recording,
    script: Script,
    expected: Expectations,
    /// Tasks that wait for the next request.
    waiting: Vec<Waker>,
}

impl State {
    fn new(settings: &Settings) -> Self {
        Self {
            account: Account::new(settings.credits),
            query_counts: HashMap::new(),
            recording: Recording::default(),
            script: settings.script.clone(),
            expected: Expectations::default(),
            waiting: Vec::new(),
        }
    }

    /// Wakes this task at the next request. Returns the tasks to wake now: those that stopped waiting would stay until the
    /// next request.
    fn wait(&mut self, context: &Context<'_>) -> Vec<Waker> {
        let full =
            if self.waiting.len() < MOST_WAITING { Vec::new() } else { std::mem::take(&mut self.waiting) };
        if !self.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        full
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

impl Mock {
    /// The live key of a mock without configured live keys.
    pub const LIVE_KEY: &'static str = "mock-live-key";
    /// The test key of a mock without configured test keys.
    pub const TEST_KEY: &'static str = "mock-test-key";

    /// Creates a mock with 1,000 credits, the default keys, seed 0, and the default costs.
    pub fn new() -> Self {
        MockBuilder::new().with_default_keys()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> MockBuilder {
        MockBuilder::new()
    }

    /// Creates a client over this mock with the first live key. Its backoffs take no real time.
    pub fn client(&self) -> Client {
        self.client_with(KeyState::Live)
    }

    /// Creates a client over this mock with the first test key. Its backoffs take no real time.
    pub fn test_client(&self) -> Client {
        self.client_with(KeyState::Test)
    }

    fn client_with(&self, kind: KeyState) -> Client {
        Client::new(Api::new(self.first_key(kind)).with_service("mock"), self.clone(), self.timer().clone())
    }

    /// Returns the virtual timer for this mock's latency and its clients' backoffs.
    pub fn timer(&self) -> &VirtualTimer {
        &self.engine.timer
    }

    /// Returns the first live key.
    pub fn live_key(&self) -> ApiKey {
        self.first_key(KeyState::Live)
    }

    /// Returns the first test key.
    pub fn test_key(&self) -> ApiKey {
        self.first_key(KeyState::Test)
    }

    fn first_key(&self, kind: KeyState) -> ApiKey {
        let settings = self.engine.settings();
        let known = settings.keys.iter().find(|(_, state)| *state == kind);
        let (text, make): (&str, fn(&str) -> _) = match kind {
            KeyState::Test => (Self::TEST_KEY, |key| ApiKey::test(key)),
            KeyState::Live | KeyState::Revoked => (Self::LIVE_KEY, |key| ApiKey::live(key)),
        };
        make(known.map_or(text, |(key, _)| key)).expect("the builder checked the keys")
    }

    /// Returns the current state of the account.
    pub fn account(&self) -> Account {
        self.state().account.clone()
    }

    /// Sets the balance.
    pub fn set_credits(&self, credits: i64) {
        self.state().account.set_credits(credits);
    }

    /// Returns the requests received so far, oldest first. Only the latest are kept, up to 1,000 and 16 MiB; see
    /// [`dropped_requests`](Self::dropped_requests).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().recording.kept.iter().map(|entry| entry.request.clone()).collect()
    }

    /// Returns the number of requests that were removed from the record to limit its memory.
    pub fn dropped_requests(&self) -> u64 {
        self.state().recording.dropped
    }

    /// Returns the seed of all answers.
    pub fn seed(&self) -> u64 {
        self.engine.settings().world.seed
    }

    /// Resets settings, account, recorded requests, script and counts to their initial state, and removes expectations.
    pub fn reset(&self) {
        let start = &self.engine.start;
        self.engine.set(Arc::clone(start));
        let waiting = {
            let mut state = self.state();
            let new = State { recording: state.recording.restarted(), ..State::new(start) };
            std::mem::replace(&mut *state, new).waiting
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns the largest body that the in-process transport accepts, in bytes.
    pub(crate) fn max_body_size(&self) -> usize {
        self.engine.settings().max_body_size
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.engine.state()
    }
}

impl Engine {
    fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, settings: Arc<Settings>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code can leave the state inconsistent while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("seed", &self.seed())
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}
