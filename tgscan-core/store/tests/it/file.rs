//! What can be wrong with a file, and what is left in it.

use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use tgscan_core::Credits;
use tgscan_core::store::{Claim, ClaimRequest, Question, Settlement, Store};
use tgscan_store::FileStore;

use crate::support::HOUR;

fn refused(path: &Path) -> String {
    FileStore::open(path).expect_err("it opened").to_string()
}

fn answered(store: &FileStore, form: &str, body: &str) {
    let request = ClaimRequest::new(Question::new("main", true, "search", form), HOUR);
    let Claim::Granted(call) = block_on(store.claim(&request)).unwrap() else { panic!("not granted") };
    let body = body.to_owned().into();
    block_on(store.settle(call, Settlement::Answered { status: 200, body, credits: Credits::Charged(1) }))
        .unwrap();
}

#[test]
fn file_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for (content, says) in [
        (&b""[..], "is empty or cut off"),
        (b"re", "is empty or cut off"),
        (b"query,credits\nalice,1\n", "is not a store of this SDK"),
        (b"redb and then something else", "is damaged"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(error.contains(says), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(refused(&path).contains("cannot be opened"), "{}", refused(&path));
    assert!(refused(&directory.path().join("no/such/directory")).contains("cannot be created"));
}

const OTHER: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("somebody_elses");
const META: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("tgscan_meta");

#[test]
fn database_of_another_program_and_newer_version_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other");
    for (table, says) in [(OTHER, "of another program"), (META, "version 99")] {
        let _ = std::fs::remove_file(&path);
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert("version", 99).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let error = refused(&path);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn truncated_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = FileStore::open(&path).unwrap();
    for number in 0..200 {
        answered(&store, &format!("query=name_{number}"), &"x".repeat(5000));
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    for part in [4, 100, 5000, whole.len() / 2] {
        std::fs::write(&path, &whole[..part]).unwrap();
        let error = refused(&path);
        assert!(
            error.contains("damaged") || error.contains("cut off") || error.contains("failed"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap().len(), part, "nothing is overwritten");
    }
}

#[test]
fn second_opening_is_refused_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::open(&path).unwrap());
    let error = refused(&path);
    assert!(error.contains("open in another process"), "{error}");
    drop(store);
    FileStore::open(&path).unwrap();
}

#[test]
fn erased_name_is_in_no_byte_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = FileStore::open(&path).unwrap();
    let answer = |name: &str, id: u64| {
        format!(
            r#"{{"status":"ok","result":{{"user":{{"id":{id},"username":"{name}"}},"meta":{{"known_num_groups":0,"num_groups":0,"op_cost":1}}}}}}"#
        )
    };
    for number in 0..50 {
        answered(
            &store,
            &format!("query=other_{number}"),
            &answer(&format!("other_{number}"), 1000 + number),
        );
    }
    // One name in the question, and another one in its answer.
    answered(&store, "query=erased_name", &answer("Other_Handle", 7));
    let holds = |name: &str| {
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(name.len()).any(|window| window == name.as_bytes())
    };
    assert!(holds("erased_name") && holds("Other_Handle"));
    let erased = block_on(store.erase(&"erased_name".parse().unwrap())).unwrap();
    assert_eq!((erased.questions, erased.answers), (1, 1));
    assert!(!holds("erased_name") && !holds("Other_Handle"));
    drop(store);
    let store = FileStore::open(&path).unwrap();
    assert_eq!(block_on(store.calls(0, 100)).unwrap().len(), 51);
    assert_eq!(block_on(store.book("main")).unwrap().charged, 51);
}

#[test]
fn dropped_claim_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path().join("store")).unwrap();
    for _ in 0..200 {
        let request = ClaimRequest::new(Question::new("main", true, "search", "query=a"), HOUR);
        let mut claim = Box::pin(store.claim(&request));
        let _ = claim.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        drop(claim);
    }
    // Whatever was granted meanwhile is free again, as soon as it is written.
    loop {
        let book = block_on(store.book("main")).unwrap();
        assert_eq!(book.uncertain_calls(), 0);
        if book.in_flight_calls() == 0 {
            break;
        }
    }
    answered(&store, "query=a", "{}");
}
