//! Builds requests and reads responses: bytes in, bytes out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tgscan_types::{ApiMethod, Envelope};

use crate::base_url::{BaseUrl, InvalidBaseUrl};
use crate::error::{ApiError, DecodeError, Error, ErrorKind, NotEnvelope, read_text, read_tracked};
use crate::redact::Redactor;
use crate::retry::{Failure, RetryPolicy, random};
use crate::success::Success;
use crate::{ApiKey, Credits, KeyKind, Ledger, Reply, probe};

/// Name of the header that carries the key ("API Authentication").
static API_KEY: HeaderName = HeaderName::from_static("api-key");
static FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static ZERO: HeaderValue = HeaderValue::from_static("0");

/// The API as one account sees it: base URL and key, and the terms of calling it (retry policy and ledger).
///
/// Cheap to clone; clones share the ledger.
///
/// ```
/// use bytes::Bytes;
/// use tgscan_core::{Api, ApiKey, types::Balance};
///
/// let api = Api::new(ApiKey::live("0123456789abcdef")?);
/// let request = api.request(&Balance {});
/// assert_eq!(request.uri(), "https://api.tgdev.io/tgscan/v1/balance");
///
/// // Send it with anything, and hand over what came back.
/// let response = http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#));
/// let reply = api.parse(&Balance {}, response)?;
/// assert_eq!(reply.answer.num_credits, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Api {
    // In one piece, because each call takes a clone along.
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    base: BaseUrl,
    key: ApiKey,
    retry: RetryPolicy,
    ledger: Ledger,
    marks_attempts: bool,
    /// Calls begun, so that each draws its own jitter.
    calls: Arc<AtomicU64>,
}

impl Api {
    /// The live service, `https://api.tgdev.io`.
    pub fn new(key: ApiKey) -> Self {
        Self::at(BaseUrl::service(), key)
    }

