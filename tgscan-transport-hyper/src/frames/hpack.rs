//! Decodes and encodes header blocks (HPACK, RFC 7541).

use std::collections::VecDeque;

use super::huffman;

/// The maximum size of the dynamic table: the default, as h2 announces no other (RFC 9113, 6.5.2).
const TABLE_SIZE: usize = 4096;

/// The decoder of one direction of a connection. A block can refer to fields of earlier blocks.
pub(super) struct Decoder {
    /// The dynamic table, newest first.
    entries: VecDeque<Entry>,
    /// The size of the table, as the RFC counts it.
    size: usize,
    /// The server's limit on the size of the table.
    limit: usize,
}

struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: TABLE_SIZE }
    }
}

impl Decoder {
    /// Calls `field` with the name and value of each field. Returns `None` if the block is malformed; later blocks cannot be
    /// decoded then.
    pub(super) fn decode(&mut self, mut block: &[u8], mut field: impl FnMut(&[u8], &[u8])) -> Option<()> {
        while let Some(first) = block.first() {
            match first.leading_zeros() {
                // Indexed field.
                0 => {
                    let index = number(&mut block, 7)?;
                    let (name, value) = self.entry(index)?;
                    field(name, value);
                }
                // Literal with indexing.
                1 => {
                    let entry = self.literal(&mut block, 6)?;
                    field(&entry.name, &entry.value);
                    self.insert(entry);
                }
                // Table size update.
                2 => {
                    self.limit = number(&mut block, 5).filter(|limit| *limit <= TABLE_SIZE)?;
                    self.evict();
                }
                // Literal without indexing.
                _ => {
                    let Entry { name, value } = self.literal(&mut block, 4)?;
                    field(&name, &value);
                }
            }
        }
        Some(())
    }

    /// Returns the entry with this index, starting at 1.
    fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        if let Some((name, value)) = STATIC.get(index.checked_sub(1)?) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        self.entries.get(index - 1 - STATIC.len()).map(|entry| (&*entry.name, &*entry.value))
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Option<Entry> {
        let name = match number(block, prefix)? {
            0 => text(block)?,
            index => self.entry(index)?.0.to_vec(),
        };
        Some(Entry { name, value: text(block)? })
    }

    fn insert(&mut self, entry: Entry) {
        self.size += size_of_field(&entry.name, &entry.value);
        self.entries.push_front(entry);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            let Some(entry) = self.entries.pop_back() else { return };
            self.size -= size_of_field(&entry.name, &entry.value);
        }
    }
}

/// Returns the size of a field (RFC 7541, 4.1; RFC 9113, 6.5.2).
pub(super) fn size_of_field(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + 32
}

/// Reads an integer whose first byte has `prefix` bits (RFC 7541, 5.1).
fn number(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let mut next = || {
        let (first, rest) = block.split_first()?;
        *block = rest;
        Some(usize::from(*first))
    };
    let mask = (1 << prefix) - 1;
    let mut number = next()? & mask;
    if number < mask {
        return Some(number);
    }
    // Four more bytes exceed every valid value.
    for shift in [0, 7, 14, 21] {
        let byte = next()?;
        number += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(block: &mut &[u8]) -> Option<Vec<u8>> {
    let is_coded = block.first()? & 0x80 != 0;
    let length = number(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length)?;
    *block = rest;
    if is_coded { huffman::decode(bytes) } else { Some(bytes.to_vec()) }
}

/// Appends a field as a literal, without indexing and Huffman code.
pub(super) fn encode(name: &[u8], value: &[u8], block: &mut Vec<u8>) {
    block.push(0);
    for text in [name, value] {
        let mut rest = text.len();
        if rest < 0x7f {
            block.push(low_byte(rest));
        } else {
            block.push(0x7f);
            rest -= 0x7f;
            while rest >= 0x80 {
                block.push(low_byte(rest & 0x7f | 0x80));
                rest >>= 7;
            }
            block.push(low_byte(rest));
        }
        block.extend_from_slice(text);
    }
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

/// RFC 7541, appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.bytes().filter(|byte| *byte != b' ').collect();
        let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Option<String> {
        let mut fields = String::new();
        decoder.decode(block, |name, value| {
            let [name, value] = [name, value].map(String::from_utf8_lossy);
            fields.extend([&name, "=", &value, "\n"]);
        })?;
        Some(fields)
    }

    /// RFC 7541, C.6: three responses with Huffman code, which evict fields from a table of 256 bytes.
    #[test]
    fn decodes_the_responses_of_the_rfc() {
        let mut decoder = Decoder::default();
        let first = ":status=302\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:21 GMT\n\
                     location=https://www.example.com\n";
        let third = ":status=200\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:22 GMT\n\
                     location=https://www.example.com\ncontent-encoding=gzip\n\
                     set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";
        for (hex, fields) in [
            (
                "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
                 ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                first.to_owned(),
            ),
            ("4883 640e ffc1 c0bf", first.replace("302", "307")),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
                 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
                 4ee5 b106 3d50 07",
                third.to_owned(),
            ),
        ] {
            assert_eq!(read(&mut decoder, &bytes(hex)), Some(fields));
        }
        assert_eq!((decoder.entries.len(), decoder.size), (3, 215));
    }

    #[test]
    fn decodes_encoded_fields() {
        for length in [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 300_000] {
            let value = "v".repeat(length);
            let mut block = Vec::new();
            encode(b"x-name", value.as_bytes(), &mut block);
            encode(value.as_bytes(), b"", &mut block);
            let fields = read(&mut Decoder::default(), &block);
            assert!(fields == Some(format!("x-name={value}\n{value}=\n")), "{length}");
        }
    }

    #[test]
    fn field_larger_than_the_table_empties_it() {
        let mut decoder = Decoder::default();
        assert!(read(&mut decoder, &bytes("40 0161 0162")).is_some());
        assert_eq!(decoder.entries.len(), 1);
        let mut large = bytes("40 0161 7f81 1f");
        large.extend([b'v'; 4096]);
        assert!(read(&mut decoder, &large).is_some());
        assert_eq!((decoder.entries.len(), decoder.size), (0, 0));
    }

    #[test]
    fn rejects_malformed_blocks() {
        for hex in [
            "80",
            "be",
            "00",
            "0001",
            "000161",
            "00056162",
            "3fe21f",
            "3fffffffff7f",
            "00816100",
            "ffffffffffffff00",
        ] {
            assert_eq!(read(&mut Decoder::default(), &bytes(hex)), None, "{hex}");
        }
    }
}
