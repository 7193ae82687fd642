//! The asynchronous client: drives calls with a transport and a timer.

mod drive;
mod limits;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Extensions;
use tgscan_types::{
    ApiMethod, Balance, BalanceAnswer, GroupQuery, InvalidQuery, Search, SearchAnswer, SimilarGroups,
    SimilarGroupsAnswer, UserCheck, UserCheckAnswer, UserQuery,
};

pub(crate) use drive::{Beginning, Boxed, CostIfDropped};
pub(crate) use limits::too_late;

use crate::ledger::{ReconcileOutcome, Reconciliation};
use crate::panics::catch;
use crate::{
    Api, Credits, Error, ErrorKind, Ledger, Reply, RetryPolicy, Timer, Transport,
    call::Observer,
    store::{Stored, Task},
};

/// Calls API methods over a [`Transport`]. Cheap to clone; clones share the ledger and the transport.
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
    // In one piece, because callers give each call a clone to own.
    pub(crate) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) api: Api,
    transport: Arc<dyn Transport>,
    pub(crate) timer: Arc<dyn Timer>,
    /// Put into every request.
    extensions: Extensions,
    observer: Option<Arc<dyn Observer>>,
    /// How long after the last uncertain call a charge may still come.
    pub(crate) late_charge: Duration,
    pub(crate) reconciles_itself: bool,
    pub(crate) waits_for_room: bool,
    /// How long a whole call may take.
    deadline: Option<Duration>,
    pub(crate) stored: Option<Stored>,
    pub(crate) spawn: Option<Arc<dyn Fn(Task) + Send + Sync>>,
}

/// Assumption: what was given up is charged within the time limit that a request has by default.
const LATE_CHARGE: Duration = Duration::from_secs(30);

impl Client {
    /// Creates a client over any transport. The timer is the clock of your runtime, which backoffs, deadlines and
    /// reported durations need: with tokio `TokioTimer` of `tgscan-transport-hyper`, else your own [`Timer`].
    pub fn new(api: Api, transport: impl Transport + 'static, timer: impl Timer + 'static) -> Self {
        let shared = Shared {
            api,
            transport: Arc::new(transport),
            timer: Arc::new(timer),
            extensions: Extensions::new(),
            observer: None,
            late_charge: LATE_CHARGE,
            reconciles_itself: false,
            waits_for_room: false,
            deadline: None,
            stored: None,
            spawn: None,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the timer, e.g. by a virtual one.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer + 'static) -> Self {
        Arc::make_mut(&mut self.shared).timer = Arc::new(timer);
        self
    }

    /// Replaces the transport, e.g. by the mock.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Transport + 'static) -> Self {
        Arc::make_mut(&mut self.shared).transport = Arc::new(transport);
        self
    }

