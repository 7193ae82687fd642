//! Responses: the service's own answer, or an error envelope with a stable `code` beside its message.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tgscan_core::account::CapReached;
use tgscan_core::error::ApiError;
use tgscan_core::store::{CallId, StoreRefusal};
use tgscan_core::transport::Delivery;
use tgscan_core::{Credits, Error, ErrorKind, Refusal, Reply, Storage};

const CREDITS: HeaderName = HeaderName::from_static("x-tgscan-credits");
const STORAGE: HeaderName = HeaderName::from_static("x-tgscan-storage");
const CALL: HeaderName = HeaderName::from_static("x-tgscan-call");
/// The code of an answer that is not an error.
pub(crate) const OK: &str = "ok";

/// A response, and its fields in the log.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The outcome, as a word that does not change.
    pub(crate) code: &'static str,
    body: Bytes,
    content_type: &'static str,
    /// The cost of the call; `None` if no call was begun.
    pub(crate) credits: Option<Credits>,
    /// How the store was involved: `stored`, `cached`, or `not-stored`.
    pub(crate) storage: Option<&'static str>,
    age: Option<Duration>,
    pub(crate) call: Option<CallId>,
    retry_after: Option<HeaderValue>,
    /// Whether the connection ends with this answer.
    is_last: bool,
}

