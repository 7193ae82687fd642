//! Recognises the usual head in one pass and without a copy.

use memchr::{memchr, memchr3};

use super::fields::MAX_LINES;

/// Returns whether these bytes start with a complete head that hyper reads unchanged: a final status line, lines with a colon,
/// at most one framing header, and no `keep-alive`. hyper itself skips invalid names and values. Other heads may be valid too,
/// and get a full inspection.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // Not 1xx, which is followed by another head.
    let Some([b'1', b' ', b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ', rest @ ..]) =
        bytes.strip_prefix(b"HTTP/1.")
    else {
        return false;
    };
    let Some((reason, mut rest)) = line(rest) else { return false };
    if !reason.iter().all(|byte| (b' '..0x7f).contains(byte)) {
        return false;
    }
    let (mut has_length, mut is_chunked) = (false, false);
    for _ in 0..=MAX_LINES {
        let Some((header, next)) = line(rest) else { return false };
        if header.is_empty() {
            return true;
        }
        // Searches the whole rest, because a short slice takes longer.
        let Some(colon) = memchr(b':', rest).filter(|colon| *colon < header.len()) else { return false };
        let (name, value) = (&header[..colon], &header[colon + 1..]);
        // A continuation line, or a name followed by a blank.
        if matches!(name, [] | [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return false;
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            10 if is(b"keep-alive") => return false,
            14 if is(b"content-length") => {
                let digits = value.trim_ascii();
                if has_length
                    || is_chunked
                    || !(1..=18).contains(&digits.len())
                    || !digits.iter().all(u8::is_ascii_digit)
                {
                    return false;
                }
                has_length = true;
            }
            17 if is(b"transfer-encoding") => {
                if has_length || is_chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return false;
                }
                is_chunked = true;
            }
            _ => {}
        }
        rest = next;
    }
    false
}

/// Splits off the first line. Returns `None` if it contains a NUL, a bare carriage return or a bare line feed, which hyper
/// rejects.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at(memchr3(b'\r', b'\n', 0, bytes)?);
    Some((line, rest.strip_prefix(b"\r\n")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_heads_are_plain() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\nabc",
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX-Y_z:\tb \u{fc}\r\n\r\n",
            "HTTP/1.1 502 \r\n\r\n",
        ] {
            assert!(is_plain(head.as_bytes()), "{head}");
        }
    }

    #[test]
    fn other_heads_are_not_plain() {
        for head in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 103 Early\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 O\0K\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\nx: y\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length : 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: z\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\r\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        ] {
            assert!(!is_plain(head.as_bytes()), "{head}");
        }
    }
}
