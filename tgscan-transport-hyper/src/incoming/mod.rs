//! Reads a response's body, within its cap and the deadline, and keeps what came whatever happens.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(not(feature = "gzip"))]
mod identity;
mod kept;
#[cfg(feature = "gzip")]
mod members;

use std::error::Error as StdError;
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
use crate::limits::{Running, Stage, before};
use crate::{failure, frames};

/// Why a body cannot be kept as it comes.
struct Unfit {
    kind: Kind,
    why: String,
}

impl From<Unfit> for Failed {
    fn from(unfit: Unfit) -> Self {
        Self { kind: unfit.kind, source: unfit.why.into(), is_trusted: true }
    }
}

impl Unfit {
    fn too_large(what: &str, cap: usize) -> Self {
        Self {
            kind: Kind::BodyTooLarge,
            why: format!("the {what} is larger than `max_body_size` ({cap} bytes)"),
        }
    }
}

/// How the reading of a body failed.
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
    /// Nothing in it is of the other side.
    pub(crate) is_trusted: bool,
}

/// A response whose body is being read.
pub(crate) struct Reading {
    response: Response<Incoming>,
    content: Content,
    /// The length that the head announced, and how much came, both as it is on the wire.
    announced: Option<u64>,
    received: u64,
}

impl Reading {
    /// `coding` says how the request allowed the body to be coded.
    pub(crate) fn begin(mut response: Response<Incoming>, coding: Coding, cap: usize) -> Self {
        let announced = match response.version() {
            Version::HTTP_2 => frames::restore_length(&mut response),
            _ => response.body().size_hint().exact(),
        };
        let content = Content::of(response.headers_mut(), coding, cap);
        Self { response, content, announced, received: 0 }
    }

    /// Reads all of it; `timer` is that of the attempt.
    pub(crate) async fn finish(
        &mut self,
        running: Running<'_>,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<(), Failed> {
        while !self.response.body().is_end_stream() {
            let frame = poll_fn(|context| Pin::new(self.response.body_mut()).poll_frame(context));
            match before(|| running.deadline(Stage::Piece), timer.as_mut(), frame).await {
                Some(Some(Ok(frame))) => {
                    // Trailers are no part of the answer.
                    if let Ok(data) = frame.into_data() {
                        self.received += data.len() as u64;
                        self.content.push(data)?;
                    }
                }
                Some(None) => break,
                Some(Some(Err(error))) => return Err(failure::in_body(error, self.received, self.announced)),
                None => {
                    let passed = running.passed(timer.deadline(), Stage::Piece);
                    let source = format!("{passed} within the body").into();
                    return Err(Failed { kind: Kind::Timeout, source, is_trusted: true });
                }
            }
        }
        if let Some(announced) = self.announced.filter(|announced| self.received < *announced) {
            return Err(failure::short_body(self.received, announced));
        }
        Ok(self.content.end()?)
    }

    /// Whether all of it came, whatever became of it here.
    pub(crate) fn is_at_end(&self) -> bool {
        self.response.body().is_end_stream()
    }

    /// The response with its whole body, or what is there of it.
    pub(crate) fn into_answer(self, ended: Result<(), Failed>) -> Result<Response<Bytes>, TransportError> {
        let Self { response, content, .. } = self;
        let response = content.into_response(response, ended.is_ok());
        match ended {
            Ok(()) => Ok(response),
            Err(Failed { kind, source, is_trusted }) => {
                let error = TransportError::response_started(response, source).with_kind(kind);
                Err(if is_trusted { error.with_trusted_text() } else { error })
            }
        }
    }
}