    /// Replaces the ledger for this client and its clones, e.g. by one of its own for each tenant.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.api = shared.api.clone().with_ledger(ledger);
        self
    }

    /// Replaces the retry policy for this client and its clones.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.api = shared.api.clone().with_retry(policy);
        self
    }

    /// Sets the observer, which hears of attempts and calls. Replaces an earlier one.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        Arc::make_mut(&mut self.shared).observer = Some(Arc::new(observer));
        self
    }

    /// Sets how long [`reconcile`](Self::reconcile) waits before it trusts the balance about uncertain calls, so that it
    /// sees late charges. Default: 30 s.
    ///
    /// Assumption: a call that was given up is charged within the time limit that a request has by default. A charge that
    /// comes later still shows in the next comparison, as `ReconcileOutcome::Differs`, and counts against the cap.
    #[must_use]
    pub fn with_late_charge_window(mut self, wait: Duration) -> Self {
        Arc::make_mut(&mut self.shared).late_charge = wait;
        self
    }

    /// Settles uncertain calls automatically: when the cap would refuse a call because of them, the client first
    /// [reconciles](Self::reconcile), at most once for each new uncertainty. Such a call waits as long as
    /// [`with_late_charge_window`](Self::with_late_charge_window) says.
    ///
    /// To have a balance to compare with, it asks for the balance (free) before the first paid call of its ledger.
    #[must_use]
    pub fn with_auto_reconcile(mut self) -> Self {
        Arc::make_mut(&mut self.shared).reconciles_itself = true;
        self
    }

    /// Adds a value to the extensions of every request, where transports and layers find it by its type. It is never sent
    /// to the service. Replaces an earlier value of the same type.
    ///
    /// A clone can have its own values, which is how a single call gets its own limits:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use tgscan_core::{Api, ApiKey, Client, transport_fn};
    ///
    /// #[derive(Clone)]
    /// struct Tenant(u32);
    ///
    /// # struct MyTimer;
    /// # #[tgscan_core::async_trait]
    /// # impl tgscan_core::Timer for MyTimer {
    /// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
    /// #     async fn sleep(&self, _: std::time::Duration) {}
    /// # }
    /// # futures_executor::block_on(async {
    /// let transport = transport_fn(|request: http::Request<Bytes>| async move {
    ///     assert_eq!(request.extensions().get::<Tenant>().map(|tenant| tenant.0), Some(7));
    ///     Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
    /// });
    /// let client = Client::new(Api::new(ApiKey::live("0123456789abcdef")?), transport, MyTimer);
    /// client.clone().with_extension(Tenant(7)).balance().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        Arc::make_mut(&mut self.shared).extensions.insert(value);
        self
    }

    /// Returns base URL, key, retry policy and ledger.
    pub fn api(&self) -> &Api {
        &self.shared.api
    }

    /// Returns the ledger, which all clones share.
    pub fn ledger(&self) -> &Ledger {
        self.shared.api.ledger()
    }

    /// Tells in which groups an account is known to be. Costs credits. See [`Search`].
    ///
    /// Takes a [`UserQuery`], or a text that is one: a username, what people paste of it, or a numeric id.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn search(
        &self,
        query: impl TryInto<UserQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<SearchAnswer>, Error>> + Send {
        let method = checked(query, |query| Search { query });
        self.call(method, (), Beginning::Whole)
    }

    /// Asks how many credits are left. Free. See [`Balance`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn balance(&self) -> impl Future<Output = Result<Reply<BalanceAnswer>, Error>> + Send {
        self.send(Balance {})
    }

    /// Finds groups similar to the given ones. Costs credits. See [`SimilarGroups`].
    ///
    /// Takes a [`GroupQuery`], a text of usernames with commas between them, or a list of 1 to 10 usernames.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn similar_groups(
        &self,
        query: impl TryInto<GroupQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<SimilarGroupsAnswer>, Error>> + Send {
        let method = checked(query, |query| SimilarGroups { query });
        self.call(method, (), Beginning::Whole)
    }

    /// Tells what is known about an account. Free, but the balance must not be zero. See [`UserCheck`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn user_check(
        &self,
        query: impl TryInto<UserQuery, Error: Into<InvalidQuery>>,
    ) -> impl Future<Output = Result<Reply<UserCheckAnswer>, Error>> + Send {
        let method = checked(query, |query| UserCheck { query });
        self.call(method, (), Beginning::Whole)
    }

    /// Calls any API method, or its test method if the key is a test key.
    ///
    /// If the future is dropped while the request is in flight, a call that can cost credits counts as uncertain.
    ///
    /// # Errors
    /// If the cap refuses the call, if no complete response comes back, or if it is not a successful answer that fits.
    /// The error keeps what was received and says what is known about the credits.
    pub fn send<M: ApiMethod>(
        &self,
        method: M,
    ) -> impl Future<Output = Result<Reply<M::Answer>, Error>> + Send {
        // No `async fn`, because each one around another moves the answer twice more.
        self.call(Ok(method), (), Beginning::Whole)
    }

    /// Asks for the balance (free), compares the ledger with it, and settles what was uncertain if it can.
    ///
    /// If a call is uncertain, this first waits until no late charge can come
    /// ([`with_late_charge_window`](Self::with_late_charge_window)). Nothing is concluded if paid calls are in flight
    /// while the balance is fetched, or another comparison ends meanwhile; see [`ReconcileOutcome`]. The first comparison
    /// only remembers the balance, so make it before spending.
    ///
    /// Trusts the balance: spending by others on the same account looks like the ledger's own. Use one ledger per
    /// account, and record purchases with [`Ledger::record_top_up`].
    ///
    /// # Errors
    /// If the balance could not be read.
    pub async fn reconcile(&self) -> Result<Reconciliation, Error> {
        let ledger = self.ledger();
        let to_settle = ledger.to_settle();
        if to_settle.is_some() {
            self.shared.timer.sleep(self.shared.late_charge).await;
        }
        let comparison = ledger.start_reconcile();
        if to_settle.is_some_and(|seen| seen != comparison.uncertain_ever) {
            // Another call became uncertain during the wait, so that is not over.
            return Ok(ledger.inconclusive(ReconcileOutcome::TooEarly));
        }
        let balance = self.call(Ok(Balance {}), (), Beginning::Attempts(None)).await?.answer.num_credits;
        Ok(comparison.finish(balance))
    }

    pub(crate) fn now(&self) -> Duration {
        self.shared.timer.now()
    }

    /// The time after something was received, which a clock that panics must not cost.
    fn now_or(&self, earlier: Duration) -> Duration {
        catch(|| self.now()).unwrap_or(earlier)
    }

    fn date(&self) -> Option<SystemTime> {
        catch(|| self.shared.timer.date()).unwrap_or_default()
    }
}

/// The method with this query, or the error of a call that was never begun.
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
