//! How a value is written in the file: a checksum over its table, key and bytes; the body of an answer packed.

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_with_dict, uncompressed_size};

use crate::answer::HEAD;
use crate::tables::Table;

/// The dictionary for the first bytes of an answer, because answers are short and alike.
///
/// Part of the file's format: with another text, answers that were stored before cannot be read.
const DICTIONARY: &[u8] = br#"{"status":"error","result":{"message":""}}{"status":"ok","result":{"groups":[{"username":"","title":"","num_users":1000},{"username":""}],"meta":{"search_query":["",""],"op_cost":1}}}{"status":"ok","result":{"user":{"username":true,"first_name":true,"last_name":false},"meta":{"search_query":"","known_num_groups":10,"op_cost":0}}}{"status":"ok","result":{"user":null,"user":{"id":5000000000,"username":null,"first_name":"","last_name":null},"username_history":[{"username":"","date":"2022-01-01"},{"username":""}],"id_history":[{"id":"","date":"2023-01-01"}],"username_history":[],"id_history":[],"meta":{"search_query":"","known_num_groups":10,"num_groups":1,"op_cost":1},"groups":[],"groups":[{"id":1000000000,"username":"","title":"","date_updated":"2024-01-01"},{"id":1000000000,"username":null,"title":"","date_updated":"2025-01-01"}]}}"#;

pub(super) fn encode(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    match value.split_at_checked(HEAD).filter(|_| table == Table::Answers) {
        Some((head, body)) => {
            bytes.extend_from_slice(head);
            bytes.extend(compress_prepend_size_with_dict(body, DICTIONARY));
        }
        None => bytes.extend_from_slice(value),
    }
    let checksum = checksum(table, key, &bytes[4..]);
    bytes[..4].copy_from_slice(&checksum);
    bytes
}

/// The value; `None` if it is damaged.
pub(super) fn decode(table: Table, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (expected, value) = bytes.split_first_chunk()?;
    if *expected != checksum(table, key, value) {
        return None;
    }
    let Some((head, packed)) = value.split_at_checked(HEAD).filter(|_| table == Table::Answers) else {
        return Some(value.to_vec());
    };
    let (size, packed) = uncompressed_size(packed).ok()?;
    // LZ4 packs at most 255 bytes into one, so a wrong size allocates no more than that.
    if size > packed.len().saturating_mul(255) {
        return None;
    }
    let body = decompress_with_dict(packed, size, DICTIONARY).ok()?;
    (body.len() == size).then(|| [head, &body].concat())
}

fn checksum(table: Table, key: &[u8], value: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[table as u8]);
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
            for table in [Table::Answers, Table::Calls] {
                let value = [&[7; HEAD], body].concat();
                let bytes = encode(table, b"key", &value);
                assert_eq!(decode(table, b"key", &bytes).unwrap(), value);
                assert_eq!(decode(table, b"another key", &bytes), None);
                for at in 0..bytes.len() {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1;
                    assert_eq!(decode(table, b"key", &damaged), None, "byte {at}");
                    assert_eq!(decode(table, b"key", &bytes[..at]), None, "cut at {at}");
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