impl Answer {
    /// Creates an answer outside the service's protocol.
    pub(crate) fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            code: OK,
            body: body.into(),
            content_type,
            credits: None,
            storage: None,
            age: None,
            call: None,
            retry_after: None,
            is_last: false,
        }
    }

    pub(crate) fn refusal(status: StatusCode, code: &'static str, message: &str) -> Self {
        let body = json!({ "status": "error", "result": { "message": message, "code": code } });
        Self { code, ..Self::page(status, "application/json", body.to_string()) }
    }

    /// Asks the caller to try again after this many seconds.
    fn again_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(HeaderValue::from(seconds));
        self
    }

    /// Closes the connection after this answer, because the bytes that follow on it are not read.
    pub(crate) fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    pub(crate) fn shutting_down() -> Self {
        let message = "the gateway is shutting down, and nothing was sent; try again";
        Self::refusal(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message).again_after(1).last()
    }

    /// The deadline of the caller passed.
    pub(crate) fn still_running() -> Self {
        let message =
            "the call did not end in time. It continues, and its answer will be stored: ask again for it";
        Self::refusal(StatusCode::GATEWAY_TIMEOUT, "still_running", message).again_after(5)
    }

    /// The deadline of the caller passed before the store had recorded the call.
    pub(crate) fn not_sent() -> Self {
        let message = "the gateway could not begin the call in time, and nothing was sent; try again";
        Self::refusal(StatusCode::GATEWAY_TIMEOUT, "not_sent", message).again_after(5)
    }

    /// The deadline of the caller of a free call passed.
    pub(crate) fn too_late() -> Self {
        Self::refusal(StatusCode::GATEWAY_TIMEOUT, "no_answer", "the service did not answer in time")
    }

    pub(crate) fn of<A>(result: Result<Reply<A>, Error>) -> Self {
        match result {
            Ok(reply) => Self::reply(&reply),
            Err(error) => {
                Self { credits: Some(error.credits()), call: error.call(), ..Self::of_kind(&error) }
            }
        }
    }

    fn reply<A>(reply: &Reply<A>) -> Self {
        if reply.is_mismatched() {
            let message = "the service answered another question, so its answer is withheld";
            let refusal = Self::refusal(StatusCode::BAD_GATEWAY, "wrong_answer", message);
            return Self { credits: Some(reply.credits), call: reply.call(), ..refusal };
        }
        let (storage, age) = match reply.storage() {
            Some(Storage::Stored) => (Some("stored"), None),
            Some(Storage::Cached { age, .. }) => (Some("cached"), Some(*age)),
            Some(_) => (Some("not-stored"), None),
            None => (None, None),
        };
        Self {
            credits: Some(reply.credits),
            storage,
            age,
            call: reply.call(),
            ..Self::page(StatusCode::OK, "application/json", reply.raw().clone())
        }
    }

    fn of_kind(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidQuery(invalid) => bad_query(&invalid.to_string()),
            ErrorKind::CapReached(cap) => cap_reached(cap),
            ErrorKind::Store(refusal) => store_refusal(refusal),
            ErrorKind::Transport(failure) if failure.delivery() == Delivery::NeverSent => {
                let message = format!("the service cannot be reached, and nothing was sent: {failure}");
                Self::refusal(StatusCode::BAD_GATEWAY, "service_unreachable", &message)
            }
            ErrorKind::Transport(failure) => {
                let message = format!("the service did not answer: {failure}{}", consequence(error));
                Self::refusal(StatusCode::GATEWAY_TIMEOUT, "no_answer", &message)
            }
            ErrorKind::Api(refused) => refused_by_service(error, refused),
            // It may have been paid for, so the caller gets it unchanged.
            ErrorKind::Decode(answer) => {
                let page = Self::page(StatusCode::OK, "application/json", answer.response().body().clone());
                Self { storage: (error.attempts() == 0).then_some("cached"), ..page }
            }
            other => {
                let text = match other {
                    ErrorKind::UnexpectedResponse(response) => response.to_string(),
                    _ => error.to_string(),
                };
                let message = format!("{text}{}", consequence(error));
                Self::refusal(StatusCode::BAD_GATEWAY, "unexpected_response", &message)
            }
        }
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(credits) = self.credits {
            let value = match credits {
                Credits::NotCharged => HeaderValue::from_static("0"),
                Credits::Charged(credits) => HeaderValue::from(credits),
                Credits::Uncertain => HeaderValue::from_static("uncertain"),
            };
            headers.insert(CREDITS, value);
        }
        if let Some(storage) = self.storage {
            let age = self.age.and_then(|age| format!("{storage}; age={}", age.as_secs()).try_into().ok());
            headers.insert(STORAGE, age.unwrap_or(HeaderValue::from_static(storage)));
        }
        if let Some(call) = self.call {
            headers.insert(CALL, HeaderValue::from(call));
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(RETRY_AFTER, retry_after);
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.is_last {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The query, or the form around it, is invalid.
pub(crate) fn bad_query(message: &str) -> Answer {
    Answer::refusal(StatusCode::BAD_REQUEST, "bad_query", message)
}

fn cap_reached(cap: &CapReached) -> Answer {
    let (code, what) = match &cap.budget {
        Some(_) => ("budget_reached", "the budget of this key"),
        None => ("cap_reached", "the cap of the gateway"),
    };
    let help = if cap.would_fit_if_resolved() {
        format!(
            "; calls that may have been charged count too until `tgscan store reconcile {ACCOUNT}` resolves them {HOW}"
        )
    } else {
        String::new()
    };
    let message = format!("{what} leaves no room for this call, and nothing was sent{help}");
    Answer::refusal(StatusCode::PAYMENT_REQUIRED, code, &message)
}

/// The flags that name the gateway's account, whose values the operator knows.
const ACCOUNT: &str = "--account LABEL --base-url URL";

/// How to run a command on the gateway's store. Without the store on the command line, where its password would be visible.
const HOW: &str =
    "with TGSCAN_STORE set to the gateway's store (stop the gateway first if its store is a file)";

/// Returns how to resolve an uncertain call.
fn resolve(call: CallId) -> String {
    format!(
        "to resolve it, run `tgscan store reconcile {ACCOUNT}`, or `tgscan store resolve {call} CREDITS {ACCOUNT}` if you \
         know its cost, {HOW}"
    )
}

fn store_refusal(refusal: &StoreRefusal) -> Answer {
    let unavailable = |code, message| Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, code, message);
    match refusal {
        // Without the store's own text, which is for the operator.
        StoreRefusal::Failed(_) => {
            unavailable("store_unavailable", "the gateway's store failed, and nothing was sent; try again")
                .again_after(5)
        }
        StoreRefusal::InFlight { call, .. } => Answer::refusal(
            StatusCode::GATEWAY_TIMEOUT,
            "still_running",
            &format!("call {call} asked the same and is still in flight; ask again for its answer"),
        )
        .again_after(5),
        StoreRefusal::Uncertain { call, charged, .. } => {
            let message = match charged {
                Some(credits) => format!(
                    "call {call} asked the same, cost {credits} credits and returned no answer, so nothing was sent; \
                     to let the question be asked (and paid) again, run `tgscan store resolve {call} {credits} {ACCOUNT}` {HOW}"
                ),
                None => format!(
                    "call {call} asked the same, may have been charged and returned no answer, so nothing was sent; {}",
                    resolve(*call)
                ),
            };
            Answer::refusal(StatusCode::CONFLICT, "uncertain", &message)
        }
        StoreRefusal::ComparisonRunning => unavailable(
            "comparing",
            "a comparison with the balance is in progress, and nothing was sent; try again",
        )
        .again_after(5),
        _ => Answer::refusal(StatusCode::GATEWAY_TIMEOUT, "no_answer", &refusal.to_string()),
    }
}

/// The service's own error envelope: its status and message, with a code of the gateway.
fn refused_by_service(error: &Error, refused: &ApiError) -> Answer {
    let response = refused.response();
    let status = response.status();
    let is_usable = status == StatusCode::OK || status.is_client_error() || status.is_server_error();
    let status = if is_usable { status } else { StatusCode::BAD_GATEWAY };
    let (status, code) = match refused.refusal() {
        // The caller's key is right.
        Refusal::InvalidKey => (StatusCode::BAD_GATEWAY, "service_refuses_key"),
        Refusal::NoCredits => (status, "no_credits"),
        Refusal::BadQuery => (status, "bad_query"),
        Refusal::TooManyRequests => (status, "too_many_requests"),
        Refusal::Unavailable => (status, "service_unavailable"),
        _ => (status, "refused"),
    };
    // Its `Display` has neither key nor query.
    let mut answer = Answer::refusal(status, code, &format!("{refused}{}", consequence(error)));
    answer.retry_after = response.headers().get(RETRY_AFTER).cloned();
    answer
}

/// The consequence of a call that may have been charged.
fn consequence(error: &Error) -> String {
    match (error.credits(), error.call()) {
        (Credits::Uncertain, Some(call)) => format!(
            "; it may have been charged, so the same question is not sent again until the call is resolved; {}",
            resolve(call)
        ),
        (Credits::Uncertain, None) => "; it may have been charged".to_owned(),
        _ => String::new(),
    }
}
