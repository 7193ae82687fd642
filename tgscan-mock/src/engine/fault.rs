//! Faults: ways to fail, and their effect on the account and on a correct client.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::shape;

/// The largest body of [`FaultKind::Oversized`], so that a typo does not use all memory.
pub(super) const MOST_BYTES: usize = 256 * 1024 * 1024;

/// A way to fail, on one of three layers: socket, HTTP, envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Socket: no server listens. Over a socket, this is a [`Reset`](Self::Reset), since a server cannot refuse one
    /// request of an open connection; to test it there, connect to a port without a listener.
    Refuse,
    /// Socket: the request is read, then the connection is reset without an answer.
    Reset,
    /// Socket: the request is read, then the connection is closed without an answer.
    Close,
    /// Socket: the request is read, and no response is ever sent.
    Stall,
    /// Socket: the connection is closed after N bytes of the body.
    CutBody(usize),
    /// Socket: nothing follows after N bytes of the body.
    StallBody(usize),
    /// Socket: after N bytes of the body, single bytes follow endlessly. Only a limit on the total time ends it; a
    /// limit on pauses does not.
    TrickleBody(usize),
    /// Socket: the whole answer is sent in pieces of a few bytes, with pauses.
    SlowBody,
    /// HTTP: 429 with an error envelope and, if N is given, a `Retry-After` of N seconds.
    TooManyRequests(Option<u64>),
    /// HTTP: 503 with an error envelope and, if N is given, a `Retry-After` of N seconds.
    Unavailable(Option<u64>),
    /// HTTP: a gateway's HTML page with this status, from 200 to 599 but not 204, 205 or 304, which have no body.
    HtmlPage(StatusCode),
    /// HTTP: a gateway's JSON with this status (same limits): `{"status":"error","message":…}`, which resembles the
    /// service's error envelope but has no `result`. Gateways also send it for a timeout after the service charged.
    GatewayJson(StatusCode),
    /// HTTP: a redirect (301, 302, 303, 307 or 308) to another host. A client that followed it would send the API key
    /// there.
    Redirect(StatusCode),
    /// HTTP: the correct answer, padded to at least N bytes by an unknown field; at most 256 MiB.
    Oversized(usize),
    /// HTTP: the correct answer with the content type `text/html`.
    WrongContentType,
    /// HTTP: the correct answer with two `Set-Cookie` and two `Via` headers.
    RepeatedHeaders,
    /// Envelope: an error with this status, from 200 to 599 but not 204, 205 or 304, which have no body.
    ErrorEnvelope(StatusCode),
    /// Envelope: the correct answer with status 500.
    OkUnder500,
    /// Envelope: the field at this JSON pointer (RFC 6901) in the body, such as `/result/meta/op_cost` or
    /// `/result/groups/0/title`, is missing.
    FieldMissing(Cow<'static, str>),
    /// Envelope: the field at this JSON pointer (RFC 6901) in the body has another type.
    FieldMistyped(Cow<'static, str>),
    /// Envelope: the JSON ends after N bytes, in a body that is complete for HTTP.
    CutJson(usize),
}

/// Whether a kind of fault takes credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charges {
    Never,
    /// It can happen before or after the request is processed.
    Either,
    /// It changes the answer of a processed request.
    Always,
}

/// A fault: its kind, and whether the account is charged before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    is_charged: bool,
    latency: Option<Duration>,
    message: Option<String>,
}

/// How a correct client must report a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A reply.
    Reply,
    /// A transport error, "never sent".
    NeverSent,
    /// A transport error, "maybe sent".
    MaybeSent,
    /// A transport error, "response started", with the received bytes.
    ResponseStarted,
    /// The service's error envelope.
    Api,
    /// A response that is not an envelope.
    UnexpectedResponse,
    /// A successful envelope with an invalid result.
    Decode,
}

impl Fault {
    /// Creates a fault that happens before the request is processed, if its kind allows that.
    pub fn new(kind: FaultKind) -> Self {
        let is_charged = kind.charges() == Charges::Always;
        Self { kind, is_charged, latency: None, message: None }
    }

    /// Makes the fault happen after the request was processed and charged. Faults that refuse the request, such as 429,
    /// stay uncharged.
    #[must_use]
    pub fn charged(mut self) -> Self {
        self.is_charged = self.kind.charges() != Charges::Never;
        self
    }

