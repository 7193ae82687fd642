//! Problems with files, and their remaining content.

use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::Response;
use tgscan_core::{Api, ApiKey, Client, transport_fn};
use tgscan_mock::VirtualTimer;
use tgscan_store::FileStore;

use crate::support::policy;

fn refused(path: &Path) -> String {
    FileStore::open(path).expect_err("it opened").to_string()
}

/// A client whose searches are answered with what `answer` makes of their query.
fn client(store: &Arc<FileStore>, answer: fn(&str) -> String) -> Client {
    let transport = transport_fn(move |request: tgscan_core::http::Request<Bytes>| {
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        let body = answer(form.strip_prefix("query=").unwrap());
        async move { Ok(Response::new(Bytes::from(body))) }
    });
    let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
    Client::new(api, transport, VirtualTimer::new()).with_store(store.clone(), policy())
}

fn answer(query: &str, user: &str) -> String {
    format!(
        r#"{{"status":"ok","result":{{"user":{user},"meta":{{"search_query":"{query}","known_num_groups":0,"num_groups":0,"op_cost":1}}}}}}"#
    )
}

#[test]
fn file_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    for (content, says) in [
        (&b""[..], "is empty or truncated"),
        (b"re", "is empty or truncated"),
        (b"query,credits\nalice,1\n", "is not a store of this SDK"),
        (b"redb and then something else", "is not a store of this SDK"),
        (b"tgscan store\x02\0\0\0 and then something else", "is damaged"),
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

#[cfg(unix)]
#[test]
fn pipe_is_refused_without_waiting_for_its_other_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (sender, refused) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for opened in [FileStore::open(&path).map(drop), FileStore::salvage(&path).map(drop)] {
            sender.send(opened).unwrap();
        }
    });
    for _ in 0..2 {
        let error = refused.recv_timeout(std::time::Duration::from_secs(60)).expect("it waits").unwrap_err();
        assert!(error.to_string().contains("is not a regular file"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn dangling_link_is_followed_or_refused() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (target, link) in [("missing/x", "link"), ("link", "second"), ("itself", "itself")] {
        symlink(target, path(link)).unwrap();
        let error = refused(&path(link));
        assert!(error.contains(link), "{error}");
        assert_eq!(error.contains("missing/x"), target != "itself", "{error}");
        assert_eq!(std::fs::read_link(path(link)).unwrap(), Path::new(target), "it is left alone");
    }
    // Relative to the link, and through another one.
    std::fs::create_dir(path("other")).unwrap();
    symlink("../store", path("other/link")).unwrap();
    symlink("other/link", path("new")).unwrap();
    let store = FileStore::open(path("new")).unwrap();
    assert!(refused(&path("store")).contains("another process"), "it is the same file");
    drop(store);
    assert_eq!(std::fs::read_link(path("new")).unwrap(), Path::new("other/link"));
    assert!(std::fs::symlink_metadata(path("store")).unwrap().is_file());
}

#[test]
fn file_that_is_only_read_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || Arc::new(FileStore::open(&path).unwrap());
    let ask = |store: &Arc<FileStore>| {
        let reply = block_on(client(store, |query| answer(query, "null")).search("alice_1")).unwrap();
        reply.credits.charged()
    };
    assert_eq!(ask(&open()), 1);
    let before = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap());
    for _ in 0..2 {
        assert_eq!(ask(&open()), 0, "it is stored");
    }
    let after = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap());
    assert!(before == after, "the file was written");
    // A file that is read first is written later.
    let store = open();
    assert_eq!(ask(&store), 0);
    let client = client(&store, |query| answer(query, "null"));
    assert_eq!(block_on(client.search("bob_1")).unwrap().credits.charged(), 1);
    drop((client, store));
    assert!(FileStore::check(&path).unwrap() > 0);
}

#[test]
fn database_of_another_program_and_newer_version_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other");
    drop(redb::Database::create(&path).unwrap());
    assert!(refused(&path).contains("is not a store of this SDK"), "{}", refused(&path));
    std::fs::remove_file(&path).unwrap();
    drop(FileStore::open(&path).unwrap());
    let mut newer = std::fs::read(&path).unwrap();
    newer[12] = 99;
    std::fs::write(&path, &newer).unwrap();
    assert!(refused(&path).contains("has version 99"), "{}", refused(&path));
    assert!(std::fs::read(&path).unwrap() == newer, "it is left alone");
}

#[test]
fn truncated_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::open(&path).unwrap());
    let client =
        client(&store, |query| answer(query, &format!(r#"{{"id":1,"first_name":"{}"}}"#, "x".repeat(5000))));
    for number in 0..200 {
        block_on(client.search(format!("name_{number}").as_str())).unwrap();
    }
    drop((client, store));
    let whole = std::fs::read(&path).unwrap();
    for part in [4, 100, 5000, whole.len() / 2] {
        std::fs::write(&path, &whole[..part]).unwrap();
        let error = refused(&path);
        assert!(
            error.contains("damaged") || error.contains("truncated") || error.contains("failed"),
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
fn file_can_be_opened_again_when_its_last_client_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    for number in 0..30 {
        let store = Arc::new(FileStore::open(&path).unwrap());
        let client = client(&store, |query| answer(query, "null"));
        drop(store);
        block_on(client.search(format!("name_{number}").as_str())).unwrap();
    }
}

#[test]
fn erased_name_is_in_no_byte_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::open(&path).unwrap());
    let client = client(&store, |query| {
        // One name in the question, and another one in its answer.
        let name = if query == "erased_name" { "Other_Handle" } else { query };
        let id: u64 = query.strip_prefix("other_").map_or(7, |number| 1000 + number.parse::<u64>().unwrap());
        answer(query, &format!(r#"{{"id":{id},"username":"{name}"}}"#))
    });
    for number in 0..50 {
        block_on(client.search(format!("other_{number}").as_str())).unwrap();
    }
    block_on(client.search("erased_name")).unwrap();
    let holds = |name: &str| {
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(name.len()).any(|window| window == name.as_bytes())
    };
    assert!(holds("erased_name") && holds("Other_Handle"));
    let account = client.account().unwrap().clone();
    let erased = block_on(account.erase(&"erased_name".parse().unwrap())).unwrap();
    assert_eq!((erased.questions, erased.answers), (1, 1));
    assert!(!holds("erased_name") && !holds("Other_Handle"));
    drop((client, account, store));
    let store: Arc<dyn tgscan_core::store::Store> = Arc::new(FileStore::open(&path).unwrap());
    let account =
        tgscan_core::store::Account::new(store, tgscan_core::store::AccountName::new("main", "mock"));
    assert_eq!(block_on(account.calls(0, 100)).unwrap().len(), 51);
    assert_eq!(block_on(account.book()).unwrap().totals().charged, 51);
}
