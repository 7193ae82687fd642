//! Verifies a whole file.

use std::path::Path;

use tgscan_core::store::StoreError;

use super::database::{Snapshot, explain, guarded};
use super::open::{self, Opened};
use super::{FileStore, name};
use crate::tables::Table;

impl FileStore {
    /// Verifies every page and row of a file that is not open, and returns the number of rows.
    ///
    /// # Errors
    /// If there is no such file, a page or a row is damaged, or [`open`](Self::open) would fail. Restore a damaged file from a
    /// backup.
    pub fn check(path: impl AsRef<Path>) -> Result<u64, StoreError> {
        let path = path.as_ref();
        let rows = guarded(|| {
            if !path.exists() {
                return Err(StoreError::new("does not exist"));
            }
            let Opened { mut database, .. } = open::open(path)?;
            database.check_integrity().map_err(|error| explain(&error.into()))?;
            let transaction = database.begin_read().map_err(|error| explain(&error.into()))?;
            let snapshot = Snapshot(&transaction);
            Table::ALL.iter().try_fold(0, |rows, table| Ok(rows + snapshot.count(*table)?))
        });
        rows.map_err(|error| name(path, &error))
    }
}
