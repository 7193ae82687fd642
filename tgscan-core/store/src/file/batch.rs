//! Work that waits for the next transaction.

use redb::Error;
use tgscan_core::store::StoreError;

use super::tables::Writing;
use crate::oneshot::Sender;

/// One piece of work: run in a transaction, and reported when that is durable.
pub(super) trait Job: Send {
    /// Does the work.
    fn run(&mut self, tables: &mut Writing<'_>, now: u64) -> Result<(), Error>;

    /// Reports that the work is durable, or why it is not.
    fn done(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Work for a caller who waits.
pub(super) struct Waited<T, F, U> {
    pub(super) work: Option<F>,
    pub(super) result: Option<T>,
    pub(super) sender: Sender<Result<T, StoreError>>,
    /// Takes the result if the caller is gone.
    pub(super) unclaimed: U,
}

impl<T, F, U> Job for Waited<T, F, U>
where
    T: Send,
    F: FnOnce(&mut Writing<'_>, u64) -> Result<T, Error> + Send,
    U: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, tables: &mut Writing<'_>, now: u64) -> Result<(), Error> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(tables, now)?);
        }
        Ok(())
    }

    fn done(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(super::writer::ended()),
            (Err(error), _) => Err(error),
        };
        if let Some(result) = self.sender.send(result) {
            (self.unclaimed)(result);
        }
    }
}
