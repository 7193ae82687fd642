//! Writes a chunked body (RFC 9112, 7.1) in the form that hyper reads.
//!
//! hyper drops the bytes that follow a malformed size, such as a body that is not chunked at all. Here, these bytes become
//! further chunks, and the body has no end, so it breaks off when the connection ends.

use std::io::Write;
use std::mem::take;

use bytes::{BufMut, BytesMut};
use memchr::memchr;

/// The maximum size of a line with a size and its extensions.
const MAX_LINE: usize = 64 << 10;

/// The maximum number of bytes in a line before its extensions.
const MAX_SIZE: usize = 256;

/// The maximum total size of the trailers.
pub(super) const MAX_TRAILERS: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Chunks {
    next: Next,
    /// The received part of a line before a chunk.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Next {
    #[default]
    Size,
    /// The remaining bytes of a chunk.
    Data(usize),
    /// The line break after a chunk. Some servers omit it.
    Break,
    /// The trailers, which are dropped. `size` bytes were received, and the received part of the last line `is_blank`.
    Trailers { size: usize, is_blank: bool },
    /// Anything after a malformed size.
    Malformed,
}

impl Chunks {
    /// Takes received bytes, and adds the bytes for hyper to `out`. Returns the bytes after the body when it has ended.
    pub(super) fn push<'a>(&mut self, mut bytes: &'a [u8], out: &mut BytesMut) -> Option<&'a [u8]> {
        while !bytes.is_empty() {
            match self.next {
                Next::Data(left) => {
                    let (data, rest) = bytes.split_at(left.min(bytes.len()));
                    chunk(data, out);
                    bytes = rest;
                    let left = left - data.len();
                    self.next = if left > 0 { Next::Data(left) } else { Next::Break };
                }
                Next::Malformed => {
                    chunk(take(&mut bytes), out);
                }
                Next::Trailers { size, is_blank } => {
                    let part = take_line(&mut bytes);
                    let is_blank = is_blank && part.trim_ascii().is_empty();
                    let is_whole = part.ends_with(b"\n");
                    if is_whole && is_blank {
                        out.extend_from_slice(b"0\r\n\r\n");
                        return Some(bytes);
                    }
                    self.next = Next::Trailers { size: size + part.len(), is_blank: is_blank || is_whole };
                    if self.has_large_trailers() {
                        return None;
                    }
                }
                Next::Size | Next::Break => {
                    self.line.extend_from_slice(take_line(&mut bytes));
                    let Some(next) = self.after_line() else { continue };
                    let line = take(&mut self.line);
                    if let Next::Malformed = next {
                        chunk(&line, out);
                    }
                    self.next = next;
                }
            }
        }
        None
    }

    /// Adds the received part of a line to `out` when the connection ends, unless it starts the end of the body.
    pub(super) fn end(&self, out: &mut BytesMut) {
        if !self.line.trim_ascii().is_empty() && size(&self.line) != Some(0) {
            chunk(&self.line, out);
        }
    }

    /// Returns whether the trailers are too large. The rest of the body is ignored then.
    pub(super) fn has_large_trailers(&self) -> bool {
        matches!(self.next, Next::Trailers { size, .. } if size > MAX_TRAILERS)
    }

    /// Returns the part after the line, or `None` if more of the line must be received first.
    fn after_line(&self) -> Option<Next> {
        if self.line.len() > MAX_LINE || !may_be_size(&self.line) {
            return Some(Next::Malformed);
        }
        if !self.line.ends_with(b"\n") {
            return None;
        }
        if matches!(self.next, Next::Break) && self.line.trim_ascii().is_empty() {
            return Some(Next::Size);
        }
        Some(match size(&self.line) {
            Some(0) => Next::Trailers { size: 0, is_blank: true },
            Some(size) => Next::Data(size),
            None => Next::Malformed,
        })
    }
}

/// Takes the first line, or all bytes if they contain no line break.
fn take_line<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let (line, rest) = bytes.split_at(end);
    *bytes = rest;
    line
}

/// Returns whether a line, or its received part, can contain a size: digits, blanks, and perhaps extensions.
fn may_be_size(line: &[u8]) -> bool {
    let start = &line[..line.len().min(MAX_SIZE + 1)];
    let digits = before_extensions(start);
    digits.len() <= MAX_SIZE && digits.trim_ascii().iter().all(u8::is_ascii_hexdigit)
}

fn before_extensions(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Reads the size of a chunk. Ignores extensions.
fn size(line: &[u8]) -> Option<usize> {
    let digits = before_extensions(line).trim_ascii();
    let is_size = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    usize::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_size)?, 16).ok()
}

fn chunk(data: &[u8], out: &mut BytesMut) {
    // Writing to memory does not fail.
    let _ = write!(out.writer(), "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
