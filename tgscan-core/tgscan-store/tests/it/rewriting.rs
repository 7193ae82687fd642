//! Files that are rewritten, locked and created: their place, mode and links, and who may touch them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::Store;
use tgscan_core::{Credits, transport_fn};
use tgscan_mock::Client;
use tgscan_store::FileStore;

use crate::disk::{STORE, WEAKEN, again};
use crate::support::{memory_directory, mock, policy};

/// The directory in which a process of the test below works.
const HERE: &str = "TGSCAN_TEST_REWRITE";

fn open(path: &Path) -> (Arc<FileStore>, Client) {
    let store = Arc::new(FileStore::open(path).unwrap());
    let mock = mock();
    mock.set_credits(1_000_000);
    let client = mock.client().with_store(store.clone(), policy());
    (store, client)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn new_file_can_be_read_by_its_owner_alone() {
    let directory = memory_directory();
    let path = directory.path().join("store");
    drop(FileStore::open(&path).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(names(directory.path()), ["store"]);
}

/// Runs the steps in a separate process, because it changes the working directory of the process.
#[test]
fn rewriting_keeps_place_mode_owner_and_links() {
    if let Some(directory) = std::env::var_os(HERE) {
        return rewrite_in(&PathBuf::from(directory));
    }
    let directory = memory_directory();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rewriting::rewriting_keeps_place_mode_owner_and_links"]);
    let output = command.env(HERE, directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn rewrite_in(directory: &Path) {
    let (data, elsewhere) = (directory.join("data"), directory.join("elsewhere"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    std::env::set_current_dir(directory).unwrap();
    drop(FileStore::open("data/real").unwrap());
    symlink("data/real", "link").unwrap();
    std::fs::set_permissions("data/real", PermissionsExt::from_mode(0o640)).unwrap();
    let is_root = std::fs::metadata("data/real").unwrap().uid() == 0;
    if is_root {
        std::os::unix::fs::chown("data/real", Some(1234), Some(4321)).unwrap();
    }
    let before = std::fs::metadata("data/real").unwrap();
    let (store, client) = open(Path::new("link"));
    block_on(client.search("alice_1")).unwrap();
    block_on(client.search("bob_1")).unwrap();
    // As a daemon does.
    std::env::set_current_dir(&elsewhere).unwrap();
    let account = client.account().unwrap().clone();
    block_on(account.erase(&"alice_1".parse().unwrap())).unwrap();
    let after = std::fs::metadata(data.join("real")).unwrap();
    assert_ne!(after.ino(), before.ino(), "it was rewritten");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert!(std::fs::symlink_metadata(directory.join("link")).unwrap().is_symlink());
    assert_eq!(names(&data), ["real"]);
    assert_eq!(names(&elsewhere), [] as [&str; 0]);
    let bytes = std::fs::read(data.join("real")).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"alice_1"));
    // It is the one in use.
    block_on(client.search("carol_1")).unwrap();
    drop((client, account, store));
    let (_store, client) = open(&data.join("real"));
    assert_eq!(block_on(client.search("carol_1")).unwrap().credits, Credits::NotCharged);
}

#[test]
fn file_that_cannot_be_replaced_stays_in_use_and_the_error_says_what_to_do() {
    let directory = memory_directory();
    let path = directory.path().join("store");
    let (_store, client) = open(&path);
    block_on(client.search("alice_1")).unwrap();
    // In the place of the copy, so that it cannot be made.
    let obstacle = directory.path().join(".store.rewrite");
    std::fs::create_dir(&obstacle).unwrap();
    std::fs::write(obstacle.join("file"), "").unwrap();
    let account = client.account().unwrap().clone();
    let erase = || block_on(account.erase(&"alice_1".parse().unwrap()));
    let error = erase().unwrap_err().to_string();
    assert!(error.contains("not rewritten") && error.ends_with("then erase again"), "{error}");
    block_on(client.search("bob_1")).unwrap();
    std::fs::remove_dir_all(&obstacle).unwrap();
    let link = directory.path().join("link");
    std::fs::hard_link(&path, &link).unwrap();
    let error = erase().unwrap_err().to_string();
    assert!(error.contains("hard links"), "{error}");
    std::fs::remove_file(&link).unwrap();
    // Nothing is left to erase, except in old pages.
    assert_eq!(erase().unwrap().questions, 0);
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"alice_1"));
    assert_eq!(names(directory.path()), ["store"]);
    assert_eq!(block_on(client.search("bob_1")).unwrap().credits, Credits::NotCharged);
}

#[test]
fn file_that_was_replaced_or_removed_while_open_takes_no_more_rows() {
    let directory = memory_directory();
    let [path, other] = ["store", "other"].map(|name| directory.path().join(name));
    let (store, client) = open(&path);
    block_on(client.search("alice_1")).unwrap();
    drop(FileStore::open(&other).unwrap());
    std::fs::rename(&other, &path).unwrap();
    let restored = std::fs::read(&path).unwrap();

    let error = block_on(client.search("bob_1")).unwrap_err();
    assert!(error.to_string().contains("was replaced or removed while it was open"), "{error}");
    assert_eq!(error.credits(), Credits::NotCharged);
    block_on(store.compact()).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), restored, "the other file is unchanged");
    std::fs::remove_file(&path).unwrap();
    block_on(client.search("bob_1")).unwrap_err();
    assert_eq!(names(directory.path()), [""; 0]);
}

