//! What can go wrong, as values: listed, scripted, each with what it means for the account and for a right client.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::shape;

/// The largest body of [`FaultKind::Oversized`], so that a slip does not take all memory.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// A way to fail, on one of three layers: socket, HTTP, envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Socket: nobody listens. A server cannot refuse one request of a connection that stands, so there it is a
    /// [`Reset`](Self::Reset); to see it over a socket, connect to a port where nothing listens.
    Refuse,
    /// Socket: the request is read, then the connection is reset without an answer.
    Reset,
    /// Socket: the request is read, then the connection is closed without an answer.
    Close,
    /// Socket: the request is read, and nothing ever comes back.
    Stall,
    /// Socket: the answer ends with a closed connection after so many bytes of its body.
    CutBody(usize),
    /// Socket: the answer goes silent after so many bytes of its body.
    StallBody(usize),
    /// Socket: after so many bytes of its body the answer goes on a byte now and then, without an end. Only a limit of the
    /// total time ends it; one of the pauses does not.
    TrickleBody(usize),
    /// Socket: the whole answer comes, but in pieces of a few bytes with pauses.
    SlowBody,
    /// HTTP: 429 with an error envelope, and a `Retry-After` of so many seconds.
    TooManyRequests(Option<u64>),
    /// HTTP: 503 with an error envelope, and a `Retry-After` of so many seconds.
    Unavailable(Option<u64>),
    /// HTTP: a gateway's HTML page under this status, from 200 to 599 and not 204, 205 or 304, which have no body.
    HtmlPage(StatusCode),
    /// HTTP: a gateway's JSON under this status, as for the page: `{"status":"error","message":…}`, which resembles the
    /// service's error envelope but has no `result`. Gateways also send it for a timeout behind them, after the service
    /// charged.
    GatewayJson(StatusCode),
    /// HTTP: this redirect (301, 302, 303, 307 or 308) to another host. Following it would carry the API key there.
    Redirect(StatusCode),
    /// HTTP: the right answer, blown up to at least this many bytes by an unknown field; 256 MiB at most.
    Oversized(usize),
    /// HTTP: the right answer, labelled `text/html`.
    WrongContentType,
    /// HTTP: the right answer, with two values each of `Set-Cookie` and `Via`, in separate headers.
    RepeatedHeaders,
    /// Envelope: an error under this status, from 200 to 599 and not 204, 205 or 304, which have no body.
    ErrorEnvelope(StatusCode),
    /// Envelope: the right answer, under 500.
    OkUnder500,
    /// Envelope: the field at this JSON pointer (RFC 6901) into the body, such as `/result/meta/op_cost` or
    /// `/result/groups/0/title`, is missing.
    FieldMissing(Cow<'static, str>),
    /// Envelope: the field at this JSON pointer (RFC 6901) into the body has another type.
    FieldMistyped(Cow<'static, str>),
    /// Envelope: the JSON ends after so many bytes, in a body that is complete as HTTP sees it.
    CutJson(usize),
}

/// Whether a way to fail takes credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charges {
    Never,
    /// Before or after the request was processed.
    Either,
    /// It spoils the answer of a request that was processed.
    Always,
}

/// A fault: how it fails, and whether the account was charged before it did.
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
    /// A transport error, "response started", with the bytes that came.
    ResponseStarted,
    /// The service's error envelope.
    Api,
    /// An answer that is not an envelope.
    UnexpectedResponse,
    /// A successful envelope that does not fit.
    Decode,
}

impl Fault {
    /// Creates a fault that, where possible, happens before the request is processed.
    pub fn new(kind: FaultKind) -> Self {
        let is_charged = kind.charges() == Charges::Always;
        Self { kind, is_charged, latency: None, message: None }
    }

    /// Moves the fault to after the request was processed and charged. Faults that refuse it, such as 429, stay uncharged.
    #[must_use]
    pub fn charged(mut self) -> Self {
        self.is_charged = self.kind.charges() != Charges::Never;
        self
    }

    /// Lets it come after so long, instead of after the mock's own latency.
    #[must_use]
    pub fn after(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Sets the words of an error envelope or of a gateway's JSON, which are the mock's own otherwise. Other faults have
    /// none.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        if self.has_message() {
            self.message = Some(message.into());
        }
        self
    }

    /// Checks that a request of this method, or of any, can meet it.
    ///
    /// # Errors
    /// If not: what is wrong, and what would be right.
    pub(super) fn check(&self, method: Option<&str>) -> Result<(), String> {
        match &self.kind {
            FaultKind::HtmlPage(status)
            | FaultKind::GatewayJson(status)
            | FaultKind::ErrorEnvelope(status) => match status.as_u16() {
                code @ (204 | 205 | 304) => {
                    Err(format!("`status` is {code}, under which an answer has no body; give another one"))
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

    /// Whether it has a message.
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

    /// Returns after how long it comes, if it was told.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Returns how it fails.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// Returns whether the request is processed, and charged if its method costs credits.
    pub fn is_charged(&self) -> bool {
        self.is_charged
    }

    /// Returns every fault, charged and not charged where both are possible. Bodies are cut inside the envelope and oversized
    /// to a little more than `max_body_size` bytes, the cap of the client under test.
    pub fn all(max_body_size: usize) -> Vec<Self> {
        use FaultKind as Kind;
        let kinds = [
            Kind::Refuse,
            Kind::Reset,
            Kind::Close,
            Kind::Stall,
            Kind::CutBody(0),
            Kind::CutBody(20),
            // Far enough for a part of a compressed body that can be read.
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
            // Gateways send it for a timeout behind them too.
            Kind::HtmlPage(StatusCode::SERVICE_UNAVAILABLE),
            Kind::HtmlPage(StatusCode::GATEWAY_TIMEOUT),
            Kind::GatewayJson(StatusCode::OK),
            Kind::GatewayJson(StatusCode::BAD_GATEWAY),
            Kind::GatewayJson(StatusCode::SERVICE_UNAVAILABLE),
            // Clients that cannot send a body again follow the first kind, as GET, and not the second.
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

/// For [`Mock::script`](crate::Mock::script), whose `None` lets a request be answered.
impl From<FaultKind> for Option<Fault> {
    fn from(kind: FaultKind) -> Self {
        Some(kind.into())
    }
}

impl FaultKind {
    fn charges(&self) -> Charges {
        match self {
            Self::Refuse | Self::TooManyRequests(_) | Self::Unavailable(_) => Charges::Never,
            // Assumption: refusals under a 4xx, and with the default text under 503, cost nothing (`tgscan_core::Refusal`).
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

    /// Returns whether only the client's own time limit ends it.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Stall | Self::StallBody(_) | Self::TrickleBody(_))
    }
}

/// How long a [`FaultKind::SlowBody`] pauses between two pieces.
#[cfg(feature = "server")]
pub(crate) const SLOW_PAUSE: Duration = Duration::from_millis(1);

/// How long a [`FaultKind::TrickleBody`] pauses between two bytes: well below any limit of pauses.
#[cfg(feature = "server")]
pub(crate) const TRICKLE_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_come_once_and_those_that_may_charge_come_both_ways() {
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
