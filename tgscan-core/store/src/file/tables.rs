//! The tables in redb.

use redb::{Error, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tgscan_core::store::{AccountBook, BillRow, CallId};

use super::answer::{decode, encode};
use crate::tables::{Answer, Reads, Row, Tables};

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("tgscan_meta");
pub(super) const HOLDERS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("tgscan_holders");
pub(super) const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tgscan_rows");
pub(super) const ANSWERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tgscan_answers");
pub(super) const OPEN: TableDefinition<'_, u64, ()> = TableDefinition::new("tgscan_open");
pub(super) const EXPIRIES: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("tgscan_expiries");
pub(super) const BOOKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tgscan_books");
pub(super) const BILL: TableDefinition<'_, (&str, i64, &str), (u64, u64)> =
    TableDefinition::new("tgscan_bill");

/// The version of this layout, in `META`.
pub(super) const VERSION: u64 = 1;
const LAST: &str = "last_call";

/// What finding a stored answer reads, in one snapshot.
pub(super) struct Reading {
    holders: ReadOnlyTable<&'static [u8], u64>,
    rows: ReadOnlyTable<u64, &'static [u8]>,
    answers: ReadOnlyTable<u64, &'static [u8]>,
}

impl Reading {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, Error> {
        Ok(Self {
            holders: transaction.open_table(HOLDERS)?,
            rows: transaction.open_table(ROWS)?,
            answers: transaction.open_table(ANSWERS)?,
        })
    }
}

impl Reads for Reading {
    type Error = Error;

    fn holder(&mut self, key: &[u8]) -> Result<Option<CallId>, Error> {
        Ok(self.holders.get(key)?.map(|call| call.value()))
    }

    fn row(&mut self, call: CallId) -> Result<Option<Row>, Error> {
        read_json(self.rows.get(call)?.as_ref().map(redb::AccessGuard::value))
    }

    fn answer(&mut self, call: CallId) -> Result<Option<Answer>, Error> {
        self.answers.get(call)?.map(|answer| decode(answer.value())).transpose()
    }
}

/// The tables in a writing transaction.
pub(crate) struct Writing<'t> {
    meta: Table<'t, &'static str, u64>,
    holders: Table<'t, &'static [u8], u64>,
    rows: Table<'t, u64, &'static [u8]>,
    answers: Table<'t, u64, &'static [u8]>,
    open: Table<'t, u64, ()>,
    expiries: Table<'t, (u64, u64), ()>,
    books: Table<'t, &'static str, &'static [u8]>,
    bill: Table<'t, (&'static str, i64, &'static str), (u64, u64)>,
}

impl<'t> Writing<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            holders: transaction.open_table(HOLDERS)?,
            rows: transaction.open_table(ROWS)?,
            answers: transaction.open_table(ANSWERS)?,
            open: transaction.open_table(OPEN)?,
            expiries: transaction.open_table(EXPIRIES)?,
            books: transaction.open_table(BOOKS)?,
            bill: transaction.open_table(BILL)?,
        })
    }
}

impl Reads for Writing<'_> {
    type Error = Error;

    fn holder(&mut self, key: &[u8]) -> Result<Option<CallId>, Error> {
        Ok(self.holders.get(key)?.map(|call| call.value()))
    }

    fn row(&mut self, call: CallId) -> Result<Option<Row>, Error> {
        read_json(self.rows.get(call)?.as_ref().map(redb::AccessGuard::value))
    }

    fn answer(&mut self, call: CallId) -> Result<Option<Answer>, Error> {
        self.answers.get(call)?.map(|answer| decode(answer.value())).transpose()
    }
}

