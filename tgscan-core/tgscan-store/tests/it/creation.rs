//! Processes that are killed while they create a store.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_executor::block_on;
use tgscan_store::FileStore;

use crate::support::{memory_directory, mock, policy};

/// The number of kills; a long run has 300.
const COUNT: &str = "TGSCAN_CREATION_KILLS";
/// The store that a process of this test creates.
const STORE: &str = "TGSCAN_TEST_CREATE";

#[test]
fn file_opens_after_a_kill_at_its_creation() {
    if let Some(path) = std::env::var_os(STORE) {
        println!("\nbegins");
        drop(FileStore::open(Path::new(&path)).unwrap());
        return println!("created");
    }
    let count: u32 = std::env::var(COUNT).map_or(60, |count| count.parse().unwrap());
    let (directory, mut rng) = (memory_directory(), Rng::with_seed(32));
    let create = |name: &str, kill_after: Option<Duration>| {
        let path = directory.path().join(name).join("store");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "creation::file_opens_after_a_kill_at_its_creation", "--nocapture"]);
        let mut child = command.env(STORE, &path).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "begins"));
        let began = Instant::now();
        match kill_after {
            Some(moment) => while began.elapsed() < moment {},
            None => assert!(lines.any(|line| line == "created")),
        }
        let took = began.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        (path, took)
    };
    let (_, whole) = create("whole", None);
    let (mut drafts, mut files) = (0, 0);
    for number in 0..count {
        let (path, _) = create(&number.to_string(), Some(whole.mul_f64(rng.f64())));
        let names = || std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        files += usize::from(path.exists());
        drafts += usize::from(names() > usize::from(path.exists()));
        let store = Arc::new(FileStore::open(&path).unwrap());
        assert_eq!(names(), 1, "nothing else is left behind");
        let mock = mock();
        block_on(mock.client().with_store(store.clone(), policy()).search("alice_1")).unwrap();
        drop(store);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    println!("{count} kills within {whole:?}: {files} left a file, {drafts} a draft");
    assert!(drafts > 0, "no kill met the creation");
}
