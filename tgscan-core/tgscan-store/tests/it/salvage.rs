//! Reading the rest of a damaged file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fastrand::Rng;
use futures_executor::block_on;
use tgscan_core::store::CallId;
use tgscan_store::{FileStore, Unreadable};

use crate::damage::{ANSWERED, COUNT, PAGE, account, answered, body, damage, file, open};
use crate::support::memory_directory;

/// Bodies by account and call.
type Answers = BTreeMap<(String, CallId), Vec<u8>>;

/// Reads a file, whose answers have to be those that were paid for, and checks that it is not changed.
fn salvage(path: &Path, bytes: &[u8]) -> (Answers, BTreeSet<(String, CallId)>, Unreadable) {
    std::fs::write(path, bytes).unwrap();
    let mut salvage = FileStore::salvage(path).unwrap();
    let (mut answers, mut calls) = (Answers::new(), BTreeSet::new());
    for row in &mut salvage {
        assert!(!format!("{row:?}").contains("answered_"), "{row:?}");
        let label = row.account.map_or_else(|| format!("#{}", row.account_number), |name| name.label);
        if let Some(call) = &row.call {
            assert_eq!(call.id, row.id);
            calls.insert((label.clone(), row.id));
        }
        if let Some(answer) = row.answer {
            assert_eq!(answer.body, body(&answered(row.id - 1)), "call {}", row.id);
            answers.insert((label, row.id), answer.body.to_vec());
        }
    }
    let unreadable = salvage.unreadable();
    drop(salvage);
    assert!(std::fs::read(path).unwrap() == bytes, "the file was changed");
    (answers, calls, unreadable)
}

/// The answers and calls that the store itself returns.
fn stored(path: &Path, bytes: &[u8]) -> (Answers, BTreeSet<(String, CallId)>) {
    std::fs::write(path, bytes).unwrap();
    let store = open(path).unwrap();
    let (mut answers, mut calls) = (Answers::new(), BTreeSet::new());
    for label in ["main", "other"] {
        let account = account(&store, label);
        for call in block_on(account.calls(0, 1000)).unwrap() {
            calls.insert((label.to_owned(), call.id));
            let answer = block_on(account.call(call.id)).unwrap().unwrap().1;
            answers.extend(answer.map(|answer| ((label.to_owned(), call.id), answer.body.to_vec())));
        }
    }
    (answers, calls)
}

#[test]
fn whole_file_is_read_completely_and_not_changed() {
    let directory = memory_directory();
    let path = directory.path().join("copy");
    for is_closed in [true, false] {
        let (bytes, _) = file(directory.path(), is_closed);
        let (answers, calls) = stored(&path, &bytes);
        assert_eq!(answers.len() as u64, ANSWERED);
        assert_eq!(salvage(&path, &bytes), (answers, calls, Unreadable::default()));
    }
}

#[test]
fn damaged_page_loses_no_answer_of_another_page() {
    let directory = memory_directory();
    let path = directory.path().join("copy");
    for is_closed in [true, false] {
        let (bytes, _) = file(directory.path(), is_closed);
        let (answers, _) = stored(&path, &bytes);
        let mut lost: BTreeMap<(String, CallId), usize> = BTreeMap::new();
        // The page with the head, then the pages of the store.
        let pages = std::iter::once(0..4096).chain((4096..bytes.len()).step_by(PAGE).map(|at| at..at + PAGE));
        for page in pages.filter(|page| bytes[page.clone()].iter().any(|byte| *byte != 0)) {
            let mut damaged = bytes.clone();
            damaged[page.clone()].fill(0);
            let (read, _, unreadable) = salvage(&path, &damaged);
            let name = |(label, id): &(String, CallId)| {
                // The row of the accounts is damaged.
                let is_named = read.keys().any(|(label, _)| label == "main");
                (if is_named { label.clone() } else { "#0".to_owned() }, *id)
            };
            let missing: Vec<_> = answers.keys().filter(|key| !read.contains_key(&name(key))).collect();
            assert!(missing.is_empty() || unreadable.answers > 0, "{page:?}: {unreadable:?}");
            if page.start == 0 {
                assert!(missing.is_empty() && unreadable.pages > 0, "{unreadable:?}");
            }
            for key in missing {
                *lost.entry(key.clone()).or_default() += 1;
            }
        }
        assert!(!lost.is_empty());
        let twice: Vec<_> = lost.iter().filter(|(_, pages)| **pages > 1).collect();
        assert!(twice.is_empty(), "lost with pages that they are not in: {twice:?}");
    }
}

