//! `tgscan-mock serve` as a process for the tests.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns the command without arguments.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tgscan-mock"))
}

/// Returns a folder for the files of one test.
pub(crate) fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A running server; killed when dropped.
pub(crate) struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Served {
    /// Starts the server and waits until it prints its address.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command()
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, stdout, url }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.split("//").nth(1).unwrap().parse().unwrap()
    }

    /// Sends SIGTERM, and waits until the process ended by it, without reading its log.
    pub(crate) fn terminates(mut self) -> bool {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        killed.success() && self.child.wait().unwrap().success()
    }

    /// Sends SIGTERM. Returns the exit status, and the output after the first line on stdout and stderr.
    pub(crate) fn terminate(mut self) -> (Option<i32>, String, String) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
