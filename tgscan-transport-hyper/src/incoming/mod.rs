//! Reads a response body within its cap and deadline, and keeps all received bytes even if that fails.

mod buffer;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(not(feature = "gzip"))]
mod identity;
#[cfg(feature = "gzip")]
mod members;

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::{Response, Version};
use hyper::body::{Body, Incoming};
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};
use tokio::time::Sleep;

#[cfg(feature = "gzip")]
pub(crate) use self::gzip::Coding;
#[cfg(feature = "gzip")]
use self::gzip::Content;
#[cfg(feature = "gzip")]
pub use self::gzip::EncodedBody;
#[cfg(not(feature = "gzip"))]
pub(crate) use self::identity::Coding;
#[cfg(not(feature = "gzip"))]
use self::identity::Content;
use crate::failure::BodyFailure;
use crate::limits::{Running, Stage, before};
use crate::{failure, frames};

/// A body that exceeds its cap or does not decode.
struct BodyError {
    kind: Kind,
    why: String,
}

impl From<BodyError> for BodyFailure {
    fn from(error: BodyError) -> Self {
        Self { kind: error.kind, source: error.why.into(), is_trusted: true }
    }
}

impl BodyError {
    fn too_large(body: &str, cap: usize) -> Self {
        Self {
            kind: Kind::BodyTooLarge,
            why: format!("the {body} is larger than `max_body_size` ({cap} bytes)"),
        }
    }
}

/// A response whose body is being read.
pub(crate) struct Reading {
    response: Response<Incoming>,
    content: Content,
    /// The length that the head announced, and the number of received bytes, both before expansion.
    announced: Option<u64>,
    received: u64,
}

impl Reading {
    /// Starts reading a body. `coding` is the one that the request accepted.
    pub(crate) fn begin(mut response: Response<Incoming>, coding: Coding, cap: usize) -> Self {
        let announced = match response.version() {
            Version::HTTP_2 => frames::restore_length(&mut response),
            _ => response.body().size_hint().exact(),
        };
        let content = Content::of(response.headers_mut(), coding, cap);
        Self { response, content, announced, received: 0 }
    }

    /// Reads the whole body, with the timer of the attempt.
    pub(crate) async fn finish(
        &mut self,
        running: Running<'_>,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<(), BodyFailure> {
        while !self.response.body().is_end_stream() {
            let frame = poll_fn(|context| Pin::new(self.response.body_mut()).poll_frame(context));
            match before(|| running.deadline(Stage::Chunk), timer.as_mut(), frame).await {
                Some(Some(Ok(frame))) => {
                    // Ignores trailers.
                    if let Ok(data) = frame.into_data() {
                        self.received += data.len() as u64;
                        self.content.push(data)?;
                    }
                }
                Some(None) => break,
                Some(Some(Err(error))) => return Err(failure::in_body(error, self.received, self.announced)),
                None => {
                    let passed = running.passed(timer.deadline(), Stage::Chunk);
                    let source = format!("{passed} within the body").into();
                    return Err(BodyFailure { kind: Kind::Timeout, source, is_trusted: true });
                }
            }
        }
        if let Some(announced) = self.announced.filter(|announced| self.received < *announced) {
            return Err(failure::short_body(self.received, announced));
        }
        Ok(self.content.end()?)
    }

    /// Returns whether the whole body was received, even if it was not accepted.
    pub(crate) fn is_at_end(&self) -> bool {
        self.response.body().is_end_stream()
    }

    /// Returns the response with its whole body, or an error with the received part.
    pub(crate) fn into_answer(
        self,
        ended: Result<(), BodyFailure>,
    ) -> Result<Response<Bytes>, TransportError> {
        let Self { response, content, .. } = self;
        let response = content.into_response(response, ended.is_ok());
        match ended {
            Ok(()) => Ok(response),
            Err(BodyFailure { kind, source, is_trusted }) => {
                let error = TransportError::response_started(response, source).with_kind(kind);
                Err(if is_trusted { error.with_trusted_text() } else { error })
            }
        }
    }
}
