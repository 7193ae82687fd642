//! The failures of attempts, and their effect on retries and credits.

use http::StatusCode;

use crate::error::{Error, ErrorKind};
use crate::transport::TransportErrorKind;
use crate::{Credits, Refusal, TransportError, probe, transport::Delivery};

/// How an attempt failed. Retries and credits depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Never sent, but a later attempt may succeed: no connection, a connect timeout.
    NeverSent,
    /// Never sent, and a later attempt would fail too: no trusted TLS session, refused by a proxy or the transport.
    Unsendable,
    /// Maybe sent: a timeout or a broken connection before the response.
    MaybeSent,
    /// The response started with this status and broke off.
    ResponseBroken(StatusCode),
    /// The response started with this status and is larger than the transport's limit.
    ResponseTooLarge(StatusCode),
    /// The service's error envelope.
    Api(Refusal, StatusCode),
    /// A complete response that is not the service's envelope, such as a gateway's page.
    Unexpected(StatusCode),
    /// A successful envelope that does not match the schema.
    Undecodable,
}

/// The meaning of a status, whether the service or a gateway sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusRule {
    /// Whether the request certainly was not processed.
    pub not_processed: bool,
    /// Whether the same request may succeed later.
    pub is_transient: bool,
    /// The reason for the rule.
    pub why: &'static str,
}

impl StatusRule {
    /// Returns the rule of a status. A status without a specific rule is permanent, and does not show whether the request
    /// was processed.
    pub fn of(status: StatusCode) -> Self {
        let transient = |why| (false, true, why);
        let (not_processed, is_transient, why) = match status.as_u16() {
            401 => (
                true,
                false,
                "the request has not been applied (RFC 9110, 15.5.2); the same key is refused again",
            ),
            408 => {
                transient("the server closed an unused connection, or gave up on reading (RFC 9110, 15.5.9)")
            }
            409 => transient(
                "conflicts with the state of the resource, which may be temporary (RFC 9110, 15.5.10)",
            ),
            421 => transient(
                "sent to the wrong server; another connection may reach the right one (RFC 9110, 15.5.20)",
            ),
            425 => transient("sent too early within a connection (RFC 8470, 5.2)"),
            429 => {
                (true, true, "refused before processing, because there were too many requests (RFC 6585, 4)")
            }
            500 => transient("failed during processing"),
            502 => transient("a gateway forwarded it and got no valid answer"),
            503 => transient(
                "a gateway may have forwarded it and got no answer in time (Heroku's H12, Fastly, Varnish)",
            ),
            504 => transient("a gateway forwarded it and got no answer in time"),
            520..=524 => transient("Cloudflare reached the service and got no valid answer in time"),
            525..=529 => transient("Cloudflare or the service is overloaded or misconfigured"),
            _ => (false, false, "does not show whether the request was processed, and would be repeated"),
        };
        Self { not_processed, is_transient, why }
    }

    /// Returns the first status of each specific rule.
    fn statuses() -> impl Iterator<Item = StatusCode> {
        let all = (100..600).filter_map(|status| StatusCode::from_u16(status).ok());
        let mut previous = Self::of(StatusCode::CONTINUE);
        let other = previous;
        all.filter(move |status| {
            let rule = Self::of(*status);
            std::mem::replace(&mut previous, rule) != rule && rule != other
        })
    }
}

