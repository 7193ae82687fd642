//! Repairs a head in place: overwrites the bytes and lines that hyper would reject.

use std::ops::Range;

use bytes::BytesMut;
use memchr::{memchr, memchr2};

use crate::length::Once;

/// The maximum number of headers other than framing headers. hyper accepts 100 in all; this leaves room for the others. A
/// greater limit in hyper would allocate in every call.
const MAX_HEADERS: usize = 92;

/// Overwrites a line, which hyper then skips, because it is not a header.
const SKIPPED: u8 = b'(';

/// A complete head.
pub(super) struct Head {
    /// The length of the head.
    pub(super) end: usize,
    /// The start of the headers.
    pub(super) headers_start: usize,
    /// `None` if the first line is not a status line.
    status: Option<Status>,
    headers: Headers,
}

impl Head {
    /// Reads the head at the start of these bytes. Returns `None` if it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (status_line, headers_start) = line(bytes, 0)?;
        let mut headers = Headers::default();
        let mut end = headers_start;
        loop {
            let (header, next) = line(bytes, end)?;
            end = next;
            if header.is_empty() {
                let status = Status::read(&bytes[status_line]);
                return Some(Self { end, headers_start, status, headers });
            }
            headers.add(&bytes[header]);
        }
    }

    /// Returns whether another head follows this one.
    pub(super) fn is_interim(&self) -> bool {
        // After 101 the connection does not speak HTTP.
        self.status.as_ref().is_some_and(|status| status.code[0] == b'1' && status.code != *b"101")
    }

    /// Returns whether hyper reads the head as it is. A head without a status line cannot be repaired.
    pub(super) fn is_good(&self) -> bool {
        let status = self.status.as_ref();
        status.is_none_or(|status| !status.is_odd && !self.headers.is_odd() && !self.is_coded_http_1_0())
    }

    /// Overwrites the bytes and lines that hyper would reject.
    pub(super) fn repair(&self, bytes: &mut [u8]) {
        let Some(status) = &self.status else { return };
        status.repair(bytes);
        if self.headers.is_odd() {
            self.headers.repair(&mut bytes[self.headers_start..self.end], false);
        }
        if self.is_coded_http_1_0() {
            bytes[b"HTTP/1.".len()] = b'1';
        }
    }

    /// Returns whether this is an answer over HTTP/1.0 with a transfer coding. hyper rejects one, so it becomes an answer over
    /// HTTP/1.1 that ends its connection: such a server may mishandle a second request.
    pub(super) fn is_coded_http_1_0(&self) -> bool {
        let is_http_1_0 = self.status.as_ref().is_some_and(|status| status.minor == b'0');
        is_http_1_0 && self.headers.is_coded
    }
}

/// Repairs a head without its end: ends it after the last complete line. Its body ends with the connection.
pub(super) fn repair_cut(bytes: &mut BytesMut) {
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    if let Some((status_line, headers_start)) = line(bytes, 0) {
        if let Some(status) = Status::read(&bytes[status_line]) {
            status.repair(bytes);
        }
        Headers::default().repair(&mut bytes[headers_start..], true);
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Returns the range of the line at `start`, without its line break, and the start of the next line.
fn line(bytes: &[u8], start: usize) -> Option<(Range<usize>, usize)> {
    let newline = start + memchr(b'\n', bytes.get(start..)?)?;
    let has_return = newline > start && bytes[newline - 1] == b'\r';
    Some((start..newline - usize::from(has_return), newline + 1))
}

/// The first line of a head.
struct Status {
    minor: u8,
    code: [u8; 3],
    /// The positions of the code and of the end of the line.
    code_start: usize,
    end: usize,
    /// hyper would reject the line.
    is_odd: bool,
}

impl Status {
    /// The position of the code in a valid line.
    const CODE: usize = b"HTTP/1.1 ".len();

    fn read(line: &[u8]) -> Option<Self> {
        let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
        let after = rest.trim_ascii_start();
        let (code, reason) = after.split_first_chunk::<3>()?;
        let is_code = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
        // A code has three digits.
        let is_longer = reason.first().is_some_and(u8::is_ascii_digit);
        if !matches!(minor, b'0' | b'1') || after.len() == rest.len() || !is_code || is_longer {
            return None;
        }
        let code_start = line.len() - after.len();
        let is_odd = code_start != Self::CODE
            || rest[0] != b' '
            || reason.first().is_some_and(|first| *first != b' ')
            || reason.iter().any(u8::is_ascii_control);
        Some(Self { minor: *minor, code: *code, code_start, end: line.len(), is_odd })
    }

    /// Moves extra blanks behind the code, and overwrites control characters.
    fn repair(&self, bytes: &mut [u8]) {
        if self.is_odd {
            bytes[Self::CODE - 1..self.code_start].fill(b' ');
            bytes[Self::CODE..self.code_start + 3].rotate_left(self.code_start - Self::CODE);
            let reason = &mut bytes[Self::CODE + 3..self.end];
            reason.iter_mut().take(1).for_each(|first| *first = b' ');
            reason.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
        }
    }
}

/// The headers of a head, above all those that decide where the body ends.
#[derive(Default)]
struct Headers {
    length: Once<u64>,
    is_coded: bool,
    /// The number of other headers.
    others: usize,
    /// Some line has a NUL or a bare carriage return, or the coding `identity`.
    has_odd: bool,
    /// The last line is a `content-length`.
    is_in_length: bool,
}

enum Line<'a> {
    /// Has a NUL or a bare carriage return.
    Odd,
    /// Continues the line before (RFC 9112, 5.2).
    Continuation,
    Length(&'a [u8]),
    Coding,
    Identity,
    Other,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Self {
        if memchr2(0, b'\r', line).is_some() {
            return Self::Odd;
        }
        if matches!(line, [b' ' | b'\t', ..]) {
            return Self::Continuation;
        }
        let Some(colon) = memchr(b':', line) else { return Self::Other };
        let (name, value) = (line[..colon].trim_ascii_end(), &line[colon + 1..]);
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => Self::Length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let is_identity = value.trim_ascii().eq_ignore_ascii_case(b"identity");
                if is_identity { Self::Identity } else { Self::Coding }
            }
            _ => Self::Other,
        }
    }
}