    /// Sets the latency of the fault, in place of the mock's.
    #[must_use]
    pub fn after(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Sets the message of an error envelope or a gateway's JSON. Other faults have no message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        if self.has_message() {
            self.message = Some(message.into());
        }
        self
    }

    /// Checks that the fault is possible for this method, or for any.
    ///
    /// # Errors
    /// If it is not: the reason and the correction.
    pub(super) fn check(&self, method: Option<&str>) -> Result<(), String> {
        match &self.kind {
            FaultKind::HtmlPage(status)
            | FaultKind::GatewayJson(status)
            | FaultKind::ErrorEnvelope(status) => match status.as_u16() {
                code @ (204 | 205 | 304) => {
                    Err(format!("`status` is {code}, which allows no body; give another status"))
                }
                200..600 => Ok(()),
                code => Err(format!("`status` is {code}; give one from 200 to 599")),
            },
            FaultKind::Redirect(status) => match status.as_u16() {
                301..=303 | 307 | 308 => Ok(()),
                code => Err(format!(
                    "`status` is {code}, which is not a redirect; give 301, 302, 303, 307 or 308"
                )),
            },
            FaultKind::Oversized(bytes) if *bytes > MOST_BYTES => {
                Err(format!("`bytes` is {bytes}; give at most {MOST_BYTES}"))
            }
            FaultKind::FieldMissing(field) | FaultKind::FieldMistyped(field) => {
                shape::check_field(field, method)
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the fault has a message.
    pub(crate) fn has_message(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::TooManyRequests(_)
                | FaultKind::Unavailable(_)
                | FaultKind::GatewayJson(_)
                | FaultKind::ErrorEnvelope(_)
        )
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the latency, if it was set.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Returns the kind of fault.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// Returns whether the request is processed, and charged if its method costs credits.
    pub fn is_charged(&self) -> bool {
        self.is_charged
    }

    /// Returns every fault, both charged and uncharged if possible. Bodies are cut inside the envelope, and padded to
    /// slightly more than `max_body_size`, the limit of the client under test.
    pub fn all(max_body_size: usize) -> Vec<Self> {
        use FaultKind as Kind;
        let kinds = [
            Kind::Refuse,
            Kind::Reset,
            Kind::Close,
            Kind::Stall,
            Kind::CutBody(0),
            Kind::CutBody(20),
            // Far enough that a part of a compressed body can be decoded.
            Kind::CutBody(200),
            Kind::StallBody(0),
            Kind::StallBody(20),
            Kind::TrickleBody(20),
            Kind::SlowBody,
            Kind::TooManyRequests(None),
            Kind::TooManyRequests(Some(2)),
            Kind::Unavailable(None),
            Kind::Unavailable(Some(2)),
            Kind::HtmlPage(StatusCode::OK),
            Kind::HtmlPage(StatusCode::BAD_GATEWAY),
            // Gateways also send it for a timeout of the service.
            Kind::HtmlPage(StatusCode::SERVICE_UNAVAILABLE),
            Kind::HtmlPage(StatusCode::GATEWAY_TIMEOUT),
            Kind::GatewayJson(StatusCode::OK),
            Kind::GatewayJson(StatusCode::BAD_GATEWAY),
            Kind::GatewayJson(StatusCode::SERVICE_UNAVAILABLE),
            // Clients that cannot repeat a body follow the first kind with GET, and not the second.
            Kind::Redirect(StatusCode::SEE_OTHER),
            Kind::Redirect(StatusCode::TEMPORARY_REDIRECT),
            Kind::Oversized(max_body_size.saturating_add(1)),
            Kind::WrongContentType,
            Kind::RepeatedHeaders,
            Kind::ErrorEnvelope(StatusCode::OK),
            Kind::ErrorEnvelope(StatusCode::BAD_REQUEST),
            Kind::ErrorEnvelope(StatusCode::INTERNAL_SERVER_ERROR),
            Kind::OkUnder500,
            Kind::FieldMissing("/result".into()),
            Kind::FieldMissing("/result/meta/op_cost".into()),
            Kind::FieldMistyped("/result".into()),
            Kind::FieldMistyped("/result/meta/search_query".into()),
            Kind::CutJson(20),
        ];
        let mut all = Vec::new();
        for kind in kinds {
            let fault = Self::new(kind);
            if fault.kind.charges() == Charges::Either {
                all.push(fault.clone().charged());
            }
            all.push(fault);
        }
        all
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind)
    }
}

/// For [`Mock::script`](crate::Mock::script), which answers a request normally for `None`.
impl From<FaultKind> for Option<Fault> {
    fn from(kind: FaultKind) -> Self {
        Some(kind.into())
    }
}

impl FaultKind {
    fn charges(&self) -> Charges {
        match self {
            Self::Refuse | Self::TooManyRequests(_) | Self::Unavailable(_) => Charges::Never,
            // Assumption: a 4xx status, and 503 with the default message, cost nothing (`tgscan_core::Refusal`).
            Self::ErrorEnvelope(status) if status.is_client_error() || status.as_u16() == 503 => {
                Charges::Never
            }
            Self::Reset
            | Self::Close
            | Self::Stall
            | Self::HtmlPage(_)
            | Self::GatewayJson(_)
            | Self::Redirect(_)
            | Self::ErrorEnvelope(_) => Charges::Either,
            Self::CutBody(_)
            | Self::StallBody(_)
            | Self::TrickleBody(_)
            | Self::SlowBody
            | Self::Oversized(_)
            | Self::WrongContentType
            | Self::RepeatedHeaders
            | Self::OkUnder500
            | Self::FieldMissing(_)
            | Self::FieldMistyped(_)
            | Self::CutJson(_) => Charges::Always,
        }
    }

    /// Returns whether only the client's time limit ends the request.
    #[doc(hidden)]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Stall | Self::StallBody(_) | Self::TrickleBody(_))
    }
}

/// The pause between two pieces of a [`FaultKind::SlowBody`].
#[cfg(feature = "server")]
pub(crate) const SLOW_PAUSE: Duration = Duration::from_millis(1);

/// The pause between two bytes of a [`FaultKind::TrickleBody`], well below any limit on pauses.
#[cfg(feature = "server")]
pub(crate) const TRICKLE_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_returns_each_fault_once_and_both_ways_if_it_can_charge() {
        let all = Fault::all(1000);
        for fault in &all {
            let same_kind = all.iter().filter(|other| other.kind == fault.kind);
            let charged: Vec<bool> = same_kind.map(Fault::is_charged).collect();
            let expected: &[bool] = match fault.kind.charges() {
                Charges::Never => &[false],
                Charges::Either => &[true, false],
                Charges::Always => &[true],
            };
            assert_eq!(charged, expected, "{fault:?}");
        }
    }
}
