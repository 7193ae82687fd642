//! Answers as they are, in a build without the feature `gzip`.

use http::HeaderMap;

use crate::engine::Wire;
use crate::server::connections::Connections;

/// Nothing to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coding(());

#[expect(clippy::unused_self, reason = "with the feature `gzip` all of it depends on the coding")]
impl Coding {
    pub(in crate::server) fn asked_by(self, _: &HeaderMap) -> Self {
        self
    }

    pub(in crate::server) fn apply(self, wire: Wire, _: &Connections) -> Wire {
        wire
    }

    /// White space, which JSON takes everywhere.
    pub(in crate::server) fn filler(self) -> &'static [u8] {
        b" "
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn legible(self, wire: Wire) -> Wire {
        wire
    }
}
