//! Answers compressed with gzip for those who take it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue, Response};

use crate::engine::Wire;
use crate::server::connections::Connections;

/// How answers are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    #[default]
    Identity,
    /// Compressed.
    Gzip,
}

/// A gzip member of nothing: after a compressed body, it adds nothing to it (RFC 1952, 2.2).
const NOTHING: [u8; 20] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl Coding {
    /// This coding if the request allows it (RFC 9110, 12.5.3).
    pub(in crate::server) fn asked_by(self, headers: &HeaderMap) -> Self {
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

    /// Compresses what is sent. Where only a part of it is sent, that is so many bytes of the compressed body.
    pub(in crate::server) fn apply(self, wire: Wire, connections: &Connections) -> Wire {
        let is_compressed = self == Self::Gzip && !matches!(wire, Wire::Nothing(_) | Wire::Refused);
        if !is_compressed {
            return wire;
        }
        connections.count_compressed();
        match wire {
            Wire::Whole(response) => Wire::Whole(coded(response)),
            Wire::Slow(response) => Wire::Slow(coded(response)),
            Wire::Partial(response, at, end) => {
                let response = coded(response);
                let at = cut(response.body(), at);
                Wire::Partial(response, at, end)
            }
            other => other,
        }
    }

    /// What says nothing however often it comes after the body.
    pub(in crate::server) fn filler(self) -> &'static [u8] {
        match self {
            Self::Identity => b" ",
            Self::Gzip => &NOTHING,
        }
    }

    /// The same, but a part of the body is what can be read of the part that is sent.
    #[cfg(feature = "conformance")]
    pub(crate) fn legible(self, wire: Wire) -> Wire {
        match (self, wire) {
            (Self::Gzip, Wire::Partial(response, at, end)) => {
                let compressed = compress(response.body());
                let legible = expand(&compressed[..cut(&compressed, at)]).len();
                Wire::Partial(response, legible, end)
            }
            (_, wire) => wire,
        }
    }
}

/// At least one byte is missing, or nothing would be wrong.
fn cut(compressed: &Bytes, at: usize) -> usize {
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

/// What can be read of the beginning of a compressed body.
#[cfg(feature = "conformance")]
fn expand(compressed: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::write::MultiGzDecoder::new(Vec::new());
    // What breaks off is no error until somebody says that this is all.
    decoder.write_all(compressed).and_then(|()| decoder.flush()).expect("it was compressed here");
    std::mem::take(decoder.get_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_the_request_says_so() {
        for (says, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("x-gzip", true),
            ("*", true),
            ("gzip; q=1", true),
            ("br", false),
            ("gzip;q=0", false),
            ("identity, gzip;q=0.000", false),
            ("gzipped", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(says));
            assert_eq!(Coding::Gzip.asked_by(&headers) == Coding::Gzip, takes, "{says}");
            assert_eq!(Coding::Identity.asked_by(&headers), Coding::Identity);
        }
        assert_eq!(Coding::Gzip.asked_by(&HeaderMap::new()), Coding::Identity);
    }

    #[cfg(feature = "conformance")]
    #[test]
    fn the_filler_adds_nothing_to_what_is_read() {
        let body = Bytes::from_static(b"an answer");
        let filled = [&compress(&body)[..], &NOTHING, &NOTHING].concat();
        assert_eq!(expand(&filled), body);
        assert_eq!(expand(&filled[..filled.len() - 3]), body);
    }
}
