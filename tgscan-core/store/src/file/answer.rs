//! How an answer is written: 27 bytes and its body, packed.

use bytes::Bytes;
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_with_dict, uncompressed_size};
use redb::Error;
use tgscan_core::Credits;

use super::tables::damaged;
use crate::tables::Answer;

/// What the first bytes of an answer are packed against, since answers are short and alike.
///
/// Part of the file's format: with another text, answers that were stored before cannot be read.
const DICTIONARY: &[u8] = br#"{"status":"error","result":{"message":""}}{"status":"ok","result":{"groups":[{"username":"","title":"","num_users":1000},{"username":""}],"meta":{"search_query":["",""],"op_cost":1}}}{"status":"ok","result":{"user":{"username":true,"first_name":true,"last_name":false},"meta":{"search_query":"","known_num_groups":10,"op_cost":0}}}{"status":"ok","result":{"user":null,"user":{"id":5000000000,"username":null,"first_name":"","last_name":null},"username_history":[{"username":"","date":"2022-01-01"},{"username":""}],"id_history":[{"id":"","date":"2023-01-01"}],"username_history":[],"id_history":[],"meta":{"search_query":"","known_num_groups":10,"num_groups":1,"op_cost":1},"groups":[],"groups":[{"id":1000000000,"username":"","title":"","date_updated":"2024-01-01"},{"id":1000000000,"username":null,"title":"","date_updated":"2025-01-01"}]}}"#;

pub(super) fn encode(answer: &Answer) -> Vec<u8> {
    let (tag, credits) = match answer.credits {
        Credits::NotCharged => (0, 0),
        Credits::Charged(credits) => (1, credits),
        Credits::Uncertain => (2, 0),
    };
    let packed = compress_prepend_size_with_dict(&answer.body, DICTIONARY);
    let mut bytes = Vec::with_capacity(27 + packed.len());
    bytes.extend(answer.status.to_le_bytes());
    bytes.extend(answer.at.to_le_bytes());
    bytes.extend(answer.expires_at.to_le_bytes());
    bytes.push(tag);
    bytes.extend(credits.to_le_bytes());
    bytes.extend_from_slice(&packed);
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Answer, Error> {
    let (status, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let (at, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (expires_at, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (tag, rest) = rest.split_first().ok_or_else(damaged)?;
    let (credits, packed) = rest.split_first_chunk().ok_or_else(damaged)?;
    let credits = match tag {
        0 => Credits::NotCharged,
        1 => Credits::Charged(u64::from_le_bytes(*credits)),
        2 => Credits::Uncertain,
        _ => return Err(damaged()),
    };
    let body = unpack(packed).ok_or_else(damaged)?;
    Ok(Answer {
        status: u16::from_le_bytes(*status),
        at: u64::from_le_bytes(*at),
        expires_at: u64::from_le_bytes(*expires_at),
        credits,
        body: Bytes::from(body),
    })
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (size, packed) = uncompressed_size(packed).ok()?;
    // LZ4 packs at most 255 bytes into one, so a damaged size allocates no more than that.
    if size > packed.len().saturating_mul(255) {
        return None;
    }
    let body = decompress_with_dict(packed, size, DICTIONARY).ok()?;
    (body.len() == size).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_byte_for_byte_and_damaged_ones_are_told() {
        for body in [&b""[..], b"{}", &[0xff; 10_000], br#"{"status":"ok","result":{"user":{"id":1}}}"#] {
            for credits in [Credits::NotCharged, Credits::Charged(u64::MAX), Credits::Uncertain] {
                let body_bytes = Bytes::copy_from_slice(body);
                let answer = Answer { status: 503, at: 7, expires_at: 8, credits, body: body_bytes };
                let bytes = encode(&answer);
                let read = decode(&bytes).unwrap();
                assert_eq!((read.status, read.at, read.expires_at), (503, 7, 8));
                assert_eq!((read.credits, &read.body[..]), (credits, body));
                for length in 0..bytes.len() - 1 {
                    assert!(decode(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
                }
                let mut huge = bytes;
                huge[27..31].copy_from_slice(&u32::MAX.to_le_bytes());
                assert!(decode(&huge).is_err());
            }
        }
    }

    #[test]
    fn answers_written_by_the_first_release_are_read() {
        let written = [
            200, 0, 0, 104, 229, 207, 139, 1, 0, 0, 0, 198, 181, 130, 140, 1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0,
            0, 61, 0, 0, 0, 15, 255, 1, 13, 2, 89, 1, 25, 55, 169, 0, 144, 97, 108, 105, 99, 101, 34, 125,
            125, 125,
        ];
        let answer = decode(&written).unwrap();
        assert_eq!(&answer.body[..], br#"{"status":"ok","result":{"user":{"id":7,"username":"alice"}}}"#);
        assert_eq!((answer.status, answer.at, answer.credits), (200, 1_700_000_000_000, Credits::Charged(2)));
        assert_eq!(answer.expires_at, 1_703_000_000_000);
        // That one uses a part of the dictionary; this is all of it (FNV-1a).
        let fingerprint = DICTIONARY.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!(fingerprint, 0x592d_2335_bacb_a452, "answers of the first release can no longer be read");
    }
}
