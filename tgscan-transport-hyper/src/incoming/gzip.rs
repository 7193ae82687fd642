//! Bodies that may be compressed with gzip: expanded as they come, so that a bomb is stopped at the cap.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use tgscan_core::TransportErrorKind as Kind;

use super::Unfit;
use super::kept::Kept;

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

/// A body, expanded if it is compressed.
pub(super) enum Content {
    Plain { kept: Kept, cap: usize },
    Gzip(Box<Gzip>),
}

impl Content {
    /// Headers that are about the compressed body go away with it.
    pub(super) fn of(headers: &mut HeaderMap, coding: Coding, cap: usize) -> Self {
        let is_gzip = headers.get(CONTENT_ENCODING).is_some_and(|coding| {
            let coding = coding.as_bytes();
            // RFC 9110, 8.4.1.3.
            coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
        });
        if coding == Coding::Identity || !is_gzip {
            return Self::Plain { kept: Kept::new(cap), cap };
        }
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        let expanded = Expanded { kept: Kept::new(cap), is_over: false };
        Self::Gzip(Box::new(Gzip { decoder: MultiGzDecoder::new(expanded), received: 0, cap }))
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
            Self::Gzip(gzip) => gzip.push(&data),
        }
    }

    /// Whether the body is complete, when no more comes.
    pub(super) fn end(&mut self) -> Result<(), Unfit> {
        match self {
            // Nothing at all is an empty body, such as that of a 204.
            Self::Gzip(gzip) if gzip.received > 0 => gzip.end(),
            Self::Plain { .. } | Self::Gzip(_) => Ok(()),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Plain { kept, .. } => kept.into_bytes(),
            Self::Gzip(mut gzip) => {
                std::mem::replace(&mut gzip.decoder.get_mut().kept, Kept::new(0)).into_bytes()
            }
        }
    }
}

pub(super) struct Gzip {
    decoder: MultiGzDecoder<Expanded>,
    /// Compressed bytes so far.
    received: usize,
    cap: usize,
}

impl Gzip {
    fn push(&mut self, data: &[u8]) -> Result<(), Unfit> {
        let room = self.cap - self.received;
        let fitting = &data[..data.len().min(room)];
        self.received += fitting.len();
        // Flushed, so that what is kept of a body that breaks off is all that can be read of it.
        let written = self.decoder.write_all(fitting).and_then(|()| self.decoder.flush());
        written.map_err(|error| self.unfit(&error))?;
        if data.len() > room { Err(Unfit::too_large("compressed body", self.cap)) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), Unfit> {
        self.decoder.try_finish().map_err(|error| self.unfit(&error))
    }

    fn unfit(&self, error: &io::Error) -> Unfit {
        if self.decoder.get_ref().is_over {
            return Unfit::too_large("expanded body", self.cap);
        }
        Unfit { kind: Kind::Broken, why: format!("the body is not whole gzip: {error}") }
    }
}

/// The expanded bytes, up to the cap.
struct Expanded {
    kept: Kept,
    is_over: bool,
}

impl Write for Expanded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Again at the end of the decoder, which tries to get rid of what it still has.
        if self.is_over || !self.kept.push(Bytes::copy_from_slice(data)) {
            self.is_over = true;
            return Err(io::Error::other("over the cap"));
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
