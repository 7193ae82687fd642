//! The asynchronous client: drives calls with a transport and a timer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use tgscan_types::{
    ApiMethod, Balance, BalanceAnswer, GroupQuery, Search, SearchAnswer, SimilarGroups, SimilarGroupsAnswer,
    UserCheck, UserCheckAnswer, UserQuery,
};

use crate::ledger::Reconciliation;
use crate::{Api, CallEnd, Error, Ledger, Observer, Reply, Step, Timer, Transport, TransportError};

/// What `async_trait` makes of [`Transport::send`].
type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// Calls API methods over a [`Transport`]. Cheap to clone; clones share the ledger and the transport.
///
/// Without a [`Timer`] it cannot wait, and so never retries; a client from `tgscan-transport-hyper` has one.
///
/// ```
/// use bytes::Bytes;
/// use tgscan_core::{Api, ApiKey, Client, transport_fn};
///
/// # futures_executor::block_on(async {
/// let canned = transport_fn(|_request| async {
///     Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
/// });
/// let client = Client::new(Api::new(ApiKey::live("0123456789abcdef")?), canned);
/// assert_eq!(client.balance().await?.answer.num_credits, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    // In one piece, because callers give each call a clone to own.
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    api: Api,
    transport: Arc<dyn Transport>,
    timer: Option<Arc<dyn Timer>>,
    /// Put into every request.
    extensions: Extensions,
    observer: Option<Arc<dyn Observer>>,
}

impl Client {
    /// A client over any transport.
    pub fn new(api: Api, transport: impl Transport + 'static) -> Self {
        let transport = Arc::new(transport);
        let shared = Shared { api, transport, timer: None, extensions: Extensions::new(), observer: None };
        Self { shared: Arc::new(shared) }
    }

    /// Lets the client wait, and so retry, on this timer.
    #[must_use]
    pub fn with_timer(mut self, timer: impl Timer + 'static) -> Self {
        Arc::make_mut(&mut self.shared).timer = Some(Arc::new(timer));
        self
    }

    /// The same client over another transport, such as the mock.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Transport + 'static) -> Self {
        Arc::make_mut(&mut self.shared).transport = Arc::new(transport);
        self
    }

    /// Tells this observer of each call when it has ended. One that was set before is replaced.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        Arc::make_mut(&mut self.shared).observer = Some(Arc::new(observer));
        self
    }

    /// Puts a value into the extensions of every request, where transports and layers can find it by its type; it
    /// never travels to the service. One of the same type is replaced.
    ///
    /// A clone can have values of its own, so this is also how one call gets limits of its own:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use tgscan_core::{Api, ApiKey, Client, transport_fn};
    ///
    /// #[derive(Clone)]
    /// struct Tenant(u32);
    ///
    /// # futures_executor::block_on(async {
    /// let transport = transport_fn(|request: http::Request<Bytes>| async move {
    ///     assert_eq!(request.extensions().get::<Tenant>().map(|tenant| tenant.0), Some(7));
    ///     Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
    /// });
    /// let client = Client::new(Api::new(ApiKey::live("0123456789abcdef")?), transport);
    /// client.clone().with_extension(Tenant(7)).balance().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        Arc::make_mut(&mut self.shared).extensions.insert(value);
        self
    }

    /// Base URL, key and terms.
    pub fn api(&self) -> &Api {
        &self.shared.api
    }

    /// What calls cost so far, shared by all clones.
    pub fn ledger(&self) -> &Ledger {
        self.shared.api.ledger()
    }

    /// In which groups an account is known to be. Costs credits. See [`Search`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub async fn search(&self, query: impl Into<UserQuery>) -> Result<Reply<SearchAnswer>, Error> {
        self.send(Search { query: query.into() }).await
    }

    /// How many credits are left. Free. See [`Balance`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub async fn balance(&self) -> Result<Reply<BalanceAnswer>, Error> {
        self.send(Balance {}).await
    }

    /// Groups similar to the given ones. Costs credits. See [`SimilarGroups`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub async fn similar_groups(
        &self,
        query: impl Into<GroupQuery>,
    ) -> Result<Reply<SimilarGroupsAnswer>, Error> {
        self.send(SimilarGroups { query: query.into() }).await
    }

    /// What is known about an account. Free, but the balance must not be zero. See [`UserCheck`].
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub async fn check_user(&self, query: impl Into<UserQuery>) -> Result<Reply<UserCheckAnswer>, Error> {
        self.send(UserCheck { query: query.into() }).await
    }

    /// Calls any API method, and its test twin if the key is a test key.
    ///
    /// If the future is dropped before it ends, a call that can cost credits counts as uncertain in the ledger.
    ///
    /// # Errors
    /// If the cap refuses the call, if no complete response comes back, or if it is not a successful answer that fits.
    /// The error keeps what was received and says what is known about the credits.
    pub async fn send<M: ApiMethod>(&self, method: M) -> Result<Reply<M::Answer>, Error> {
        let began = self.now();
        let mut step = Step::begin(&self.shared.api, method, began);
        let result = loop {
            // Nothing but what must be kept is alive while the transport is waited for: a call's future is moved.
            let (sending, sent) = match step {
                Step::Send(request, sent) => (self.sending(request), sent),
                Step::Wait(wait) => match &self.shared.timer {
                    Some(timer) => {
                        timer.sleep(wait.duration()).await;
                        step = wait.over();
                        continue;
                    }
                    None => break Err(wait.give_up()),
                },
                Step::Done(result) => break result,
            };
            let response = sending.await;
            step = sent.received_at(response, || self.now());
        };
        self.tell::<M>(began, &result);
        result
    }

    /// Tells the observer, if there is one, how a call ended.
    fn tell<M: ApiMethod>(&self, began: Duration, result: &Result<Reply<M::Answer>, Error>) {
        let Some(observer) = &self.shared.observer else { return };
        let (attempts, credits) = match result {
            Ok(reply) => (reply.attempts, reply.credits),
            Err(error) => (error.attempts(), error.credits()),
        };
        let duration = self.now().saturating_sub(began);
        let error = result.as_ref().err();
        observer.call_ended(&CallEnd { method: M::NAME, attempts, duration, credits, error });
    }

    /// What [`Transport::send`] makes of the request.
    fn sending(&self, mut request: Request<Bytes>) -> Sending<'_> {
        if !self.shared.extensions.is_empty() {
            request.extensions_mut().extend(self.shared.extensions.clone());
        }
        // Not by way of the `Arc`, which is a transport too and puts the future into a second box.
        Transport::send(&*self.shared.transport, request)
    }

    /// Asks for the balance and compares the ledger with it; see [`Ledger::reconcile`].
    ///
    /// # Errors
    /// If the balance could not be read.
    pub async fn reconcile(&self) -> Result<Reconciliation, Error> {
        let before = self.ledger().activity();
        let balance = self.balance().await?.answer.num_credits;
        Ok(self.ledger().reconcile_since(before, balance))
    }

    fn now(&self) -> Duration {
        self.shared.timer.as_ref().map_or(Duration::ZERO, Timer::now)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api", &self.shared.api)
            .field("retries", &self.shared.timer.is_some())
            .finish_non_exhaustive()
    }
}
