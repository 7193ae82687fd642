//! Failures of the system that no test can cause from outside.

use std::cell::Cell;
use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use futures_executor::block_on;
use redb::StorageBackend;
use redb::backends::FileBackend;
use tgscan_core::store::{AccountRow, Changes};

use super::open::Opened;
use super::pages::Pages;
use super::*;

thread_local! {
    /// The flushes of directories on this thread: how many were tried, and how many more will fail.
    static FLUSHES: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

pub(super) fn flush_of_directory() -> io::Result<()> {
    let (tried, failing) = FLUSHES.get();
    FLUSHES.set((tried + 1, failing.saturating_sub(1)));
    if failing > 0 { Err(io::Error::other("injected")) } else { Ok(()) }
}

fn write(store: &FileStore) -> Result<(), StoreError> {
    let account = AccountName { label: "a".into(), service: "b".into() };
    let decide = |_| {
        let mut changes = Changes::default();
        changes.account = Some(AccountRow::default());
        changes
    };
    block_on(store.transact(&account, Needs::default(), Box::new(decide)))
}

#[test]
fn name_is_flushed_before_the_first_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    // A process creates the file, and dies before it flushes the name.
    drop(FileStore::open(&path).unwrap());

    let store = FileStore::open(&path).unwrap();
    FLUSHES.set((0, 1));
    let error = write(&store).unwrap_err().to_string();
    assert!(error.contains("its directory cannot be flushed: injected"), "{error}");
    assert!(block_on(store.accounts()).unwrap().is_empty(), "nothing was written");
    write(&store).unwrap();
    write(&store).unwrap();
    assert_eq!(FLUSHES.get().0, 2, "repeated until it succeeds");
}

#[test]
fn name_of_a_rewritten_file_is_flushed_before_the_next_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path().join("store")).unwrap();
    write(&store).unwrap();
    // A rewrite that could not flush the new name.
    store.shared.is_named.store(false, Relaxed);
    FLUSHES.set((0, 1));
    write(&store).unwrap_err();
    write(&store).unwrap();
}

/// A file whose reads fail after a number of them.
#[derive(Debug)]
struct FailingReads {
    file: FileBackend,
    left: Arc<AtomicU32>,
}

impl StorageBackend for FailingReads {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if self.left.load(Relaxed) > 0 && self.left.fetch_sub(1, Relaxed) == 1 {
            return Err(io::Error::other("injected"));
        }
        self.file.read(offset, len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.file.sync_data(eventual)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

#[test]
fn failed_read_does_not_make_the_next_write_fail() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    write(&FileStore::open(&path).unwrap()).unwrap();

    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let left = Arc::new(AtomicU32::new(0));
    let reads =
        FailingReads { file: FileBackend::new(file.try_clone().unwrap()).unwrap(), left: left.clone() };
    let pages = Pages::over(Arc::new(reads), false).unwrap();
    let database = open::build(&pages).unwrap();
    let opened = Opened { database, pages, file };
    let shared = Shared::new(path, Clock::default(), opened, Executor::start().unwrap());
    let store = FileStore { shared: Arc::new(shared) };
    left.store(1, Relaxed);
    let error = block_on(store.accounts()).unwrap_err().to_string();
    assert!(error.contains("injected"), "{error}");
    write(&store).unwrap();
    assert_eq!(block_on(store.accounts()).unwrap().len(), 1);
}
