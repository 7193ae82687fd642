//! Builds requests and parses responses.

mod parse;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request};
use tgscan_types::{ApiMethod, Balance, registry};

use crate::account::{Budget, Limits};
use crate::base_url::{BaseUrl, InvalidBaseUrl};
use crate::pace::Pace;
use crate::panics::catch;
use crate::redact::Redactor;
use crate::refusal::Classifier;
use crate::retry::RetryPolicy;
use crate::{ApiKey, KeyKind, Ledger, Reserve};

/// Name of the header that carries the key ("API Authentication").
const API_KEY: &str = "api-key";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Builds requests and parses responses, with the base URL, API key, retry policy, limits and ledger of one account.
///
/// Cheap to clone; clones share the ledger, the rate limit and the pauses after a 429.
///
/// ```
/// use bytes::Bytes;
/// use tgscan_core::{Api, ApiKey, types::Balance};
///
/// let api = Api::new(ApiKey::live("0123456789abcdef")?);
/// let request = api.request(&Balance {});
/// assert_eq!(request.uri(), "https://api.tgdev.io/tgscan/v1/balance");
///
/// // Send it with any HTTP client, and parse the response.
/// let response = http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#));
/// let reply = api.parse(&Balance {}, response)?;
/// assert_eq!(reply.answer.num_credits, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Api {
    // One `Arc`, because each call clones it.
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    base: BaseUrl,
    key: ApiKey,
    /// The requests of the documented methods, by path. Cloning one costs less than building it.
    prepared: Vec<(&'static str, Parts)>,
    retry: RetryPolicy,
    ledger: Ledger,
    limits: Arc<Limits>,
    service: Option<Arc<str>>,
    /// `None` for the default.
    classifier: Option<Classifier>,
    marks_attempts: bool,
    /// The number of calls begun.
    calls: Arc<AtomicU64>,
    pace: Arc<Pace>,
}

impl Api {
    /// Targets the live service, `https://api.tgdev.io`.
    pub fn new(key: ApiKey) -> Self {
        Self::at(BaseUrl::service(), key)
    }

