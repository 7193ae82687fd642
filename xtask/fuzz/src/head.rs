//! Inputs that look like HTTP: a first line, headers, an empty line, a body. Any bytes can be read so.

use http::{HeaderMap, HeaderName, HeaderValue};

/// An input as its first line, its headers and its body.
pub(crate) struct Message<'a> {
    pub(crate) first: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Without an empty line all of it is body. What cannot be a header is left out.
    pub(crate) fn read(input: &'a [u8]) -> Self {
        let end = input.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = end.map_or((&[][..], input), |end| (&input[..end], &input[end + 2..]));
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(header) {
            headers.append(name, value);
        }
        Self { first, headers, body }
    }
}
