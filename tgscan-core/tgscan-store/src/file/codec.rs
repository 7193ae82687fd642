//! Encodes values for the file: a checksum over key and value, then the value. Compresses the bodies of answers.

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_into_with_dict, uncompressed_size};

use crate::answer::HEAD;
use crate::tables::Table;

/// The length of a checksum in bytes.
const CHECKSUM: usize = 4;
/// The compression dictionary for the first bytes of answers, which are short and similar to each other.
///
/// Part of the file format: stored answers cannot be read with a different dictionary.
const DICTIONARY: &[u8] = br#"{"status":"error","result":{"message":""}}{"status":"ok","result":{"groups":[{"username":"","title":"","num_users":1000},{"username":""}],"meta":{"search_query":["",""],"op_cost":1}}}{"status":"ok","result":{"user":{"username":true,"first_name":true,"last_name":false},"meta":{"search_query":"","known_num_groups":10,"op_cost":0}}}{"status":"ok","result":{"user":null,"user":{"id":5000000000,"username":null,"first_name":"","last_name":null},"username_history":[{"username":"","date":"2022-01-01"},{"username":""}],"id_history":[{"id":"","date":"2023-01-01"}],"username_history":[],"id_history":[],"meta":{"search_query":"","known_num_groups":10,"num_groups":1,"op_cost":1},"groups":[],"groups":[{"id":1000000000,"username":"","title":"","date_updated":"2024-01-01"},{"id":1000000000,"username":null,"title":"","date_updated":"2025-01-01"}]}}"#;

pub(super) fn encode(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; CHECKSUM];
    match value.split_at_checked(HEAD).filter(|_| is_answer(key)) {
        Some((head, body)) => {
            bytes.extend_from_slice(head);
            bytes.extend(compress_prepend_size_with_dict(body, DICTIONARY));
        }
        None => bytes.extend_from_slice(value),
    }
    let checksum = checksum(key, &bytes[CHECKSUM..]);
    bytes[..CHECKSUM].copy_from_slice(&checksum);
    bytes
}

/// Returns the value, or `None` if it is damaged.
pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (expected, value) = bytes.split_first_chunk()?;
    if *expected != checksum(key, value) {
        return None;
    }
    let Some((head, packed)) = value.split_at_checked(HEAD).filter(|_| is_answer(key)) else {
        return Some(value.to_vec());
    };
    let (size, packed) = uncompressed_size(packed).ok()?;
    // LZ4 compresses by a factor of at most 255, which limits the allocation for a wrong size.
    if size > packed.len().saturating_mul(255) {
        return None;
    }
    let mut value = vec![0; HEAD + size];
    value[..HEAD].copy_from_slice(head);
    (decompress_into_with_dict(packed, &mut value[HEAD..], DICTIONARY).ok()? == size).then_some(value)
}

fn is_answer(key: &[u8]) -> bool {
    key.first() == Some(&(Table::Answers as u8))
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_and_damaged_ones_do_not() {
        for body in [&b""[..], b"{}", &[0xff; 10_000], br#"{"status":"ok","result":{"user":{"id":1}}}"#] {
            for key in [[Table::Answers as u8, 1], [Table::Calls as u8, 1]] {
                let value = [&[7; HEAD], body].concat();
                let bytes = encode(&key, &value);
                assert_eq!(decode(&key, &bytes).unwrap(), value);
                assert_eq!(decode(&[key[0], 2], &bytes), None);
                for at in 0..bytes.len() {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1;
                    assert_eq!(decode(&key, &damaged), None, "byte {at}");
                    assert_eq!(decode(&key, &bytes[..at]), None, "cut at {at}");
                }
            }
        }
    }

    #[test]
    fn dictionary_is_that_of_the_first_version() {
        assert_eq!(
            crc32fast::hash(DICTIONARY),
            0x14a2_eb9b,
            "answers that were stored before can no longer be read"
        );
    }
}
