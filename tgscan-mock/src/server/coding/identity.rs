//! Uncompressed answers, for a build without the feature `gzip`.

use http::HeaderMap;

use crate::engine::Wire;
use crate::server::connections::Connections;

/// The only content coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentCoding(());

#[expect(clippy::unused_self, reason = "same signatures as with the feature `gzip`")]
impl ContentCoding {
    pub(in crate::server) fn accepted_by(self, _: &HeaderMap) -> Self {
        self
    }

    pub(in crate::server) fn apply(self, wire: Wire, _: &Connections) -> Wire {
        wire
    }

    /// Returns white space, which JSON allows everywhere.
    pub(in crate::server) fn filler(self) -> &'static [u8] {
        b" "
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn with_readable_part(self, wire: Wire) -> Wire {
        wire
    }
}
