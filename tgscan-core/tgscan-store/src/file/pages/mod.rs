//! The file's pages, each with a checksum, below redb.
//!
//! redb trusts the pages that it reads: it would panic at some damaged ones, and take others for the data. Here each page is
//! verified when it is read, so that damage is an error. Version 1 of the format:
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 15 | [`MAGIC`], and the version as 4 bytes, little-endian as all numbers |
//! | 512 to 1023 | the first copy of the head |
//! | 1024 to 1535 | the second copy of the head |
//! | from 4096 | pages 1, 2, …: 4096 bytes, and the CRC-32 of the page's number (8 bytes) and these bytes |
//!
//! A head is the CRC-32 of the rest, a serial number (8 bytes), the number of pages (8 bytes), and the 320 bytes that redb
//! keeps at the beginning of its page 0. A new head overwrites the copy that is not known to be on disk, and is copied over
//! the other one when it is. So a crash leaves one whole head, and damage to one copy loses nothing. If the copies differ,
//! the process died during a commit, and redb decides by the checksums in its tree whether that commit is complete.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// The first bytes of a store.
pub(super) const MAGIC: &[u8; 12] = b"tgscan store";
/// The version of the format.
pub(super) const VERSION: u32 = 1;

const PAGE: usize = 4096;
const CHECKSUM: usize = 4;
/// The bytes of redb's head.
const HEAD: usize = 320;
/// Where the copies of the head are, each in a separate sector.
const COPIES: [u64; 2] = [512, 1024];
/// The bytes of a copy.
const COPY: usize = CHECKSUM + 16 + HEAD;
/// Where page 1 is.
const FIRST: u64 = 4096;

/// The locked file. Clones share it, so that it stays locked while redb opens it again.
#[derive(Clone)]
pub(super) struct Pages {
    file: Arc<dyn StorageBackend>,
    head: Arc<Mutex<Head>>,
    /// Whether pages with a wrong checksum may be read: of a new file, or of an incomplete commit.
    is_lenient: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Head {
    serial: u64,
    /// The number of pages, with page 0.
    pages: u64,
    bytes: [u8; HEAD],
    /// The copy that the next head is written to.
    next: usize,
    /// Whether the latest head has to be copied when it is on disk.
    is_new: bool,
}

impl Pages {
    /// Locks a file, which is empty if it `is_new`.
    pub(super) fn lock(file: File, is_new: bool) -> std::result::Result<Self, redb::Error> {
        Ok(Self::over(Arc::new(FileBackend::new(file)?), is_new)?)
    }

    fn over(file: Arc<dyn StorageBackend>, is_new: bool) -> Result<Self> {
        if is_new {
            let start = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
            file.write(0, &start)?;
        }
        let head = Head { serial: 0, pages: 0, bytes: [0; HEAD], next: 0, is_new: false };
        let is_lenient = Arc::new(AtomicBool::new(is_new));
        Ok(Self { file, head: Arc::new(Mutex::new(head)), is_lenient })
    }

