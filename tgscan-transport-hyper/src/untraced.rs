//! Replaces `traced` in builds without the feature `tracing`.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Api, TransportError};

type Answer = Result<Response<Bytes>, TransportError>;

/// Returns the API unchanged.
pub(crate) fn with_attempt_extension(api: Api) -> Api {
    api
}

/// Returns the task unchanged.
pub(crate) fn in_current_span<F>(task: F) -> F {
    task
}

/// Stands for the span of an attempt.
pub(crate) struct AttemptSpan(());

impl AttemptSpan {
    pub(crate) fn of(_: &Request<Bytes>) -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "with the feature `tracing` this is a span")]
    pub(crate) fn around<F: Future<Output = Answer>>(self, attempt: F) -> F {
        attempt
    }
}
