//! The file's pages, each with a checksum, below redb.
//!
//! redb trusts the pages that it reads: damaged pages could make it panic or return wrong data. Here, each page is
//! verified when it is read, so damage is an error. Version 2 of the format, with all numbers in little-endian order:
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 15 | [`MAGIC`], and the version as 4 bytes |
//! | 512 to 1023 | the first copy of the head |
//! | 1024 to 1535 | the second copy of the head |
//! | from 4096 | groups: each is a page with 1024 checksums, then the 1024 pages that they belong to, from page 1 on |
//!
//! A page has 4096 bytes. Its checksum is the CRC-32 of its number (8 bytes) and its content. Changed checksums are
//! written when redb flushes its pages.
//!
//! A head consists of the CRC-32 of the rest, a serial number (8 bytes), the number of pages (8 bytes), and the first
//! 320 bytes of redb's page 0. A new head overwrites the copy that is not known to be on disk, and once it is on disk,
//! also the other copy. So a crash leaves one complete head. Damage to one copy loses nothing, unless the other is older.
//! A sector of 512 bytes is written whole or not at all.
//!
//! In an existing file, a page with a wrong checksum is damaged, with one exception. If the copies of the head
//! differ, the process died during a commit or directly after it. If redb's bytes then require a recovery, and the
//! commit did not have two phases, redb decides by the checksums in its tree whether the commit is complete. For
//! that, pages with a wrong checksum may be read. A process whose own commit failed takes the head before it instead:
//! after a failed flush, the system may have dropped pages that it still returns to readers.

#[cfg(test)]
mod tests;

mod head;
mod sums;

use std::fmt;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

use head::{COPY, Head};
pub(super) use head::{FLAGS, is_verified_when_opened};
use sums::Sums;

/// The first bytes of a store.
pub(super) const MAGIC: &[u8; 12] = b"tgscan store";
/// The version of the format.
pub(super) const VERSION: u32 = 2;

pub(super) const PAGE: usize = 4096;
const CHECKSUM: usize = 4;
/// The number of pages in a group, whose checksums are in one page. Small in tests, so that files have several groups.
const GROUP: u64 = if cfg!(test) { 8 } else { (PAGE / CHECKSUM) as u64 };
/// The length of redb's head, in bytes.
pub(super) const HEAD: usize = 320;
/// The offsets of the copies of the head, each in a separate sector.
const COPIES: [u64; 2] = [512, 1024];
/// The offset of the first group.
const FIRST: u64 = 4096;

/// The locked file. Clones share it, so that it stays locked while redb opens it again.
#[derive(Clone)]
pub(super) struct Pages {
    file: Arc<dyn StorageBackend>,
    head: Arc<Mutex<Head>>,
    sums: Arc<Mutex<Sums>>,
    /// Whether pages with a wrong checksum may be read. They occur in a new file, and after an incomplete commit.
    is_lenient: Arc<AtomicBool>,
}

impl Pages {
    /// Locks a file, which must be empty if `is_new`.
    pub(super) fn lock(file: File, is_new: bool) -> std::result::Result<Self, redb::Error> {
        Ok(Self::over(Arc::new(FileBackend::new(file)?), is_new)?)
    }

    pub(super) fn over(file: Arc<dyn StorageBackend>, is_new: bool) -> Result<Self> {
        if is_new {
            let start = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
            file.write(0, &start)?;
        }
        let head =
            Head { serial: 0, pages: 0, bytes: [0; HEAD], next: 0, is_new: false, durable: None, held: None };
        let is_lenient = Arc::new(AtomicBool::new(is_new));
        Ok(Self { file, head: Arc::new(Mutex::new(head)), sums: Arc::default(), is_lenient })
    }

