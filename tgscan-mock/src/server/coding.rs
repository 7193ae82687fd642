//! Compression with gzip for clients that accept it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue, Response};

use crate::engine::Wire;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    #[default]
    Identity,
    Gzip,
}

/// An empty gzip member, which adds no content after a compressed body (RFC 1952, 2.2).
const EMPTY_MEMBER: [u8; 20] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl ContentCoding {
    /// Returns this coding if the request accepts it (RFC 9110, 12.5.3).
    pub(crate) fn accepted_by(self, headers: &HeaderMap) -> Self {
        let codings = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let takes_gzip = codings.flat_map(|value| value.split(',')).any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let is_gzip = ["gzip", "x-gzip", "*"].iter().any(|known| name.trim().eq_ignore_ascii_case(known));
            // A weight of zero forbids it.
            let weight =
                weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
            is_gzip && weight != Some(0.0)
        });
        if takes_gzip { self } else { Self::Identity }
    }

    /// Compresses the body. The length of a partial body counts compressed bytes.
    pub(super) fn apply(self, wire: Wire) -> Wire {
        if self == Self::Identity {
            return wire;
        }
        match wire {
            Wire::Whole(response) => Wire::Whole(coded(response)),
            Wire::Slow(response) => Wire::Slow(coded(response)),
            Wire::Partial(response, at, end) => {
                let response = coded(response);
                let at = limit(response.body(), at);
                Wire::Partial(response, at, end)
            }
            other => other,
        }
    }

    /// Returns bytes that add no content after the body, however often they are repeated.
    pub(super) fn filler(self) -> &'static [u8] {
        match self {
            Self::Identity => b" ",
            Self::Gzip => &EMPTY_MEMBER,
        }
    }

    /// Limits a partial body to the bytes that can be decoded from its compressed part.
    #[cfg(feature = "conformance")]
    pub(crate) fn with_readable_part(self, wire: Wire) -> Wire {
        match (self, wire) {
            (Self::Gzip, Wire::Partial(response, at, end)) => {
                let compressed = compress(response.body());
                let readable = decode(&compressed[..limit(&compressed, at)]).len();
                Wire::Partial(response, readable, end)
            }
            (_, wire) => wire,
        }
    }
}

/// Limits the length of a part so that at least one byte is missing.
fn limit(compressed: &Bytes, at: usize) -> usize {
    at.min(compressed.len().saturating_sub(1))
}

fn coded(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.map(|body| compress(&body))
}

fn compress(body: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes every byte").into()
}

/// Decodes the beginning of a compressed body.
#[cfg(feature = "conformance")]
fn decode(compressed: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::write::MultiGzDecoder::new(Vec::new());
    // The decoder reports a missing end only when it is finished.
    decoder.write_all(compressed).and_then(|()| decoder.flush()).expect("it was compressed here");
    std::mem::take(decoder.get_mut())
}
