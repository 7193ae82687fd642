//! The tables in redb, and what redb's errors mean.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Error, ReadOnlyTable, ReadTransaction, ReadableTable, Table as Written, TableDefinition, WriteTransaction,
};
use tgscan_core::store::StoreError;

use super::codec::{decode, encode};
use crate::tables::{Pairs, Reads, Table, Writes, damaged};

pub(super) type Bytes<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
/// The last owner.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("tgscan");

pub(super) fn definition(table: Table) -> Bytes<'static> {
    TableDefinition::new(match table {
        Table::Accounts => "accounts",
        Table::Questions => "questions",
        Table::Calls => "calls",
        Table::Answers => "answers",
        Table::Journal => "journal",
        Table::InFlight => "in_flight",
        Table::Unresolved => "unresolved",
        Table::Due => "due",
        Table::People => "people",
        Table::History => "history",
    })
}

/// A snapshot of the tables.
pub(super) struct Snapshot<'t>(pub(super) &'t ReadTransaction);

impl Snapshot<'_> {
    fn open(&self, table: Table) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, StoreError> {
        self.0.open_table(definition(table)).map_err(|error| explain(&error.into()))
    }

    /// Reads all rows of a table, and returns their number.
    pub(super) fn count(&self, table: Table) -> Result<u64, StoreError> {
        let open = self.open(table)?;
        let mut rows = 0;
        for row in open.iter().map_err(|error| explain(&error.into()))? {
            let (key, value) = row.map_err(|error| explain(&error.into()))?;
            decode(table, key.value(), value.value()).ok_or_else(damaged)?;
            rows += 1;
        }
        Ok(rows)
    }
}

impl Reads for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        get(&self.open(table)?, table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        is_descending: bool,
    ) -> Result<Pairs, StoreError> {
        range(&self.open(table)?, table, from, to, limit, is_descending)
    }
}

type Open<'t> = Written<'t, &'static [u8], &'static [u8]>;

/// The tables in a writing transaction.
pub(super) struct Transaction<'t> {
    transaction: &'t WriteTransaction,
    /// Those that are open.
    tables: RefCell<Vec<(Table, Open<'t>)>>,
}

impl<'t> Transaction<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Self {
        Self { transaction, tables: RefCell::default() }
    }

    fn with<T>(
        &self,
        table: Table,
        work: impl FnOnce(&mut Open<'t>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tables = self.tables.borrow_mut();
        let at = if let Some(at) = tables.iter().position(|(open, _)| *open == table) {
            at
        } else {
            let open =
                self.transaction.open_table(definition(table)).map_err(|error| explain(&error.into()))?;
            tables.push((table, open));
            tables.len() - 1
        };
        work(&mut tables[at].1)
    }
}

impl Reads for Transaction<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(table, |open| get(open, table, key))
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        is_descending: bool,
    ) -> Result<Pairs, StoreError> {
        self.with(table, |open| range(open, table, from, to, limit, is_descending))
    }
}

impl Writes for Transaction<'_> {
    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        self.with(table, |open| {
            let set = match value {
                Some(value) => open.insert(key, encode(table, key, value).as_slice()).map(drop),
                None => open.remove(key).map(drop),
            };
            set.map_err(|error| explain(&error.into()))
        })
    }
}

fn get(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let value = open.get(key).map_err(|error| explain(&error.into()))?;
    value.map(|value| decode(table, key, value.value()).ok_or_else(damaged)).transpose()
}

fn range(
    open: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    from: &[u8],
    to: &[u8],
    limit: usize,
    is_descending: bool,
) -> Result<Pairs, StoreError> {
    if from >= to {
        return Ok(Vec::new());
    }
    let mut rows = open.range(from..to).map_err(|error| explain(&error.into()))?;
    let mut pairs = Vec::new();
    while pairs.len() < limit {
        let Some(row) = (if is_descending { rows.next_back() } else { rows.next() }) else { break };
        let (key, value) = row.map_err(|error| explain(&error.into()))?;
        let value = decode(table, key.value(), value.value()).ok_or_else(damaged)?;
        pairs.push((key.value().to_vec(), value));
    }
    Ok(pairs)
}

/// Runs redb's code, and turns its panics into errors.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::new("is damaged; restore it from a backup")))
}

/// The error of a database in use after one of its writes failed.
pub(super) const EARLIER_FAILURE: &str = "an earlier write failed";

/// The problem, as a phrase that follows the name of the file.
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
