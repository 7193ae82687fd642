//! A disk in memory, which loses unflushed writes.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use redb::StorageBackend;

const SECTOR: usize = 512;

/// A disk in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(pub(super) Arc<Mutex<Platters>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Platters {
    pub(super) flushed: Vec<u8>,
    pub(super) current: Vec<u8>,
    /// Ranges that were written since the last flush.
    pub(super) unflushed: Vec<std::ops::Range<usize>>,
}

impl Disk {
    pub(super) fn platters(&self) -> MutexGuard<'_, Platters> {
        self.0.lock().unwrap()
    }

    /// Returns the content of the disk if the power is lost now.
    pub(super) fn lose_power(&self, rng: &mut Rng) -> Self {
        // Mostly all or nothing of a range is lost with a disk that orders its writes.
        let share = [0.0, 0.5, 0.95, 1.0][rng.usize(..4)];
        self.lose_power_with(share, rng)
    }

    /// Keeps a share of the unflushed sectors.
    pub(super) fn lose_power_with(&self, share: f64, rng: &mut Rng) -> Self {
        let platters = self.platters();
        let mut left = platters.flushed.clone();
        if rng.bool() {
            left.resize(platters.current.len(), 0);
        }
        let sectors =
            platters.unflushed.iter().flat_map(|range| range.start / SECTOR..range.end.div_ceil(SECTOR));
        for sector in sectors {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(left.len()).min(platters.current.len());
            if start < end && rng.f64() < share {
                left[start..end].copy_from_slice(&platters.current[start..end]);
            }
        }
        Self(Arc::new(Mutex::new(Platters { flushed: left.clone(), current: left, unflushed: Vec::new() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.platters().current.len() as u64)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap();
        let bytes = self.platters().current.get(start..start + len).map(<[u8]>::to_vec);
        bytes.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.platters().current.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self, _: bool) -> Result<()> {
        let mut platters = self.platters();
        let Platters { flushed, current, unflushed } = &mut *platters;
        flushed.resize(current.len(), 0);
        // Not pages whose flush failed before.
        for range in unflushed.drain(..) {
            let range = range.start..range.end.min(current.len());
            flushed[range.clone()].copy_from_slice(&current[range]);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let start = usize::try_from(offset).unwrap();
        let mut platters = self.platters();
        let end = start + data.len();
        if platters.current.len() < end {
            platters.current.resize(end, 0);
        }
        platters.current[start..end].copy_from_slice(data);
        platters.unflushed.push(start..end);
        Ok(())
    }
}

/// A disk that fails after a number of writes and flushes.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) disk: Disk,
    pub(super) left: Mutex<u32>,
}

impl Failing {
    fn count(&self) -> Result<()> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| Error::other("the power is lost"))?;
        Ok(())
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.disk.read(offset, len)
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.count()?;
        self.disk.set_len(len)
    }
    fn sync_data(&self, eventual: bool) -> Result<()> {
        self.count()?;
        self.disk.sync_data(eventual)
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.count()?;
        self.disk.write(offset, data)
    }
}

/// A disk one of whose flushes fails, as on Linux: the pages are not on disk, are still read, and are not written by later
/// flushes.
#[derive(Debug)]
pub(super) struct Forgetful {
    pub(super) disk: Disk,
    /// The number of the flush that fails.
    pub(super) fails: Mutex<u32>,
}

impl StorageBackend for Forgetful {
    fn len(&self) -> Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.disk.read(offset, len)
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.disk.set_len(len)
    }
    fn sync_data(&self, eventual: bool) -> Result<()> {
        let mut fails = self.fails.lock().unwrap();
        *fails = fails.wrapping_sub(1);
        if *fails == 0 {
            self.disk.platters().unflushed.clear();
            return Err(Error::other("the flush failed"));
        }
        self.disk.sync_data(eventual)
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.disk.write(offset, data)
    }
}
