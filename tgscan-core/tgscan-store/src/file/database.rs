//! The rows in redb, and texts for the errors of redb.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{Error, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use tgscan_core::store::StoreError;

use super::codec::{decode, encode};
use crate::tables::{Pairs, Reads, Writes, damaged};

/// The rows of all tables.
pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// The table that holds the last owner.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("tgscan");

/// The rows in a snapshot or a transaction.
pub(super) struct Rows<T>(T);

impl Rows<ReadOnlyTable<&'static [u8], &'static [u8]>> {
    pub(super) fn read(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        transaction.open_table(ROWS).map(Self).map_err(|error| explain(&error.into()))
    }

    /// Reads all rows, and returns their number.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        let mut rows = 0;
        for row in self.0.iter().map_err(|error| explain(&error.into()))? {
            let (key, value) = row.map_err(|error| explain(&error.into()))?;
            decode(key.value(), value.value()).ok_or_else(damaged)?;
            rows += 1;
        }
        Ok(rows)
    }
}

impl<'t> Rows<Table<'t, &'static [u8], &'static [u8]>> {
    pub(super) fn write(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        transaction.open_table(ROWS).map(Self).map_err(|error| explain(&error.into()))
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> Reads for Rows<T> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.0.get(key).map_err(|error| explain(&error.into()))?;
        value.map(|value| decode(key, value.value()).ok_or_else(damaged)).transpose()
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize, is_descending: bool) -> Result<Pairs, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut rows = self.0.range(from..to).map_err(|error| explain(&error.into()))?;
        let mut pairs = Vec::new();
        while pairs.len() < limit {
            let Some(row) = (if is_descending { rows.next_back() } else { rows.next() }) else { break };
            let (key, value) = row.map_err(|error| explain(&error.into()))?;
            let value = decode(key.value(), value.value()).ok_or_else(damaged)?;
            pairs.push((key.value().to_vec(), value));
        }
        Ok(pairs)
    }
}

impl Writes for Rows<Table<'_, &'static [u8], &'static [u8]>> {
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let set = match value {
            Some(value) => self.0.insert(key, encode(key, value).as_slice()).map(drop),
            None => self.0.remove(key).map(drop),
        };
        set.map_err(|error| explain(&error.into()))
    }
}

/// Runs code of redb, and converts its panics into errors.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::new("is damaged; restore it from a backup")))
}

/// The error of a database after one of its writes failed, until it is opened again.
pub(super) const EARLIER_FAILURE: &str = "an earlier write failed";

/// Returns the problem as a phrase that follows the name of the file.
pub(super) fn explain(error: &Error) -> StoreError {
    StoreError::new(match error {
        Error::Io(error) if error.kind() == ErrorKind::StorageFull => "the disk is full".into(),
        Error::Io(error) if error.kind() == ErrorKind::FileTooLarge => "the file may not grow further".into(),
        Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            format!("is damaged ({error}); restore it from a backup")
        }
        Error::Io(error) => format!("reading or writing failed: {error}"),
        Error::Corrupted(what) => format!("is damaged ({what}); restore it from a backup"),
        Error::DatabaseAlreadyOpen => {
            "is open in another process; a file serves one process, use PostgreSQL for several".into()
        }
        Error::PreviousIo => EARLIER_FAILURE.into(),
        other => other.to_string(),
    })
}
