//! Opens the file, or creates it, in one step that leaves a whole store or nothing.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use redb::{Database, Error, TableError};
use tgscan_core::store::StoreError;

use super::database::{META, definition, explain, guarded};
use crate::tables::Table;

/// The memory in which redb keeps pages.
const CACHE: usize = 8 * 1024 * 1024;
/// What a file of redb begins with.
const MAGIC: &[u8] = b"redb";
/// The version of the format, in `META`.
pub(super) const VERSION: u64 = 1;

/// Opens the store in a file, or creates one where there is none. Touches nothing before it holds the file's lock.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    loop {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => {
                check(&file)?;
                let opened = file.try_clone().map_err(|error| io("cannot be opened", &error))?;
                let database = build(file)?;
                // Another process may have replaced the file before this one had the lock.
                if is_same(path, &opened) {
                    check_version(&database)?;
                    return Ok(database);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(database) = create(path)? {
                    return Ok(database);
                }
            }
            Err(error) => return Err(io("cannot be opened for reading and writing", &error)),
        }
    }
}

/// Creates a store under a name of its own, and links it to its place; `None` if another process was faster.
fn create(path: &Path) -> Result<Option<Database>, StoreError> {
    let draft = beside(path, &format!("{}.new", std::process::id()));
    let made = create_at(&draft).and_then(|database| match std::fs::hard_link(&draft, path) {
        Ok(()) => Ok(Some(database)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        // Some file systems have no links. Renaming could replace a file that was created in between.
        Err(_) if !path.exists() => std::fs::rename(&draft, path)
            .map(|()| Some(database))
            .map_err(|error| io("cannot be created", &error)),
        Err(_) => Ok(None),
    });
    let _ = std::fs::remove_file(&draft);
    let made = made?;
    sync_directory(path)?;
    Ok(made)
}

/// Creates an empty store in a new file that its owner alone can read.
pub(super) fn create_at(path: &Path) -> Result<Database, StoreError> {
    let _ = std::fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| io("cannot be created", &error))?;
    let database = build(file)?;
    let write = || -> Result<(), Error> {
        let transaction = database.begin_write()?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.open_table(META)?.insert("version", VERSION)?;
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| explain(&error))?;
    Ok(database)
}

/// The name of a file beside this one, which the store alone uses.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Makes a new name in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io("is in place, but its directory cannot be flushed", &error))
}

fn build(file: File) -> Result<Database, StoreError> {
    guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).create_with_file_format_v3(true);
        builder.create_file(file).map_err(|error| explain(&error.into()))
    })
}

/// Whether a path leads to an open file.
fn is_same(path: &Path, file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |data: &std::fs::Metadata| (data.dev(), data.ino());
        match (std::fs::metadata(path), file.metadata()) {
            (Ok(path), Ok(file)) => of(&path) == of(&file),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        // An open file cannot be replaced there.
        let _ = file;
        path.exists()
    }
}

/// Refuses a file that is not a database, before redb could make it one.
fn check(mut file: &File) -> Result<(), StoreError> {
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == MAGIC => Ok(()),
        Ok(()) => Err(StoreError::new("is not a store of this SDK; choose another file")),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(StoreError::new("is empty or cut off; restore it from a backup, or remove it to start anew"))
        }
        Err(error) => Err(io("cannot be read", &error)),
    }
}

fn check_version(database: &Database) -> Result<(), StoreError> {
    let foreign = || StoreError::new("is a database of another program; choose another file");
    guarded(|| {
        let transaction = database.begin_read().map_err(|error| explain(&error.into()))?;
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
                return Err(foreign());
            }
            Err(error) => return Err(explain(&error.into())),
        };
        let version = redb::ReadableTable::get(&meta, "version").map_err(|error| explain(&error.into()))?;
        match version.map(|version| version.value()) {
            Some(VERSION) => Ok(()),
            Some(other) => Err(StoreError::new(format!(
                "has version {other} of the store's format, and this program knows version {VERSION}; use a newer one"
            ))),
            None => Err(foreign()),
        }
    })
}

pub(super) fn io(what: &str, error: &std::io::Error) -> StoreError {
    StoreError::new(format!("{what}: {error}"))
}
