//! The Huffman code of HPACK (RFC 7541, appendix B).

/// The number of bits in the code of each byte. This determines the codes: they ascend by length, then by byte.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The most bits of a code.
const MAX_BITS: usize = 30;

/// The codes, by length in bits.
struct Codes {
    /// For each length: the first code, the number of codes, and the position of their bytes.
    lengths: [(u32, u32, usize); MAX_BITS + 1],
    /// All bytes in the order of their codes.
    bytes: [u8; 256],
}

const CODES: Codes = {
    let mut codes = Codes { lengths: [(0, 0, 0); MAX_BITS + 1], bytes: [0; 256] };
    let (mut code, mut at, mut bits) = (0, 0, 1);
    while bits <= MAX_BITS {
        code <<= 1;
        let (first, start) = (code, at);
        let mut byte = 0;
        while byte < 256 {
            if BITS[byte] as usize == bits {
                #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
                let symbol = byte as u8;
                codes.bytes[at] = symbol;
                at += 1;
                code += 1;
            }
            byte += 1;
        }
        codes.lengths[bits] = (first, code - first, start);
        bits += 1;
    }
    codes
};

/// Returns the decoded text, or `None` if the code is invalid.
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut code, mut bits) = (0, 0);
    for byte in coded {
        for at in (0..8).rev() {
            code = code << 1 | u32::from(byte >> at & 1);
            bits += 1;
            // A longer code is the end-of-string symbol, which is an error.
            let (first, count, start) = *CODES.lengths.get(bits)?;
            let offset = code - first;
            if offset < count {
                text.push(CODES.bytes[start + usize::try_from(offset).ok()?]);
                (code, bits) = (0, 0);
            }
        }
    }
    // The last byte is padded with ones.
    (bits < 8 && code + 1 == 1 << bits).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(hex: &str) -> Option<Vec<u8>> {
        let coded: Vec<_> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        decode(&coded)
    }

    #[test]
    fn every_byte_has_a_code() {
        let (first, count, start) = CODES.lengths[MAX_BITS];
        assert_eq!((first + count, start + 3), ((1 << MAX_BITS) - 1, 256));
        let mut bytes = CODES.bytes;
        bytes.sort_unstable();
        assert!(bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at));
    }

    #[test]
    fn rejects_wrong_padding_and_the_end_symbol() {
        // "a" and zeros, "a" and a whole byte of padding, the end symbol.
        for hex in ["18", "1fff", "fffffffc", "ffffffff"] {
            assert_eq!(decoded(hex), None, "{hex}");
        }
    }
}
