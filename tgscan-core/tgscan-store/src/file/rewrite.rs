//! Copies the store into a new file that takes its place, so that nothing erased is left in old pages.

use std::path::Path;
use std::sync::PoisonError;

use redb::{Database, Error, ReadTransaction, ReadableTable, WriteTransaction};
use tgscan_core::store::StoreError;

use super::database::{META, definition, explain, guarded};
use super::open::{Opened, REWRITE, beside, create_at, io, sync_directory};
use super::{Open, Shared, database};
use crate::tables::Table;

impl Shared {
    /// Rewrites the file. Whatever fails, exactly one file is left, and it is the one in use.
    ///
    /// Answers can be read meanwhile. Transactions wait.
    pub(super) fn rewrite(&self) -> Result<(), StoreError> {
        let _writing = self.writing();
        let copy = beside(&self.path, REWRITE);
        let old = self.opened()?;
        let copied = database(&old).and_then(|old| copy_to(old, &self.path, &copy));
        drop(old);
        let replaced = copied.and_then(|new| {
            // None reads the old file while the new one takes its place.
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            std::fs::rename(&copy, &self.path).map_err(|error| {
                let advice = "if the file is mounted alone, mount its directory";
                StoreError::new(format!("cannot be replaced: {error}; {advice}"))
            })?;
            // From here on the old file has no name, so the new one is in use, whatever follows.
            let Opened { database, pages } = new;
            Ok(std::mem::replace(&mut *store, Open { database: Some(database), pages }))
        });
        match replaced {
            Ok(_old) => sync_directory(&self.path).map_err(|error| self.named(&error)),
            Err(error) => {
                let _ = std::fs::remove_file(&copy);
                Err(self.named(&StoreError::new(format!(
                    "was erased from, but not rewritten, so that old pages remain: {error}; erase again"
                ))))
            }
        }
    }
}

/// Copies all rows, with the mode and the owner of the file.
fn copy_to(old: &Database, path: &Path, copy: &Path) -> Result<Opened, StoreError> {
    let new = create_at(copy)?;
    guarded(|| copy_all(old, &new.database).map_err(|error| explain(&error)))?;
    let data = std::fs::metadata(path).map_err(|error| io("cannot be read", &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let made = std::fs::metadata(copy).map_err(|error| io("cannot be read", &error))?;
        if (made.uid(), made.gid()) != (data.uid(), data.gid()) {
            std::os::unix::fs::chown(copy, Some(data.uid()), Some(data.gid()))
                .map_err(|error| io("belongs to a user that cannot be kept", &error))?;
        }
    }
    // After the owner, whose change may clear bits of the mode.
    std::fs::set_permissions(copy, data.permissions())
        .map_err(|error| io("has a mode that cannot be kept", &error))?;
    Ok(new)
}

fn copy_all(old: &Database, new: &Database) -> Result<(), Error> {
    let (from, to) = (old.begin_read()?, new.begin_write()?);
    for table in Table::ALL {
        copy(&from, &to, table)?;
    }
    let mut meta = to.open_table(META)?;
    for entry in from.open_table(META)?.iter()? {
        let (key, value) = entry?;
        meta.insert(key.value(), value.value())?;
    }
    drop(meta);
    to.commit()?;
    Ok(())
}

fn copy(from: &ReadTransaction, to: &WriteTransaction, table: Table) -> Result<(), Error> {
    let (from, mut to) = (from.open_table(definition(table))?, to.open_table(definition(table))?);
    for entry in from.iter()? {
        let (key, value) = entry?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}
