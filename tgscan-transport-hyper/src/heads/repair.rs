//! Repairs a head that hyper would reject.

use std::borrow::Cow;
use std::time::Duration;

use super::body::Body;
use super::fields::{Fields, MAX_LINES, is_text};

/// A head, repaired where possible.
pub(super) struct Head<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Another head follows this one.
    pub(super) is_interim: bool,
    /// The idle limit that the server announced, and the body after which it starts.
    pub(super) keep_alive: Option<(Duration, Body)>,
}

/// Repairs a head. If `is_cut`, it has no end; it gets one, and its body ends with the connection.
pub(super) fn repair(bytes: &[u8], is_cut: bool) -> Head<'_> {
    let mut lines = lines(bytes);
    let first = lines.next().unwrap_or_default();
    let Some(status) = StatusLine::read(first) else {
        return Head { bytes: Cow::Borrowed(bytes), is_interim: false, keep_alive: None };
    };
    // After 101 the connection does not speak HTTP.
    let is_interim = status.code[0] == b'1' && status.code != *b"101";
    let mut fields = Fields::default();
    for line in lines.take_while(|line| is_cut || !line.is_empty()) {
        fields.add(line);
    }
    if is_cut {
        // The last line may be incomplete.
        fields.others.pop();
    }
    let needs_http_1_1 = status.minor == b'0' && fields.is_coded();
    let is_good = status.is_good && fields.is_good() && !needs_http_1_1 && !is_cut;
    let keep_alive = fields.keep_alive.filter(|_| !is_interim).zip(fields.body(status.code));
    if is_good {
        return Head { bytes: Cow::Borrowed(bytes), is_interim, keep_alive };
    }

    let mut good = Vec::with_capacity(bytes.len() + 32);
    good.extend_from_slice(b"HTTP/1.");
    good.push(if needs_http_1_1 { b'1' } else { status.minor });
    good.push(b' ');
    good.extend_from_slice(&status.code);
    good.push(b' ');
    good.extend_from_slice(status.reason);
    good.extend_from_slice(b"\r\n");
    if !is_cut {
        fields.write_framing(&mut good);
    }
    if needs_http_1_1 {
        // The default of HTTP/1.0; such a server may mishandle a second request.
        good.extend_from_slice(b"connection: close\r\n");
    }
    for line in fields.others.iter().take(MAX_LINES) {
        good.extend_from_slice(line);
        good.extend_from_slice(b"\r\n");
    }
    good.extend_from_slice(b"\r\n");
    Head { bytes: Cow::Owned(good), is_interim, keep_alive }
}

/// Iterates over the lines without their line breaks. The last one may have none.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

struct StatusLine<'a> {
    /// The minor version.
    minor: u8,
    code: [u8; 3],
    reason: &'a [u8],
    /// Needs no repair.
    is_good: bool,
}

impl<'a> StatusLine<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
        let after = rest.trim_ascii_start();
        let (code, reason) = after.split_first_chunk::<3>()?;
        let is_code = code.iter().all(u8::is_ascii_digit) && (b'1'..).contains(&code[0]);
        if !matches!(minor, b'0' | b'1') || rest.len() == after.len() || !is_code {
            return None;
        }
        let is_good = rest.len() == after.len() + 1
            && rest[0] == b' '
            && (reason.is_empty() || reason[0] == b' ')
            && is_text(reason);
        let reason = if is_text(reason) { reason.trim_ascii() } else { b"" };
        // A code has three digits.
        (!reason.first().is_some_and(u8::is_ascii_digit) || is_good).then_some(Self {
            minor: *minor,
            code: *code,
            reason,
            is_good,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(head: &str) -> String {
        String::from_utf8(repair(head.as_bytes(), false).bytes.into_owned()).unwrap()
    }

    #[test]
    fn does_not_copy_valid_heads() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\n",
            "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.0 404 Not Found\nx:\n\n",
            "HTTP/1.1 2000 OK\r\nx\0y\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
        ] {
            assert!(matches!(repair(head.as_bytes(), false).bytes, Cow::Borrowed(_)), "{head}");
        }
    }

    #[test]
    fn keeps_one_framing_header() {
        for (fields, good) in [
            ("content-length: 3\r\nContent-Length : 3\r\n", "content-length: 3\r\n"),
            ("content-length: 3, 3\r\nx\0\r\n", "content-length: 3\r\n"),
            ("content-length: 3\r\n 4\r\n", ""),
            ("content-length: 3, 4\r\n", ""),
            ("content-length: +3\r\nx: y\r\n", "x: y\r\n"),
            ("content-length: 3\r\ntransfer-encoding: identity\r\n", "content-length: 3\r\n"),
            ("content-length: a\r\ntransfer-encoding: chunked\r\nx\0\r\n", "transfer-encoding: chunked\r\n"),
            ("x: a\r\n\tb\r\n", "x: a b\r\n"),
        ] {
            assert_eq!(
                repaired(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")),
                format!("HTTP/1.1 200 OK\r\n{good}\r\n")
            );
        }
    }

    #[test]
    fn keeps_the_length_of_a_head_with_too_many_headers() {
        let many = "x: y\r\n".repeat(400);
        let good = repaired(&format!("HTTP/1.1 200 OK\r\n{many}content-length: 3\r\n\r\n"));
        assert!(good.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n"));
        assert_eq!(good.matches("x: y").count(), MAX_LINES);
    }

    #[test]
    fn returns_the_idle_limit_if_the_end_of_the_body_is_known() {
        let keep_alive =
            |fields: &str| repair(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), false).keep_alive;
        let five = Duration::from_secs(5);
        for (fields, body) in [
            ("content-length: 3\r\nkeep-alive: timeout=5\r\n", Body::Length(3)),
            ("Keep-Alive: max=9, Timeout=5\r\ncontent-length: 3\r\ncontent-length: 3\r\n", Body::Length(3)),
            ("keep-alive: timeout=\"5\";max=1\r\ntransfer-encoding: Chunked\r\n", Body::CHUNKED),
        ] {
            assert_eq!(keep_alive(fields), Some((five, body)), "{fields}");
        }
        for fields in [
            "content-length: 3\r\n",
            "keep-alive: timeout=5\r\n",
            "keep-alive: timeout=soon\r\ncontent-length: 3\r\n",
            "keep-alive: 5\r\ncontent-length: 3\r\n",
            "keep-alive: timeout=5\r\ncontent-length: a\r\n",
        ] {
            assert_eq!(keep_alive(fields), None, "{fields}");
        }
    }

    #[test]
    fn keeps_the_code_of_malformed_status_lines() {
        for (odd, good) in [
            ("HTTP/1.1  200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1\t200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 200 O\0K", "HTTP/1.1 200 "),
            ("HTTP/1.1 200 \r", "HTTP/1.1 200 "),
        ] {
            assert_eq!(repaired(&format!("{odd}\r\n\r\n")), format!("{good}\r\n\r\n"));
        }
    }
}
