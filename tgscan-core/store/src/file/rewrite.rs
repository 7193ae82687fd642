//! Copies the store into a new file, so that nothing that was erased is left in old pages.

use std::path::{Path, PathBuf};

use redb::{Database, Error, Key, ReadTransaction, ReadableTable, TableDefinition, Value, WriteTransaction};

use super::open::{create, explain};
use super::tables::{ANSWERS, BILL, BOOKS, EXPIRIES, HOLDERS, META, OPEN, ROWS};

/// Where the copy is made.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rewrite");
    name.into()
}

/// Copies the store and puts the copy in its place. The old file stays if anything fails.
pub(super) fn rewrite(old: &Database, path: &Path) -> Result<Database, String> {
    let beside = beside(path);
    let _ = std::fs::remove_file(&beside);
    let copy = || {
        let new = create(&beside)?;
        copy_all(old, &new).map_err(|error| explain(&error))?;
        std::fs::rename(&beside, path)
            .map_err(|error| format!("the copy cannot be put in place: {error}"))?;
        // The new name is durable with its directory.
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| format!("the directory cannot be flushed: {error}"))?;
        Ok(new)
    };
    let copied = copy();
    if copied.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    copied
}

fn copy_all(old: &Database, new: &Database) -> Result<(), Error> {
    let (from, to) = (old.begin_read()?, new.begin_write()?);
    copy(&from, &to, META)?;
    copy(&from, &to, HOLDERS)?;
    copy(&from, &to, ROWS)?;
    copy(&from, &to, ANSWERS)?;
    copy(&from, &to, OPEN)?;
    copy(&from, &to, EXPIRIES)?;
    copy(&from, &to, BOOKS)?;
    copy(&from, &to, BILL)?;
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
