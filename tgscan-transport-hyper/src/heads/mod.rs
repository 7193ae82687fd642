//! Repairs HTTP/1.1 heads before hyper reads them.
//!
//! hyper rejects an answer with a malformed head, but the answer may have been paid for. So a head with one possible meaning is
//! repaired: invalid lines are dropped, and if the lengths contradict each other, the body ends with the connection. If a
//! status has no body, such as 204, but one arrives with the head, the answer gets another status until hyper has read it.
//!
//! A valid head is inspected once and passes unchanged. Of the bodies, only chunked ones are inspected.

mod chunks;
mod repair;

use std::io;
use std::mem::take;

use bytes::{Buf, BytesMut};

use self::chunks::{Chunks, MAX_TRAILERS};
use self::repair::{Head, write_cut};

/// The maximum size of a head; of a larger one, this part is passed on. A little below hyper's limit of 408 KiB.
const MAX_HEAD: usize = 400 << 10;

const PREFIX: &[u8] = b"HTTP/1.";

/// The received bytes of one connection.
#[derive(Default)]
pub(crate) struct Heads {
    state: State,
    /// The inspected bytes that hyper has not read yet.
    ready: BytesMut,
}

#[derive(Default)]
enum State {
    /// A body follows, or nothing is expected.
    #[default]
    Passing,
    /// A head follows; `partial` is its received part, whose first `searched` bytes contain no end.
    Head { partial: BytesMut, searched: usize },
    /// A chunked body follows.
    Chunked(Chunks),
    /// A part of the answer is larger than its limit. The rest is dropped.
    TooLarge(&'static str, usize),
}

impl Heads {
    /// Expects a head next, because a request was written.
    pub(crate) fn expect_head(&mut self) {
        if let State::Passing = self.state {
            self.state = State::Head { partial: BytesMut::new(), searched: 0 };
        }
    }

    /// Returns whether the next bytes must be inspected.
    pub(crate) fn need_inspection(&self) -> bool {
        !matches!(self.state, State::Passing)
    }

    /// Returns whether these bytes start with a valid head and can be passed on unchanged. Nothing is inspected after it.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> bool {
        let is_first = matches!(&self.state, State::Head { partial, .. } if partial.is_empty());
        let passes = |head: Head| head.passes() && bytes.starts_with(PREFIX);
        let passes = is_first && self.ready.is_empty() && Head::read(bytes).is_some_and(passes);
        if passes {
            self.state = State::Passing;
        }
        passes
    }

    /// Returns the next bytes for hyper, at most `room`; `None` if more must be received first.
    pub(crate) fn next(&mut self, room: usize) -> Option<io::Result<BytesMut>> {
        if self.ready.has_remaining() {
            let size = room.min(self.ready.len());
            return Some(Ok(self.ready.split_to(size)));
        }
        let State::TooLarge(part, limit) = self.state else { return None };
        let text = format!("the {part} of the answer is larger than {} KiB", limit >> 10);
        Some(Err(io::Error::other(text)))
    }

    /// Takes received bytes while they [need inspection](Self::need_inspection). An empty slice is the end of the connection.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (mut partial, mut searched) = match take(&mut self.state) {
            State::Head { partial, searched } => (partial, searched),
            State::Chunked(chunks) if bytes.is_empty() => return chunks.end(&mut self.ready),
            State::Chunked(chunks) => return self.push_chunked(chunks, bytes),
            State::Passing | State::TooLarge(..) => return,
        };
        partial.extend_from_slice(bytes);
        if bytes.is_empty() {
            self.ready = partial;
            return;
        }
        loop {
            // Some servers send an extra line break after a body.
            while partial.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
                partial.advance(1);
                searched = 0;
            }
            let known = partial.len().min(PREFIX.len());
            if partial[..known] != PREFIX[..known] {
                self.ready.unsplit(partial);
                return;
            }
            let head = end_of_head(&partial, searched).and_then(|_| Head::read(&partial));
            let Some(head) = head else {
                if partial.len() > MAX_HEAD {
                    write_cut(&partial, &mut self.ready);
                    self.state = State::TooLarge("head", MAX_HEAD);
                } else {
                    searched = partial.len();
                    self.state = State::Head { partial, searched };
                }
                return;
            };
            let rest = partial.split_off(head.end);
            let has_body = rest.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            head.write(&partial, has_body, &mut self.ready);
            if head.is_chunked() && !head.is_interim() && (has_body || !head.has_no_body()) {
                return self.push_chunked(Chunks::default(), &rest);
            }
            if !head.is_interim() {
                self.ready.unsplit(rest);
                return;
            }
            (partial, searched) = (rest, 0);
        }
    }

    fn push_chunked(&mut self, mut chunks: Chunks, bytes: &[u8]) {
        if let Some(behind) = chunks.push(bytes, &mut self.ready) {
            self.ready.extend_from_slice(behind);
        } else if chunks.has_large_trailers() {
            self.state = State::TooLarge("trailer section", MAX_TRAILERS);
        } else {
            self.state = State::Chunked(chunks);
        }
    }
}

/// Returns the position after the empty line that ends the head. The first `searched` bytes do not contain it.
pub(crate) fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    let newlines = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| from + at + 1).find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the output for one answer that arrives in pieces of this size.
    fn through(wire: &str, size: usize) -> String {
        let mut heads = Heads::default();
        heads.expect_head();
        let mut out = Vec::new();
        let mut rest = wire.as_bytes();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(size.min(rest.len()));
            rest = more;
            if heads.need_inspection() {
                heads.push(piece);
                while let Some(bytes) = heads.next(7) {
                    out.extend_from_slice(&bytes.unwrap());
                }
            } else {
                out.extend_from_slice(piece);
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn passes_valid_answers_unchanged_for_any_piece_size() {
        for wire in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\nx: y\n\n\n\nabc",
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: a\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "220 mail.example\r\n\r\n",
            "HTTP/2",
        ] {
            for size in [1, 2, 3, 5, 1000] {
                assert_eq!(through(wire, size), wire, "{size}");
            }
        }
    }

    #[test]
    fn repairs_malformed_heads_for_any_piece_size() {
        let wire =
            "\r\nHTTP/1.1 100 \0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc";
        for size in [1, 2, 3, 5, 1000] {
            let good = "HTTP/1.1 100\r\n\r\nHTTP/1.1 200\r\n\r\nabc";
            assert_eq!(through(wire, size), good, "{size}");
        }
    }

    #[test]
    fn passes_a_partial_head_when_the_connection_ends() {
        let mut heads = Heads::default();
        heads.expect_head();
        heads.push(b"HTTP/1.1 200");
        assert!(heads.next(100).is_none());
        heads.push(b"");
        assert_eq!(heads.next(100).unwrap().unwrap(), &b"HTTP/1.1 200"[..]);
        assert!(heads.next(100).is_none() && !heads.need_inspection());
    }

    #[test]
    fn keeps_little_of_an_endless_line_of_a_chunked_body() {
        for (start, piece) in [("0\r\n", "x"), ("1\r\na", " "), ("", " "), ("", "0"), ("1;", "x")] {
            let mut heads = Heads::default();
            heads.expect_head();
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            heads.push(format!("{head}{start}").as_bytes());
            let is_out = (0..100).any(|_| {
                while let Some(Ok(_)) = heads.next(1000) {}
                heads.push(piece.repeat(1 << 10).as_bytes());
                heads.next(1000).is_some()
            });
            assert!(is_out, "{start}{piece}");
        }
    }
}