impl Headers {
    fn add(&mut self, line: &[u8]) {
        let line = Line::read(line);
        if let (Line::Continuation, true) = (&line, self.is_in_length) {
            self.length = Once::Unclear;
        }
        self.is_in_length &= matches!(line, Line::Continuation);
        match line {
            Line::Odd | Line::Identity => self.has_odd = true,
            Line::Length(value) => {
                self.length.add_length(value);
                self.is_in_length = true;
            }
            Line::Coding => self.is_coded = true,
            Line::Other => self.others += 1,
            Line::Continuation => {}
        }
    }

    /// Returns whether hyper would reject some line.
    fn is_odd(&self) -> bool {
        self.has_odd || self.length == Once::Unclear || self.others > MAX_HEADERS
    }

    /// Overwrites the lines that hyper would reject, and those with the length if it is unclear. If the head `is_cut`, the body
    /// ends with the connection.
    fn repair(&self, bytes: &mut [u8], is_cut: bool) {
        let mut room = MAX_HEADERS;
        let mut start = 0;
        while let Some((header, next)) = line(bytes, start) {
            start = next;
            let is_dropped = match Line::read(&bytes[header.clone()]) {
                Line::Odd | Line::Identity => true,
                Line::Length(_) => is_cut || self.length == Once::Unclear,
                Line::Coding => is_cut,
                Line::Continuation => room == 0,
                Line::Other if room == 0 => true,
                Line::Other => {
                    room -= 1;
                    false
                }
            };
            if is_dropped {
                bytes[header].fill(SKIPPED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(head: &str) -> (String, Head) {
        let before = head.as_bytes();
        let mut bytes = head.as_bytes().to_vec();
        let head = Head::read(&bytes).unwrap();
        head.repair(&mut bytes);
        let bytes = String::from_utf8(bytes).unwrap();
        assert_eq!(head.is_good(), bytes.as_bytes() == before);
        (bytes, head)
    }

    /// Returns the lines that are left of these headers.
    fn kept(headers: &str) -> String {
        let (head, _) = repaired(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
        let lines = head.strip_prefix("HTTP/1.1 200 OK\r\n").unwrap().split_inclusive('\n');
        lines.filter(|line| !line.starts_with('(') && !line.trim().is_empty()).collect()
    }

    #[test]
    fn leaves_valid_heads_unchanged() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\n",
            "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\ncontent-length: 3, 3\r\nContent-Length : 3\r\n\r\n",
            "HTTP/1.0 404 Not Found\nx:\n\n",
            "HTTP/1.1 2000 OK\r\nx\0y\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(repaired(head).0, head);
        }
        for incomplete in ["", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r"] {
            assert!(Head::read(incomplete.as_bytes()).is_none(), "{incomplete}");
        }
    }

    #[test]
    fn drops_contradictory_lengths_and_lines_that_hyper_rejects() {
        for (headers, good) in [
            ("content-length: 3\r\nx\0: y\r\nx: a\rb\r\n", "content-length: 3\r\n"),
            ("content-length: 3, 4\r\n", ""),
            ("content-length: +3\r\nx: y\r\n", "x: y\r\n"),
            ("content-length: 3\r\ncontent-length: 4\r\nx: y\r\n", "x: y\r\n"),
            ("content-length: 3\r\ntransfer-encoding: identity\r\n", "content-length: 3\r\n"),
            ("content-length: a\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\n"),
        ] {
            assert_eq!(kept(headers), good);
        }
        assert!(!kept("content-length: 3\r\n 4\r\n").contains("content-length"));
    }

    #[test]
    fn keeps_the_length_of_a_head_with_too_many_headers() {
        let many = "x: y\r\n".repeat(400);
        let kept = kept(&format!("{many}content-length: 3\r\n"));
        assert_eq!(
            (kept.matches("x: y").count(), kept.matches("content-length: 3").count()),
            (MAX_HEADERS, 1)
        );
    }

    #[test]
    fn keeps_the_code_of_malformed_status_lines() {
        for (odd, good) in [
            ("HTTP/1.1  200 OK", "HTTP/1.1 200  OK"),
            ("HTTP/1.1\t200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 \t 200", "HTTP/1.1 200  "),
            ("HTTP/1.1 200 O\0K", "HTTP/1.1 200 O K"),
            ("HTTP/1.1 200 \r", "HTTP/1.1 200  "),
        ] {
            assert_eq!(repaired(&format!("{odd}\r\n\r\n")).0, format!("{good}\r\n\r\n"));
        }
    }

    #[test]
    fn chunked_http_1_0_answer_becomes_http_1_1() {
        let (head, read) = repaired("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\ntransfer-encoding"));
        assert!(read.is_coded_http_1_0());
    }

    #[test]
    fn cut_head_ends_after_its_last_line_and_has_no_length() {
        let mut head = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\nz: ");
        repair_cut(&mut head);
        let head = String::from_utf8(head.to_vec()).unwrap();
        assert!(head.ends_with("\r\nx: y\r\n\r\n") && !head.contains("length"), "{head}");
    }
}
