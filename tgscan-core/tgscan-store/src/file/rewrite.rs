//! Copies the store into a new file that replaces it, so that no erased data is left in old pages.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use redb::{Database, Error, Key, ReadTransaction, ReadableTable, TableDefinition, Value, WriteTransaction};
use tgscan_core::store::StoreError;

use super::database::{META, ROWS, explain, guarded};
use super::open::{Opened, REWRITE, beside, create_at, io, remove_left_behind};
use super::shared::{Shared, UNFLUSHED, database};

impl Shared {
    /// Rewrites the file. After a failure, one file is left, and it is the one in use.
    ///
    /// Meanwhile, answers can be read, and transactions wait.
    pub(super) fn rewrite(&self) -> Result<(), StoreError> {
        let _writing = self.writing();
        let copy = beside(&self.path, REWRITE);
        let old = self.opened()?;
        let copied = database(&old).and_then(|old| copy_to(old, &self.path, &copy));
        drop(old);
        let replaced = copied.and_then(|new| {
            // No thread reads the old file while the new one replaces it.
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            self.check_place(&store)?;
            self.is_named.store(false, Ordering::Relaxed);
            std::fs::rename(&copy, &self.path).map_err(|error| {
                let advice = "if the file is mounted alone, mount its directory";
                StoreError::new(format!("cannot be replaced: {error}; {advice}"))
            })?;
            // The old file has no name now, so the new one must be used even if a later step fails.
            Ok(std::mem::replace(&mut *store, new.into()))
        });
        match replaced {
            Ok(_old) => {
                remove_left_behind(&self.path);
                self.name_durably().map_err(|error| self.named(&io(UNFLUSHED, &error)))
            }
            Err(error) => {
                let _ = std::fs::remove_file(&copy);
                Err(self.named(&StoreError::new(format!(
                    "the data was erased, but the file was not rewritten, so old pages remain: {error}; then erase again"
                ))))
            }
        }
    }
}

/// Copies all rows into a new file with the same mode and owner.
fn copy_to(old: &Database, path: &Path, copy: &Path) -> Result<Opened, StoreError> {
    let data = std::fs::metadata(path).map_err(|error| io("cannot be read", &error))?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&data) > 1 {
        return Err(StoreError::new(
            "the file has other hard links, which would keep the erased data; remove them",
        ));
    }
    let new = create_at(copy)?;
    guarded(|| copy_all(old, &new.database).map_err(|error| explain(&error)))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let made = std::fs::metadata(copy).map_err(|error| io("cannot be read", &error))?;
        if (made.uid(), made.gid()) != (data.uid(), data.gid()) {
            std::os::unix::fs::chown(copy, Some(data.uid()), Some(data.gid()))
                .map_err(|error| io("has an owner that cannot be kept", &error))?;
        }
    }
    // After the owner, whose change may clear bits of the mode.
    std::fs::set_permissions(copy, data.permissions())
        .map_err(|error| io("has a mode that cannot be kept", &error))?;
    // Flushes the owner and the mode.
    new.file.sync_all().map_err(|error| io("cannot be flushed", &error))?;
    Ok(new)
}

fn copy_all(old: &Database, new: &Database) -> Result<(), Error> {
    let (from, to) = (old.begin_read()?, new.begin_write()?);
    copy(&from, &to, ROWS)?;
    copy(&from, &to, META)?;
    to.commit()?;
    Ok(())
}

fn copy<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), Error> {
    let (from, mut to) = (from.open_table(table)?, to.open_table(table)?);
    for entry in from.iter()? {
        let (key, value) = entry?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}
