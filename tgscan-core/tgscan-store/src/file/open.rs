//! Opens or creates the file. Creation is atomic: it leaves a complete store or none.

use std::fs::{File, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use redb::{Database, Error};
use tgscan_core::store::StoreError;

use super::database::{META, ROWS, explain, guarded};
use super::pages::{MAGIC, Pages, VERSION};

/// The size of redb's cache of pages, in bytes.
const CACHE: usize = 8 * 1024 * 1024;
/// The suffix of the file of an incomplete new store, after a random number.
const DRAFT: &str = ".new";
/// The suffix of a copy that has not replaced the store yet.
pub(super) const REWRITE: &str = "rewrite";

/// An open database, and its locked file.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) pages: Pages,
    /// The same file.
    pub(super) file: File,
}

/// How often a file is opened that other processes replace meanwhile.
const ATTEMPTS: u32 = 100;

/// Follows symbolic links to a file that may not exist.
pub(super) fn target(mut path: PathBuf) -> PathBuf {
    // As many as Linux follows.
    for _ in 0..40 {
        let Ok(next) = std::fs::read_link(&path) else { break };
        path = path.parent().map(|folder| folder.join(&next)).unwrap_or(next);
    }
    path
}

/// Opens the store in a file, or creates it. Changes nothing before it holds the file's lock.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    check_kind(path)?;
    for _ in 0..ATTEMPTS {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => {
                check(&file)?;
                let (pages, file) = lock(file, false)?;
                // Another process may have replaced the file before this one had the lock.
                if is_same(path, identity(file.metadata())) {
                    let database = build(&pages)?;
                    return Ok(Opened { database, pages, file });
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(opened) = create(path)? {
                    return Ok(opened);
                }
            }
            Err(error) => return Err(io("cannot be opened for reading and writing", &error)),
        }
    }
    Err(StoreError::new("is being replaced while it is opened; use a local file system, and one process"))
}

fn lock(file: File, is_new: bool) -> Result<(Pages, File), StoreError> {
    let same = file.try_clone().map_err(|error| io("cannot be opened", &error))?;
    Ok((Pages::lock(file, is_new).map_err(|error| explain(&error))?, same))
}

/// Creates a store under a temporary name, then links it to `path`. Returns `None` if another process created it first.
fn create(path: &Path) -> Result<Option<Opened>, StoreError> {
    // Not the process id alone: containers that share a volume may have the same ids.
    let number = RandomState::new().hash_one(std::process::id());
    let draft = beside(path, &format!("{number}{DRAFT}"));
    let made = create_at(&draft).and_then(|opened| match std::fs::hard_link(&draft, path) {
        Ok(()) => Ok(Some(opened)),
        // The link was created after the caller followed links.
        Err(_) if path.is_symlink() && !path.exists() => Err(StoreError::new("is a link to a missing file")),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        // Some file systems have no links. Renaming could replace a file that was created in between.
        Err(_) if !path.exists() => std::fs::rename(&draft, path)
            .map(|()| Some(opened))
            .map_err(|error| io("cannot be created", &error)),
        Err(_) => Ok(None),
    });
    let _ = std::fs::remove_file(&draft);
    made
}

/// Creates an empty store in a new file that only its owner can read.
pub(super) fn create_at(path: &Path) -> Result<Opened, StoreError> {
    let _ = std::fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| io("cannot be created", &error))?;
    let (pages, file) = lock(file, true)?;
    let database = build_new(&pages)?;
    let write = || -> Result<(), Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(ROWS)?;
        transaction.open_table(META)?;
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| explain(&error))?;
    Ok(Opened { database, pages, file })
}

/// Returns the path of a temporary file of the store, beside this one.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Removes temporary files of dead processes: other links to the store's file, and copies of it, could keep erased
/// data. The caller holds the store's lock, so a process that is creating the same store will find this one instead.
pub(super) fn remove_left_behind(path: &Path) {
    let Some(directory) = path.parent().and_then(|parent| std::fs::read_dir(parent).ok()) else { return };
    let start = beside(path, "").file_name().unwrap_or_default().to_owned();
    for name in directory.filter_map(|entry| Some(entry.ok()?.file_name())) {
        let ending = name.as_encoded_bytes().strip_prefix(start.as_encoded_bytes()).unwrap_or_default();
        let is_draft =
            ending.strip_suffix(DRAFT.as_bytes()).is_some_and(|id| id.iter().all(u8::is_ascii_digit));
        if is_draft || ending == REWRITE.as_bytes() {
            let _ = std::fs::remove_file(path.with_file_name(name));
        }
    }
}

/// Makes new names in the file's directory durable. Other systems than Unix cannot flush a directory.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    #[cfg(test)]
    super::tests::flush_of_directory()?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Opens the database in a locked file.
pub(super) fn build(pages: &Pages) -> Result<Database, StoreError> {
    pages.load().map_err(|error| explain(&error.into()))?;
    build_new(pages)
}

fn build_new(pages: &Pages) -> Result<Database, StoreError> {
    let database = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).create_with_file_format_v3(true);
        builder.create_with_backend(pages.clone()).map_err(|error| explain(&error.into()))
    });
    pages.be_strict();
    database
}

/// Identifies a file as long as it is open: its device and its number there. Other systems than Unix cannot replace an
/// open file, so the files at a path are the same there.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(data: std::io::Result<Metadata>) -> Option<Identity> {
    let data = data.ok()?;
    #[cfg(unix)]
    let identity = (std::os::unix::fs::MetadataExt::dev(&data), std::os::unix::fs::MetadataExt::ino(&data));
    #[cfg(not(unix))]
    let identity = (0, u64::from(data.is_dir()));
    Some(identity)
}

/// Returns whether a path still refers to an open file.
pub(super) fn is_same(path: &Path, open: Option<Identity>) -> bool {
    open.is_some() && identity(std::fs::metadata(path)) == open
}

/// Refuses a path that is not a file: opening or reading a pipe could wait without a limit.
pub(super) fn check_kind(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(data) if !data.is_file() => {
            Err(StoreError::new("cannot be opened, because it is not a regular file; choose another path"))
        }
        _ => Ok(()),
    }
}

/// Refuses a file that is not a store, or has another version.
fn check(file: &File) -> Result<(), StoreError> {
    match version(file) {
        Ok(Some(version)) => check_version(version),
        Ok(None) => Err(StoreError::new("is not a store of this SDK; choose another file")),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(StoreError::new(
            "is empty or truncated; restore it from a backup, or remove it to start with an empty store",
        )),
        Err(error) => Err(io("cannot be read", &error)),
    }
}

/// Reads the version of a store; `None` if the file does not begin like one.
pub(super) fn version(mut file: &File) -> std::io::Result<Option<u32>> {
    let (mut magic, mut version) = ([0; MAGIC.len()], [0; 4]);
    file.read_exact(&mut magic)?;
    file.read_exact(&mut version)?;
    Ok((magic == *MAGIC).then_some(u32::from_le_bytes(version)))
}

pub(super) fn check_version(version: u32) -> Result<(), StoreError> {
    if version == VERSION {
        return Ok(());
    }
    Err(StoreError::new(format!(
        "has version {version} of the store's format, but this program supports version {VERSION}; use a matching version of the program"
    )))
}

pub(super) fn io(what: &str, error: &std::io::Error) -> StoreError {
    StoreError::new(format!("{what}: {error}"))
}
