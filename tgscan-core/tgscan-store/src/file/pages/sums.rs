//! The checksums of the pages.

use std::collections::BTreeMap;
use std::io::Result;
use std::ops::Range;

use redb::StorageBackend;

use super::{CHECKSUM, GROUP, PAGE, damaged, place_of_sums};

/// The checksums of the groups that were read or written: 4 KB in memory for each 4 MB of the file.
#[derive(Default)]
pub(super) struct Sums {
    groups: BTreeMap<u64, Vec<u8>>,
    /// The bytes of each group that changed since the last flush.
    changed: BTreeMap<u64, Range<usize>>,
}

impl Sums {
    pub(super) fn get(&mut self, file: &dyn StorageBackend, page: u64) -> Result<[u8; CHECKSUM]> {
        let (group, at) = place(page);
        let sums = self.group(file, group)?;
        sums[at..].first_chunk().copied().ok_or_else(|| damaged("its checksums are cut off"))
    }

    pub(super) fn set(&mut self, file: &dyn StorageBackend, page: u64, sum: [u8; CHECKSUM]) -> Result<()> {
        let (group, at) = place(page);
        self.group(file, group)?[at..at + CHECKSUM].copy_from_slice(&sum);
        let changed = self.changed.entry(group).or_insert(at..at);
        *changed = changed.start.min(at)..changed.end.max(at + CHECKSUM);
        Ok(())
    }

    /// Writes the checksums that changed. Returns whether there are any.
    pub(super) fn write(&mut self, file: &dyn StorageBackend) -> Result<bool> {
        let changed = std::mem::take(&mut self.changed);
        let is_changed = !changed.is_empty();
        for (group, changed) in changed {
            let place = place_of_sums(group) + changed.start as u64;
            file.write(place, &self.group(file, group)?[changed])?;
        }
        Ok(is_changed)
    }

    fn group(&mut self, file: &dyn StorageBackend, group: u64) -> Result<&mut Vec<u8>> {
        match self.groups.entry(group) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                Ok(new.insert(file.read(place_of_sums(group), PAGE)?))
            }
        }
    }
}

/// Returns the group of a page, and the offset of the page's checksum in the group's checksums.
fn place(page: u64) -> (u64, usize) {
    let at = usize::try_from((page - 1) % GROUP).unwrap_or_default();
    ((page - 1) / GROUP, at * CHECKSUM)
}
