//! The compression setting of the builder.

use super::HyperTransportBuilder;
use crate::incoming::Coding;

impl HyperTransportBuilder {
    /// Requests gzip-compressed answers and expands them. Default: `false`, because enabling a Cargo feature should not
    /// change requests.
    ///
    /// [`max_body_size`](Self::max_body_size) limits both the compressed and the expanded body. An answer that expands
    /// beyond it fails with an error that names the limit and keeps the part that was expanded. Replies and errors have
    /// the expanded body, without the `content-encoding` and `content-length` of the compressed one. The answer is
    /// returned unchanged if the request already has an `accept-encoding`, or if the answer has another coding.
    ///
    /// Padding after the compressed body is ignored. If the body is not gzip despite its `content-encoding`, the error names
    /// the coding and has the body and headers as received. If the body turns invalid midway, the error has the expanded part,
    /// and the received bytes as [`EncodedBody`](crate::EncodedBody).
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// // Receives at most 1 MiB, and expands it to at most 1 MiB.
    /// let transport = HyperTransport::builder().gzip(true).max_body_size(1 << 20).build()?;
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn gzip(mut self, enable: bool) -> Self {
        self.coding = if enable { Coding::Gzip } else { Coding::Identity };
        self
    }
}
