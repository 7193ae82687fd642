//! Writes a head without the lines that hyper would reject.

use std::ops::Range;

use bytes::BytesMut;
use memchr::{memchr, memchr2};

use crate::restore::{IN_ITS_PLACE, LENGTH, Once, STATUS, has_no_body};

/// The maximum number of headers other than framing headers. hyper accepts 100 in total; this leaves room for the others. A
/// greater limit in hyper would allocate in every call.
const MAX_HEADERS: usize = 92;

/// A complete head.
pub(super) struct Head {
    /// The length of the head.
    pub(super) end: usize,
    /// The start of the headers.
    headers_start: usize,
    /// `None` if the first line is not a status line. Such a head cannot be repaired.
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

    /// Returns whether the status has no body, although a server may send one.
    pub(super) fn has_no_body(&self) -> bool {
        self.status.as_ref().is_some_and(|status| has_no_body(status.code))
    }

    /// Returns whether the body is chunked.
    pub(super) fn is_chunked(&self) -> bool {
        self.status.is_some() && self.headers.coding == Some(Coding::Chunked)
    }

    /// Returns whether hyper reads the head as it is, and nothing after it needs inspection.
    pub(super) fn passes(&self) -> bool {
        self.is_good() && !self.is_interim() && !self.is_chunked() && !self.has_no_body()
    }

    /// Returns whether hyper reads the head as it is.
    fn is_good(&self) -> bool {
        let status = self.status.as_ref();
        status.is_none_or(|status| !status.is_odd && !self.headers.is_odd() && !self.is_coded_http_1_0())
    }

    /// Returns whether this is an answer over HTTP/1.0 with a transfer coding. hyper rejects one, so it becomes an answer over
    /// HTTP/1.1 that ends its connection: such a server may mishandle a second request.
    fn is_coded_http_1_0(&self) -> bool {
        let is_http_1_0 = self.status.as_ref().is_some_and(|status| status.minor == b'0');
        is_http_1_0 && self.headers.coding.is_some()
    }

    /// Writes the head, without the lines that hyper would reject. `has_body` says whether a part of the body was received with it.
    pub(super) fn write(&self, bytes: &[u8], has_body: bool, out: &mut BytesMut) {
        let is_coded_http_1_0 = self.is_coded_http_1_0();
        match &self.status {
            // hyper would drop the body.
            Some(Status { minor, code, .. }) if has_body && self.has_no_body() => {
                Status::write(if is_coded_http_1_0 { b'1' } else { *minor }, IN_ITS_PLACE, out);
                out.extend_from_slice(&[STATUS.as_bytes(), b": ", code, b"\r\n"].concat());
            }
            Some(Status { minor, code, .. }) if !self.is_good() => {
                Status::write(if is_coded_http_1_0 { b'1' } else { *minor }, *code, out);
            }
            _ => return out.extend_from_slice(&bytes[..self.end]),
        }
        if is_coded_http_1_0 {
            out.extend_from_slice(b"connection: close\r\n");
        }
        self.headers.write(&bytes[self.headers_start..self.end], false, out);
    }
}

/// Writes the whole lines of a head without its end. Its body ends with the connection.
pub(super) fn write_cut(bytes: &[u8], out: &mut BytesMut) {
    let Some((status_line, headers_start)) = line(bytes, 0) else { return };
    match Status::read(&bytes[status_line]) {
        Some(Status { minor, code, .. }) => Status::write(minor, code, out),
        None => out.extend_from_slice(&bytes[..headers_start]),
    }
    Headers::default().write(&bytes[headers_start..], true, out);
    out.extend_from_slice(b"\r\n");
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
    /// hyper would reject the line.
    is_odd: bool,
}

impl Status {
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
        let is_odd = after.len() + 1 != rest.len()
            || rest[0] != b' '
            || reason.first().is_some_and(|first| *first != b' ')
            || reason.iter().any(u8::is_ascii_control);
        Some(Self { minor: *minor, code: *code, is_odd })
    }

    /// Writes the line with this version and code, and without its reason.
    fn write(minor: u8, code: [u8; 3], out: &mut BytesMut) {
        out.extend_from_slice(&[b"HTTP/1.", &[minor, b' '][..], &code, b"\r\n"].concat());
    }
}

