//! Reads a text file in UTF-8 or UTF-16.

use std::io::Read;

use crate::exit::Failure;

/// The longest line. Accounts are short; a longer line means that the file is something else.
const LONGEST_LINE: usize = 64 * 1024;
const LARGEST: usize = 256 * 1024 * 1024;

/// Reads UTF-8 with or without a byte order mark, and UTF-16. Replaces invalid bytes.
pub(super) fn read(mut source: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let (mut line, mut length) = (1_u64, 0_usize);
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = source
            .read(&mut chunk)
            .map_err(|error| Failure::usage(format!("the list cannot be read: {error}")))?;
        if read == 0 {
            break;
        }
        for byte in &chunk[..read] {
            if *byte == b'\n' {
                (line, length) = (line + 1, 0);
            } else {
                length += 1;
            }
            if length > LONGEST_LINE {
                return Err(Failure::usage(format!(
                    "line {line} is longer than {LONGEST_LINE} bytes: this is not a list of accounts"
                )));
            }
        }
        bytes.extend_from_slice(&chunk[..read]);
        if bytes.len() > LARGEST {
            return Err(Failure::usage(format!("the list is larger than {LARGEST} bytes; split it")));
        }
    }
    Ok(decode(bytes))
}

fn decode(bytes: Vec<u8>) -> String {
    let utf16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Without a byte order mark: names are ASCII, so that every second byte is zero.
        [first, 0, _, 0, ..] if *first != 0 => utf16(&bytes, u16::from_le_bytes),
        [0, first, 0, _, ..] if *first != 0 => utf16(&bytes, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_spreadsheets_are_read() {
        let text = "алиса_1\nbob_1\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&[&b"\xff\xfe"[..], &le].concat()[..]).unwrap(), text);
        assert_eq!(read(&[&b"\xfe\xff"[..], &be].concat()[..]).unwrap(), text);
        assert_eq!(read(&[&b"\xef\xbb\xbf"[..], text.as_bytes()].concat()[..]).unwrap(), text);
        let plain: Vec<u8> = "alice_1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&plain[..]).unwrap(), "alice_1\n");
        assert_eq!(read(&b"a\xffb\n"[..]).unwrap(), "a\u{fffd}b\n");
    }
}
