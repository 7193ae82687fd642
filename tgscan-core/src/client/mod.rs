//! The asynchronous client: drives calls with a transport and a timer.

mod caller;
mod drive;
mod reconcile;
mod task;
mod waits;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use http::Extensions;
use tgscan_types::{
    ApiMethod, Balance, BalanceAnswer, GroupQuery, InvalidQuery, Search, SearchAnswer, SimilarGroups,
    SimilarGroupsAnswer, UserCheck, UserCheckAnswer, UserQuery,
};

use drive::First;
use reconcile::Comparisons;
pub use waits::Drained;
use waits::{Calls, Running};

use crate::call::{InStore, Observer};
use crate::panics::catch;
use crate::store::{Account, AccountName, Lookup, Store, StorePolicy, Task, next_token};
use crate::{Api, Budget, Credits, Error, ErrorKind, Ledger, Reply, Reserve, RetryPolicy, Timer, Transport};

/// Calls API methods over a [`Transport`].
///
/// Cheap to clone; clones share the ledger, the transport, the rate limit and the pauses after a 429.
///
/// ```
/// use bytes::Bytes;
/// use tgscan_core::{Api, ApiKey, Client, transport_fn};
///
/// # struct MyTimer;
/// # #[tgscan_core::async_trait]
/// # impl tgscan_core::Timer for MyTimer {
/// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// #     async fn sleep(&self, _: std::time::Duration) {}
/// # }
/// # futures_executor::block_on(async {
/// let canned = transport_fn(|_request| async {
///     Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
/// });
/// let client = Client::new(Api::new(ApiKey::live("0123456789abcdef")?), canned, MyTimer);
/// assert_eq!(client.balance().await?.answer.num_credits, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    // One `Arc`, because callers clone the client for each call.
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    api: Api,
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    /// Identifies the moment that the timer counts from.
    timer_origin: u64,
    /// The extensions of every request.
    extensions: Extensions,
    observer: Option<Arc<dyn Observer>>,
    /// The time after the end of an uncertain call during which it may still be charged.
    late_charge: Duration,
    reconciles: bool,
    waits_at_cap: bool,
    /// The limit of a caller's wait.
    deadline: Option<Duration>,
    /// The account in a store, and the options for it.
    place: Option<InStore>,
    spawn: Option<Arc<dyn Fn(Task) + Send + Sync>>,
    calls: Arc<Calls>,
    /// Whether the book has a baseline balance.
    has_balance: Arc<AtomicBool>,
    /// When to read again which free methods were charged, in milliseconds by the timer.
    charges_due: Arc<AtomicU64>,
    /// The comparisons for calls.
    comparisons: Arc<Comparisons>,
}

/// Assumption: an abandoned request is charged within the default time limit of a request.
const LATE_CHARGE: Duration = Duration::from_secs(30);

impl Client {
    /// Creates a client over any transport. The timer is the clock of your runtime, for backoffs, deadlines and reported
    /// durations: `TokioTimer` of `tgscan-transport-hyper` for tokio, or a custom [`Timer`].
    pub fn new(api: Api, transport: impl Transport + 'static, timer: impl Timer + 'static) -> Self {
        let shared = Shared {
            api,
            transport: Arc::new(transport),
            timer: Arc::new(timer),
            timer_origin: next_token(),
            extensions: Extensions::new(),
            observer: None,
            late_charge: LATE_CHARGE,
            reconciles: false,
            waits_at_cap: false,
            deadline: None,
            place: None,
            spawn: None,
            calls: Arc::default(),
            has_balance: Arc::default(),
            charges_due: Arc::default(),
            comparisons: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the timer, for example by a virtual one.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer + 'static) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        (shared.timer, shared.timer_origin) = (Arc::new(timer), next_token());
        shared.charges_due = Arc::default();
        self
    }

    /// Replaces the transport, for example by the mock.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Transport + 'static) -> Self {
        Arc::make_mut(&mut self.shared).transport = Arc::new(transport);
        self
    }

