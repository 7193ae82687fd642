//! Expands gzip-compressed bodies, up to the cap.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, Entry};
use http::{HeaderMap, HeaderValue, Response};
use tgscan_core::transport::TransportErrorKind as Kind;

use super::too_large;
use crate::failure::BodyFailure;

/// The first bytes of a member (RFC 1952, 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Returns whether gzip is the only coding of a body. The list may span several headers, and `identity` does not count.
pub(super) fn is_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).into_iter().map(HeaderValue::as_bytes);
    let codings = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut codings =
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    // `x-gzip`: RFC 9110, 8.4.1.3.
    let is_gzip =
        |coding: &[u8]| coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
    codings.next().is_some_and(is_gzip) && codings.next().is_none()
}

/// Expands the body of a response and removes the headers that describe the compressed one. `ended` is the result of receiving
/// the body. If it is not gzip at all, the response keeps its body and headers.
pub(super) fn expand(
    response: &mut Response<Bytes>,
    ended: Result<(), BodyFailure>,
    cap: usize,
) -> Result<(), BodyFailure> {
    let received = response.body().clone();
    let (mut expanded, decoded) = expanded(&received, cap);
    // A body that broke off within the gzip header is not invalid.
    let is_invalid = decoded.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof);
    let ended = ended.and_then(|()| match decoded {
        Ok(()) => Ok(()),
        Err(_) if expanded.len() > cap => Err(too_large("expanded body", cap)),
        Err(error) => Err(undecodable(&error)),
    });
    if is_invalid && expanded.is_empty() {
        return ended;
    }
    let mut headers = HeaderMap::new();
    for name in [CONTENT_ENCODING, CONTENT_LENGTH] {
        if let Entry::Occupied(entry) = response.headers_mut().entry(&name) {
            headers.extend(entry.remove_entry_mult().1.map(|value| (name.clone(), value)));
        }
    }
    expanded.truncate(cap);
    *response.body_mut() = expanded.into();
    if ended.is_err() {
        response.extensions_mut().insert(EncodedBody { headers, body: received });
    }
    ended
}

/// Expands the members of a gzip body, at most to one byte beyond the cap. Ignores other bytes after the last member, such as
/// padding, as gzip itself does. No bytes are an empty body, such as that of a 204.
fn expanded(mut body: &[u8], cap: usize) -> (Vec<u8>, io::Result<()>) {
    let mut expanded = Vec::new();
    if body.is_empty() {
        return (expanded, Ok(()));
    }
    loop {
        let room = (cap - expanded.len()) as u64;
        let mut member = GzDecoder::new(body).take(room.saturating_add(1));
        if let Err(error) = member.read_to_end(&mut expanded) {
            return (expanded, Err(error));
        }
        if expanded.len() > cap {
            return (expanded, Err(io::Error::other("over the cap")));
        }
        body = member.into_inner().into_inner();
        if !body.starts_with(&MAGIC) {
            return (expanded, Ok(()));
        }
    }
}

fn undecodable(error: &io::Error) -> BodyFailure {
    let (kind, fault) = match error.kind() {
        // A truncated body was valid gzip when it was sent.
        io::ErrorKind::UnexpectedEof => (Kind::Broken, "it is truncated".to_owned()),
        _ => (Kind::Other, error.to_string()),
    };
    BodyFailure::new(kind, format!("the body does not decode from its content coding `gzip`: {fault}"))
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
