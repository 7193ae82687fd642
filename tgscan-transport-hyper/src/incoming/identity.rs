//! Bodies in a build without the feature `gzip`: as they come.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::Unfit;
use super::kept::Kept;

/// Nothing to choose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Coding(());

impl Coding {
    pub(crate) fn ask(self, _: &mut HeaderMap) -> Self {
        self
    }
}

/// A body as it comes.
pub(super) struct Content {
    kept: Kept,
    cap: usize,
}

impl Content {
    pub(super) fn of(_: &mut HeaderMap, _: Coding, cap: usize) -> Self {
        Self { kept: Kept::new(cap), cap }
    }

    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Unfit> {
        if self.kept.push(data) { Ok(()) } else { Err(Unfit::too_large("body", self.cap)) }
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with the feature `gzip` this can fail"
    )]
    pub(super) fn end(&mut self) -> Result<(), Unfit> {
        Ok(())
    }

    pub(super) fn into_response<B>(self, response: Response<B>, _: bool) -> Response<Bytes> {
        response.map(|_| self.kept.into_bytes())
    }
}
