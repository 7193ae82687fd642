//! Verifies a whole file.

use std::path::Path;

use tgscan_core::store::StoreError;

use super::database::{Rows, explain, guarded};
use super::open::{self, Opened};
use super::{FileStore, name};

impl FileStore {
    /// Verifies every page and row of a file that no process has open, and returns the number of rows.
    ///
    /// # Errors
    /// If the file does not exist, a page or a row is damaged, or [`open`](Self::open) would fail, for example because
    /// the file is open. Restore a damaged file from a backup; [`salvage`](Self::salvage) reads its undamaged rows.
    pub fn check(path: impl AsRef<Path>) -> Result<u64, StoreError> {
        let path = path.as_ref();
        let rows = guarded(|| {
            if !path.exists() {
                return Err(StoreError::new("does not exist"));
            }
            let Opened { mut database, .. } = open::open(path)?;
            database.check_integrity().map_err(|error| explain(&error.into()))?;
            let transaction = database.begin_read().map_err(|error| explain(&error.into()))?;
            Rows::read(&transaction)?.count()
        });
        rows.map_err(|error| name(path, &error))
    }
}
