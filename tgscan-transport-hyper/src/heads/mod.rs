//! Heads of HTTP/1.1 answers on their way to hyper, which gives up an answer whose head it cannot read. The service may
//! have been paid for it, so what can be understood in one way only is put right before hyper sees it: lines that are no
//! headers are left out, and lengths that contradict each other give way to reading on until the connection ends.
//!
//! A good head is looked at once and passes as it is. Bodies are not looked at, except for their end where the server says
//! how long it keeps the connection after that.

mod body;
mod fields;
mod plain;
mod repair;

use std::fmt;
use std::io;
use std::mem::take;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use self::body::Body;
use self::repair::{Head, repair};

/// Of a larger head, this much is read and the rest is given up. A little less than hyper's own limit, 408 KiB.
const LARGEST: usize = 400 << 10;

/// As it begins, whatever the minor version.
const BEGINNING: &[u8] = b"HTTP/1.";

/// What comes in on one connection.
#[derive(Default)]
pub(crate) struct Heads {
    state: State,
    /// Looked at, and not yet taken by hyper.
    ready: BytesMut,
    /// How long the server keeps the connection, once the body has ended.
    kept: Option<Duration>,
}

#[derive(Default)]
enum State {
    /// Nothing is looked at: a body comes, or nothing should.
    #[default]
    Passing,
    /// A request was written, so a head comes next; this much of it is there.
    Head { begun: BytesMut, searched: usize },
    /// This comes, and then the server keeps the connection so long.
    Body { body: Body, kept: Duration },
    /// The rest of the answer is given up.
    TooLarge,
}

impl Heads {
    /// Something was written: the next thing to come is a head.
    pub(crate) fn expect(&mut self) {
        self.kept = None;
        if let State::Passing = self.state {
            self.state = State::Head { begun: BytesMut::new(), searched: 0 };
        }
    }

    /// Whether what comes is to be looked at.
    pub(crate) fn are_looked_at(&self) -> bool {
        !matches!(self.state, State::Passing)
    }

    /// Whether what came is a good head, to be handed on as it is; then nothing else is to be looked at.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> bool {
        let is_first = matches!(&self.state, State::Head { begun, .. } if begun.is_empty());
        let is_plain = is_first && self.ready.is_empty() && plain::is_plain(bytes);
        if is_plain {
            self.state = State::Passing;
        }
        is_plain
    }

    /// What hyper gets next, up to a size; nothing if more has to come first.
    pub(crate) fn next(&mut self, room: usize) -> Option<io::Result<BytesMut>> {
        if self.ready.has_remaining() {
            let size = room.min(self.ready.len());
            return Some(Ok(self.ready.split_to(size)));
        }
        matches!(self.state, State::TooLarge).then(|| Err(io::Error::other(TooLarge)))
    }

    /// Takes what came while it [is looked at](Self::are_looked_at). No bytes are the end of the connection.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (mut begun, mut searched) = match take(&mut self.state) {
            State::Head { begun, searched } => (begun, searched),
            State::Body { body, kept } => {
                self.ready.extend_from_slice(bytes);
                self.follow(body, kept, bytes);
                return;
            }
            State::Passing | State::TooLarge => return,
        };
        begun.extend_from_slice(bytes);
        if bytes.is_empty() {
            self.ready = begun;
            return;
        }
        loop {
            // Some servers end a body with a line break too many.
            while begun.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
                begun.advance(1);
                searched = 0;
            }
            let known = begun.len().min(BEGINNING.len());
            if begun[..known] != BEGINNING[..known] {
                self.ready.unsplit(begun);
                return;
            }
            let Some(end) = end_of_head(&begun, searched) else {
                if begun.len() > LARGEST {
                    self.ready.extend_from_slice(&repair(&begun, true).bytes);
                    self.state = State::TooLarge;
                } else {
                    searched = begun.len();
                    self.state = State::Head { begun, searched };
                }
                return;
            };
            let rest = begun.split_off(end);
            let Head { bytes, is_interim, kept } = repair(&begun, false);
            self.ready.extend_from_slice(&bytes);
            if !is_interim {
                if let Some((kept, body)) = kept {
                    self.follow(body, kept, &rest);
                }
                self.ready.unsplit(rest);
                return;
            }
            (begun, searched) = (rest, 0);
        }
    }
}

impl Heads {
    /// How long the server keeps the connection, told once when the body has ended.
    pub(crate) fn kept(&mut self) -> Option<Duration> {
        self.kept.take()
    }

    fn follow(&mut self, body: Body, kept: Duration, bytes: &[u8]) {
        match body.after(bytes) {
            Some(rest) if rest.has_ended() => self.kept = Some(kept),
            Some(rest) => self.state = State::Body { body: rest, kept },
            // More than the body: hyper closes the connection.
            None => {}
        }
    }
}

/// Where the head ends, behind the empty line. `searched` bytes were looked at before.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    let newlines = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| from + at + 1).find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Who sends this much before the body wants something else than to answer.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl std::error::Error for TooLarge {}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the head of the answer is larger than {} KiB", LARGEST >> 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out if each piece of this size is pushed on its own, after one request.
    fn through(wire: &str, size: usize) -> String {
        let mut heads = Heads::default();
        heads.expect();
        let mut out = Vec::new();
        let mut rest = wire.as_bytes();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(size.min(rest.len()));
            rest = more;
            if heads.are_looked_at() {
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
    fn passes_good_answers_unchanged_however_they_are_cut() {
        for wire in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\nx: y\n\n\n\nabc",
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: a\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\nx\0y\r\n\r\n",
            "220 mail.example\r\n\r\n",
            "HTTP/2",
        ] {
            for size in [1, 2, 3, 5, 1000] {
                assert_eq!(through(wire, size), wire, "{size}");
            }
        }
    }

    #[test]
    fn puts_odd_heads_right_however_they_are_cut() {
        let wire =
            "\r\nHTTP/1.1 100 \0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc";
        for size in [1, 2, 3, 5, 1000] {
            assert_eq!(through(wire, size), "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", "{size}");
        }
    }

    #[test]
    fn hands_over_what_is_there_when_the_connection_ends() {
        let mut heads = Heads::default();
        heads.expect();
        heads.push(b"HTTP/1.1 200");
        assert!(heads.next(100).is_none());
        heads.push(b"");
        assert_eq!(heads.next(100).unwrap().unwrap(), &b"HTTP/1.1 200"[..]);
        assert!(heads.next(100).is_none() && !heads.are_looked_at());
    }
}
