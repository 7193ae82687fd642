//! Encodes answers: a head of 19 bytes, then the body.

use tgscan_core::Credits;
use tgscan_core::bytes::Bytes;
use tgscan_core::store::Answer;

/// The length of the head in bytes: status, time, and cost.
pub(crate) const HEAD: usize = 19;

pub(crate) fn encode(answer: &Answer) -> Vec<u8> {
    let (tag, credits) = match answer.credits {
        Credits::NotCharged => (0, 0),
        Credits::Charged(credits) => (1, credits),
        Credits::Uncertain => (2, 0),
    };
    let mut bytes = Vec::with_capacity(HEAD + answer.body.len());
    bytes.extend(answer.status.to_le_bytes());
    bytes.extend(answer.at.to_le_bytes());
    bytes.push(tag);
    bytes.extend(credits.to_le_bytes());
    bytes.extend_from_slice(&answer.body);
    bytes
}

pub(crate) fn decode(bytes: Vec<u8>) -> Option<Answer> {
    let bytes = Bytes::from(bytes);
    let (status, rest) = bytes.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (tag, rest) = rest.split_first()?;
    let credits = rest.first_chunk()?;
    let credits = match tag {
        0 => Credits::NotCharged,
        1 => Credits::Charged(u64::from_le_bytes(*credits)),
        2 => Credits::Uncertain,
        _ => return None,
    };
    let (status, at) = (u16::from_le_bytes(*status), u64::from_le_bytes(*at));
    Some(Answer { status, body: bytes.slice(HEAD..), credits, at })
}
