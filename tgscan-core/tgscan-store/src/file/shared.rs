//! The open file and its transactions, with the conditions for writing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use redb::Database;
use tgscan_core::store::{AccountName, Changes, Loaded, Needs, OwnerId, StoreError};

use super::database::{EARLIER_FAILURE, META, Rows, explain, guarded};
use super::executor::Executor;
use super::open::{self, Identity, Opened};
use super::pages::Pages;
use crate::Clock;
use crate::tables;

/// The state that the clones of a store share.
pub(super) struct Shared {
    /// Absolute and without links, so that it stays valid if the working directory changes.
    pub(super) path: PathBuf,
    pub(super) clock: Clock,
    pub(super) store: RwLock<Open>,
    /// Whether the file's name is known to be on disk. Another process may have died before it flushed the name.
    pub(super) is_named: AtomicBool,
    /// Held by a transaction, and while the file is rewritten. Locked before `store`.
    writing: Mutex<()>,
    /// Set by the first transaction, so that a process that only reads does not write to the file.
    owner: OnceLock<OwnerId>,
    pub(super) executor: Executor,
}

/// The open file, which stays locked.
pub(super) struct Open {
    /// `None` after a failure, until the database is opened again.
    pub(super) database: Option<Database>,
    pages: Pages,
    identity: Option<Identity>,
}

impl From<Opened> for Open {
    fn from(Opened { database, pages, file }: Opened) -> Self {
        Self { database: Some(database), pages, identity: open::identity(file.metadata()) }
    }
}

/// The error of a directory whose names may not be on disk.
pub(super) const UNFLUSHED: &str = "is in place, but its directory cannot be flushed";

/// Returns the open database.
pub(super) fn database(store: &Open) -> Result<&Database, StoreError> {
    store.database.as_ref().ok_or_else(|| StoreError::new(EARLIER_FAILURE))
}

impl Shared {
    pub(super) fn new(path: PathBuf, clock: Clock, opened: Opened, executor: Executor) -> Self {
        let (store, is_named) = (RwLock::new(opened.into()), AtomicBool::new(false));
        let (writing, owner) = (Mutex::default(), OnceLock::new());
        Self { path, clock, store, is_named, writing, owner, executor }
    }

    pub(super) fn named(&self, error: &StoreError) -> StoreError {
        name(&self.path, error)
    }

    /// Runs a transaction, which is durable when this returns.
    pub(super) fn write(
        &self,
        account: &AccountName,
        needs: &Needs,
        decide: &mut (dyn FnMut(Loaded) -> Changes + Send),
    ) -> Result<(), StoreError> {
        let _writing = self.writing();
        let mut is_repeated = false;
        loop {
            let store = self.writable()?;
            let now = self.clock.now();
            let (mut is_decided, mut is_committing) = (false, false);
            let written = guarded(|| {
                let database = database(&store)?;
                let owner = if let Some(owner) = self.owner.get() {
                    *owner
                } else {
                    let owner = next_owner(database)?;
                    *self.owner.get_or_init(|| owner)
                };
                // Without redb's quick repair. It would avoid reading the whole file after a crash, but a paid call alone takes
                // 6 to 17 times as long with it, and 64 concurrent calls 3 to 5 times.
                let transaction = database.begin_write().map_err(|error| explain(&error.into()))?;
                let is_changed = tables::transact(
                    &mut Rows::write(&transaction)?,
                    account,
                    needs,
                    owner,
                    now,
                    |loaded| {
                        is_decided = true;
                        decide(loaded)
                    },
                )?;
                if is_changed {
                    is_committing = true;
                    transaction.commit().map_err(|error| explain(&error.into()))?;
                }
                Ok(())
            });
            drop(store);
            let Err(error) = written else { return Ok(()) };
            // redb requires this after a failure. Committed rows are in the file.
            self.close();
            // A read has failed before.
            if !is_repeated && !is_decided && error.to_string() == EARLIER_FAILURE {
                is_repeated = true;
                continue;
            }
            let error = self.named(&error);
            // The pages may be on disk even if their flush failed.
            return Err(if is_committing { error.in_doubt() } else { error });
        }
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        let database = self.store.write().unwrap_or_else(PoisonError::into_inner).database.take();
        // After a panic of redb, closing can panic too.
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
    }

    /// Returns the open database if rows that are written now will be found at the file's path after a power loss.
    fn writable(&self) -> Result<RwLockReadGuard<'_, Open>, StoreError> {
        let store = self.opened()?;
        self.check_place(&store).map_err(|error| self.named(&error))?;
        match self.name_durably() {
            // The directory's permissions can forbid a flush, but not the use of the file.
            Err(error) if error.kind() != ErrorKind::PermissionDenied => {
                Err(self.named(&open::io(UNFLUSHED, &error)))
            }
            _ => Ok(store),
        }
    }

    /// Refuses a file that another program has replaced or removed while it was open.
    pub(super) fn check_place(&self, store: &Open) -> Result<(), StoreError> {
        if open::is_same(&self.path, store.identity) {
            return Ok(());
        }
        Err(StoreError::new(
            "was replaced or removed while it was open, so rows would be lost; restart this program, and replace the file \
             only while no program has it open",
        ))
    }

    pub(super) fn name_durably(&self) -> std::io::Result<()> {
        if !self.is_named.load(Ordering::Relaxed) {
            open::sync_directory(&self.path)?;
            self.is_named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns the open database. Opens it again if it was closed after a failure; the file stays locked.
    pub(super) fn opened(&self) -> Result<RwLockReadGuard<'_, Open>, StoreError> {
        loop {
            let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
            if store.database.is_some() {
                return Ok(store);
            }
            drop(store);
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            if store.database.is_none() {
                let database = open::build(&store.pages).map_err(|error| self.named(&error))?;
                store.database = Some(database);
            }
        }
    }
}

/// Returns a new owner number, which is never reused.
fn next_owner(database: &Database) -> Result<OwnerId, StoreError> {
    let next = || -> Result<OwnerId, redb::Error> {
        let transaction = database.begin_write()?;
        let owner = {
            let mut meta = transaction.open_table(META)?;
            let last = redb::ReadableTable::get(&meta, "owner")?.map_or(0, |last| last.value());
            meta.insert("owner", last + 1)?;
            last + 1
        };
        transaction.commit()?;
        Ok(owner)
    };
    guarded(|| next().map_err(|error| explain(&error)))
}

pub(super) fn name(path: &Path, error: &StoreError) -> StoreError {
    StoreError::new(format!("{}: {error}", path.display()))
}
