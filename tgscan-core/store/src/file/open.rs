//! Opens the file, and says clearly why it cannot be.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, DatabaseError, Error, TableError};
use tgscan_core::store::StoreError;

use super::tables::{META, VERSION, Writing};

/// The memory in which redb keeps pages.
const CACHE: usize = 8 * 1024 * 1024;
/// What a file of redb begins with.
const MAGIC: &[u8] = b"redb";

/// Opens the store in a file, or creates one where there is none.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let name = path.display();
    let fail = |what: &str| StoreError::new(format!("{name}: {what}"));
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => {
            check(&file).map_err(|what| fail(&what))?;
            let database = guarded(|| builder().create_file(file)).map_err(|what| fail(&what))?;
            check_version(&database).map_err(|what| fail(&what))?;
            Ok(database)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => create(path).map_err(|what| fail(&what)),
        Err(error) => Err(fail("cannot be opened for reading and writing").with_source(error)),
    }
}

/// Creates a store where there is no file.
pub(super) fn create(path: &Path) -> Result<Database, String> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| format!("cannot be created: {error}"))?;
    let made = guarded(|| builder().create_file(file)).and_then(|database| {
        let transaction = database.begin_write().map_err(|error| explain(&error.into()))?;
        Writing::new(&transaction).map_err(|error| explain(&error))?;
        let insert = || -> Result<(), Error> {
            transaction.open_table(META)?.insert("version", VERSION)?;
            Ok(())
        };
        insert().map_err(|error| explain(&error))?;
        transaction.commit().map_err(|error| explain(&error.into()))?;
        Ok(database)
    });
    if made.is_err() {
        // Nothing is in it, and left behind it would not open.
        let _ = std::fs::remove_file(path);
    }
    made
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).create_with_file_format_v3(true);
    builder
}

/// Refuses what is no database before the database could make it one.
fn check(mut file: &File) -> Result<(), String> {
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == MAGIC => Ok(()),
        Ok(()) => Err("is not a store of this SDK; choose another file".into()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err("is empty or cut off; restore it from a backup, or remove it to start anew".into())
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// redb panics at some damaged files.
fn guarded(open: impl FnOnce() -> Result<Database, DatabaseError>) -> Result<Database, String> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
            Err("is open in another process; a file store serves one process, use PostgreSQL for several"
                .into())
        }
        Ok(Err(error)) => Err(explain(&error.into())),
        Err(_) => Err("is damaged; restore it from a backup".into()),
    }
}

fn check_version(database: &Database) -> Result<(), String> {
    let transaction = database.begin_read().map_err(|error| explain(&error.into()))?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
            return Err("is a database of another program; choose another file".into());
        }
        Err(error) => return Err(explain(&error.into())),
    };
    let version = redb::ReadableTable::get(&meta, "version").map_err(|error| explain(&error.into()))?;
    match version.map(|version| version.value()) {
        Some(VERSION) => Ok(()),
        Some(newer) => Err(format!(
            "has version {newer} of the store's format, and this program knows version {VERSION}; use a newer one"
        )),
        None => Err("is a database of another program; choose another file".into()),
    }
}

/// What went wrong, in words.
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::StorageFull => "the disk is full".into(),
        Error::Io(error) if error.kind() == ErrorKind::FileTooLarge => "the file may not grow further".into(),
        Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            "is damaged or cut off; restore it from a backup".into()
        }
        Error::Io(error) => format!("reading or writing failed: {error}"),
        Error::Corrupted(what) => format!("is damaged ({what}); restore it from a backup"),
        Error::UpgradeRequired(_) => "is a database of another program; choose another file".into(),
        Error::PreviousIo => "an earlier write failed".into(),
        other => other.to_string(),
    }
}

impl From<StorageFailure> for StoreError {
    fn from(failure: StorageFailure) -> Self {
        Self::new(format!("{}: {}", failure.path, failure.what))
    }
}

/// A failure of the open database.
#[derive(Clone)]
pub(super) struct StorageFailure {
    pub(super) path: String,
    pub(super) what: String,
}

/// Whether the database must be opened again before it works.
pub(super) fn is_broken(error: &Error) -> bool {
    matches!(error, Error::Io(_) | Error::PreviousIo | Error::LockPoisoned(_))
}
