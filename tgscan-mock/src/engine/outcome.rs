//! The outcome of a request: an answer or a fault.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, VIA};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use tgscan_core::types::{Envelope, ErrorResult};

use super::fault::{Class, Fault, FaultKind};

/// The outcome of a request, and how a correct client must report it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The bytes and events on the wire.
    pub wire: Wire,
    /// How a correct client must report it.
    pub class: Class,
    /// Credits that the account was charged.
    pub charged: u64,
    /// The time until the response, if not zero.
    pub latency: Option<Duration>,
    /// The number of the request's record.
    pub(crate) number: u64,
}

/// The response on the wire.
#[derive(Clone, Debug)]
pub enum Wire {
    /// A whole response.
    Whole(Response<Bytes>),
    /// A whole response, in pieces with pauses.
    Slow(Response<Bytes>),
    /// The head of the response with the length of its body, and N bytes of the body. An endless body has no length.
    Partial(Response<Bytes>, usize, End),
    /// No bytes.
    Nothing(End),
    /// No connection.
    Refused,
}

/// The end of a connection without the whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is reset.
    Reset,
    /// It is closed.
    Close,
    /// It stays open without further bytes.
    Stall,
    /// It stays open with single bytes: the rest of the body, then white space without an end.
    Trickle,
}

impl End {
    #[cfg(feature = "server")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Close => "close",
            Self::Stall => "stall",
            Self::Trickle => "trickle",
        }
    }
}

impl Outcome {
    /// Creates an outcome without a charge.
    pub(super) fn new(wire: Wire, class: Class) -> Self {
        Self { wire, class, charged: 0, latency: None, number: 0 }
    }

    /// Creates the outcome of a fault that needs no answer: the request was not processed, or its answer is dropped.
    pub(super) fn without_answer(fault: &Fault) -> Self {
        let refused = |status, after| refused(status, after, fault.message());
        let (wire, class) = match fault.kind() {
            FaultKind::Refuse => (Wire::Refused, Class::NeverSent),
            FaultKind::Reset => (Wire::Nothing(End::Reset), Class::MaybeSent),
            FaultKind::Close => (Wire::Nothing(End::Close), Class::MaybeSent),
            FaultKind::TooManyRequests { retry_after } => {
                (Wire::Whole(refused(429, *retry_after)), Class::Api)
            }
            FaultKind::Unavailable { retry_after } => (Wire::Whole(refused(503, *retry_after)), Class::Api),
            FaultKind::HtmlPage { status } => (Wire::Whole(html_page(*status)), Class::UnexpectedResponse),
            FaultKind::GatewayJson { status } => {
                (Wire::Whole(gateway_json(*status, fault.message())), Class::UnexpectedResponse)
            }
            FaultKind::Redirect { status } => (Wire::Whole(redirect(*status)), Class::UnexpectedResponse),
            FaultKind::ErrorEnvelope { status } => (Wire::Whole(refused(*status, None)), Class::Api),
            // Other faults change an answer and do not get here.
            _ => (Wire::Nothing(End::Stall), Class::MaybeSent),
        };
        Self { latency: fault.latency(), ..Self::new(wire, class) }
    }

