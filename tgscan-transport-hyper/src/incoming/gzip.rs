//! Bodies that may be compressed with gzip: expanded as they come, so that a bomb is stopped at the cap.

use std::{fmt, io};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, Entry};
use http::{HeaderMap, HeaderValue, Response};
use tgscan_core::transport::TransportErrorKind as Kind;

use super::Unfit;
use super::kept::Kept;
use super::members::Members;

/// How a request allows its answer to be coded.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it comes.
    #[default]
    Identity,
    /// Compressed with gzip, and expanded here.
    Gzip,
}

impl Coding {
    /// Says so in the request. One that says something itself gets what it asks for, unchanged.
    pub(crate) fn ask(self, headers: &mut HeaderMap) -> Self {
        if self == Self::Identity || headers.contains_key(ACCEPT_ENCODING) {
            return Self::Identity;
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        self
    }
}

/// Whether a body is coded with gzip and nothing else. The list can stand in several lines, and `identity` is no coding.
fn is_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).into_iter().map(HeaderValue::as_bytes);
    let codings = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut codings =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    // RFC 9110, 8.4.1.3, for the second name.
    let is_gzip =
        |coding: &[u8]| coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
    codings.next().is_some_and(is_gzip) && codings.next().is_none()
}

/// A body, expanded if it is compressed.
pub(super) enum Content {
    Plain { kept: Kept, cap: usize },
    Gzip(Box<Gzip>),
}

impl Content {
    /// Headers that are about the compressed body go away with it.
    pub(super) fn of(headers: &mut HeaderMap, coding: Coding, cap: usize) -> Self {
        if coding == Coding::Identity || !is_gzip(headers) {
            return Self::Plain { kept: Kept::new(cap), cap };
        }
        let mut about = HeaderMap::new();
        for name in [CONTENT_ENCODING, CONTENT_LENGTH] {
            if let Entry::Occupied(entry) = headers.entry(&name) {
                about.extend(entry.remove_entry_mult().1.map(|value| (name.clone(), value)));
            }
        }
        Self::Gzip(Box::new(Gzip {
            members: Members::new(cap),
            coded: Kept::new(cap),
            about,
            cap,
            is_failed: false,
        }))
    }

    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Unfit> {
        match self {
            Self::Plain { kept, cap } => {
                if kept.push(data) {
                    Ok(())
                } else {
                    Err(Unfit::too_large("body", *cap))
                }
            }
            Self::Gzip(gzip) => gzip.push(data),
        }
    }

    /// Whether the body is complete, when no more comes.
    pub(super) fn end(&mut self) -> Result<(), Unfit> {
        match self {
            // Nothing at all is an empty body, such as that of a 204.
            Self::Gzip(gzip) if gzip.coded.len() > 0 => gzip.end(),
            Self::Plain { .. } | Self::Gzip(_) => Ok(()),
        }
    }

    /// The response with its body, or with what there is of it.
    pub(super) fn into_response<B>(self, mut response: Response<B>, is_whole: bool) -> Response<Bytes> {
        match self {
            Self::Plain { kept, .. } => response.map(|_| kept.into_bytes()),
            Self::Gzip(gzip) => {
                let Gzip { mut members, coded, about, is_failed, .. } = *gzip;
                let (expanded, body) = (members.expanded().into_bytes(), coded.into_bytes());
                if is_whole {
                    return response.map(|_| expanded);
                }
                // A body that broke off within the first bytes of gzip has no beginning yet.
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
    members: Members,
    /// As it came.
    coded: Kept,
    /// The headers that are about the compressed body.
    about: HeaderMap,
    cap: usize,
    /// It is no gzip, or stopped to be gzip.
    is_failed: bool,
}

impl Gzip {
    fn push(&mut self, mut data: Bytes) -> Result<(), Unfit> {
        let room = self.cap - self.coded.len();
        let fits = self.coded.push(data.clone());
        data.truncate(room);
        self.members.push(&data).map_err(|error| self.unfit(&error))?;
        if fits { Ok(()) } else { Err(Unfit::too_large("compressed body", self.cap)) }
    }

    fn end(&mut self) -> Result<(), Unfit> {
        self.members.end().map_err(|error| self.unfit(&error))
    }

    fn unfit(&mut self, error: &io::Error) -> Unfit {
        if self.members.is_over() {
            return Unfit::too_large("expanded body", self.cap);
        }
        self.is_failed = true;
        // What is cut was complete once, and what is none never was.
        let kind = if error.kind() == io::ErrorKind::UnexpectedEof { Kind::Broken } else { Kind::Other };
        Unfit { kind, why: format!("the body does not decode from its content coding `gzip`: {error}") }
    }
}

/// A compressed body that did not expand to its end, as it came; in the extensions of a
/// [partial response](tgscan_core::TransportError::partial) whose body is the part that could be expanded.
///
/// Where nothing could be expanded because the body is not gzip at all there is none, and the partial response itself has body and headers as they came.
#[derive(Clone)]
#[non_exhaustive]
pub struct EncodedBody {
    /// The headers that are about it: `content-encoding` and `content-length`.
    pub headers: HeaderMap,
    /// The compressed bytes, up to the cap.
    pub body: Bytes,
}

impl fmt::Debug for EncodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the answer.
        f.debug_struct("EncodedBody").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
