//! Expands gzip-compressed bodies while they are received, so that a decompression bomb stops at the cap.

use std::{fmt, io};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, Entry};
use http::{HeaderMap, HeaderValue, Response};
use tgscan_core::transport::TransportErrorKind as Kind;

use super::BodyError;
use super::buffer::Buffer;
use super::members::MemberDecoder;

/// The content coding that a request accepts.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    Identity,
    Gzip,
}

impl Coding {
    /// Adds `accept-encoding`, and returns the coding to expand: identity if the request already has that header.
    pub(crate) fn ask(self, headers: &mut HeaderMap) -> Self {
        if self == Self::Identity || headers.contains_key(ACCEPT_ENCODING) {
            return Self::Identity;
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        self
    }
}

/// Returns whether gzip is the only coding of a body. The list may span several headers, and `identity` does not count.
fn is_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).into_iter().map(HeaderValue::as_bytes);
    let codings = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut codings =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    // `x-gzip`: RFC 9110, 8.4.1.3.
    let is_gzip =
        |coding: &[u8]| coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
    codings.next().is_some_and(is_gzip) && codings.next().is_none()
}

/// A body, expanded if it is gzip.
pub(super) enum Content {
    Plain { buffer: Buffer, cap: usize },
    Gzip(Box<Gzip>),
}

impl Content {
    /// Creates an empty body. Removes the headers that describe a compressed body.
    pub(super) fn of(headers: &mut HeaderMap, coding: Coding, cap: usize) -> Self {
        if coding == Coding::Identity || !is_gzip(headers) {
            return Self::Plain { buffer: Buffer::new(cap), cap };
        }
        let mut about = HeaderMap::new();
        for name in [CONTENT_ENCODING, CONTENT_LENGTH] {
            if let Entry::Occupied(entry) = headers.entry(&name) {
                about.extend(entry.remove_entry_mult().1.map(|value| (name.clone(), value)));
            }
        }
        Self::Gzip(Box::new(Gzip {
            members: MemberDecoder::new(cap),
            compressed: Buffer::new(cap),
            about,
            cap,
            is_failed: false,
        }))
    }

    pub(super) fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        match self {
            Self::Plain { buffer, cap } => {
                if buffer.push(data) {
                    Ok(())
                } else {
                    Err(BodyError::too_large("body", *cap))
                }
            }
            Self::Gzip(gzip) => gzip.push(data),
        }
    }

    /// Checks after the last byte that the body is complete.
    pub(super) fn end(&mut self) -> Result<(), BodyError> {
        match self {
            // No bytes are an empty body, such as that of a 204.
            Self::Gzip(gzip) if gzip.compressed.len() > 0 => gzip.end(),
            Self::Plain { .. } | Self::Gzip(_) => Ok(()),
        }
    }

    /// Returns the response with its body, or with the received part.
    pub(super) fn into_response<B>(self, mut response: Response<B>, is_whole: bool) -> Response<Bytes> {
        match self {
            Self::Plain { buffer, .. } => response.map(|_| buffer.into_bytes()),
            Self::Gzip(gzip) => {
                let Gzip { mut members, compressed, about, is_failed, .. } = *gzip;
                let (expanded, body) = (members.expanded().into_bytes(), compressed.into_bytes());
                if is_whole {
                    return response.map(|_| expanded);
                }
                // A body that is not gzip. One that broke off within the gzip header is not a failure of the coding.
                if is_failed && expanded.is_empty() {
                    response.headers_mut().extend(about);
                    return response.map(|_| body);
                }
                response.extensions_mut().insert(EncodedBody { headers: about, body });
                response.map(|_| expanded)
            }
        }
    }
}

pub(super) struct Gzip {
    members: MemberDecoder,
    /// The bytes as received.
    compressed: Buffer,
    /// The headers that describe the compressed body.
    about: HeaderMap,
    cap: usize,
    /// The bytes are not valid gzip.
    is_failed: bool,
}

impl Gzip {
    fn push(&mut self, mut data: Bytes) -> Result<(), BodyError> {
        let room = self.cap - self.compressed.len();
        let fits = self.compressed.push(data.clone());
        data.truncate(room);
        self.members.push(&data).map_err(|error| self.body_error(&error))?;
        if fits { Ok(()) } else { Err(BodyError::too_large("compressed body", self.cap)) }
    }

    fn end(&mut self) -> Result<(), BodyError> {
        self.members.end().map_err(|error| self.body_error(&error))
    }

    fn body_error(&mut self, error: &io::Error) -> BodyError {
        if self.members.is_over_cap() {
            return BodyError::too_large("expanded body", self.cap);
        }
        self.is_failed = true;
        // A truncated body was valid gzip when it was sent.
        let kind = if error.kind() == io::ErrorKind::UnexpectedEof { Kind::Broken } else { Kind::Other };
        BodyError { kind, why: format!("the body does not decode from its content coding `gzip`: {error}") }
    }
}

/// The received bytes of a compressed body that could not be expanded completely.
///
/// Stored in the extensions of a [partial response](tgscan_core::TransportError::partial), whose body is the expanded part. If
/// the body is not gzip at all, the partial response itself has the body and headers as received, and no `EncodedBody`.
#[derive(Clone)]
#[non_exhaustive]
pub struct EncodedBody {
    /// The headers that describe the compressed body: `content-encoding` and `content-length`.
    pub headers: HeaderMap,
    /// The compressed bytes, up to the cap.
    pub body: Bytes,
}

impl fmt::Debug for EncodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the body, which is the answer.
        f.debug_struct("EncodedBody").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