impl Tables for Writing<'_> {
    fn next_id(&mut self) -> Result<CallId, Error> {
        let last = self.meta.get(LAST)?.map_or(0, |last| last.value());
        let next = last.checked_add(1).ok_or_else(|| Error::Corrupted("no call ids are left".into()))?;
        self.meta.insert(LAST, next)?;
        Ok(next)
    }

    fn set_holder(&mut self, key: &[u8], call: Option<CallId>) -> Result<(), Error> {
        match call {
            Some(call) => self.holders.insert(key, call)?,
            None => self.holders.remove(key)?,
        };
        Ok(())
    }

    fn set_row(&mut self, call: CallId, row: Option<&Row>) -> Result<(), Error> {
        match row {
            Some(row) => self.rows.insert(call, json(row)?.as_slice())?,
            None => self.rows.remove(call)?,
        };
        Ok(())
    }

    fn rows(&mut self, after: CallId, limit: usize) -> Result<Vec<(CallId, Row)>, Error> {
        let mut rows = Vec::new();
        for entry in self.rows.range(after.saturating_add(1)..)?.take(limit) {
            let (call, row) = entry?;
            rows.extend(read_json(Some(row.value()))?.map(|row| (call.value(), row)));
        }
        Ok(rows)
    }

    fn set_answer(&mut self, call: CallId, answer: Option<&Answer>) -> Result<(), Error> {
        match answer {
            Some(answer) => self.answers.insert(call, encode(answer).as_slice())?,
            None => self.answers.remove(call)?,
        };
        Ok(())
    }

    fn open(&mut self) -> Result<Vec<CallId>, Error> {
        let mut calls = Vec::new();
        for entry in self.open.iter()? {
            calls.push(entry?.0.value());
        }
        Ok(calls)
    }

    fn set_open(&mut self, call: CallId, is_open: bool) -> Result<(), Error> {
        if is_open {
            self.open.insert(call, ())?;
        } else {
            self.open.remove(call)?;
        }
        Ok(())
    }

    fn expired(&mut self, now: u64, limit: usize) -> Result<Vec<(u64, CallId)>, Error> {
        let mut expired = Vec::new();
        for entry in self.expiries.range(..=(now, u64::MAX))?.take(limit) {
            expired.push(entry?.0.value());
        }
        Ok(expired)
    }

    fn set_expiry(&mut self, at: u64, call: CallId, is_due: bool) -> Result<(), Error> {
        if is_due {
            self.expiries.insert((at, call), ())?;
        } else {
            self.expiries.remove((at, call))?;
        }
        Ok(())
    }

    fn book(&mut self, account: &str) -> Result<AccountBook, Error> {
        let book = read_json(self.books.get(account)?.as_ref().map(redb::AccessGuard::value))?;
        Ok(book.unwrap_or_default())
    }

    fn set_book(&mut self, account: &str, book: &AccountBook) -> Result<(), Error> {
        self.books.insert(account, json(book)?.as_slice())?;
        Ok(())
    }

    fn add_to_bill(
        &mut self,
        account: &str,
        day: i64,
        method: &str,
        calls: i64,
        charged: i64,
    ) -> Result<(), Error> {
        let key = (account, day, method);
        let (was_calls, was_charged) = self.bill.get(key)?.map(|row| row.value()).unwrap_or_default();
        let row = (was_calls.saturating_add_signed(calls), was_charged.saturating_add_signed(charged));
        if row.0 == 0 {
            self.bill.remove(key)?;
        } else {
            self.bill.insert(key, row)?;
        }
        Ok(())
    }

    fn bill(&mut self) -> Result<Vec<BillRow>, Error> {
        let mut rows = Vec::new();
        for entry in self.bill.iter()? {
            let (key, row) = entry?;
            let ((account, day, method), (calls, charged)) = (key.value(), row.value());
            rows.push(BillRow::new(account, day, method, calls, charged));
        }
        Ok(rows)
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|_| Error::Corrupted("a row cannot be written".into()))
}

fn read_json<T: DeserializeOwned>(bytes: Option<&[u8]>) -> Result<Option<T>, Error> {
    let read = |bytes| serde_json::from_slice(bytes).map_err(|_| damaged());
    bytes.map(read).transpose()
}

pub(super) fn damaged() -> Error {
    Error::Corrupted("a row of the store cannot be read".into())
}
