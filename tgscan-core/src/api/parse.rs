//! Parses responses.

use bytes::Bytes;
use http::Response;
use tgscan_types::{ApiMethod, Envelope, repair_json};

use super::{Api, form};
use crate::error::{
    ApiError, Error, ErrorKind, InvalidResponse, ReadError, is_object, read_text, read_tracked,
};
use crate::panics::catch;
use crate::redact::Redactor;
use crate::retry::Failure;
use crate::success::Success;
use crate::{Credits, Reply, TransportError, probe};

impl Api {
    /// Parses the response to a request built by [`request`](Self::request). **Bypasses the ledger**: the reply or error
    /// states the cost, but it is not booked. The reply or error keeps the whole response.
    ///
    /// # Errors
    /// If the response is not a successful envelope whose answer matches the schema.
    // Inlined, because a reply is expensive to move.
    #[inline]
    pub fn parse<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, Error> {
        match read_success::<M>(response.body()) {
            Ok(Some(answer)) => Ok(self.reply(method, answer, response)),
            Ok(None) | Err(_) => self.parse_repaired(method, response),
        }
    }

    /// Parses a response that is not a valid success, after repairing its JSON if possible.
    #[cold]
    fn parse_repaired<M: ApiMethod>(
        &self,
        method: &M,
        response: Response<Bytes>,
    ) -> Result<Reply<M::Answer>, Error> {
        let repaired = repair_json(response.body());
        if let Some(Ok(Some(answer))) = repaired.as_deref().map(read_success::<M>) {
            return Ok(self.reply(method, answer, response));
        }
        let body = repaired.map_or_else(|| response.body().clone(), Bytes::from);
        Err(self.explain(method, &body, response))
    }

    /// Parses the outcome of a request for which the transport returned an error.
    ///
    /// A body that was complete before the failure is parsed as usual, because JSON is self-delimiting.
    pub(crate) fn parse_failed<M: ApiMethod>(
        &self,
        method: &M,
        mut error: TransportError,
    ) -> Result<Reply<M::Answer>, Error> {
        if error.partial().is_some_and(|partial| is_object(partial.body())) {
            if let Some(response) = error.take_partial() {
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
        // "Results of test methods contain random data", including the echo.
        let is_mismatched =
            !self.calls_test_method::<M>() && !catch(|| method.is_answered_by(&answer)).unwrap_or(true);
        Reply::new(answer, credits, is_mismatched, response)
    }

    /// Parses a failed response a second time, to find the kind and the place of the problem. `body` is the repaired body,
    /// of the same length.
    fn explain<M: ApiMethod>(&self, method: &M, body: &Bytes, response: Response<Bytes>) -> Error {
        let form = form(method);
        let redactor = Redactor::new(&self.shared.key, &form);
        let classifier = self.shared.classifier;
        let api = |message, response| ErrorKind::Api(ApiError::new(message, response, &redactor, classifier));
        let problem = match guard(|| read_tracked::<M::Answer>(body)) {
            Ok(Ok(Envelope::Error(result))) => return self.error::<M>(api(result.message, response)),
            Ok(Err(problem)) | Err(problem) => problem.redact(&redactor),
            // Both passes use the same types, so only a non-deterministic deserializer gets here.
            Ok(Ok(Envelope::Ok(_))) => ReadError::unstable(),
        };
        let kind = match probe::status(body) {
            Some(probe::Status::Ok) => ErrorKind::Decode(InvalidResponse::undecodable(problem, response)),
            // An error without the service's message is from a gateway: `{"status":"error","message":…}`.
            Some(probe::Status::Error) | None => {
                ErrorKind::UnexpectedResponse(InvalidResponse::unexpected(problem, response, &redactor))
            }
        };
        self.error::<M>(kind)
    }

    /// Creates the error of an attempt, with the stated cost or the credits that the failure implies. If a cost is stated
    /// but cannot be read, it is uncertain.
    pub(crate) fn error<M: ApiMethod>(&self, kind: ErrorKind) -> Error {
        let error = Error::new(M::NAME, kind, Credits::NotCharged, 1);
        let body = error.response().map(Response::body);
        let op_cost = body.and_then(|body| probe::op_cost(body));
        let is_unread = op_cost.is_none() && body.is_some_and(|body| probe::mentions_cost(body));
        let failure = Failure::of(&error).filter(|_| !is_unread);
        let credits = self.credits::<M>(op_cost, failure);
        error.with_credits(credits)
    }

    /// Returns the cost of an attempt. A test method is free; the `op_cost` of its answer is random.
    fn credits<M: ApiMethod>(&self, op_cost: Option<u64>, failure: Option<Failure>) -> Credits {
        match (op_cost, failure) {
            _ if self.calls_test_method::<M>() => Credits::NotCharged,
            (Some(op_cost), _) => Credits::from_op_cost(op_cost),
            (None, Some(failure)) => failure.credits(self.can_cost::<M>()),
            (None, None) if self.can_cost::<M>() => Credits::Uncertain,
            (None, None) => Credits::NotCharged,
        }
    }
}

/// Parses a body that is exactly a successful envelope. Returns an error if the deserializer of the answer panicked.
#[inline]
fn read_success<M: ApiMethod>(body: &[u8]) -> Result<Option<M::Answer>, ReadError> {
    // Checking the whole body as UTF-8 first makes parsing a sixth faster than parsing bytes.
    let Ok(text) = read_text(body) else { return Ok(None) };
    guard(|| serde_json::from_str(text).ok().map(|Success(answer)| answer))
}

/// Runs the deserializer of an answer's type, whose panic must not lose the response.
#[inline]
fn guard<T>(read: impl FnOnce() -> T) -> Result<T, ReadError> {
    catch(read).ok_or_else(ReadError::panicked)
}
