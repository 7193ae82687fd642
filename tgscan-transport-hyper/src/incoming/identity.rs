//! Collects bodies without expansion, in builds without the feature `gzip`.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::BodyError;
use super::buffer::Buffer;

/// Always identity without the feature `gzip`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Coding(());

impl Coding {
    pub(crate) fn ask(self, _: &mut HeaderMap) -> Self {
        self
    }
}

/// A body as received.
pub(super) struct Content {
    buffer: Buffer,
    cap: usize,
}

impl Content {
    pub(super) fn of(_: &mut HeaderMap, _: Coding, cap: usize) -> Self {
        Self { buffer: Buffer::new(cap), cap }
    }

    pub(super) fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        if self.buffer.push(data) { Ok(()) } else { Err(BodyError::too_large("body", self.cap)) }
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with the feature `gzip` this can fail"
    )]
    pub(super) fn end(&mut self) -> Result<(), BodyError> {
        Ok(())
    }

    pub(super) fn into_response<B>(self, response: Response<B>, _: bool) -> Response<Bytes> {
        response.map(|_| self.buffer.into_bytes())
    }
}
