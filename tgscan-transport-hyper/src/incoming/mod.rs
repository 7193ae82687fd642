//! Reads a response body within its cap and deadline, and keeps all received bytes even if that fails.

mod buffer;
#[cfg(feature = "gzip")]
mod gzip;

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Response, Version};
use hyper::body::{Body, Incoming};
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};
use tokio::time::Sleep;

use self::buffer::Buffer;
#[cfg(feature = "gzip")]
pub use self::gzip::EncodedBody;
use crate::failure;
use crate::failure::BodyFailure;
use crate::limits::{Running, before};
use crate::restore::restore;

/// A response whose body is being read.
pub(crate) struct Reading {
    response: Response<Incoming>,
    buffer: Buffer,
    /// The body is compressed and will be expanded.
    is_compressed: bool,
    cap: usize,
    /// The length that the head announced, and the number of received bytes, both before expansion.
    announced: Option<u64>,
    received: u64,
}

impl Reading {
    /// Starts reading a body. The request accepted gzip if `accepts_gzip`.
    pub(crate) fn begin(mut response: Response<Incoming>, accepts_gzip: bool, cap: usize) -> Self {
        let announced = restore(&mut response).or_else(|| response.body().size_hint().exact());
        #[cfg(feature = "gzip")]
        let is_compressed = accepts_gzip && gzip::is_gzip(response.headers());
        #[cfg(not(feature = "gzip"))]
        let is_compressed = accepts_gzip;
        Self { response, buffer: Buffer::new(cap), is_compressed, cap, announced, received: 0 }
    }

    /// Receives the whole body, with the timer of the attempt.
    pub(crate) async fn finish(
        &mut self,
        running: Running<'_>,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<(), BodyFailure> {
        while !self.response.body().is_end_stream() {
            let frame = poll_fn(|context| Pin::new(self.response.body_mut()).poll_frame(context));
            match before(|| running.chunk_deadline(), timer.as_mut(), frame).await {
                Some(Some(Ok(frame))) => {
                    // Ignores trailers.
                    let Ok(data) = frame.into_data() else { continue };
                    self.received += data.len() as u64;
                    if !self.buffer.push(data) {
                        let body = if self.is_compressed { "compressed body" } else { "body" };
                        return Err(too_large(body, self.cap));
                    }
                }
                Some(None) => {
                    // hyper takes a reset or GOAWAY with the code `NO_ERROR` for the end of a body.
                    let is_cut = self.response.version() == Version::HTTP_2 && !self.is_at_end();
                    if is_cut && self.announced.is_none() {
                        let text = "the server ended the stream before the end of the body";
                        return Err(BodyFailure::new(Kind::Broken, text));
                    }
                    break;
                }
                Some(Some(Err(error))) => return Err(failure::in_body(error, self.received, self.announced)),
                None => {
                    let passed = running.passed(timer.deadline());
                    return Err(BodyFailure::new(Kind::Timeout, format!("{passed} within the body")));
                }
            }
        }
        match self.announced {
            Some(announced) if self.received < announced => {
                Err(failure::short_body(self.received, announced))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the whole body was received, even if it was not accepted.
    pub(crate) fn is_at_end(&self) -> bool {
        self.response.body().is_end_stream()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the response with its whole body, or an error with the received part.
    pub(crate) fn into_answer(
        self,
        ended: Result<(), BodyFailure>,
    ) -> Result<Response<Bytes>, TransportError> {
        let Self { response, buffer, .. } = self;
        let response = response.map(|_| buffer.into_bytes());
        #[cfg(feature = "gzip")]
        let (mut response, mut ended) = (response, ended);
        #[cfg(feature = "gzip")]
        if self.is_compressed {
            ended = gzip::expand(&mut response, ended, self.cap);
        }
        match ended {
            Ok(()) => Ok(response),
            Err(BodyFailure { kind, source, is_trusted }) => {
                let error = TransportError::response_started(response, source).with_kind(kind);
                Err(if is_trusted { error.with_trusted_text() } else { error })
            }
        }
    }
}

/// Reports a body that exceeds its cap.
fn too_large(body: &str, cap: usize) -> BodyFailure {
    let text = format!("the {body} is larger than `max_body_size` ({cap} bytes)");
    BodyFailure::new(Kind::BodyTooLarge, text)
}