    /// Applies a fault to the answer of a processed request, or returns `None` if the answer does not have the fault's
    /// field.
    pub(super) fn with_fault(fault: &Fault, mut response: Response<Bytes>) -> Option<Self> {
        let (wire, class) = match fault.kind() {
            FaultKind::CutBody { at } => partial(response, *at, End::Close),
            FaultKind::StallBody { at } => partial(response, *at, End::Stall),
            FaultKind::TrickleBody { at } => partial(response, *at, End::Trickle),
            FaultKind::SlowBody => (Wire::Slow(response), Class::Reply),
            FaultKind::Oversized { bytes } => {
                let body = pad(response.body(), *bytes);
                (Wire::Whole(response.map(|_| body)), Class::ResponseStarted)
            }
            FaultKind::WrongContentType => {
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
                (Wire::Whole(response), Class::Reply)
            }
            FaultKind::RepeatedHeaders => {
                for (name, value) in
                    [(SET_COOKIE, "a=1"), (SET_COOKIE, "b=2"), (VIA, "1.1 a"), (VIA, "1.1 b")]
                {
                    response.headers_mut().append(name, HeaderValue::from_static(value));
                }
                (Wire::Whole(response), Class::Reply)
            }
            FaultKind::OkUnder500 => {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                (Wire::Whole(response), Class::Reply)
            }
            FaultKind::FieldMissing { field } => edit(response, field, None)?,
            FaultKind::FieldMistyped { field } => edit(response, field, Some(Value::from(0.5)))?,
            FaultKind::CutJson { at } => {
                let whole = response.body().clone();
                let cut = whole.slice(..whole.len().saturating_sub(1).min(*at));
                // Without its status, the sender of a body is unknown.
                let has_status = cut.starts_with(br#"{"status":"ok","#);
                let class = if has_status { Class::Decode } else { Class::UnexpectedResponse };
                (Wire::Whole(response.map(|_| cut)), class)
            }
            _ => return Some(Self::without_answer(fault)),
        };
        Some(Self { latency: fault.latency(), ..Self::new(wire, class) })
    }
}

fn partial(response: Response<Bytes>, at: usize, end: End) -> (Wire, Class) {
    // At least one byte must be missing.
    let at = at.min(response.body().len().saturating_sub(1));
    (Wire::Partial(response, at, end), Class::ResponseStarted)
}

fn with_body(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    // Scripts and expectations check the status.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refused(status: u16, retry_after: Option<u64>, message: Option<&str>) -> Response<Bytes> {
    let usual = || {
        let group = match status {
            400 | 422 => "invalid query: ",
            401 | 403 => "invalid API key: ",
            402 => "not enough credits: ",
            429 => "too many requests: ",
            503 => "temporarily unavailable: ",
            _ => "",
        };
        format!("{group}a fault of the mock with status {status}")
    };
    let result = ErrorResult::new(message.map_or_else(usual, str::to_owned));
    let body = serde_json::to_vec(&Envelope::<()>::Error(result)).unwrap_or_default();
    let mut response = with_body(status, "application/json", body);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn html_page(status: u16) -> Response<Bytes> {
    let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
    with_body(status, "text/html", page)
}

fn gateway_json(status: u16, message: Option<&str>) -> Response<Bytes> {
    let message = Value::from(message.unwrap_or("upstream request timeout"));
    with_body(status, "application/json", format!(r#"{{"status":"error","message":{message}}}"#))
}

fn redirect(status: u16) -> Response<Bytes> {
    let mut response = with_body(status, "text/html", "moved");
    // A name that never resolves (RFC 6761), so that a client that follows it fails and reaches no host.
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("https://elsewhere.invalid/tgscan/v1/search"));
    response
}

/// Pads an envelope with an unknown field at the front, so that a silently truncated body is invalid JSON.
fn pad(body: &Bytes, least: usize) -> Bytes {
    let mut big = br#"{"padding":""#.to_vec();
    big.resize(least.max(big.len()), b'x');
    big.extend_from_slice(b"\",");
    big.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
    Bytes::from(big)
}

/// Removes or replaces the field at a JSON pointer, if it exists.
fn edit(response: Response<Bytes>, pointer: &str, replacement: Option<Value>) -> Option<(Wire, Class)> {
    let mut body = serde_json::from_slice::<Value>(response.body()).ok()?;
    let (parent, name) = pointer.rsplit_once('/')?;
    let fields = body.pointer_mut(parent)?.as_object_mut()?;
    let name = name.replace("~1", "/").replace("~0", "~");
    fields.remove(&name)?;
    if let Some(replacement) = replacement {
        fields.insert(name, replacement);
    }
    let body = Bytes::from(body.to_string());
    Some((Wire::Whole(response.map(|_| body)), Class::Decode))
}
