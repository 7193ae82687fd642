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
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
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
            server.port = port,
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::ready;
    use std::sync::{Arc, Mutex, mpsc};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};
    use tracing_core::span::Current;

    use super::*;

    thread_local! {
        static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }

    struct Seen {
        span: &'static Metadata<'static>,
        parent: Option<u64>,
    }

    /// Notes the spans, whose numbers count from 1, and in which span they began.
    #[derive(Clone, Default)]
    struct Parents(Arc<Mutex<Vec<Seen>>>);

    impl Subscriber for Parents {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let parent = ENTERED.with_borrow(|entered| entered.last().copied());
            let mut seen = self.0.lock().unwrap();
            seen.push(Seen { span: span.metadata(), parent });
            Id::from_u64(seen.len().try_into().unwrap())
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, span: &Id) {
            ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
        }

        fn exit(&self, _: &Id) {
            ENTERED.with_borrow_mut(Vec::pop);
        }

        fn current_span(&self) -> Current {
            let Some(number) = ENTERED.with_borrow(|entered| entered.last().copied()) else {
                return Current::none();
            };
            let seen = self.0.lock().unwrap();
            Current::new(Id::from_u64(number), seen[usize::try_from(number).unwrap() - 1].span)
        }
    }

    #[test]
    fn attempt_of_a_spawned_call_is_a_child_of_the_callers_span() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let parents = Parents::default();
        // Applies only to this thread, not to the runtime's.
        let _collecting = tracing::subscriber::set_default(parents.clone());
        let (sender, ended) = mpsc::channel();
        let _entered = runtime.enter();
        info_span!("caller").in_scope(|| {
            crate::transport::spawn(async move {
                let attempt = AttemptSpan::of(&Request::new(Bytes::new()));
                attempt.around(ready(Ok(Response::new(Bytes::new())))).await.unwrap();
                sender.send(()).unwrap();
            });
        });
        ended.recv().unwrap();
        let seen: Vec<_> =
            parents.0.lock().unwrap().iter().map(|seen| (seen.span.name(), seen.parent)).collect();
        assert_eq!(seen, [("caller", None), ("tgscan.attempt", Some(1))]);
    }
}
