//! A disk that is full, and a file that may not be written: tested in processes that run under such limits.
#![expect(clippy::print_stdout, reason = "how a process reports to its parent")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use futures_executor::block_on;
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt};
use tgscan_core::{Api, Client, ErrorKind, Storage, Transport, transport_fn};
use tgscan_mock::{Mock, VirtualTimer};
use tgscan_store::FileStore;

use crate::support::policy;

/// The store that a process of this test opens, and its task there.
pub(crate) const STORE: &str = "TGSCAN_TEST_STORE";
/// The request during which the disk fills up; none if it is the store's own writes that fill it.
const FULL_AT: &str = "TGSCAN_TEST_FULL_AT";

/// This test again, in a separate process, which `sh` prepares.
pub(crate) fn again(test: &str, prepare: &str, store: &Path, full_at: usize) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{prepare} exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let output = command.env(STORE, store).env(FULL_AT, full_at.to_string()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.replace(&store.display().to_string(), "FILE")
}

/// The root user may read and write everything, without this right.
pub(crate) const WEAKEN: &str = "if [ $(id -u) = 0 ]; then set -- --bounding-set=-dac_override,-dac_read_search --inh-caps=-all \"$0\" \"$@\"; exec setpriv \"$@\"; fi;";

/// The lines that a process printed with `word` in front.
fn told<'a>(out: &'a str, word: &str) -> Vec<&'a str> {
    out.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(": ")).collect()
}

#[test]
fn full_disk_is_a_clear_error_and_loses_no_paid_answer() {
    if let Some(path) = std::env::var_os(STORE) {
        return block_on(fill(Path::new(&path), std::env::var(FULL_AT).unwrap().parse().unwrap()));
    }
    let mut losses = 0;
    // A write beyond the limit is an error instead of a signal. Whether claims or answers fill 3,200 blocks of 512 bytes
    // depends on how they share writes; a disk that fills while a call is under way is met by its answer for sure.
    for (limit, full_at) in [("trap '' XFSZ; ulimit -S -f 3200;", usize::MAX), ("trap '' XFSZ;", 20)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let out = again("disk::full_disk_is_a_clear_error_and_loses_no_paid_answer", limit, &path, full_at);
        let refused = told(&out, "refused");
        assert!(!refused.is_empty(), "{out}");
        for error in refused {
            let expected = "search: not sent, because the store failed: FILE: the file may not grow further [no credits charged]";
            assert_eq!(error, expected, "{out}");
        }
        for line in told(&out, "not stored") {
            assert!(line.ends_with(" FILE: the file may not grow further"), "{line}");
            losses += 1;
        }
    }
    assert!(losses > 0, "no answer met the full disk");
}

/// Asks until the disk is full and the store refuses, makes room, and asks all again.
async fn fill(path: &Path, full_at: usize) {
    // The test runner has begun a line.
    println!();
    let store = Arc::new(FileStore::open(path).unwrap());
    let mock = Mock::builder().credits(100_000).build().unwrap();
    let requests = AtomicUsize::new(0);
    let service = mock.clone();
    let transport = transport_fn(move |request| {
        if requests.fetch_add(1, Relaxed) == full_at {
            limit_files("512");
        }
        let service = service.clone();
        async move { service.send(request).await }
    });
    let client = Client::new(Api::new(mock.live_key()).with_service("mock"), transport, VirtualTimer::new())
        .with_store(store.clone(), policy());
    let is_full = AtomicBool::new(false);
    // Several concurrently, so that claims and answers share a write.
    let ask = async |number: u64| {
        let name = format!("name_{number}");
        match client.search(name.as_str()).await {
            Ok(reply) => match reply.storage() {
                Some(Storage::Stored) => {}
                Some(Storage::NotStored(error)) => println!("not stored: {name} {error}"),
                other => panic!("{other:?}"),
            },
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
                println!("refused: {error}");
                is_full.store(true, Relaxed);
                return None;
            }
        }
        Some(name)
    };
    // Calls in flight when one is refused continue to their answers.
    let asking = stream::iter(0..).take_while(|_| ready(!is_full.load(Relaxed))).map(ask);
    let names: Vec<String> = asking.buffer_unordered(8).filter_map(ready).collect().await;
    let paid = mock.requests().len();

    limit_files("unlimited");
    // The first claim writes the earlier settlements that could not be written.
    client.search("somebody_else").await.unwrap();
    for name in names {
        let reply = client.search(name.as_str()).await.unwrap();
        assert!(matches!(reply.storage(), Some(Storage::Cached { .. })), "{name}");
    }
    assert_eq!(mock.requests().len(), paid + 1);
    assert_eq!(client.book().await.unwrap().totals().uncertain_attempts, 0);
}

/// How many bytes of a file this process may write from now on.
fn limit_files(bytes: &str) {
    let limit = [format!("--fsize={bytes}:unlimited"), format!("--pid={}", std::process::id())];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
}

#[test]
fn file_that_may_not_be_written_is_refused_and_left_alone() {
    if let Some(path) = std::env::var_os(STORE) {
        let error = FileStore::open(path).expect_err("it opened");
        return println!("\nrefused: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(FileStore::open(&path).unwrap());
    let (before, mut permissions) =
        (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().permissions());
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let out =
        again("disk::file_that_may_not_be_written_is_refused_and_left_alone", WEAKEN, &path, usize::MAX);
    assert_eq!(
        told(&out, "refused"),
        ["FILE: cannot be opened for reading and writing: Permission denied (os error 13)"]
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