    /// Reads the head of an existing file.
    pub(super) fn load(&self) -> Result<()> {
        let durable = self.head().durable;
        let mut heads = self.heads();
        let len = self.file.len()?;
        let mut latest = heads.pop().ok_or_else(|| damaged("both copies of its head are damaged"))?;
        let mut is_recovering = false;
        if let Some(older) = heads.pop().filter(|older| older.1.serial != latest.1.serial) {
            // The length of the file may not have reached the disk. And if this process failed to flush the newer head,
            // the system may have dropped its pages, although reading still returns them.
            is_recovering =
                len >= end(latest.1.pages) && durable.is_none_or(|known| latest.1.serial <= known);
            if !is_recovering {
                latest = older;
            }
            // The head must reach the disk before the other is overwritten.
            self.file.sync_data(false)?;
        }
        let (copy, mut head) = latest;
        if len < end(head.pages) {
            return Err(Error::new(ErrorKind::UnexpectedEof, "it is shorter than its head states"));
        }
        (head.next, head.durable, head.held) = (1 - copy, Some(head.serial), Some(head.bytes));
        *self.sums() = Sums::default();
        self.is_lenient.store(is_recovering && is_verified_when_opened(&head.bytes), Ordering::Relaxed);
        *self.head() = head;
        Ok(())
    }

    /// Reads the undamaged copies of the head, the latest last.
    fn heads(&self) -> Vec<(usize, Head)> {
        let mut heads: Vec<(usize, Head)> = COPIES
            .iter()
            .enumerate()
            .filter_map(|(copy, at)| Some((copy, Head::decode(&self.file.read(*at, COPY).ok()?)?)))
            .collect();
        heads.sort_by_key(|(_, head)| head.serial);
        heads
    }

    /// Reads redb's bytes in the head of a damaged file. Also returns whether all pages of that commit are known to
    /// be on disk.
    pub(super) fn head_of_damaged(&self) -> Option<([u8; HEAD], bool)> {
        let heads = self.heads();
        let is_flushed = matches!(&heads[..], [(_, one), (_, other)] if one.serial == other.serial);
        let (_, latest) = heads.last()?;
        Some((latest.bytes, is_flushed || !is_verified_when_opened(&latest.bytes)))
    }

    /// Reads pages of a damaged file. Also returns whether all their checksums are right. `None` if they cannot be
    /// read.
    pub(super) fn read_damaged(&self, first: u64, count: usize) -> Option<(Vec<u8>, bool)> {
        let (mut read, mut is_intact) = (Vec::new(), true);
        for (first, count) in in_groups(first, count) {
            let part = self.file.read(place(first), count * PAGE).ok()?;
            let mut sums = self.sums();
            for (page, content) in (first..).zip(part.chunks_exact(PAGE)) {
                is_intact &= sums.get(&*self.file, page).is_ok_and(|sum| sum == checksum(page, content));
            }
            drop(sums);
            read.extend(part);
        }
        Some((read, is_intact))
    }

    /// Returns the number of pages, including page 0, by the length of the file.
    pub(super) fn count_by_length(&self) -> u64 {
        let pages = self.file.len().unwrap_or(0).saturating_sub(FIRST) / PAGE as u64;
        1 + pages / (GROUP + 1) * GROUP + (pages % (GROUP + 1)).saturating_sub(1)
    }

