//! The setting of compression.

use super::HyperTransportBuilder;
use crate::incoming::Coding;

impl HyperTransportBuilder {
    /// Asks for answers that are compressed with gzip, and expands them. Default: `false`, because a Cargo feature that
    /// another crate turns on should not change what is sent.
    ///
    /// [`max_body_size`](Self::max_body_size) holds for the compressed and for the expanded body, so that a small answer that
    /// expands without end is an error that names the cap and keeps the expanded beginning. Replies and errors have the
    /// expanded body, and no `content-encoding` and `content-length` any more, which were those of the compressed one.
    /// A request with an `accept-encoding` of its own gets its answer as it comes, and so does one whose answer is coded
    /// in another way than asked for, with its `content-encoding`.
    ///
    /// What stands behind the compressed body, such as padding, is passed over. A body that is not gzip although its
    /// `content-encoding` says so is an error that names the coding and has the body and the headers as they came; one
    /// that stops to be gzip has what could be expanded, and [`EncodedBody`](crate::EncodedBody) beside it.
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// // At most 1 MiB comes over the line, and at most 1 MiB of text out of it.
    /// let transport = HyperTransport::builder().gzip(true).max_body_size(1 << 20).build()?;
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn gzip(mut self, ask: bool) -> Self {
        self.coding = if ask { Coding::Gzip } else { Coding::Identity };
        self
    }
}