#[test]
fn damaged_row_loses_no_other_row_of_its_page() {
    let directory = memory_directory();
    let path = directory.path().join("copy");
    let (bytes, _) = file(directory.path(), true);
    let (answers, _) = stored(&path, &bytes);
    let mut lost = BTreeSet::new();
    let has_names = |page: &usize| bytes[*page..*page + PAGE].windows(8).any(|text| text == b"answered");
    for page in (4096..bytes.len()).step_by(PAGE).filter(has_names) {
        // The rows follow their number and ends, which are damaged in the other tests.
        for at in (page + 1024..page + PAGE).step_by(509).filter(|at| bytes[*at] != 0) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let (read, ..) = salvage(&path, &damaged);
            let missing: Vec<_> = answers.keys().filter(|key| !read.contains_key(key)).collect();
            assert!(missing.len() <= 1, "byte {at}: {missing:?}");
            lost.extend(missing);
        }
    }
    // Most rows are also in pages that are not used any more.
    assert!(lost.len() > 1, "{lost:?}");
}

#[test]
fn corrupted_file_gives_paid_answers_and_no_panic() {
    let count = std::env::var(COUNT).map_or(300, |count| count.parse().unwrap());
    let (directory, mut rng) = (memory_directory(), Rng::with_seed(32));
    let path = directory.path().join("copy");
    let files = [true, false].map(|is_closed| {
        let (bytes, _) = file(directory.path(), is_closed);
        let (answers, _) = stored(&path, &bytes);
        (bytes, answers)
    });
    let (mut read, mut all) = (0, 0);
    for number in 0..count {
        let (bytes, answers) = &files[number % 2];
        let mut bytes = bytes.clone();
        let mut what = vec![damage(&mut bytes, &mut rng)];
        while rng.bool() && bytes.len() > 2 * PAGE {
            what.push(damage(&mut bytes, &mut rng));
        }
        let (found, _, unreadable) = salvage(&path, &bytes);
        let here = answers.keys().filter(|key| found.contains_key(key)).count();
        assert!(here == answers.len() || !unreadable.is_empty(), "corruption {number}, {what:?}: {here}");
        read += here;
        all += answers.len();
    }
    assert!(read < all && read > all / 2, "{read} of {all}");
}

#[test]
fn file_of_another_version_is_not_read_as_empty_and_keeps_its_rows() {
    let directory = memory_directory();
    let (empty, path) = (directory.path().join("empty"), directory.path().join("copy"));
    drop(FileStore::open(&empty).unwrap());
    let mut empty = std::fs::read(empty).unwrap();
    let (mut bytes, _) = file(directory.path(), true);
    for version in [1, 99] {
        (empty[12], bytes[12]) = (version, version);
        std::fs::write(&path, &empty).unwrap();
        let error = FileStore::salvage(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("has version {version} ")), "{error}");
        // One wrong bit in the number keeps no paid answer from its owner.
        let (found, _, unreadable) = salvage(&path, &bytes);
        assert_eq!(found.len() as u64, ANSWERED);
        assert!(!unreadable.is_empty(), "the file is not called whole");
    }
}

#[test]
fn missing_file_and_file_in_use_are_errors() {
    let directory = memory_directory();
    let path = directory.path().join("store");
    let missing = FileStore::salvage(&path).unwrap_err().to_string();
    assert!(missing.contains("store: cannot be opened for reading") && !path.exists(), "{missing}");
    let store = FileStore::open(&path).unwrap();
    let in_use = FileStore::salvage(&path).unwrap_err().to_string();
    assert!(in_use.contains("is open in another process"), "{in_use}");
    drop(store);
    std::fs::write(&path, "not a store").unwrap();
    let mut other = FileStore::salvage(&path).unwrap();
    assert_eq!((other.next().map(|row| row.id), other.unreadable().pages), (None, 1));
}
