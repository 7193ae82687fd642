//! What the tests share: a mock's server, and the program to run against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tgscan_mock::types::Search;
use tgscan_mock::{Mock, MockServer, ServerOptions};
use tokio::runtime::Runtime;

/// What a search costs.
pub(crate) const PRICE: u64 = 2;

/// A mock's server, a directory, and the program.
pub(crate) struct Bench {
    pub(crate) mock: Mock,
    pub(crate) server: MockServer,
    pub(crate) directory: TempDir,
    _runtime: Runtime,
}

impl Bench {
    pub(crate) fn new(credits: i64) -> Self {
        Self::with(Mock::builder().seed(11).credits(credits).cost::<Search>(PRICE).build().unwrap())
    }

    pub(crate) fn with(mock: Mock) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let server = MockServer::start(&mock, &ServerOptions::new()).unwrap();
        drop(guard);
        Self { mock, server, directory: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with the mock's key; its output is taken.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(&["--base-url", &self.server.url()]);
        command.args(arguments).env("TGSCAN_API_KEY", Mock::LIVE_KEY).current_dir(self.directory.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it with a store beside it.
    pub(crate) fn run_stored(&self, arguments: &[&str]) -> Ran {
        self.run(&[&STORE, arguments].concat())
    }

    /// Waits until the server has nothing to do.
    pub(crate) fn quiesce(&self) {
        while self.server.open_connections() > 0 || self.server.requests_in_flight() > 0 {
            std::thread::yield_now();
        }
    }
}

pub(crate) const STORE: [&str; 6] = ["--store", "store", "--max-age", "7days", "--keep-for", "30days"];

/// The program without a key.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tgscan"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["TGSCAN_API_KEY", "TGSCAN_STORE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CLICOLOR_FORCE"]
    {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The accounts in a file of rows, in order.
pub(crate) fn accounts(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last row is not whole");
    text.lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["account"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// A list of so many accounts.
pub(crate) fn list(count: u64) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("name_{number}\n")).collect();
    names.concat()
}

/// Credits in a bill on standard error.
pub(crate) fn charged(err: &str) -> u64 {
    let line = err.lines().find(|line| line.ends_with("credits charged")).unwrap_or_else(|| panic!("{err}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}