    /// Targets another base URL, such as a gateway or a mock on loopback: scheme, host, and an optional path prefix.
    ///
    /// # Errors
    /// If the URL is invalid or relative, is plain `http` to a host other than loopback, has credentials, a query or a
    /// fragment, or its path is longer than 4096 bytes.
    pub fn with_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, false)?, key))
    }

    /// Like [`with_base_url`](Self::with_base_url), but allows plain `http` to any host. **This exposes the API key on the
    /// network.** Meant for a sidecar in your network.
    ///
    /// # Errors
    /// As [`with_base_url`](Self::with_base_url), except for plain `http`.
    pub fn with_plain_http_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, true)?, key))
    }

    fn at(base: BaseUrl, key: ApiKey) -> Self {
        let (retry, ledger) = (RetryPolicy::default(), Ledger::new());
        let paths = registry::infos().into_iter().map(|method| key.path(method.path, method.test_path));
        let prepared = paths.map(|path| (path, prepare(&base, &key, path))).collect();
        let shared = Shared {
            base,
            key,
            prepared,
            retry,
            ledger,
            limits: Arc::default(),
            service: None,
            classifier: None,
            marks_attempts: false,
            calls: Arc::default(),
            pace: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the retry policy. Default: [`RetryPolicy::default`].
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        Arc::make_mut(&mut self.shared).retry = policy;
        self
    }

    /// Limits the rate of attempts to `attempts` in each `per`, evenly spaced, for this `Api` and its later clones
    /// together. 0 attempts means 1. Default: no limit.
    ///
    /// An attempt waits for its turn. If the turn would come after [`RetryPolicy::max_elapsed`] or the call's
    /// deadline, the call ends immediately: before its first attempt with a timeout that costs nothing, otherwise
    /// with its last failure. Answers from the store do not count against the rate.
    ///
    /// Even without a rate limit, a 429 or [`Refusal::TooManyRequests`](crate::Refusal) pauses all attempts. The pause
    /// lasts for the `Retry-After`, but at most for [`RetryPolicy::max_backoff`]; without a `Retry-After`, it lasts for
    /// the backoff of the refused call, if there is one.
    ///
    /// Clients that were created separately from one `Api` count time from different moments, so together they keep to
    /// neither its rate limit nor its pauses: clone one client instead.
    #[must_use]
    pub fn with_rate_limit(mut self, attempts: u32, per: Duration) -> Self {
        Arc::make_mut(&mut self.shared).pace = Arc::new(Pace::with_rate_limit(attempts, per));
        self
    }

    #[inline]
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.shared.pace
    }

    /// Refuses calls that could make the account spend more than `credits`. Counts all credits in the book: charged, in
    /// flight, uncertain and unexplained since the ledger or the store was created. Default: no cap.
    ///
    /// Calls in flight and uncertain calls count with the current price of their method, and at least with their reserve. The
    /// cap holds as long as no call costs more. It can be exceeded by
    /// - calls that cost more than they reserved: by the difference, for each such call that is in flight or uncertain
    ///   at the same time;
    /// - the first call of each method with [`Reserve::OneAtATime`];
    /// - a charge after its call was resolved as free, until the next comparison with the balance;
    /// - the charges of a method that is documented as free, until the client knows of one: immediately for its own, and
    ///   within a minute for those that other processes recorded in the store;
    /// - requests built with [`request`](Self::request), which are not booked.
    #[must_use]
    pub fn with_cap(mut self, credits: u64, reserve: Reserve) -> Self {
        Arc::make_mut(&mut Arc::make_mut(&mut self.shared).limits).cap = Some((credits, reserve));
        self
    }

    /// Adds a budget: calls count in it and in the account. A budget holds with the exceptions that
    /// [`with_cap`](Self::with_cap) lists. Replaces a budget with the same label and period.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        Arc::make_mut(&mut Arc::make_mut(&mut self.shared).limits).add(budget);
        self
    }

    /// Sets the name of the service in a [store](crate::store), which keeps the answers of different services apart.
    /// Use one name for all URLs of the same service, including a gateway's. Default: host and port of the base URL.
    #[must_use]
    pub fn with_service(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.shared).service = Some(name.into());
        self
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        self.shared.service.as_deref().unwrap_or_else(|| self.shared.base.authority())
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.shared.limits
    }

    /// Sets the ledger that counts credits. Default: a new, empty one.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        Arc::make_mut(&mut self.shared).ledger = ledger;
        self
    }

    /// Sets the classifier of the service's refusals. If it returns `None`, the HTTP status decides. Replaces the
    /// default, [`Refusal::from_message`](crate::Refusal::from_message) of the message without key and query, which
    /// matches common words because the service's texts are not documented.
    ///
    /// ```
    /// use tgscan_core::{Api, ApiKey, Refusal, error::ApiError};
    ///
    /// fn by_text(error: &ApiError) -> Option<Refusal> {
    ///     match error.message() {
    ///         "no such key" => Some(Refusal::InvalidKey),
    ///         "top up first" => Some(Refusal::NoCredits),
    ///         _ => None,
    ///     }
    /// }
    /// let api = Api::new(ApiKey::live("0123456789abcdef")?).with_refusals(by_text);
    /// # Ok::<(), tgscan_core::error::InvalidApiKey>(())
    /// ```
    #[must_use]
    pub fn with_refusals(mut self, classifier: Classifier) -> Self {
        Arc::make_mut(&mut self.shared).classifier = Some(classifier);
        self
    }

    /// Adds an [`Attempt`](crate::call::Attempt) to the extensions of every request, for transports and layers. Off by
    /// default, because it costs three allocations per request.
    #[must_use]
    pub fn with_attempt_extension(mut self) -> Self {
        Arc::make_mut(&mut self.shared).marks_attempts = true;
        self
    }

    pub(crate) fn marks_attempts(&self) -> bool {
        self.shared.marks_attempts
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Returns the retry policy.
    pub fn retry(&self) -> &RetryPolicy {
        &self.shared.retry
    }

    /// Returns whether the API key is live or test.
    pub fn key_kind(&self) -> KeyKind {
        self.shared.key.kind()
    }

    /// Returns whether a call of `M` with this key can cost credits: the method is documented as paid, or it has
    /// charged credits through this ledger or a client's store before. Test methods and the balance are always free.
    pub fn can_cost<M: ApiMethod>(&self) -> bool {
        let may_charge = M::CAN_COST || Self::may_charge::<M>() && self.ledger().has_charged(M::NAME);
        may_charge && !self.calls_test_method::<M>()
    }

    /// Returns whether calls of `M` are considered free, but only until one is charged.
    pub(crate) fn is_free_until_charged<M: ApiMethod>(&self) -> bool {
        Self::may_charge::<M>() && !self.calls_test_method::<M>() && !self.can_cost::<M>()
    }

    /// Returns whether a charge of `M` counts. The balance is requested to resolve costs, so it never waits for them.
    fn may_charge<M: ApiMethod>() -> bool {
        M::NAME != Balance::NAME
    }

    /// Notes that a call of a method, whose cost the store books, was charged, so that further calls can cost.
    pub(crate) fn note_charge(&self, method: &str, credits: u64) {
        if !self.ledger().has_charged(method) {
            self.ledger().set_price(method, Some(credits));
        }
    }

    fn calls_test_method<M: ApiMethod>(&self) -> bool {
        self.shared.key.kind() == KeyKind::Test && M::TEST_PATH.is_some()
    }

    /// Builds the HTTP request of a method. **Bypasses the ledger, its cap and the retry rules**: the request's cost is not
    /// booked. Use [`Client`](crate::Client) or [`Step`](crate::call::Step) for calls.
    ///
    /// Cannot fail, because key, base URL and query are already checked.
    ///
    /// A test key requests the method's test method, or the method itself if it has no test method (balance). The body is the
    /// query in clear text, so do not print the request.
    pub fn request<M: ApiMethod>(&self, method: &M) -> Request<Bytes> {
        // Checked at compile time, also for methods outside this crate.
        const {
            std::mem::forget(PathAndQuery::from_static(M::PATH));
            if let Some(test) = M::TEST_PATH {
                std::mem::forget(PathAndQuery::from_static(test));
            }
        }
        let Shared { base, key, prepared, .. } = &*self.shared;
        let path = key.path(M::PATH, M::TEST_PATH);
        // Usually the same static text, so comparing the pointers is enough.
        let known = prepared.iter().find(|(known, _)| std::ptr::eq(*known, path) || *known == path);
        let parts = known.map_or_else(|| prepare(base, key, path), |(_, parts)| parts.clone());
        let mut request = Request::from_parts(parts, form(method));
        if request.body().is_empty() {
            // HTTP clients set any other length, but often omit a length of 0, and some servers refuse a POST without it
            // (RFC 9110, 8.6).
            request.headers_mut().insert(CONTENT_LENGTH, const { HeaderValue::from_static("0") });
        }
        request
    }

    /// Calls `f` with the redactor of the key and this method's query.
    pub(crate) fn redact<T>(&self, method: &impl ApiMethod, f: impl FnOnce(&Redactor<'_>) -> T) -> T {
        f(&Redactor::new(&self.shared.key, &form(method)))
    }

    /// Counts a call, and returns the number of earlier calls.
    pub(crate) fn count_call(&self) -> u64 {
        self.shared.calls.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            // Omits the path, which may contain a gateway's token.
            .field("base_url", &self.shared.base)
            .field("key", &self.shared.key)
            .field("retry", &self.shared.retry)
            .field("ledger", &self.shared.ledger)
            .finish_non_exhaustive()
    }
}

/// Builds a request of a checked path.
fn prepare(base: &BaseUrl, key: &ApiKey, path: &'static str) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.uri = base.join(PathAndQuery::from_static(path));
    // Clones have as many slots: enough for the headers that a transport adds.
    parts.headers.reserve(6);
    parts.headers.extend([
        (HeaderName::from_static(API_KEY), key.header()),
        (CONTENT_TYPE, HeaderValue::from_static(FORM)),
        (ACCEPT, HeaderValue::from_static(JSON)),
    ]);
    parts
}

/// A short form, in the allocation that counts the clones of its `Bytes`.
struct ShortForm {
    bytes: [u8; 56],
    length: usize,
}

impl ShortForm {
    fn bytes(form: &[u8]) -> Bytes {
        let mut short = Self { bytes: [0; 56], length: form.len() };
        match short.bytes.get_mut(..form.len()) {
            Some([]) => Bytes::new(),
            Some(start) => {
                start.copy_from_slice(form);
                Bytes::from_owner(short)
            }
            None => Bytes::copy_from_slice(form),
        }
    }
}

impl AsRef<[u8]> for ShortForm {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Returns the form body of a method.
fn form<M: ApiMethod>(method: &M) -> Bytes {
    thread_local! {
        /// A buffer for the forms of this thread's calls.
        static BUFFER: Cell<String> = const { Cell::new(String::new()) };
    }
    let mut text = BUFFER.try_with(Cell::take).unwrap_or_default();
    text.clear();
    let mut form = form_urlencoded::Serializer::new(&mut text);
    // The documented requests are flat structs of texts, which always serialise. If the serialisation of a caller's
    // method fails or panics, an empty form is sent, which the service refuses, instead of a partial one.
    let written = catch(|| method.serialize(serde_html_form::Serializer::new(&mut form)).is_ok());
    let form = if written == Some(true) { ShortForm::bytes(text.as_bytes()) } else { Bytes::new() };
    // A long form does not keep its memory. Fails only while the thread ends.
    if text.capacity() <= 4096 {
        let _ = BUFFER.try_with(|buffer| buffer.set(text));
    }
    form
}
