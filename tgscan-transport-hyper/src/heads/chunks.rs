//! Writes a chunked body (RFC 9112, 7.1) in the form that hyper reads.
//!
//! hyper drops the bytes that follow a malformed size, such as a body that is not chunked at all. Here, these bytes become
//! further chunks, and the body has no end, so it breaks off when the connection ends.

use std::io::Write;
use std::mem::take;

use bytes::{BufMut, BytesMut};
use memchr::memchr;

/// The maximum size of a line.
const MAX_LINE: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Chunks {
    next: Next,
    /// The received part of a line.
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
    Trailer,
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
                Next::Size | Next::Break | Next::Trailer => {
                    let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                    let (part, rest) = bytes.split_at(end);
                    self.line.extend_from_slice(part);
                    bytes = rest;
                    let Some(next) = self.after_line() else { continue };
                    let line = take(&mut self.line);
                    match next {
                        Next::Malformed => chunk(&line, out),
                        Next::Trailer if line.trim_ascii().is_empty() => {
                            out.extend_from_slice(b"0\r\n\r\n");
                            return Some(bytes);
                        }
                        _ => {}
                    }
                    self.next = next;
                }
            }
        }
        None
    }

    /// Returns the part after the line, or `None` if more of the line must be received first.
    fn after_line(&self) -> Option<Next> {
        let text = self.line.trim_ascii();
        let is_whole = self.line.ends_with(b"\n");
        match self.next {
            Next::Trailer => is_whole.then_some(Next::Trailer),
            Next::Break if text.is_empty() => is_whole.then_some(Next::Size),
            _ if self.line.len() > MAX_LINE => Some(Next::Malformed),
            _ if !is_whole => {
                text.first().is_some_and(|first| !first.is_ascii_hexdigit()).then_some(Next::Malformed)
            }
            _ => Some(match size(text) {
                Some(0) => Next::Trailer,
                Some(size) => Next::Data(size),
                None => Next::Malformed,
            }),
        }
    }
}

/// Reads the size of a chunk. Ignores extensions.
fn size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let is_size = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    usize::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_size)?, 16).ok()
}

fn chunk(data: &[u8], out: &mut BytesMut) {
    // Writing to memory does not fail.
    let _ = write!(out.writer(), "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