    /// Replaces the ledger. Existing clones of the client keep theirs.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        (shared.has_balance, shared.comparisons) = (Arc::default(), Arc::default());
        shared.charges_due = Arc::default();
        self.with_api(|api| api.with_ledger(ledger))
    }

    /// Replaces the retry policy. Existing clones of the client keep theirs.
    #[must_use]
    pub fn with_retry(self, policy: RetryPolicy) -> Self {
        self.with_api(|api| api.with_retry(policy))
    }

    /// Limits the rate of attempts for this client and its later clones; see [`Api::with_rate_limit`].
    #[must_use]
    pub fn with_rate_limit(self, attempts: u32, per: Duration) -> Self {
        self.with_api(|api| api.with_rate_limit(attempts, per))
    }

    /// Returns the remaining time of the pause after a 429; `None` if there is no pause.
    pub fn paused_for(&self) -> Option<Duration> {
        self.shared.api.pace().paused_for(self.shared.timer_origin, self.now())
    }

    /// Sets the cap; see [`Api::with_cap`]. Existing clones of the client keep theirs.
    #[must_use]
    pub fn with_cap(self, credits: u64, reserve: Reserve) -> Self {
        self.with_api(|api| api.with_cap(credits, reserve))
    }

    /// Adds a budget; see [`Api::with_budget`]. Clones can have different budgets, for example one for each tenant.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        self.with_api(|api| api.with_budget(budget))
    }

    fn with_api(mut self, change: impl FnOnce(Api) -> Api) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.api = change(shared.api.clone());
        self
    }

    /// Records calls that can cost credits in a store, which replaces the ledger: no question is paid for twice and no paid
    /// answer is lost, across crashes, restarts and machines. See [`store`](crate::store).
    ///
    /// Stored answers up to the policy's `max_age` are returned for free; see [`Reply::storage`]. If another call with
    /// the same question is in flight, a call waits for its answer. If the store fails, nothing is sent.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>, policy: StorePolicy) -> Self {
        let name = AccountName::new(policy.account(), self.api().service());
        let place = InStore { account: Account::new(store, name), policy, lookup: Lookup::default() };
        let shared = Arc::make_mut(&mut self.shared);
        (shared.place, shared.has_balance) = (Some(place), Arc::default());
        (shared.comparisons, shared.charges_due) = (Arc::default(), Arc::default());
        self
    }

    /// Returns the client's account in its store, if it has one.
    pub fn account(&self) -> Option<&Account> {
        self.shared.place.as_ref().map(|place| &place.account)
    }

    /// Sets which answers calls accept: stored, new, or both. Set it on a clone to change a single call. Has no effect
    /// without a store; call it after [`with_store`](Self::with_store).
    #[must_use]
    pub fn with_lookup(mut self, lookup: Lookup) -> Self {
        if let Some(place) = &mut Arc::make_mut(&mut self.shared).place {
            place.lookup = lookup;
        }
        self
    }

    /// Sets the function that spawns tasks, such as `|task| drop(tokio::spawn(task))`. A paid call with a store or a
    /// [deadline](Self::with_deadline) then runs in a separate task: if its future is dropped, the call continues, and
    /// is booked and stored. Without this, a call dropped in flight is uncertain. Clients from `tgscan-transport-hyper`
    /// set this.
    #[must_use]
    pub fn with_spawn(mut self, spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).spawn = Some(Arc::new(spawn));
        self
    }

    /// Sets the observer of calls. Replaces an earlier one.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        Arc::make_mut(&mut self.shared).observer = Some(Arc::new(observer));
        self
    }

    /// Sets how long an uncertain call may still be charged after its end, or after its lost claim was last valid.
    /// [`reconcile`](Self::reconcile) waits for the rest of this duration before it requests the balance. Default: 30 s.
    ///
    /// Assumption: an abandoned request is charged within the default time limit of a request. A later charge counts
    /// against the cap after the next comparison, which reports it as `Outcome::Unexplained`.
    #[must_use]
    pub fn with_late_charge_window(mut self, window: Duration) -> Self {
        Arc::make_mut(&mut self.shared).late_charge = window;
        self
    }

    /// Resolves uncertain calls automatically: if a cap or budget would refuse a call because of them, the client first
    /// [reconciles](Self::reconcile), at most once for each change of the book. Such a call can wait for the duration
    /// of [`with_late_charge_window`](Self::with_late_charge_window). A client and its clones compare once at a time:
    /// other calls that need room wait for the comparison, and use its result.
    ///
    /// Also requests the balance (free) before the first paid call, as the baseline of comparisons.
    #[must_use]
    pub fn with_auto_reconcile(mut self) -> Self {
        Arc::make_mut(&mut self.shared).reconciles = true;
        self
    }

    /// Adds a value to the extensions of every request, for transports and layers. The value is never sent to the service.
    /// Replaces an earlier value of the same type.
    ///
    /// A clone can have different values, for example for a single call: `client.clone().with_extension(Tenant(7))`.
    #[must_use]
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        Arc::make_mut(&mut self.shared).extensions.insert(value);
        self
    }

    /// Returns the [`Api`] that builds this client's requests.
    pub fn api(&self) -> &Api {
        &self.shared.api
    }

    /// Returns the ledger, which all clones share. A client with a store does not use it; see [`book`](Self::book).
    pub fn ledger(&self) -> &Ledger {
        self.shared.api.ledger()
    }

    /// Finds the Telegram groups that a user is known to be in. Costs credits. See [`Search`].
    ///
    /// Takes a [`UserQuery`] or its text: a username, a link to it, or a numeric id.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn search(
        &self,
        query: impl TryInto<UserQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<SearchAnswer>, Error>> + Send {
        let method = checked(query, |query| Search { query });
        self.drive(First::Called(method), None)
    }

    /// Requests the remaining credits of the account. Free. See [`Balance`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn balance(&self) -> impl Future<Output = Result<Reply<BalanceAnswer>, Error>> + Send {
        self.send(Balance {})
    }

    /// Finds groups similar to the given ones. Costs credits. See [`SimilarGroups`].
    ///
    /// Takes a [`GroupQuery`], a comma-separated list, or a sequence of 1 to 10 usernames.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn similar_groups(
        &self,
        query: impl TryInto<GroupQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<SimilarGroupsAnswer>, Error>> + Send {
        let method = checked(query, |query| SimilarGroups { query });
        self.drive(First::Called(method), None)
    }

    /// Checks which data the service has about a user. Free, but requires a balance above zero. See [`UserCheck`].
    ///
    /// Takes a [`UserQuery`] or its text, as [`search`](Self::search).
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn user_check(
        &self,
        query: impl TryInto<UserQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<UserCheckAnswer>, Error>> + Send {
        let method = checked(query, |query| UserCheck { query });
        self.drive(First::Called(method), None)
    }

    /// Calls any API method, or its test method if the key is a test key.
    ///
    /// If the future is dropped while the request is in flight, a call that can cost credits is uncertain, unless it runs in
    /// a separate task ([`with_spawn`](Self::with_spawn)).
    ///
    /// # Errors
    /// If a cap or the store refuses the call, no complete response is received, or the response is not a successful
    /// answer that matches the schema. The error keeps the received bytes, and states the cost as far as it is known.
    pub fn send<M: ApiMethod>(
        &self,
        method: M,
    ) -> impl Future<Output = Result<Reply<M::Answer>, Error>> + Send {
        self.drive(First::Called(Ok(method)), None)
    }

    fn now(&self) -> Duration {
        self.shared.timer.now()
    }

    /// Returns the time, or `earlier` if the timer panics.
    fn now_or(&self, earlier: Duration) -> Duration {
        catch(|| self.now()).unwrap_or(earlier)
    }
}

/// Returns the method with this query, or the error of an invalid query.
fn checked<M: ApiMethod, Q>(
    query: impl TryInto<Q, Error: Into<InvalidQuery>>,
    method: impl FnOnce(Q) -> M,
) -> Result<M, Error> {
    query.try_into().map(method).map_err(|invalid| {
        Error::new(M::NAME, ErrorKind::InvalidQuery(invalid.into()), Credits::NotCharged, 0)
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api", &self.shared.api).finish_non_exhaustive()
    }
}
