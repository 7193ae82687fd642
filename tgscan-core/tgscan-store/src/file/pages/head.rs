//! The head of the file.

use super::{CHECKSUM, HEAD};

/// The length of a copy, in bytes.
pub(super) const COPY: usize = CHECKSUM + 16 + HEAD;

/// The offset of the flags in redb's head.
pub(in crate::file) const FLAGS: usize = 9;
pub(super) const RECOVERY_REQUIRED: u8 = 2;
pub(super) const TWO_PHASE_COMMIT: u8 = 4;

/// Returns whether redb verifies the whole tree when it opens the file. It does so after a crash, unless the last
/// commit had two phases: then its pages were flushed before the head named it.
pub(in crate::file) fn is_verified_when_opened(head: &[u8; HEAD]) -> bool {
    head[FLAGS] & (RECOVERY_REQUIRED | TWO_PHASE_COMMIT) == RECOVERY_REQUIRED
}

/// A head, and where the next one is written.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) serial: u64,
    /// The number of pages, including page 0.
    pub(super) pages: u64,
    pub(super) bytes: [u8; HEAD],
    /// The copy that the next head is written to.
    pub(super) next: usize,
    /// Whether the latest head must be written to the other copy once it is on disk.
    pub(super) is_new: bool,
    /// The latest head that is known to be on disk, by its serial number.
    pub(super) durable: Option<u64>,
    /// redb's bytes at its last flush, while heads are kept in memory: until the first page is written after the file
    /// was opened.
    pub(super) held: Option<[u8; HEAD]>,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let content = [&self.serial.to_le_bytes()[..], &self.pages.to_le_bytes(), &self.bytes].concat();
        [&crc32fast::hash(&content).to_le_bytes()[..], &content].concat()
    }

    pub(super) fn decode(copy: &[u8]) -> Option<Self> {
        let (checksum, content) = copy.split_first_chunk()?;
        if *checksum != crc32fast::hash(content).to_le_bytes() {
            return None;
        }
        let (serial, rest) = content.split_first_chunk()?;
        let (pages, bytes) = rest.split_first_chunk()?;
        let (serial, pages) = (u64::from_le_bytes(*serial), u64::from_le_bytes(*pages));
        Some(Self {
            serial,
            pages,
            bytes: bytes.try_into().ok()?,
            next: 0,
            is_new: false,
            durable: None,
            held: None,
        })
    }
}
