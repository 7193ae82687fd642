//! `tracing` spans: one per attempt, and one around a call with [`traced`].
//!
//! Field names follow OpenTelemetry's semantic conventions for HTTP clients where those define one. `url.full` is omitted,
//! because the base URL of a gateway can contain a token in its path.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::types::ApiMethod;
use tgscan_core::{
    Api, Client, Error, ErrorKind, Reply, TransportError, call::Attempt,
    transport::TransportErrorKind as Kind,
};
use tracing::field::{Empty, display};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span, info_span};

use crate::proxy::port;

type Answer = Result<Response<Bytes>, TransportError>;

/// Adds the method and the attempt number to each request, for its span.
pub(crate) fn with_attempt_extension(api: Api) -> Api {
    api.with_attempt_extension()
}

/// Runs a task within the current span and subscriber.
pub(crate) fn in_current_span<F: Future>(task: F) -> impl Future<Output = F::Output> {
    task.in_current_span().with_current_subscriber()
}

/// The span of one attempt.
pub(crate) struct AttemptSpan(Span);

impl AttemptSpan {
    pub(crate) fn of(request: &Request<Bytes>) -> Self {
        let attempt = request.extensions().get::<Attempt>();
        let uri = request.uri();
        let span = info_span!(
            "tgscan.attempt",
            otel.name = request.method().as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = request.method().as_str(),
            http.request.resend_count = attempt.map(|attempt| attempt.number.saturating_sub(1)),
            http.response.status_code = Empty,
            http.response.body.size = Empty,
            network.protocol.version = Empty,
            server.address = uri.host(),
            server.port = port(uri),
            error.type = Empty,
            tgscan.method = attempt.map(|attempt| attempt.method),
            tgscan.delivery = Empty,
        );
        Self(span)
    }

    /// Runs an attempt within its span, and records the result.
    pub(crate) async fn around(self, attempt: impl Future<Output = Answer>) -> Answer {
        let Self(span) = self;
        let answer = attempt.instrument(span.clone()).await;
        let response = match &answer {
            Ok(response) => Some(response),
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", error_type(error.kind()));
                span.record("tgscan.delivery", display(error.delivery()));
                error.partial()
            }
        };
        if let Some(response) = response {
            let status = response.status();
            span.record("http.response.status_code", status.as_u16());
            span.record("http.response.body.size", response.body().len());
            span.record("network.protocol.version", version(response.version()));
            if answer.is_ok() && (status.is_client_error() || status.is_server_error()) {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", status.as_str());
            }
        }
        answer
    }
}

/// Calls an API method within a span that contains the spans of its attempts.
///
/// The span has the name of the API method and, after the call, the attempts, credits, delivery and kind of error.
///
/// ```
/// use tgscan_core::{ApiKey, types::Balance};
///
/// # async fn call() -> Result<(), Box<dyn std::error::Error>> {
/// let client = tgscan_transport_hyper::client(ApiKey::live("0123456789abcdef")?)?;
/// let reply = tgscan_transport_hyper::traced(&client, Balance {}).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Returns the errors of [`Client::send`].
pub async fn traced<M: ApiMethod>(client: &Client, method: M) -> Result<Reply<M::Answer>, Error> {
    let span = info_span!(
        "tgscan.call",
        otel.name = M::NAME,
        otel.status_code = Empty,
        error.type = Empty,
        tgscan.method = M::NAME,
        tgscan.attempts = Empty,
        tgscan.credits = Empty,
        tgscan.credits.charged = Empty,
        tgscan.delivery = Empty,
    );
    let result = client.send(method).instrument(span.clone()).await;
    let (attempts, credits) = match &result {
        Ok(reply) => (reply.attempts, reply.credits),
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", call_error_type(error));
            if let Some(delivery) = error.delivery() {
                span.record("tgscan.delivery", display(delivery));
            }
            (error.attempts(), error.credits())
        }
    };
    span.record("tgscan.attempts", attempts);
    span.record("tgscan.credits", display(credits));
    span.record("tgscan.credits.charged", credits.charged());
    result
}

fn call_error_type(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Transport(error) => error_type(error.kind()),
        ErrorKind::Api(_) => "api",
        ErrorKind::UnexpectedResponse(_) => "not_envelope",
        ErrorKind::Decode(_) => "decode",
        ErrorKind::CapReached(_) => "cap_reached",
        _ => "_OTHER",
    }
}

/// Returns a value of a small fixed set, as the conventions require of `error.type`.
fn error_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Connect => "connect",
        Kind::Tls => "tls",
        Kind::Timeout => "timeout",
        Kind::BodyTooLarge => "body_too_large",
        Kind::Broken => "broken",
        Kind::Refused => "refused",
        _ => "_OTHER",
    }
}

fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
