//! What a content coding failed on.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;

/// A compressed body that did not expand to its end, as it came; in the extensions of a
/// [partial response](tgscan_core::TransportError::partial) whose body is the part that could be expanded.
///
/// Where nothing could be expanded because the body is not gzip at all there is none, and the partial response itself has body and headers as they came.
#[derive(Clone)]
#[non_exhaustive]
pub struct EncodedBody {
    /// The headers that are about it: `content-encoding` and `content-length`.
    pub headers: HeaderMap,
    /// The compressed bytes, up to the cap.
    pub body: Bytes,
}

impl fmt::Debug for EncodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the answer.
        f.debug_struct("EncodedBody").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