    /// Reads the head of a file that was written before.
    pub(super) fn load(&self) -> Result<()> {
        let mut heads: Vec<(usize, Head)> = COPIES
            .iter()
            .enumerate()
            .filter_map(|(copy, at)| Some((copy, Head::decode(&self.file.read(*at, COPY).ok()?)?)))
            .collect();
        heads.sort_by_key(|(_, head)| head.serial);
        let is_recovering = matches!(&heads[..], [(_, old), (_, new)] if old.serial != new.serial);
        let len = self.file.len()?;
        let mut latest = heads.pop().ok_or_else(|| damaged("both copies of its head are damaged"))?;
        if is_recovering {
            // The length of the file may not have reached the disk. Before the older head is overwritten, the newer one has to.
            if len < end(latest.1.pages) {
                latest = heads.pop().unwrap_or(latest);
            }
            self.file.sync_data(false)?;
        }
        let (copy, mut head) = latest;
        if len < end(head.pages) {
            return Err(Error::new(ErrorKind::UnexpectedEof, "it is shorter than its head says"));
        }
        head.next = 1 - copy;
        *self.head() = head;
        self.is_lenient.store(is_recovering, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses every damaged page from now on.
    pub(super) fn be_strict(&self) {
        self.is_lenient.store(false, Ordering::Relaxed);
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the head to the copy that is not known to be on disk.
    fn write_head(&self, head: &mut Head) -> Result<()> {
        head.serial += 1;
        head.is_new = true;
        self.file.write(COPIES[head.next], &head.encode())
    }
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let content = [&self.serial.to_le_bytes()[..], &self.pages.to_le_bytes(), &self.bytes].concat();
        [&crc32fast::hash(&content).to_le_bytes()[..], &content].concat()
    }

    fn decode(copy: &[u8]) -> Option<Self> {
        let (checksum, content) = copy.split_first_chunk()?;
        if *checksum != crc32fast::hash(content).to_le_bytes() {
            return None;
        }
        let (serial, rest) = content.split_first_chunk()?;
        let (pages, bytes) = rest.split_first_chunk()?;
        let (serial, pages) = (u64::from_le_bytes(*serial), u64::from_le_bytes(*pages));
        Some(Self { serial, pages, bytes: bytes.try_into().ok()?, next: 0, is_new: false })
    }
}

impl StorageBackend for Pages {
    fn len(&self) -> Result<u64> {
        Ok(self.head().pages * PAGE as u64)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        if offset == 0 && len <= HEAD {
            return Ok(self.head().bytes[..len].to_vec());
        }
        let (first, count) = span(offset, len)?;
        if first.saturating_add(count as u64) > self.head().pages {
            return Err(damaged("a reference leads beyond its end"));
        }
        let stored = self.file.read(place(first), count * (PAGE + CHECKSUM))?;
        let mut read = Vec::with_capacity(len);
        for (page, bytes) in (first..).zip(stored.chunks_exact(PAGE + CHECKSUM)) {
            let (content, expected) = bytes.split_at(PAGE);
            let actual = checksum(page, content);
            if actual != expected {
                if !self.is_lenient.load(Ordering::Relaxed) {
                    return Err(damaged(&format!("page {page} has a wrong checksum")));
                }
                // A power loss may have kept the page and lost its checksum. redb verifies the content itself before it uses the
                // page. If it refuses it, the page is free.
                self.file.write(place(page) + PAGE as u64, &actual)?;
            }
            read.extend_from_slice(content);
        }
        Ok(read)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let pages = len / PAGE as u64;
        let mut head = self.head();
        let is_shorter = pages < head.pages;
        if !is_shorter {
            self.file.set_len(end(pages))?;
        }
        head.pages = pages;
        // There is no head before redb has written the first one.
        if head.serial > 0 {
            self.write_head(&mut head)?;
        }
        if is_shorter { self.file.set_len(end(pages)) } else { Ok(()) }
    }

    fn sync_data(&self, eventual: bool) -> Result<()> {
        let written = self.head().serial;
        self.file.sync_data(eventual)?;
        let mut head = self.head();
        if head.is_new && head.serial == written {
            head.next = 1 - head.next;
            head.is_new = false;
            self.file.write(COPIES[head.next], &head.encode())?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        if offset == 0 {
            let mut head = self.head();
            head.bytes = data.try_into().map_err(|_| damaged("its head has another length"))?;
            return self.write_head(&mut head);
        }
        let (first, _) = span(offset, data.len())?;
        let mut stored = Vec::with_capacity(data.len() / PAGE * (PAGE + CHECKSUM));
        for (page, bytes) in (first..).zip(data.chunks_exact(PAGE)) {
            stored.extend_from_slice(bytes);
            stored.extend(checksum(page, bytes));
        }
        self.file.write(place(first), &stored)
    }
}

/// The pages of a range, as the first and their count.
fn span(offset: u64, len: usize) -> Result<(u64, usize)> {
    let page = PAGE as u64;
    if offset == 0 || offset % page != 0 || len % PAGE != 0 {
        return Err(damaged("a reference leads between pages"));
    }
    Ok((offset / page, len / PAGE))
}

/// Where a page is in the file.
fn place(page: u64) -> u64 {
    FIRST.saturating_add((page - 1).saturating_mul((PAGE + CHECKSUM) as u64))
}

/// The length of a file with this number of pages.
fn end(pages: u64) -> u64 {
    place(pages.max(1))
}

fn checksum(page: u64, bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&page.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}
