//! Faults: ways to fail, and their effect on the account and on a correct client.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{Settings, route};

/// The largest body of [`FaultKind::Oversized`], so that a typo does not use all memory.
pub(super) const MOST_BYTES: usize = 256 * 1024 * 1024;
/// The statuses of [`FaultKind::Redirect`].
pub(super) const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// A way to fail, on one of three layers: socket, HTTP, envelope. Statuses are from 200 to 599, but not 204, 205 or 304,
/// which have no body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
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
    /// Socket: the connection is closed within the body.
    CutBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// Socket: the connection stays open within the body, without further bytes.
    StallBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// Socket: single bytes follow endlessly within the body. Only a limit on the total time ends it; a limit on pauses
    /// does not.
    TrickleBody {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
    /// Socket: the whole answer is sent in pieces of a few bytes, with pauses.
    SlowBody,
    /// HTTP: 429 with an error envelope.
    TooManyRequests {
        /// Seconds of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// HTTP: 503 with an error envelope.
    Unavailable {
        /// Seconds of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// HTTP: a gateway's HTML page.
    HtmlPage {
        /// HTTP status.
        status: u16,
    },
    /// HTTP: a gateway's JSON: `{"status":"error","message":…}`, which resembles the service's error envelope but has no
    /// `result`. Gateways also send it for a timeout after the service charged.
    GatewayJson {
        /// HTTP status.
        status: u16,
    },
    /// HTTP: a redirect to another host. A client that followed it would send the API key there.
    Redirect {
        /// HTTP status: 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// HTTP: the correct answer, padded by an unknown field.
    Oversized {
        /// Least number of bytes of the body; at most 256 MiB.
        bytes: usize,
    },
    /// HTTP: the correct answer with the content type `text/html`.
    WrongContentType,
    /// HTTP: the correct answer with two `Set-Cookie` and two `Via` headers.
    RepeatedHeaders,
    /// Envelope: an error. A 4xx status and 503 are never charged.
    ErrorEnvelope {
        /// HTTP status.
        status: u16,
    },
    /// Envelope: the correct answer with status 500.
    OkUnder500,
    /// Envelope: a field of the answer is missing. If the answer to a request lacks it, such as a field of the hundredth
    /// group, the request is refused, and the fault is for the next one.
    FieldMissing {
        /// A JSON pointer (RFC 6901) into the body, such as `/result/meta/op_cost` or `/result/groups/0/title`.
        field: String,
    },
    /// Envelope: a field of the answer has another type.
    FieldMistyped {
        /// A JSON pointer (RFC 6901) into the body, as for `field_missing`.
        field: String,
    },
    /// Envelope: the JSON ends early, in a body that is complete for HTTP.
    CutJson {
        /// Number of bytes of the body before the fault.
        at: usize,
    },
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    #[serde(flatten)]
    kind: FaultKind,
    #[serde(rename = "charged")]
    is_charged: bool,
    #[serde(
        rename = "latency_ms",
        serialize_with = "write_latency",
        skip_serializing_if = "Option::is_none"
    )]
    latency: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn write_latency<S: Serializer>(latency: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    latency.map(milliseconds).serialize(serializer)
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    /// Checks that the fault is possible, except for its field.
    ///
    /// # Errors
    /// If it is not: the reason and the correction.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.kind {
            FaultKind::HtmlPage { status }
            | FaultKind::GatewayJson { status }
            | FaultKind::ErrorEnvelope { status } => match status {
                204 | 205 | 304 => {
                    Err(format!("`status` is {status}, which allows no body; use another status"))
                }
                200..600 => Ok(()),
                _ => Err(format!("`status` is {status}; use one from 200 to 599")),
            },
            FaultKind::Redirect { status } if !REDIRECTS.contains(status) => {
                Err(format!("`status` is {status}, which is not a redirect; use 301, 302, 303, 307 or 308"))
            }
            FaultKind::Oversized { bytes } if *bytes > MOST_BYTES => {
                Err(format!("`bytes` is {bytes}; use at most {MOST_BYTES}"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that an answer of a method, or of any, can have the field of the fault. [`MockBuilder::like`] adds fields,
    /// so with it every JSON pointer is possible.
    ///
    /// [`MockBuilder::like`]: super::MockBuilder::like
    ///
    /// # Errors
    /// If it cannot: the correction.
    pub(super) fn check_field(&self, method: Option<&str>, settings: &Settings) -> Result<(), String> {
        let (FaultKind::FieldMissing { field } | FaultKind::FieldMistyped { field }) = &self.kind else {
            return Ok(());
        };
        if field.starts_with('/') && (settings.manner.is_some() || route::can_have_field(method, field)) {
            return Ok(());
        }
        Err(format!(
            "`field` is {field:?}; use a JSON pointer to a field of the answer, such as \"/result/meta/op_cost\""
        ))
    }

    /// Returns whether the fault has a message.
    pub(crate) fn has_message(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::TooManyRequests { .. }
                | FaultKind::Unavailable { .. }
                | FaultKind::GatewayJson { .. }
                | FaultKind::ErrorEnvelope { .. }
        )
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the latency of the fault, if it has its own.
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
            Kind::CutBody { at: 0 },
            Kind::CutBody { at: 20 },
            // Far enough that a part of a compressed body can be decoded.
            Kind::CutBody { at: 200 },
            Kind::StallBody { at: 0 },
            Kind::StallBody { at: 20 },
            Kind::TrickleBody { at: 20 },
            Kind::SlowBody,
            Kind::TooManyRequests { retry_after: None },
            Kind::TooManyRequests { retry_after: Some(2) },
            Kind::Unavailable { retry_after: None },
            Kind::Unavailable { retry_after: Some(2) },
            Kind::HtmlPage { status: 200 },
            Kind::HtmlPage { status: 502 },
            // Gateways also send it for a timeout of the service.
            Kind::HtmlPage { status: 503 },
            Kind::HtmlPage { status: 504 },
            Kind::GatewayJson { status: 200 },
            Kind::GatewayJson { status: 502 },
            Kind::GatewayJson { status: 503 },
            // Clients that cannot repeat a body follow the first kind with GET, and not the second.
            Kind::Redirect { status: 303 },
            Kind::Redirect { status: 307 },
            Kind::Oversized { bytes: max_body_size.saturating_add(1) },
            Kind::WrongContentType,
            Kind::RepeatedHeaders,
            Kind::ErrorEnvelope { status: 200 },
            Kind::ErrorEnvelope { status: 400 },
            Kind::ErrorEnvelope { status: 500 },
            Kind::OkUnder500,
            Kind::FieldMissing { field: "/result".into() },
            Kind::FieldMissing { field: "/result/meta/op_cost".into() },
            Kind::FieldMistyped { field: "/result".into() },
            Kind::FieldMistyped { field: "/result/meta/search_query".into() },
            Kind::CutJson { at: 20 },
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
            // Assumption: a 4xx status, and 503 with the default message, cost nothing (`tgscan_core::Refusal`).
            Self::Refuse
            | Self::TooManyRequests { .. }
            | Self::Unavailable { .. }
            | Self::ErrorEnvelope { status: 400..500 | 503 } => Charges::Never,
            Self::Reset
            | Self::Close
            | Self::Stall
            | Self::HtmlPage { .. }
            | Self::GatewayJson { .. }
            | Self::Redirect { .. }
            | Self::ErrorEnvelope { .. } => Charges::Either,
            Self::CutBody { .. }
            | Self::StallBody { .. }
            | Self::TrickleBody { .. }
            | Self::SlowBody
            | Self::Oversized { .. }
            | Self::WrongContentType
            | Self::RepeatedHeaders
            | Self::OkUnder500
            | Self::FieldMissing { .. }
            | Self::FieldMistyped { .. }
            | Self::CutJson { .. } => Charges::Always,
        }
    }

    /// Returns whether only the client's time limit ends the request.
    #[doc(hidden)]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Stall | Self::StallBody { .. } | Self::TrickleBody { .. })
    }
}