/// The headers of a head, above all those that decide where the body ends.
#[derive(Default)]
struct Headers {
    length: Once<u64>,
    /// The last transfer coding.
    coding: Option<Coding>,
    /// The number of other headers.
    others: usize,
    /// Some line [is odd](Line::Odd) or has the coding `identity`.
    has_odd: bool,
    /// The last line is a `content-length`.
    is_in_length: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

enum Line<'a> {
    /// Has a NUL, a bare carriage return, or the name of a header that only this crate writes.
    Odd,
    /// Continues the line before (RFC 9112, 5.2).
    Continuation,
    Length(&'a [u8]),
    Coding(Coding),
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
                let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
                if value.trim_ascii().eq_ignore_ascii_case(b"identity") {
                    Self::Identity
                } else {
                    let is_chunked = last.eq_ignore_ascii_case(b"chunked");
                    Self::Coding(if is_chunked { Coding::Chunked } else { Coding::Other })
                }
            }
            _ if [LENGTH, STATUS].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) => Self::Odd,
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
            Line::Coding(coding) => self.coding = Some(coding),
            Line::Other => self.others += 1,
            Line::Continuation => {}
        }
    }

    /// Returns whether hyper would reject some line.
    fn is_odd(&self) -> bool {
        self.has_odd || self.length == Once::Unclear || self.others > MAX_HEADERS
    }

    /// Writes the lines that hyper accepts, without those with the length if it is unclear. If the head `is_cut`, the body ends
    /// with the connection.
    fn write(&self, bytes: &[u8], is_cut: bool, out: &mut BytesMut) {
        let mut room = MAX_HEADERS;
        let mut start = 0;
        let mut is_kept = false;
        while let Some((header, next)) = line(bytes, start) {
            let is_end = header.is_empty();
            is_kept = match Line::read(&bytes[header]) {
                _ if is_end => true,
                Line::Odd | Line::Identity => false,
                Line::Length(_) => !is_cut && self.length != Once::Unclear,
                Line::Coding(_) => !is_cut,
                Line::Continuation => is_kept,
                Line::Other => {
                    let has_room = room > 0;
                    room = room.saturating_sub(1);
                    has_room
                }
            };
            if is_kept {
                out.extend_from_slice(&bytes[start..next]);
            }
            start = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(head: &str) -> String {
        let mut out = BytesMut::new();
        Head::read(head.as_bytes()).unwrap().write(head.as_bytes(), false, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// Returns the lines that are left of these headers.
    fn kept(headers: &str) -> String {
        let head = written(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
        head.split_once("\r\n").unwrap().1.strip_suffix("\r\n").unwrap().to_owned()
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
            assert_eq!(written(head), head);
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
        assert_eq!(kept("x: y\r\ncontent-length: 3\r\n 4\r\n"), "x: y\r\n");
        assert_eq!(kept("x: y\r\nz: \0\r\n 4\r\n"), "x: y\r\n");
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
        for odd in [
            "HTTP/1.1  200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1 \t 200",
            "HTTP/1.1 200 O\0K",
            "HTTP/1.1 200 \r",
        ] {
            assert_eq!(written(&format!("{odd}\r\nx: y\r\n\r\n")), "HTTP/1.1 200\r\nx: y\r\n\r\n");
        }
        assert_eq!(written("HTTP/1.0  200\r\n\r\n"), "HTTP/1.0 200\r\n\r\n");
    }

    #[test]
    fn chunked_http_1_0_answer_becomes_http_1_1() {
        let coding = "transfer-encoding: chunked\r\n\r\n";
        let head = written(&format!("HTTP/1.0 200 OK\r\n{coding}"));
        assert_eq!(head, format!("HTTP/1.1 200\r\nconnection: close\r\n{coding}"));
    }

    #[test]
    fn cut_head_ends_after_its_last_line_and_has_no_length() {
        let mut out = BytesMut::new();
        write_cut(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\nz: ", &mut out);
        assert_eq!(out, &b"HTTP/1.1 200\r\nx: y\r\n\r\n"[..]);
    }
}
