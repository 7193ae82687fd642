//! Builds requests and reads responses: bytes in, bytes out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tgscan_types::{ApiMethod, Envelope, repair_json};

use crate::base_url::{BaseUrl, InvalidBaseUrl};
use crate::error::{
    ApiError, DecodeError, Error, ErrorKind, ReadError, UnexpectedResponse, is_object, read_text,
    read_tracked,
};
use crate::panics::catch;
use crate::redact::Redactor;
use crate::refusal::{Classifier, Refusal};
use crate::retry::{Failure, RetryPolicy};
use crate::success::Success;
use crate::{ApiKey, Credits, KeyKind, Ledger, Reply, TransportError, probe};

/// Name of the header that carries the key ("API Authentication").
const API_KEY: &str = "api-key";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Base URL, API key, retry policy and ledger: everything that calls of one account have in common.
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
    classifier: Classifier,
    marks_attempts: bool,
    /// Calls begun.
    calls: Arc<AtomicU64>,
}

impl Api {
    /// Targets the live service, `https://api.tgdev.io`.
    pub fn new(key: ApiKey) -> Self {
        Self::at(BaseUrl::service(), key)
    }

    /// Targets another base URL, e.g. a mock on loopback or a gateway: scheme, host, and an optional path prefix.
    ///
    /// # Errors
    /// If the URL is relative, is plain `http` to a host other than loopback, or has a part that has no meaning here.
    pub fn with_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, false)?, key))
    }

    /// Like [`with_base_url`](Self::with_base_url), but allows plain `http` to any host: **anyone on the network path can
    /// read the API key and spend its credits.** Meant for a sidecar in your own network.
    ///
    /// # Errors
    /// If the URL is relative or has a part that has no meaning here.
    pub fn with_plain_http_base_url(base_url: &str, key: ApiKey) -> Result<Self, InvalidBaseUrl> {
        Ok(Self::at(BaseUrl::parse(base_url, true)?, key))
    }

    fn at(base: BaseUrl, key: ApiKey) -> Self {
        let (retry, ledger) = (RetryPolicy::default(), Ledger::new());
        let classifier: Classifier = |error| Refusal::from_message(error.message());
        let shared =
            Shared { base, key, retry, ledger, classifier, marks_attempts: false, calls: Arc::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the retry policy. Default: [`RetryPolicy::default`].
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        Arc::make_mut(&mut self.shared).retry = policy;
        self
    }

    /// Sets the ledger that counts credits. Default: a new one without a cap.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        Arc::make_mut(&mut self.shared).ledger = ledger;
        self
    }

    /// Sets the classifier of the service's refusals; where it returns `None`, the HTTP status decides. Replaces the
    /// default, [`Refusal::from_message`], which goes by words because the texts of the service are not documented.
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
        Arc::make_mut(&mut self.shared).classifier = classifier;
        self
    }

    /// Adds an [`Attempt`](crate::call::Attempt) to the extensions of every request, so that transports and layers know
    /// which call they carry. Default: off, because it costs three allocations per request.
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

    /// Returns whether live or test methods are called.
    pub fn key_kind(&self) -> KeyKind {
        self.shared.key.kind()
    }

    /// Returns whether a call of `M` with this key can take credits: its method can, or has charged before although it
    /// is documented as free, and it is not sent to a test method, which withdraws nothing ("Test Methods").
    pub fn can_cost<M: ApiMethod>(&self) -> bool {
        !self.calls_twin::<M>() && (M::CAN_COST || self.ledger().has_charged(M::NAME))
    }

    fn calls_twin<M: ApiMethod>(&self) -> bool {
        self.shared.key.kind() == KeyKind::Test && M::TEST_PATH.is_some()
    }

    /// Builds the HTTP request of a method. **Bypasses the ledger, its cap and the retry rules**: nothing counts what you
    /// send with it. Use [`Client`](crate::Client) or [`Step`](crate::call::Step) for calls.
    ///
    /// Cannot fail: key, base URL and query were checked before.
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
        // With room for those that a transport adds, because a map that grows costs more than all that is put in here.
        *request.headers_mut() = HeaderMap::with_capacity(6);
        let headers = request.headers_mut();
        // Made when the program is compiled, because their clones are calls.
        headers.insert(const { HeaderName::from_static(API_KEY) }, self.shared.key.header());
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static(FORM) });
        headers.insert(ACCEPT, const { HeaderValue::from_static(JSON) });
        if is_empty {
            // Any other length is the HTTP client's to state, as the host is; that of nothing clients tend to leave out,
            // and some servers refuse a POST without it (RFC 9110, 8.6).
            headers.insert(CONTENT_LENGTH, const { HeaderValue::from_static("0") });
        }
        request
    }

    /// Parses the response to a request built by [`request`](Self::request). **Bypasses the ledger**: the reply or error
    /// says what the call cost, and nothing books it. The reply or error keeps the whole response.
    ///
    /// # Errors
    /// If the response is not a successful envelope with an answer that fits.
    // Inlined, because a reply is large to be handed on.
    #[inline]
    pub fn parse<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, Error> {
        match read_success::<M>(response.body()) {
            Ok(Some(answer)) => Ok(self.reply(method, answer, response)),
            Ok(None) | Err(_) => self.read_mended(method, response),
        }
    }

    /// Reads a response that is not plainly a success: one step from the schema loses nothing.
    #[cold]
    fn read_mended<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, Error> {
        let mended = repair_json(response.body());
        if let Some(Ok(Some(answer))) = mended.as_deref().map(read_success::<M>) {
            return Ok(self.reply(method, answer, response));
        }
        let body = mended.map_or_else(|| response.body().clone(), Bytes::from);
        Err(self.explain(method, &body, response))
    }

    /// Parses the outcome of a request for which the transport returned an error.
    ///
    /// What was received before the failure is read as a complete response if it is one: JSON delimits itself, whatever
    /// the connection did afterwards.
    pub(crate) fn parse_failed<M: ApiMethod>(
        &self,
        method: &M,
        mut error: TransportError,
    ) -> Result<Reply<M::Answer>, Error> {
        if error.partial().is_some_and(|partial| is_object(partial.body())) {
            if let Some(response) = error.take_partial() {
                catch(|| drop(error));
                return self.parse(method, response);
            }
        }
        self.redact(method, |redactor| error.redact(redactor));
        Err(self.error::<M>(ErrorKind::Transport(error)))
    }

    #[inline]
    fn reply<M: ApiMethod>(
        &self,
        method: &M,
        answer: M::Answer,
        response: Response<Bytes>,
    ) -> Reply<M::Answer> {
        let op_cost = catch(|| M::op_cost(&answer)).unwrap_or_else(|| probe::op_cost(response.body()));
        let credits = self.credits::<M>(op_cost, None);
        // "Results of test methods contain random data", their echo too.
        let is_mismatched =
            !self.calls_twin::<M>() && !catch(|| method.is_answered_by(&answer)).unwrap_or(true);
        Reply::new(answer, credits, is_mismatched, response)
    }

    /// The second pass over a response that did not read: what it is, and where it went wrong. `body` is its body,
    /// mended and as long.
    fn explain<M: ApiMethod>(&self, method: &M, body: &Bytes, response: Response<Bytes>) -> Error {
        let form = form_again(method);
        let redactor = Redactor::new(&self.shared.key, &form);
        let classifier = self.shared.classifier;
        let api = |message, response| ErrorKind::Api(ApiError::new(message, response, &redactor, classifier));
        let problem = match guard(|| read_tracked::<M::Answer>(body)) {
            Ok(Ok(Envelope::Error(result))) => return self.error::<M>(api(result.message, response)),
            Ok(Err(problem)) | Err(problem) => problem.redact(&redactor),
            // Both passes use the same types, so only a reader that depends on more than its input gets here.
            Ok(Ok(Envelope::Ok(_))) => ReadError::unstable(),
        };
        let kind = match probe::status(body) {
            Some(probe::Status::Ok) => ErrorKind::Decode(DecodeError::new(problem, response)),
            // An error without the service's message is a gateway's: `{"status":"error","message":…}`.
            Some(probe::Status::Error) | None => {
                ErrorKind::UnexpectedResponse(UnexpectedResponse::new(problem, response, &redactor))
            }
        };
        self.error::<M>(kind)
    }

    /// An error of one attempt, with its credits: what the received bytes say, or else what the failure implies.
    pub(crate) fn error<M: ApiMethod>(&self, kind: ErrorKind) -> Error {
        let error = Error::new(M::NAME, kind, Credits::NotCharged, 1);
        let op_cost = error.response().and_then(|response| probe::op_cost(response.body()));
        let credits = self.credits::<M>(op_cost, Failure::of(&error));
        error.with_credits(credits)
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
        f(&Redactor::new(&self.shared.key, &form_again(method)))
    }

    /// How many calls were begun before this one.
    pub(crate) fn count_call(&self) -> u64 {
        self.shared.calls.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            // Without its path, which may hold a gateway's token.
            .field("base_url", &self.shared.base)
            .field("key", &self.shared.key)
            .field("retry", &self.shared.retry)
            .field("ledger", &self.shared.ledger.snapshot())
            .finish_non_exhaustive()
    }
}

/// The form body of a method; empty if its `Serialize` panics, which [`Api::request`] has noticed by then.
fn form_again<M: ApiMethod>(method: &M) -> Bytes {
    catch(|| form(method)).unwrap_or_default()
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

/// Reads a body that is a successful envelope as a whole; an error if the code of the answer's type panicked.
#[inline]
fn read_success<M: ApiMethod>(body: &[u8]) -> Result<Option<M::Answer>, ReadError> {
    // One check of the whole body as UTF-8 makes the reader below a sixth faster than reading bytes.
    let Ok(text) = read_text(body) else { return Ok(None) };
    guard(|| serde_json::from_str(text).ok().map(|Success(answer)| answer))
}

/// Runs the code that reads an answer's type, whose panic must not cost what was received.
#[inline]
fn guard<T>(read: impl FnOnce() -> T) -> Result<T, ReadError> {
    catch(read).ok_or_else(ReadError::panicked)
}
