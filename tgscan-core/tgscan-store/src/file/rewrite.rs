//! Copies the store into a new file that takes its place, so that nothing erased is left in old pages.

use std::path::Path;
use std::sync::PoisonError;

use redb::{Database, Error, ReadTransaction, ReadableTable, WriteTransaction};
use tgscan_core::store::StoreError;

use super::Shared;
use super::database::{EARLIER_FAILURE, META, definition, explain, guarded};
use super::open::{beside, create_at, io, sync_directory};
use crate::tables::Table;

const ENDING: &str = "rewrite";

/// Removes copies that a process left behind that died. The lock is held, so no other process makes one.
pub(super) fn remove_left_behind(path: &Path) {
    let _ = std::fs::remove_file(beside(path, ENDING));
}

impl Shared {
    /// Rewrites the file. Whatever fails, exactly one file is left, and it is the one in use.
    pub(super) fn rewrite(&self) -> Result<(), StoreError> {
        self.open_again()?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = database.as_ref() else {
            return Err(self.named(&StoreError::new(EARLIER_FAILURE)));
        };
        let copy = beside(&self.path, ENDING);
        let replaced = copy_to(old, &self.path, &copy).and_then(|new| {
            std::fs::rename(&copy, &self.path).map(|()| new).map_err(|error| {
                let advice = "if the file is mounted alone, mount its directory";
                StoreError::new(format!("cannot be replaced: {error}; {advice}"))
            })
        });
        match replaced {
            Ok(new) => {
                // From here on the old file has no name, so the new one is in use, whatever follows.
                *database = Some(new);
                sync_directory(&self.path).map_err(|error| self.named(&error))
            }
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
fn copy_to(old: &Database, path: &Path, copy: &Path) -> Result<Database, StoreError> {
    let new = create_at(copy)?;
    guarded(|| copy_all(old, &new).map_err(|error| explain(&error)))?;
    let data = std::fs::metadata(path).map_err(|error| io("cannot be read", &error))?;
    std::fs::set_permissions(copy, data.permissions())
        .map_err(|error| io("has a mode that cannot be kept", &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let made = std::fs::metadata(copy).map_err(|error| io("cannot be read", &error))?;
        if (made.uid(), made.gid()) != (data.uid(), data.gid()) {
            std::os::unix::fs::chown(copy, Some(data.uid()), Some(data.gid()))
                .map_err(|error| io("belongs to a user that cannot be kept", &error))?;
        }
    }
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
