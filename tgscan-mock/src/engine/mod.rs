//! The mock's model of the service: checks, charges and answers. No I/O.

mod account;
mod builder;
#[cfg(feature = "server")]
pub(crate) mod change;
pub(crate) mod check;
mod costs;
pub(crate) mod expect;
mod fault;
#[cfg(feature = "server")]
mod journal;
mod manner;
mod object;
mod outcome;
pub(crate) mod recording;
pub(crate) mod redact;
mod refusal;
mod repeat;
mod respond;
pub(crate) mod route;
mod script;
#[cfg(feature = "server")]
mod sent;
#[cfg(feature = "server")]
mod step;
mod verify;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tgscan_core::{Api, ApiKey, Client};

pub use account::{Account, KeyKind};
pub use builder::{ErrorStatus, InvalidMock, MockBuilder, UnknownAccounts};
pub use costs::MethodCost;
use expect::Expectations;
pub use expect::{Expect, UnmetExpectations};
pub use fault::{Class, Fault, FaultKind};
pub use manner::Manner;
pub use outcome::{End, Outcome, Wire};
pub use recording::RecordedRequest;
use recording::Recording;
pub use repeat::Repeat;
pub use route::visit_all;
use script::Script;
pub use script::ScriptStep;

use crate::VirtualTimer;
use crate::data::{Profile, World};

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
    /// The number of this handle if dropping it verifies expectations: [`BUILT`] for the built handle, which verifies all;
    /// a higher one for a clone that added some after that one was dropped, and verifies these; 0 for others.
    verifier: AtomicU64,
}

/// The number of the built handle.
const BUILT: u64 = 1;

impl Clone for Mock {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), verifier: AtomicU64::new(0) }
    }
}

struct Engine {
    /// The settings at the start.
    start: Arc<Settings>,
    state: Mutex<State>,
    timer: VirtualTimer,
    /// Notified when a request comes or ends.
    #[cfg(feature = "server")]
    changed: tokio::sync::Notify,
}

/// The settings of a mock, which requests do not change.
#[derive(Clone)]
struct Settings {
    credits: i64,
    profile: Profile,
    repeat: Repeat,
    error_status: ErrorStatus,
    keys: Vec<(String, KeyKind)>,
    costs: costs::Costs,
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

struct State {
    settings: Arc<Settings>,
    account: Account,
    /// The number of answers to each query, if answers depend on it.
    answers: repeat::Counts,
    recording: Recording,
    script: Script,
    expected: Expectations,
    /// The latest number of a handle that verifies expectations; 0 until the built handle is dropped.
    verifiers: u64,
    /// The tasks that wait until the expectations are met.
    waiting: Vec<Waker>,
}

impl State {
    fn new(settings: Arc<Settings>) -> Self {
        Self {
            account: Account::new(settings.credits),
            answers: repeat::Counts::default(),
            recording: Recording::default(),
            script: settings.script.clone(),
            expected: Expectations::default(),
            verifiers: 0,
            waiting: Vec::new(),
            settings,
        }
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
        self.client_with(KeyKind::Live)
    }

    /// Creates a client over this mock with the first test key. Its backoffs take no real time.
    pub fn test_client(&self) -> Client {
        self.client_with(KeyKind::Test)
    }

    fn client_with(&self, kind: KeyKind) -> Client {
        Client::new(Api::new(self.first_key(kind)).with_service("mock"), self.clone(), self.timer().clone())
    }

    /// Returns the virtual timer for this mock's latency and its clients' backoffs.
    pub fn timer(&self) -> &VirtualTimer {
        &self.engine.timer
    }

    /// Returns the first live key.
    pub fn live_key(&self) -> ApiKey {
        self.first_key(KeyKind::Live)
    }

    /// Returns the first test key.
    pub fn test_key(&self) -> ApiKey {
        self.first_key(KeyKind::Test)
    }

    fn first_key(&self, kind: KeyKind) -> ApiKey {
        let state = self.state();
        let known = state.settings.keys.iter().find(|(_, state)| *state == kind);
        let (text, make): (&str, fn(&str) -> _) = match kind {
            KeyKind::Test => (Self::TEST_KEY, |key| ApiKey::test(key)),
            _ => (Self::LIVE_KEY, |key| ApiKey::live(key)),
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
        self.state().settings.world.seed
    }

    /// Resets settings, account, recorded requests, script and counts to their initial state, and removes expectations.
    pub fn reset(&self) {
        self.with_state(|state| {
            let (recording, verifiers) = (state.recording.restarted(), state.verifiers);
            let waiting = std::mem::take(&mut state.waiting);
            *state = State { recording, verifiers, waiting, ..State::new(self.engine.start.clone()) };
        });
    }

    /// Returns the largest body that the in-process transport accepts, in bytes.
    pub(crate) fn max_body_size(&self) -> usize {
        self.state().settings.max_body_size
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code can leave the state inconsistent while it holds the lock.
        self.engine.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the tasks that wait for changes.
    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        #[cfg(feature = "server")]
        self.engine.changed.notify_waiters();
        changed
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