/// A directory that cannot be opened cannot be flushed, and its entries can be replaced.
#[test]
fn failed_flush_of_the_directory_is_reported_and_the_new_file_is_in_use() {
    if let Some(path) = std::env::var_os(STORE) {
        return replace_unflushed(Path::new(&path));
    }
    let directory = memory_directory();
    let path = directory.path().join("store");
    let test = "rewriting::failed_flush_of_the_directory_is_reported_and_the_new_file_is_in_use";
    again(test, WEAKEN, &path, usize::MAX);
}

fn replace_unflushed(path: &Path) {
    let directory = path.parent().unwrap();
    let (store, client) = open(path);
    block_on(client.search("alice_1")).unwrap();
    let before = std::fs::metadata(path).unwrap().ino();
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o300)).unwrap();
    let account = client.account().unwrap().clone();
    let error = block_on(account.erase(&"alice_1".parse().unwrap())).unwrap_err().to_string();
    assert!(error.contains("its directory cannot be flushed"), "{error}");
    assert_ne!(std::fs::metadata(path).unwrap().ino(), before, "it was replaced");
    block_on(client.search("bob_1")).unwrap();
    drop((client, account, store));
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(names(directory), ["store"]);
    let (_store, client) = open(path);
    assert_eq!(block_on(client.search("bob_1")).unwrap().credits, Credits::NotCharged);
}

#[test]
fn refused_process_touches_nothing() {
    let directory = memory_directory();
    let path = directory.path().join("store");
    let store = FileStore::open(&path).unwrap();
    // The copy of a process that is erasing, and one that is creating another store.
    let others = [".store.rewrite", ".store.1.new", ".other.1.new", "store.rewrite"];
    for name in others {
        std::fs::write(directory.path().join(name), "content").unwrap();
    }
    let before = std::fs::read(&path).unwrap();
    let refused = FileStore::open(&path).expect_err("it opened").to_string();
    assert!(refused.contains("open in another process"), "{refused}");
    assert!(std::fs::read(&path).unwrap() == before);
    assert_eq!(names(directory.path()).len(), 5);
    drop(store);
    // The process with the lock removes the files of dead processes.
    drop(FileStore::open(&path).unwrap());
    assert_eq!(names(directory.path()), [".other.1.new", "store", "store.rewrite"]);
}

#[test]
fn one_of_many_that_create_a_file_gets_it() {
    let directory = memory_directory();
    for round in 0..10 {
        let path = directory.path().join(round.to_string());
        let opened = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| FileStore::open(&path))).collect();
            let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            for error in results.iter().filter_map(|result| result.as_ref().err()) {
                assert!(error.to_string().contains("open in another process"), "{error}");
            }
            results.iter().filter(|result| result.is_ok()).count()
        });
        assert_eq!(opened, 1);
    }
}

#[test]
fn file_stays_locked_while_it_is_rewritten_and_opened_again() {
    let directory = memory_directory();
    let path = directory.path().join("store");
    let (store, client) = open(&path);
    for number in 0..20 {
        block_on(client.search(format!("name_{number}").as_str())).unwrap();
    }
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let intruder = scope.spawn(|| {
            let mut tried = 0;
            while !is_done.load(Ordering::Relaxed) {
                assert!(FileStore::open(&path).is_err(), "it opened after {tried}");
                tried += 1;
            }
            tried
        });
        for _ in 0..4 {
            block_on(store.compact()).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(intruder.join().unwrap() > 0);
    });
}

#[test]
fn answers_can_be_read_while_the_file_is_rewritten() {
    let directory = memory_directory();
    let (store, client) = open(&directory.path().join("store"));
    // Long answers, which do not compress.
    let transport = transport_fn(|_: Request<Bytes>| async {
        let noise: String = (0..50_000).map(|_| fastrand::alphanumeric()).collect();
        Ok(Response::new(Bytes::from(format!(
            r#"{{"status":"ok","result":{{"user":{{"id":1,"first_name":"{noise}"}},"meta":{{"known_num_groups":0,"num_groups":0,"op_cost":2}}}}}}"#
        ))))
    });
    let long = client.clone().with_transport(transport);
    for number in 0..150 {
        block_on(long.search(format!("long_{number}").as_str())).unwrap();
    }
    block_on(client.search("alice_1")).unwrap();
    // The longest read, and the rewriting around it.
    let rewrite = || {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut longest = Duration::ZERO;
                while !is_done.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let reply = block_on(client.search("alice_1")).unwrap();
                    assert_eq!(reply.credits, Credits::NotCharged);
                    longest = longest.max(began.elapsed());
                }
                longest
            });
            let began = Instant::now();
            block_on(store.compact()).unwrap();
            let took = began.elapsed();
            is_done.store(true, Ordering::Relaxed);
            (reader.join().unwrap(), took)
        })
    };
    // On a busy machine, a read may wait for the processor.
    let measured: Vec<_> = (0..5).map(|_| rewrite()).collect();
    assert!(measured.iter().any(|(longest, took)| *longest < *took / 2), "{measured:?}");
}
