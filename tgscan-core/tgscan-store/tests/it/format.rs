//! Files of each version of the format.

use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use tgscan_core::store::{Account, AccountName, CallState, Store};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind};
use tgscan_store::FileStore;

use crate::support::{memory_directory, mock, policy};

/// Writes the file of the current version anew, for a new version.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

#[test]
fn file_of_version_2_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/version_2.lz4");
    let directory = memory_directory();
    let path = directory.path().join("store");
    if std::env::var_os(UPDATE).is_some() {
        write(&path);
        std::fs::write(&fixture, compress_prepend_size(&std::fs::read(&path).unwrap())).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::write(&path, decompress_size_prepended(&std::fs::read(fixture).unwrap()).unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(FileStore::open(&path).unwrap());
    let account = Account::new(store, AccountName::new("main", "mock"));
    let calls = block_on(account.calls(0, 10)).unwrap();
    let states: Vec<_> = calls.iter().map(|call| (call.id, call.state())).collect();
    assert_eq!(states, [(1, CallState::Answered), (2, CallState::Uncertain), (3, CallState::Answered)]);
    let (_, answer) = block_on(account.call(1)).unwrap().unwrap();
    let body = String::from_utf8(answer.unwrap().body.to_vec()).unwrap();
    assert!(body.contains(r#""search_query":"alice_1""#), "{body}");
    assert_eq!(block_on(account.find_person(&"alice_1".parse().unwrap())).unwrap().answers, 1);
    let totals = block_on(account.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.uncertain_attempts), (4, 1));
    assert_eq!(block_on(account.journal(0, 10)).unwrap().len(), 1);
    assert_eq!(block_on(account.resolve(2, 2)).unwrap(), Some(0));
}

/// Writes a store with a call of each kind.
fn write(path: &Path) {
    let store = Arc::new(FileStore::open(path).unwrap());
    let mock = mock();
    let client = mock.client().with_store(store, policy());
    mock.script::<Search>([None, Some(Fault::new(FaultKind::Reset).charged())]);
    block_on(client.search("alice_1")).unwrap();
    block_on(client.search("lost_one")).unwrap_err();
    block_on(client.search("bob_1")).unwrap();
    block_on(client.account().unwrap().record_purchase(50)).unwrap();
}
