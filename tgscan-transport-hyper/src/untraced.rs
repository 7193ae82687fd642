//! A build without the feature `tracing`: attempts run as they are.

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Api, TransportError};

type Answer = Result<Response<Bytes>, TransportError>;

/// Nothing reads what requests would be marked with.
pub(crate) fn marked(api: Api) -> Api {
    api
}

/// There are no spans.
pub(crate) fn in_current_span<F>(task: F) -> F {
    task
}

/// Nothing to tell.
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