    /// Refuses every damaged page from now on.
    pub(super) fn be_strict(&self) {
        self.is_lenient.store(false, Ordering::Relaxed);
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the head that was held, before the first page is written.
    fn release_head(&self) -> Result<()> {
        let Some(flushed) = self.head().held.take() else {
            return Ok(());
        };
        // Checksums that a recovery accepted must be on disk before a head that requires them.
        if self.sums().write(&*self.file)? {
            self.file.sync_data(false).inspect_err(|_| {
                // The recovered commit was never reported as complete. The next recovery takes the commit before it.
                let mut head = self.head();
                head.durable = head.durable.map(|serial| serial - 1);
            })?;
        }
        // redb may have written the head of a commit already, before the pages of that commit.
        let mut head = self.head();
        let latest = std::mem::replace(&mut head.bytes, flushed);
        self.write_head(&mut head)?;
        drop(head);
        self.sync_data(false)?;
        if latest == flushed {
            return Ok(());
        }
        let mut head = self.head();
        head.bytes = latest;
        self.write_head(&mut head)
    }

    /// Writes the head to the copy that is not known to be on disk. Until the first page is written, the head is held
    /// in memory instead: it marks the file as open, and a process that only reads would flush it twice for nothing.
    fn write_head(&self, head: &mut Head) -> Result<()> {
        if head.held.is_some() {
            return Ok(());
        }
        head.serial =
            head.serial.checked_add(1).ok_or_else(|| damaged("the number of its head is too large"))?;
        head.is_new = true;
        self.file.write(COPIES[head.next], &head.encode())
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
            return Err(damaged("a reference points beyond its end"));
        }
        let mut read = Vec::new();
        for (first, count) in in_groups(first, count) {
            let part = self.file.read(place(first), count * PAGE)?;
            let mut sums = self.sums();
            for (page, content) in (first..).zip(part.chunks_exact(PAGE)) {
                let actual = checksum(page, content);
                if actual != sums.get(&*self.file, page)? {
                    if !self.is_lenient.load(Ordering::Relaxed) {
                        return Err(damaged(&format!("page {page} has a wrong checksum")));
                    }
                    // A power loss may have kept the page and lost its checksum. redb verifies the content before it
                    // uses the page. If redb refuses the content, the page is free.
                    sums.set(&*self.file, page, actual)?;
                }
            }
            drop(sums);
            if read.is_empty() {
                read = part;
            } else {
                read.extend(part);
            }
        }
        Ok(read)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.release_head()?;
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
        drop(head);
        if is_shorter {
            self.sync_data(false)?;
            self.file.set_len(end(pages))?;
        }
        Ok(())
    }

    fn sync_data(&self, eventual: bool) -> Result<()> {
        let written = {
            let mut head = self.head();
            if head.held.is_some() {
                head.held = Some(head.bytes);
                return Ok(());
            }
            head.serial
        };
        self.sums().write(&*self.file)?;
        self.file.sync_data(eventual)?;
        let mut head = self.head();
        head.durable = Some(written);
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
        self.release_head()?;
        let (first, count) = span(offset, data.len())?;
        let mut data = data;
        for (first, count) in in_groups(first, count) {
            let (part, rest) = data.split_at(count * PAGE);
            let mut sums = self.sums();
            for (page, content) in (first..).zip(part.chunks_exact(PAGE)) {
                sums.set(&*self.file, page, checksum(page, content))?;
            }
            drop(sums);
            self.file.write(place(first), part)?;
            data = rest;
        }
        Ok(())
    }
}

/// Returns the first page of a range, and the number of pages.
fn span(offset: u64, len: usize) -> Result<(u64, usize)> {
    let page = PAGE as u64;
    if offset == 0 || offset % page != 0 || len % PAGE != 0 {
        return Err(damaged("a reference does not point to a page"));
    }
    Ok((offset / page, len / PAGE))
}

/// Splits a range of pages into parts, each within one group.
fn in_groups(mut first: u64, mut count: usize) -> impl Iterator<Item = (u64, usize)> {
    std::iter::from_fn(move || {
        let left = usize::try_from(GROUP - (first - 1) % GROUP).unwrap_or(count);
        let part = (first, count.min(left));
        first += part.1 as u64;
        count -= part.1;
        (part.1 > 0).then_some(part)
    })
}

/// Returns the offset in the file of a group's checksums.
fn place_of_sums(group: u64) -> u64 {
    FIRST.saturating_add(group.saturating_mul((GROUP + 1) * PAGE as u64))
}

/// Returns the offset of a page in the file.
fn place(page: u64) -> u64 {
    place_of_sums((page - 1) / GROUP).saturating_add(((page - 1) % GROUP + 1) * PAGE as u64)
}

/// Returns the length of a file with this number of pages.
fn end(pages: u64) -> u64 {
    if pages > 1 { place(pages - 1).saturating_add(PAGE as u64) } else { FIRST }
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