    /// The API at another base URL, such as a mock on loopback or a gateway: scheme, host, and an optional path that
    /// is put before the documented ones.
    ///
    /// # Errors
    /// If the URL is relative, is plain `http` to a host other than loopback, or has a part that has no meaning here.
    pub fn with_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, false)?, key))
    }

    /// As [`with_base_url`](Self::with_base_url), but allows plain `http` to any host: **everyone on the way can read
    /// the API key and spend its credits.** For a sidecar in a network of your own.
    ///
    /// # Errors
    /// If the URL is relative or has a part that has no meaning here.
    pub fn with_plain_http_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, true)?, key))
    }

    fn at(base: BaseUrl, key: ApiKey) -> Self {
        let (retry, ledger) = (RetryPolicy::default(), Ledger::new());
        let shared = Shared { base, key, retry, ledger, marks_attempts: false, calls: Arc::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the limits of retrying. Default: [`RetryPolicy::default`].
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        Arc::make_mut(&mut self.shared).retry = policy;
        self
    }

    /// Counts credits in this ledger, which may have a cap. Default: a new one without a cap.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        Arc::make_mut(&mut self.shared).ledger = ledger;
        self
    }

    /// Puts an [`Attempt`](crate::Attempt) into the extensions of every request that a call sends, for transports and
    /// layers to name what they carry. Off unless asked for: it costs three allocations per request.
    #[must_use]
    pub fn with_marked_attempts(mut self) -> Self {
        Arc::make_mut(&mut self.shared).marks_attempts = true;
        self
    }

    pub(crate) fn marks_attempts(&self) -> bool {
        self.shared.marks_attempts
    }

    /// The ledger in which calls are counted.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// The limits of retrying.
    pub fn retry(&self) -> &RetryPolicy {
        &self.shared.retry
    }

    /// Whether live or test methods are called.
    pub fn key_kind(&self) -> KeyKind {
        self.shared.key.kind()
    }

    /// Whether a call of `M` with this key can take credits: test methods withdraw nothing ("Test Methods").
    pub fn can_cost<M: ApiMethod>(&self) -> bool {
        M::CAN_COST && !self.calls_twin::<M>()
    }

    fn calls_twin<M: ApiMethod>(&self) -> bool {
        self.shared.key.kind() == KeyKind::Test && M::TEST_PATH.is_some()
    }

    /// Builds the HTTP request of a method. Cannot fail: key, base URL and query were checked before.
    ///
    /// With a test key this is the method's test twin; a method without one (balance) is called at its only path.
    /// The body holds the query in clear text, so do not print the request.
    pub fn request<M: ApiMethod>(&self, method: &M) -> Request<Bytes> {
        // Both paths are checked when the program is compiled, also for methods that this crate does not know.
        let live = const { PathAndQuery::from_static(M::PATH) };
        let twin = const {
            match M::TEST_PATH {
                Some(path) => Some(PathAndQuery::from_static(path)),
                None => None,
            }
        };
        let path = match twin {
            Some(twin) if self.shared.key.kind() == KeyKind::Test => twin,
            _ => live,
        };
        let mut request = Request::new(form(method));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.shared.base.join(path);
        let is_empty = request.body().is_empty();
        let headers = request.headers_mut();
        // With room for those that a transport adds, because a map that grows costs more than all that is put in here.
        headers.reserve(6);
        headers.insert(&API_KEY, self.shared.key.header());
        headers.insert(CONTENT_TYPE, FORM.clone());
        headers.insert(ACCEPT, JSON.clone());
        if is_empty {
            // Any other length is the HTTP client's to state, as the host is; that of nothing clients tend to leave out,
            // and some servers refuse a POST without it (RFC 9110, 8.6).
            headers.insert(CONTENT_LENGTH, ZERO.clone());
        }
        request
    }

    /// Reads the response to a request of `method`. Nothing is lost: the reply or the error keeps all of it.
    ///
    /// # Errors
    /// If the response is not a successful envelope with an answer that fits.
    pub fn parse<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, Error> {
        self.read(method, response).map_err(|(error, _)| error)
    }

    /// As [`parse`](Self::parse), with how the attempt failed for the retry decision.
    // Inlined, because a reply is large to be handed on.
    #[inline]
    pub(crate) fn read<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, (Error, Failure)> {
        // One check of the whole body as UTF-8 makes the reader below a sixth faster than reading bytes.
        if let Ok(text) = read_text(response.body())
            && let Ok(Success(answer)) = serde_json::from_str(text)
        {
            let credits = self.credits::<M>(M::op_cost(&answer), None);
            return Ok(Reply::new(answer, credits, response));
        }
        self.read_slowly(method, response)
    }

    /// As [`read`](Self::read), for responses that are not plainly a success.
    #[cold]
    fn read_slowly<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, (Error, Failure)> {
        let text = read_text(response.body()).ok();
        match text.map(serde_json::from_str::<Envelope<M::Answer>>) {
            // Only of an answer type that does not read the same bytes the same way twice.
            Some(Ok(Envelope::Ok(answer))) => {
                let credits = self.credits::<M>(M::op_cost(&answer), None);
                Ok(Reply::new(answer, credits, response))
            }
            Some(Ok(Envelope::Error(result))) => {
                let failure = Failure::Refused(response.status());
                let form = form(method);
                let error = ApiError::new(result.message, response, &Redactor::new(&self.shared.key, &form));
                Err((self.error::<M>(ErrorKind::Api(error), failure), failure))
            }
            Some(Err(_)) | None => Err(self.explain(method, response)),
        }
    }

    /// The second pass over a response that did not read: what it is, and where it went wrong.
    fn explain<M: ApiMethod>(&self, method: &M, response: Response<Bytes>) -> (Error, Failure) {
        let form = form(method);
        let redactor = Redactor::new(&self.shared.key, &form);
        let problem = match read_tracked::<M::Answer>(response.body()) {
            Err(problem) => problem.redact(&redactor),
            // Both passes use the same types, so only a reader that depends on more than its input gets here.
            Ok(_) => crate::error::ReadError::unstable(),
        };
        let refused = Failure::Refused(response.status());
        let (kind, failure) = match probe::status(response.body()) {
            Some(probe::Status::Ok) => {
                (ErrorKind::Decode(DecodeError::new(problem, response)), Failure::Undecodable)
            }
            // The service says that it failed; that its message does not fit makes it no less its own word.
            Some(probe::Status::Error) => {
                (ErrorKind::Api(ApiError::new(String::new(), response, &redactor)), refused)
            }
            None => (ErrorKind::NotEnvelope(NotEnvelope::new(problem, response, &redactor)), refused),
        };
        (self.error::<M>(kind, failure), failure)
    }

    /// An error of one attempt, with its credits: what the received bytes say, or else what the failure implies.
    pub(crate) fn error<M: ApiMethod>(&self, kind: ErrorKind, failure: Failure) -> Error {
        let error = Error::new(M::NAME, kind, Credits::NotCharged, 1);
        let op_cost = error.response().and_then(|response| probe::op_cost(response.body()));
        error.with_credits(self.credits::<M>(op_cost, Some(failure)))
    }

    /// What an attempt cost. A test method takes nothing, whatever `op_cost` its random answer shows.
    fn credits<M: ApiMethod>(&self, op_cost: Option<u64>, failure: Option<Failure>) -> Credits {
        match (op_cost, failure) {
            _ if self.calls_twin::<M>() => Credits::NotCharged,
            (Some(op_cost), _) => Credits::from_op_cost(op_cost),
            (None, Some(failure)) => failure.credits(self.can_cost::<M>()),
            (None, None) if self.can_cost::<M>() => Credits::Uncertain,
            (None, None) => Credits::NotCharged,
        }
    }

    /// Removes the key and this method's query from texts.
    pub(crate) fn redact<T>(&self, method: &impl ApiMethod, f: impl FnOnce(&Redactor<'_>) -> T) -> T {
        f(&Redactor::new(&self.shared.key, &form(method)))
    }

    /// The seed of one more call's jitter.
    pub(crate) fn next_seed(&self) -> u64 {
        random(self.shared.retry.seed, self.shared.calls.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("base_url", &self.shared.base)
            .field("key", &self.shared.key)
            .field("retry", &self.shared.retry)
            .field("ledger", &self.shared.ledger.snapshot())
            .finish_non_exhaustive()
    }
}

/// The form body of a method.
fn form<M: ApiMethod>(method: &M) -> Bytes {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(64));
    // The documented requests are flat structs of texts, which always serialise. A method of the caller's own that
    // does not sends an empty form, which the service refuses, and never half of one.
    match method.serialize(serde_html_form::Serializer::new(&mut form)) {
        // Not shrunk to fit, which costs more than the second allocation that `Bytes` takes for a buffer with room.
        Ok(_) => Bytes::from(form.finish()),
        Err(_) => Bytes::new(),
    }
}