impl Failure {
    /// Returns a failure for each rule, for tables and exhaustive tests: each kind, each status with a specific rule, and some
    /// of the other statuses.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::NeverSent, Self::Unsendable, Self::MaybeSent];
        for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS] {
            all.extend([Self::ResponseBroken(status), Self::ResponseTooLarge(status)]);
        }
        all.extend([
            Self::Api(Refusal::InvalidKey, StatusCode::OK),
            Self::Api(Refusal::NoCredits, StatusCode::OK),
            Self::Api(Refusal::BadQuery, StatusCode::OK),
            Self::Api(Refusal::TooManyRequests, StatusCode::OK),
            Self::Api(Refusal::Unavailable, StatusCode::OK),
            Self::Api(Refusal::Other, StatusCode::NOT_FOUND),
            Self::Api(Refusal::Other, StatusCode::CONFLICT),
            Self::Api(Refusal::Other, StatusCode::OK),
            Self::Api(Refusal::Other, StatusCode::INTERNAL_SERVER_ERROR),
            Self::Api(Refusal::Other, StatusCode::SERVICE_UNAVAILABLE),
        ]);
        let others = [
            StatusCode::OK,
            StatusCode::FOUND,
            StatusCode::BAD_REQUEST,
            StatusCode::FORBIDDEN,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        ];
        all.extend(others.into_iter().chain(StatusRule::statuses()).map(Self::Unexpected));
        all.push(Self::Undecodable);
        all
    }

    /// Returns the failure of an error; `None` if the call was refused before an attempt.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        Some(match error.kind() {
            ErrorKind::InvalidQuery(_) | ErrorKind::CapReached(_) | ErrorKind::Store(_) => return None,
            ErrorKind::Transport(error) => Self::of_transport(error),
            ErrorKind::Api(error) => Self::Api(error.refusal(), error.response().status()),
            ErrorKind::UnexpectedResponse(error) => Self::Unexpected(error.response().status()),
            ErrorKind::Decode(_) => Self::Undecodable,
        })
    }

    fn of_transport(error: &TransportError) -> Self {
        match (error.delivery(), error.partial()) {
            (Delivery::NeverSent, _) if error.is_transient() => Self::NeverSent,
            (Delivery::NeverSent, _) => Self::Unsendable,
            (Delivery::ResponseStarted, Some(partial)) => {
                // A success body contradicts a refusing status, so the status is ignored.
                let is_success = probe::status(partial.body()) == Some(probe::Status::Ok);
                let status = if is_success { StatusCode::OK } else { partial.status() };
                if error.kind() == TransportErrorKind::BodyTooLarge {
                    Self::ResponseTooLarge(status)
                } else {
                    Self::ResponseBroken(status)
                }
            }
            (Delivery::MaybeSent | Delivery::ResponseStarted, _) => Self::MaybeSent,
        }
    }

    /// Returns whether the request certainly was not processed, and so was free.
    ///
    /// This holds if the request was never sent, for any 401 and 429, and for a refusal in the service's error envelope: by
    /// its status if that is a 4xx, else by its text ([`Refusal`]). It does not hold for a gateway's error page, since the
    /// gateway may have forwarded the request.
    pub fn not_processed(self) -> bool {
        match self {
            Self::NeverSent | Self::Unsendable => true,
            Self::ResponseBroken(status) | Self::ResponseTooLarge(status) | Self::Unexpected(status) => {
                StatusRule::of(status).not_processed
            }
            Self::Api(refusal, status) => refusal != Refusal::Other || status.is_client_error(),
            Self::MaybeSent | Self::Undecodable => false,
        }
    }

    /// Returns whether the service or a gateway refused the request because there were too many.
    pub(crate) fn is_too_many_requests(self) -> bool {
        match self {
            Self::ResponseBroken(status)
            | Self::ResponseTooLarge(status)
            | Self::Unexpected(status)
            | Self::Api(Refusal::Other, status) => status == StatusCode::TOO_MANY_REQUESTS,
            Self::Api(refusal, _) => refusal == Refusal::TooManyRequests,
            _ => false,
        }
    }

    /// Returns whether the same request may succeed later.
    pub fn is_transient(self) -> bool {
        match self {
            Self::NeverSent
            | Self::MaybeSent
            | Self::Api(Refusal::TooManyRequests | Refusal::Unavailable, _) => true,
            // A 401 would be repeated, whether or not its body is complete.
            Self::ResponseBroken(status) => status != StatusCode::UNAUTHORIZED,
            Self::Unexpected(status) | Self::Api(Refusal::Other, status) => {
                StatusRule::of(status).is_transient
            }
            // The body would be too large again. A 429 is temporary.
            Self::ResponseTooLarge(status) => status == StatusCode::TOO_MANY_REQUESTS,
            // An undecodable answer would be repeated, and may have been paid for.
            Self::Unsendable | Self::Api(_, _) | Self::Undecodable => false,
        }
    }

    /// Returns the credits of an attempt that failed in this way without a stated `op_cost`.
    pub fn credits(self, can_cost: bool) -> Credits {
        if can_cost && !self.not_processed() { Credits::Uncertain } else { Credits::NotCharged }
    }
}
