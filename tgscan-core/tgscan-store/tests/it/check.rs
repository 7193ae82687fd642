//! Verifying a file.

use std::sync::Arc;

use futures_executor::block_on;
use tgscan_mock::Mock;
use tgscan_store::FileStore;

use crate::support::policy;

#[test]
fn check_counts_rows_and_finds_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.tgscan");
    let missing = FileStore::check(&path).unwrap_err().to_string();
    assert!(missing.contains("does not exist") && missing.contains("calls.tgscan"), "{missing}");
    assert!(!path.exists());

    let store = Arc::new(FileStore::open(&path).unwrap());
    let in_use = FileStore::check(&path).unwrap_err().to_string();
    assert!(in_use.contains("open"), "{in_use}");
    let client = Mock::builder().build().unwrap().client().with_store(store, policy());
    for number in 0..20 {
        block_on(client.search(format!("some_name_{number}").as_str())).unwrap();
    }
    drop(client);
    let rows = FileStore::check(&path).unwrap();
    assert!(rows >= 20 * 3, "each call has a row, a question and an answer: {rows}");

    let whole = std::fs::read(&path).unwrap();
    let found = (0..whole.len()).step_by(4096).filter(|at| {
        let mut bytes = whole.clone();
        bytes[*at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let checked = FileStore::check(&path);
        match &checked {
            Ok(unharmed) => assert_eq!(*unharmed, rows, "a byte at {at}"),
            Err(error) => assert!(error.to_string().contains("calls.tgscan"), "{error}"),
        }
        checked.is_err()
    });
    assert!(found.count() > 3);
}
